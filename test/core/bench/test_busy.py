"""Busy neighbors: they compute while they are wanted, and no longer."""

from collections.abc import Callable
import json
from pathlib import Path
import re
import signal
import subprocess
import sys
import time

from mask3d_core.bench.busy import busy_processes
from mask3d_core.cli import main
from mask3d_core.weights.shipped import shipped_weights
import numpy as np
import pytest


def running(process: int) -> bool:
    """Return whether a process exists and has not ended."""
    try:
        state = Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in 'ZX'


def ticks(process: int) -> int:
    """Return how long a process has computed, in ticks of the system's clock."""
    fields = Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()
    return int(fields[11])


def wait_until(holds: Callable[[], bool], seconds: float = 600) -> bool:
    """Wait until a function returns true."""
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(.02)
    return holds()


def test_neighbors_compute_until_the_context_ends() -> None:
    with busy_processes(2) as neighbors:
        assert len({neighbor.pid for neighbor in neighbors}) == 2
        # more than starting Python takes
        assert wait_until(lambda: min(ticks(neighbor.pid) for neighbor in neighbors) > 50)
    assert [neighbor.returncode for neighbor in neighbors] == [-signal.SIGKILL] * 2


@pytest.mark.parametrize('error', [KeyboardInterrupt, ValueError])
def test_neighbors_end_with_an_error(error: type[BaseException]) -> None:
    with pytest.raises(error), busy_processes(1) as neighbors:
        raise error
    assert neighbors[0].returncode == -signal.SIGKILL


def test_neighbors_end_when_their_parent_was_killed() -> None:
    code = ('import time\nfrom mask3d_core.bench.busy import busy_processes\n'
            'with busy_processes(1) as neighbors:\n'
            '    print(neighbors[0].pid, flush=True)\n    time.sleep(600)')
    with subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True,
                          ) as parent:
        assert parent.stdout is not None
        neighbor = int(parent.stdout.readline())
        assert running(neighbor)
        parent.kill()
    assert wait_until(lambda: not running(neighbor))


def test_a_scan_is_measured_idle_and_busy(tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                          ) -> None:
    scan, report = tmp_path / 'tiny.npz', tmp_path / 'bench.json'
    np.savez(scan, xyz=np.random.default_rng(0).uniform(0, 1, (500, 3)))
    assert main(['bench', str(scan), '--weights', str(shipped_weights()), '--repeats', '1',
                 '--busy', '1', '--json', str(report)]) == 0
    idle, busy = json.loads(report.read_text())['measurements']
    assert (idle['num_busy'], busy['num_busy'], busy['name']) == (0, 1, 'tiny')
    table = capsys.readouterr().out.splitlines()
    assert [re.match('(tiny|busy processes: 1|busy / idle) ', row) is not None
            for row in table[-3:]] == [True] * 3
    ratios = [float(number) for number in table[-1].removeprefix('busy / idle').split()]
    stages = [stage for stage, seconds in idle['seconds'].items() if seconds]
    expected = [busy['seconds'][stage] / idle['seconds'][stage] for stage in stages]
    expected += [busy[key] / idle[key] for key in ('together', 'network_seconds')]
    assert ratios == pytest.approx(expected, abs=.0051)
