"""A program in a process of its own, with the interface of NodeSubprocess that the client uses."""

from collections.abc import Sequence
import os
from pathlib import Path
import signal
import subprocess
import sys

from ros_client import TIMEOUT_SECONDS


class LoggedProcess:
    """
    A running Python program that logs to a file.

    Parameters
    ----------
    module : str
        Its name, for messages.
    log : path
    arguments : sequence of str
        Of the Python interpreter.

    """

    def __init__(self, module: str, log: Path, arguments: Sequence[str]) -> None:
        self.module = module
        self.log = log
        with log.open('wb') as file:
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                stdout=file, stderr=subprocess.STDOUT, start_new_session=True)

    @property
    def exit_status(self) -> int | None:
        """Exit status; None while it is running."""
        return self._process.poll()

    def text(self) -> str:
        """Return what it and its children have logged so far."""
        return self.log.read_text(errors='replace')

    def stop(self) -> int:
        """Interrupt it and its children, as Ctrl-C does; return the exit status."""
        os.killpg(self._process.pid, signal.SIGINT)  # launch does not pass it on to its nodes
        return self._process.wait(TIMEOUT_SECONDS)

    def kill(self) -> None:
        """End it if it is still running."""
        self._process.kill()
        self._process.wait()
