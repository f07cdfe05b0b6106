"""Errors, told once: the place where the node survives."""

from __future__ import annotations

from collections.abc import Callable
import time
import traceback
from typing import Protocol

from mask3d_core.errors import InputError

REPEAT_SECONDS = 10.0


class Logger(Protocol):
    """What is used of a ROS logger."""

    def error(self, message: str) -> object:
        """Log an error."""


class ErrorLog:
    """
    Logs errors; a message that repeats is logged again only after `REPEAT_SECONDS`.

    Parameters
    ----------
    logger : Logger
    alive : callable
        Whether ROS still runs: when it shuts down, everything that uses it fails, as it should.
    clock : callable
        Seconds.

    """

    def __init__(self, logger: Logger, alive: Callable[[], bool],
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._alive = alive
        self._clock = clock
        self._last = ''
        self._last_time = 0.0
        self._repeats = 0

    def survive(self, action: Callable[[], None]) -> bool:
        """
        Do something, log what goes wrong, and return whether it went well.

        An InputError is one sentence for the user. Anything else is a defect of ours or of the
        device: it is logged with its traceback, and the node goes on to the next cloud. This is
        the only place that catches everything.
        """
        try:
            action()
        except InputError as error:
            self.log(str(error))
            return False
        except Exception:  # noqa: BLE001
            if self._alive():
                self.log('unexpected error, please report it:\n' + traceback.format_exc())
            return False
        return True

    def log(self, message: str) -> None:
        """Log a message, unless it is the last one again."""
        now = self._clock()
        if message == self._last and now - self._last_time < REPEAT_SECONDS:
            self._repeats += 1
            return
        again = message == self._last and self._repeats
        self._logger.error(f'{message} ({self._repeats} times more)' if again else message)
        self._last, self._last_time, self._repeats = message, now, 0

    def forget(self) -> None:
        """Log the next message in any case: in between, something went well."""
        self._last = ''
