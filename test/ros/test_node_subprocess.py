"""A node that does not end is aborted, and its log shows where it hangs."""

from pathlib import Path
import sys
import time

from mask3d_ros import node_subprocess
from mask3d_ros.node_subprocess import NodeSubprocess
import pytest

HANGING_SCRIPT = """\
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
def hang():
    print('hangs', flush=True)
    time.sleep(600)
hang()
"""


@pytest.fixture
def hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NodeSubprocess:
    """Return a process that neither ends by itself nor upon SIGINT."""
    script = tmp_path / 'hanging.py'
    script.write_text(HANGING_SCRIPT)
    instead = tmp_path / 'python'
    instead.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$1" "$2" "{script}"\n')
    instead.chmod(0o755)
    monkeypatch.setattr(sys, 'executable', str(instead))
    monkeypatch.setattr(node_subprocess, 'STOP_SECONDS', 0.2)
    return NodeSubprocess('segment_node', tmp_path / 'node.log', {})


def test_the_log_of_a_hanging_node_shows_where(hanging: NodeSubprocess) -> None:
    with hanging:
        while 'hangs' not in hanging.text():
            assert hanging.exit_status is None, hanging.text()
            time.sleep(0.05)
        with pytest.raises(TimeoutError, match='did not end within 0.1 s') as caught:
            hanging.wait(0.1)
        assert hanging.exit_status is not None
        assert 'in hang' in str(caught.value)
