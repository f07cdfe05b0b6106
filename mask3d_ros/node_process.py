"""Nodes in processes of their own, started and watched by another program."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
import os
from pathlib import Path
import signal
import subprocess
import sys
from types import TracebackType
from typing import Any

STOP_SECONDS = 15.0
"""How long a node may take to end before it is aborted: the cloud in work is finished first."""


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
                [sys.executable, '-X', 'faulthandler', '-m', f'mask3d_ros.{module}', '--ros-args',
                 *arguments],
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
        """
        Wait until the node ends by itself, and return its exit status.

        Raises
        ------
        TimeoutError
            With the log, if it does not; it is stopped, and where it was belongs to the log.

        """
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            self.stop()
            raise TimeoutError(f'{self.module} did not end within {seconds} s; its log:\n'
                               f'{self.text()}') from error

    def stop(self) -> int:
        """
        End the node as Ctrl-C would, and return its exit status.

        Negative is the signal that ended a node which would not: aborted, it writes into its log
        what its threads were doing.
        """
        for number in (signal.SIGINT, signal.SIGABRT, signal.SIGKILL):
            if self._process.poll() is None:
                self._process.send_signal(number)
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(STOP_SECONDS)
        return self._process.wait()


def _literal(value: Any) -> str:
    """Return a parameter as the ROS command line reads it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"  # quoted: a file named 1.0 is no number
    return str(value)
