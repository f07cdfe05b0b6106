"""The one thread that computes, and the slot where the newest cloud waits for it."""

from __future__ import annotations

from collections.abc import Callable
import threading
from typing import Generic, TypeVar

Item = TypeVar('Item')


class Newest(Generic[Item]):
    """A slot for one item: a newer one replaces it."""

    def __init__(self) -> None:
        self._item: Item | None = None
        self._replaced = 0
        self._lock = threading.Lock()

    def put(self, item: Item) -> None:
        """Store an item; the one that still waited, if any, is dropped and counted."""
        with self._lock:
            self._replaced += self._item is not None
            self._item = item

    def take(self) -> tuple[Item | None, int]:
        """Return the item, if any, and how many were dropped since the last call."""
        with self._lock:
            item, self._item = self._item, None
            replaced, self._replaced = self._replaced, 0
            return item, replaced

    def clear(self) -> None:
        """Forget the item."""
        self.take()

    def __bool__(self) -> bool:
        return self._item is not None


class Worker:
    """
    A thread that calls `work` whenever something is due.

    Parameters
    ----------
    due_in : callable
        Seconds until there is work: 0 for now, infinity for nothing in sight. Called in the
        thread, again after every `wake`.
    work : callable
        Does it. Neither raises anything.

    """

    def __init__(self, due_in: Callable[[], float], work: Callable[[], None]) -> None:
        self._due_in = due_in
        self._work = work
        self._stopping = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name='segment')
        self._thread.start()

    def wake(self) -> None:
        """Make the thread ask again what is due; returns at once, also while it works."""
        with self._changed:
            self._changed.notify()

    def stop(self) -> None:
        """End the thread after the work at hand, and wait for that."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while self._wait():
            self._work()

    def _wait(self) -> bool:
        """Wait for work; return False when there will be none."""
        with self._changed:
            while not self._stopping:
                delay = self._due_in()
                if delay <= 0:
                    return True
                self._changed.wait(min(delay, threading.TIMEOUT_MAX))
        return False
