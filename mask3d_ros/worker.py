"""A worker thread, and the slot in which the latest cloud waits for it."""

from __future__ import annotations

from collections.abc import Callable
import threading
from typing import Generic, TypeVar

Item = TypeVar('Item')


class LatestSlot(Generic[Item]):
    """A thread-safe slot for one item; a newer item replaces an older one."""

    def __init__(self) -> None:
        self._item: Item | None = None
        self._dropped = 0
        self._lock = threading.Lock()

    def put(self, item: Item) -> None:
        """Store an item; an item that was still waiting is dropped and counted."""
        with self._lock:
            self._dropped += self._item is not None
            self._item = item

    def take(self) -> tuple[Item | None, int]:
        """Return the item, if any, and how many were dropped since the last call."""
        with self._lock:
            item, self._item = self._item, None
            dropped, self._dropped = self._dropped, 0
            return item, dropped

    def clear(self) -> int:
        """Discard the item, and return how many were discarded and dropped since `take`."""
        item, dropped = self.take()
        return dropped + (item is not None)

    def __bool__(self) -> bool:
        return self._item is not None


class Worker:
    """
    A thread that calls `work` whenever work is due.

    Parameters
    ----------
    seconds_until_due : callable
        Returns the seconds until work is due: 0 or less for now, infinity if none is expected.
        Called in the worker thread, again after every `wake`.
    work : callable
        Does the work, in the worker thread. Neither callable may raise.

    """

    def __init__(self, seconds_until_due: Callable[[], float], work: Callable[[], None]) -> None:
        self._seconds_until_due = seconds_until_due
        self._work = work
        self._stopping = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name='segment')
        self._thread.start()

    def wake(self) -> None:
        """Make the thread check again whether work is due; never blocks on running work."""
        with self._changed:
            self._changed.notify()

    def stop(self) -> None:
        """End the thread after the work in progress; block until it has ended."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while self._wait():
            self._work()

    def _wait(self) -> bool:
        """Block until work is due; return False if the thread is to end."""
        with self._changed:
            while not self._stopping:
                delay = self._seconds_until_due()
                if delay <= 0:
                    return True
                self._changed.wait(min(delay, threading.TIMEOUT_MAX))
        return False
