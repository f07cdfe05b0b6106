"""Stop work in progress: a request, by a signal or another thread, and where it is checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
import signal
from types import FrameType
from typing import TypeVar

from mask3d_core.errors import InputError

Item = TypeVar('Item')
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(InputError):
    """Work that ended before it was done, because of a `StopRequest`."""


class StopRequest:
    """
    A request to stop; made at most once, in any thread.

    Work inside `stoppable(request)` then raises `Stopped` at its next `check_stop`.

    Parameters
    ----------
    on_stage : callable, optional
        Called in the working thread with the name of each stage that begins.

    Attributes
    ----------
    reason : str
        Who asks, such as 'SIGTERM'; empty until the request is made.
    interrupts : list of callable
        Called when the request is made, in the thread that makes it (`interruptible`).

    """

    def __init__(self, on_stage: Callable[[str], None] | None = None) -> None:
        self.reason = ''
        self.on_stage = on_stage
        self.interrupts: list[Callable[[], None]] = []

    def __bool__(self) -> bool:
        return bool(self.reason)

    def make(self, reason: str) -> None:
        """Ask the work to stop; the first reason is kept."""
        self.reason = self.reason or reason
        for interrupt in [*self.interrupts]:
            interrupt()

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal; a second Ctrl-C ends the process at once."""
        if self and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.make(signal.Signals(number).name)


_current: ContextVar[StopRequest | None] = ContextVar('stop_request', default=None)


@contextmanager
def stoppable(request: StopRequest | None) -> Iterator[None]:
    """Make a request valid for the work inside the context; None: it is not to be stopped."""
    token = _current.set(request)
    try:
        yield
    finally:
        _current.reset(token)


def check_stop() -> None:
    """Raise `Stopped` if the work in progress is to stop; long loops call this."""
    request = _current.get()
    if request:
        raise Stopped(f'stopped: {request.reason}')


@contextmanager
def interruptible(interrupt: Callable[[], None]) -> Iterator[None]:
    """
    Let a request to stop call `interrupt` while the body of the `with` statement runs.

    For one long call that cannot check for requests, but can be interrupted by another thread.
    Raises `Stopped` at the end, whatever the call raised, if there was a request.
    """
    request = _current.get()
    if request is None:
        yield
        return
    request.interrupts.append(interrupt)
    try:
        check_stop()  # of requests before this one could be called
        yield
    finally:
        request.interrupts.remove(interrupt)
        check_stop()


def until_stopped(items: Iterable[Item]) -> Iterator[Item]:
    """Yield the items; raise `Stopped` before the next one if the work in progress is to stop."""
    for item in items:
        check_stop()
        yield item


def begin_stage(name: str) -> None:
    """Note that a stage of the work in progress begins; raise `Stopped` if it is to stop."""
    check_stop()
    request = _current.get()
    if request is not None and request.on_stage is not None:
        request.on_stage(name)


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Let SIGINT and SIGTERM make a request inside the context; restore handlers after it."""
    request = StopRequest()
    before = {number: signal.signal(number, request.receive) for number in SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
