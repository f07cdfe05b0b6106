"""Subprocess handle of a node: start it, read its log, end it in order."""

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

STOP_SECONDS = 120.0
"""Time a node has to end after SIGINT before it is aborted. It takes less than a second, or many
times that while other processes use all cores."""
ABORT_SECONDS = 60.0
"""Time an aborted node has to write the stacks of its threads before it is killed."""


class NodeSubprocess:
    """
    A node of this package that runs as a subprocess and logs to a file.

    Parameters
    ----------
    module : str
        'segment_node' or 'map_player'.
    log : path
        File for its standard output and standard error.
    parameters : mapping of str to value
        ROS parameters.
    remappings : mapping of str to str
        Names to new names, `__ns` and `__node` included.
    environment : mapping of str to str
        Variables in addition to the environment of this process.

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
            # A new session, so that Ctrl-C reaches only this process, which then stops the node.
            self._process = subprocess.Popen(
                [sys.executable, '-X', 'faulthandler', '-m', 'mask3d_ros', module,
                 '--ros-args', *arguments],
                stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})}, start_new_session=True)

    def __enter__(self) -> NodeSubprocess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """Exit status of the process; None while it is running."""
        return self._process.poll()

    def text(self) -> str:
        """Return what the node has logged so far."""
        return self.log.read_text(errors='replace')

    def send_signal(self, number: int) -> None:
        """Send a signal to the process, and only to it."""
        self._process.send_signal(number)

    def wait(self, seconds: float) -> int:
        """
        Wait until the node ends by itself, and return its exit status.

        Raises
        ------
        TimeoutError
            If it does not end in time. The node is stopped first, so that the log in the message
            has the stacks of its threads if it had to be aborted.

        """
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            self.stop()
            raise TimeoutError(f'{self.module} did not end within {seconds} s; its log:\n'
                               f'{self.text()}') from error

    def stop(self) -> int:
        """
        Interrupt the node as Ctrl-C does, and return its exit status.

        A node that does not end is aborted, upon which it logs the stacks of its threads, and at
        last killed. The status is then negative: the number of the signal.
        """
        for number, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGABRT, ABORT_SECONDS)):
            if self._process.poll() is None:
                self._process.send_signal(number)
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(seconds)
        if self._process.poll() is None:
            self._process.kill()
        return self._process.wait()


def _literal(value: Any) -> str:
    """Return a parameter value in the YAML syntax of the ROS command line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"  # a file named 1.0 is no number
    return str(value)
