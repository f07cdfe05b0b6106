"""Stop a run gracefully: SIGINT and SIGTERM take effect at the end of the step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import signal
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """
    Record the first signal that asks the process to stop.

    Attributes
    ----------
    name : str
        Name of the signal, such as 'SIGTERM'; empty until one arrives.

    """

    name = ''

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal; a second Ctrl-C ends the process at once."""
        if self.name and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.name = signal.Signals(number).name


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Handle SIGINT and SIGTERM inside the context; restore the previous handlers after it."""
    request = StopRequest()
    before = {number: signal.signal(number, request.receive) for number in SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
