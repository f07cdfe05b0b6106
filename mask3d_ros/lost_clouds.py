"""Clouds that do not arrive: reported by the middleware, or missing in the sequence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

MAX_PUBLISHERS = 100
"""Publishers whose last number is remembered."""


class LostClouds:
    """
    Counts the clouds of a topic that were published and did not arrive.

    The middleware reports only some of them: nobody is told of those that it replaces in a full
    queue, of the publisher or of the subscription. Where rclpy gives the number of a message and
    its publisher, as since Kilted, these are the gaps between the numbers. The clouds before the
    first one of a publisher are not counted.

    Parameters
    ----------
    on_lost : callable
        Called with the number of further clouds that were lost.

    """

    def __init__(self, on_lost: Callable[[int], None]) -> None:
        self._on_lost = on_lost
        self._last: dict[bytes, int] = {}  # number by publisher, the one heard last at the end
        self._reported = self._missing = self._total = 0

    def report(self, number: int) -> None:
        """Take a report of the middleware."""
        self._reported += number
        self._count()

    def receive(self, info: Mapping[str, Any]) -> None:
        """Take the info of a message that has arrived, the same message more than once if so."""
        number, publisher = info.get('publication_sequence_number'), info.get('publisher_gid')
        if number is None or publisher is None:
            return
        key = bytes(publisher['data'])
        last = self._last.pop(key, number)
        self._last[key] = max(number, last)
        if len(self._last) > MAX_PUBLISHERS:
            del self._last[next(iter(self._last))]
        self._missing += max(number - last - 1, 0)
        self._count()

    def _count(self) -> None:
        """Pass on what is new: what is reported is missing in the sequence as well."""
        total = max(self._reported, self._missing)
        if total > self._total:
            self._on_lost(total - self._total)
            self._total = total
