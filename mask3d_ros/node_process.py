"""Nodes in processes of their own, started and watched by another program."""

from __future__ import annotations

from collections.abc import Mapping
import os
from pathlib import Path
import signal
import subprocess
import sys
from types import TracebackType
from typing import Any

STOP_SECONDS = 15.0
"""How long a node may take to end before it is killed: the cloud in work is finished first."""


class NodeProcess:
    """
    One node of this package in a process of its own, its log in a file.

    Parameters
    ----------
    module : str
        'segment_node' or 'map_player'.
    log : path
        Where its output goes.
    parameters : mapping of str to value
        ROS parameters.
    remappings : mapping of str to str
        ROS names; `__ns` and `__node`, too.
    environment : mapping of str to str
        Added to the environment of this process.

    """

    def __init__(self, module: str, log: Path, parameters: Mapping[str, Any],
                 remappings: Mapping[str, str] | None = None,
                 environment: Mapping[str, str] | None = None) -> None:
        self.module = module
        self.log = log
        arguments = [word for name, value in parameters.items()
                     for word in ('-p', f'{name}:={_literal(value)}')]
        arguments += [word for name, target in (remappings or {}).items()
                      for word in ('-r', f'{name}:={target}')]
        with log.open('wb') as file:
            # A session of its own: Ctrl-C reaches this process, which ends its nodes in order.
            self._process = subprocess.Popen(
                [sys.executable, '-m', f'mask3d_ros.{module}', '--ros-args', *arguments],
                stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})}, start_new_session=True)

    def __enter__(self) -> NodeProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """Status the process ended with, None while it runs."""
        return self._process.poll()

    def text(self) -> str:
        """Return what the node has logged so far."""
        return self.log.read_text(errors='replace')

    def wait(self, seconds: float) -> int:
        """Wait until the node ends by itself, and return its exit status."""
        return self._process.wait(seconds)

    def stop(self) -> int:
        """End the node as Ctrl-C would, and return its exit status; negative if it was killed."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait()


def _literal(value: Any) -> str:
    """Return a parameter as the ROS command line reads it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"  # quoted: a file named 1.0 is no number
    return str(value)
