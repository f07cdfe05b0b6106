"""The demo as `make demo` runs it, without a scan, and with broken weights."""

from pathlib import Path
import re
import subprocess
import sys

from mask3d_core.files import read_scan
from ros_client import TIMEOUT_SECONDS


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, '-m', 'mask3d_ros.demo', *arguments,
                           '--timeout', str(TIMEOUT_SECONDS)],
                          capture_output=True, text=True, check=False,
                          timeout=2 * TIMEOUT_SECONDS)


def test_the_demo(tmp_path: Path) -> None:
    done = run('--output', str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'box centre' in done.stdout and 'read' in done.stdout
    counts = re.search(r'DDS: (\d+) instances, (\d+) markers, a labelled cloud of (\d+)',
                     done.stdout)
    assert counts is not None, done.stdout
    instances, markers, points = map(int, counts.groups())
    assert instances >= 3 and markers == 1 + 2 * instances and points == 138_033
    assert 'untrained' not in (tmp_path / 'segment_node.log').read_text()
    labelled = read_scan(tmp_path / 'instances.ply')
    assert labelled.color is not None and len(labelled) == points
    assert (tmp_path / 'instances.png').read_bytes().startswith(b'\x89PNG')


def test_a_missing_scan_is_one_sentence(tmp_path: Path) -> None:
    done = run('--output', str(tmp_path), '--scan', '/nowhere.ply')
    assert done.returncode == 1
    assert done.stderr.startswith('error: /nowhere.ply: no such file')
    assert 'Traceback' not in done.stderr


def test_broken_weights_show_the_log_of_the_node(tmp_path: Path) -> None:
    weights = tmp_path / 'broken.weights'
    weights.write_bytes(b'nothing')
    done = run('--output', str(tmp_path), '--weights', str(weights))
    assert done.returncode == 1
    assert 'broken.weights' in done.stderr and 'Traceback' not in done.stderr
