"""Error handling of the nodes: exceptions are logged with throttling and do not end the node."""

from __future__ import annotations

from collections.abc import Callable
import re
import time
import traceback
from typing import Protocol, TypeVar

from mask3d_core.errors import InputError

Value = TypeVar('Value')
THROTTLE_SECONDS = 10.0
"""Minimum time between two log lines with the same message, whatever its numbers."""
NUMBER = re.compile(r'-?\d+(?:\.\d+)?(?:e[-+]?\d+)?')


class Logger(Protocol):
    """The part of a ROS logger that is used here."""

    def error(self, message: str) -> object:
        """Log an error."""


class ErrorLog:
    """
    Logs errors; a repeated message is logged again only after `THROTTLE_SECONDS`.

    Messages that differ in numbers are the same: those of a camera in the dark, say, have the
    number of finite points.

    Parameters
    ----------
    logger : Logger
    is_ok : callable
        Whether the ROS context is valid. During shutdown every call into ROS raises; these
        exceptions are expected and not logged.
    clock : callable
        Returns seconds.

    Attributes
    ----------
    last_error : str
        The last message, logged or not; empty if there was none.

    """

    def __init__(self, logger: Logger, is_ok: Callable[[], bool],
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._is_ok = is_ok
        self._clock = clock
        self._last_kind = ''
        self._last_time = 0.0
        self._repeats = 0
        self.last_error = ''

    def guard(self, action: Callable[[], object]) -> bool:
        """Run an action, log its exception if it raises one, and return whether it succeeded."""
        def run() -> bool:
            action()
            return True

        return self.value_or(False, run)

    def value_or(self, default: Value, function: Callable[[], Value]) -> Value:
        """
        Return what a function returns, or the default after logging the exception it raised.

        An InputError is logged as one sentence for the user. Any other exception is a defect of
        this package or of the device: it is logged with its traceback, and the node goes on with
        the next cloud. This is the only place that catches every exception.
        """
        try:
            return function()
        except InputError as error:
            if self._is_ok():
                self.log(str(error))
        except Exception:  # noqa: BLE001
            if self._is_ok():
                self.log('unexpected error, please report it:\n' + traceback.format_exc())
        return default

    def log(self, message: str) -> None:
        """Log a message, unless it repeats the previous one within `THROTTLE_SECONDS`."""
        self.last_error = message
        now, kind = self._clock(), NUMBER.sub('', message)
        if kind == self._last_kind and now - self._last_time < THROTTLE_SECONDS:
            self._repeats += 1
            return
        again = kind == self._last_kind and self._repeats
        self._logger.error(f'{message} (repeated {self._repeats} times)' if again else message)
        self._last_kind, self._last_time, self._repeats = kind, now, 0

    def reset(self) -> None:
        """Log the next message in any case; to be called after a success."""
        self._last_kind = ''
