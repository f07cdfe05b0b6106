"""What a killed process leaves behind of an output file is removed, and nothing else."""

import os
from pathlib import Path
import signal
import subprocess
import sys

from mask3d_core.files.target import remove_unfinished

KILLED_WHILE_WRITING = """
import os, signal, sys
from mask3d_core.files.target import atomic_write
with atomic_write(sys.argv[1]) as file:
    file.write(b'half')
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_remains_of_a_killed_write_are_removed(tmp_path: Path) -> None:
    state = tmp_path / 'state[1]'
    state.write_bytes(b'whole')
    others = [tmp_path / name for name in ('.state[1].backup', '.state1.abcdefgh', 'state[1].x')]
    for other in others:
        other.touch()
    before = set(tmp_path.iterdir())
    status = subprocess.run([sys.executable, '-c', KILLED_WHILE_WRITING, os.fspath(state)])
    assert status.returncode == -signal.SIGKILL and len(set(tmp_path.iterdir()) - before) == 1
    remove_unfinished(state)
    assert set(tmp_path.iterdir()) == before and state.read_bytes() == b'whole'
