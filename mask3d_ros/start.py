"""Start a node so that a signal ends the process in order, even while modules are imported."""

from __future__ import annotations

from importlib import import_module
import os
import signal
import sys
from types import FrameType
from typing import NoReturn


class EarlySignals:
    """
    Ends the process with status 0 on SIGINT or SIGTERM, until rclpy handles the signals.

    Python's own handler would raise KeyboardInterrupt wherever the signal arrives. Once rclpy is
    initialized, its handler ends the spin; it calls this one, which does nothing then, so that
    the clean-up is not interrupted. Under ros2 launch Ctrl-C sends SIGINT twice: from the terminal
    and from launch.
    """

    def __init__(self) -> None:
        self._early = True

    def handle(self) -> None:
        """Install the handlers."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._receive)

    def leave_to_rclpy(self) -> None:
        """Do nothing on signals from now on."""
        self._early = False

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._early:
            end_process(0)


early_signals = EarlySignals()


def end_process(status: int) -> NoReturn:
    """End the process at once, without waiting for its threads."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def start(module: str) -> None:
    """Import a module of this package, which takes a second, and call its `main`."""
    early_signals.handle()
    import_module(f'mask3d_ros.{module}').main()
