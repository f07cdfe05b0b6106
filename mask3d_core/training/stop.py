"""Stop at the end of a step when the process is asked to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import signal
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """
    Remembers the first signal that asked for an end.

    Attributes
    ----------
    name : str
        'SIGTERM', say; empty as long as nobody asked.

    """

    name = ''

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Take a signal; the second Ctrl-C does not wait for the end of the step."""
        if self.name and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.name = signal.Signals(number).name


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Listen for SIGINT and SIGTERM inside; the handlers from before come back."""
    request = StopRequest()
    before = {number: signal.signal(number, request.receive) for number in SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
