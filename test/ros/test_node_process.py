"""Nodes that will not end, and one that might not."""

from pathlib import Path
import subprocess
import sys
import time

from mask3d_ros import node_process
from mask3d_ros.node_process import NodeProcess
import pytest

STUBBORN = """\
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
def hang():
    print('hangs', flush=True)
    time.sleep(600)
hang()
"""

WOKEN_TOO_EARLY = """\
from threading import Timer
import rclpy
from rclpy.node import Node
from mask3d_ros.process import run_node
def end_without_waking(node):
    Timer(0.5, lambda: rclpy.get_default_context().handle.shutdown()).start()
run_node(lambda: Node('idle'), [], start=end_without_waking, stop=lambda node: print('stopped'))
"""


@pytest.fixture
def stubborn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NodeProcess:
    """Return a process that neither ends by itself nor for Ctrl-C."""
    script = tmp_path / 'stubborn.py'
    script.write_text(STUBBORN)
    instead = tmp_path / 'python'
    instead.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$1" "$2" "{script}"\n')
    instead.chmod(0o755)
    monkeypatch.setattr(sys, 'executable', str(instead))
    monkeypatch.setattr(node_process, 'STOP_SECONDS', 2.0)
    return NodeProcess('segment_node', tmp_path / 'node.log', {})


def test_a_node_that_hangs_says_where(stubborn: NodeProcess) -> None:
    with stubborn:
        while 'hangs' not in stubborn.text():
            assert stubborn.exit_status is None, stubborn.text()
            time.sleep(0.05)
        with pytest.raises(TimeoutError, match='did not end within 0.1 s') as caught:
            stubborn.wait(0.1)
        assert stubborn.exit_status is not None
        assert 'in hang' in str(caught.value)


def test_a_node_ends_though_the_context_ended_after_the_spin_was_woken() -> None:
    done = subprocess.run([sys.executable, '-c', WOKEN_TOO_EARLY], capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == 0 and done.stdout == 'stopped\n', done.stderr
