"""A worker thread, the slot in which the latest cloud waits for it, and questions to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
import threading
from typing import Generic, TypeVar

from mask3d_core.stop import StopRequest

Item = TypeVar('Item')
Answer = Callable[[bool, str], None]
"""Called once, in any thread, with whether what was asked for was done, and a sentence."""


@dataclass(eq=False)
class Job:
    """Work for the thread of a worker, and the request that stops it; `work` must not raise."""

    work: Callable[[], None]
    request: StopRequest


class Questions:
    """
    Those who asked for the outcome of work, each of whom is answered once.

    A question that is added after work has begun waits for the next work, unless that work turns
    out to be what was asked for.
    """

    def __init__(self) -> None:
        self._waiting: list[Answer] = []
        self._begun: list[Answer] = []
        self._answers: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._waiting or self._begun)

    def add(self, answer: Answer) -> None:
        """Ask."""
        with self._lock:
            self._waiting.append(answer)

    def begin(self) -> None:
        """Work for all questions so far begins."""
        with self._lock:
            self._begun += self._waiting
            self._waiting = []

    def found(self, success: bool, text: str, latest: bool = True) -> None:
        """Keep the outcome of the work, also for later questions if it is the latest there is."""
        with self._lock:
            asked, self._begun = self._begun, []
            if latest:
                asked, self._waiting = asked + self._waiting, []
            self._answers += [partial(answer, success, text) for answer in asked]

    def tell(self) -> None:
        """Answer the questions whose outcome was found."""
        with self._lock:
            answers, self._answers = self._answers, []
        for answer in answers:
            answer()

    def answer(self, success: bool, text: str) -> None:
        """Answer all questions at once."""
        self.found(success, text)
        self.tell()


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
        Does the work, in the worker thread.
    on_end : callable, optional
        Called in the worker thread before it ends. None of these may raise.

    """

    def __init__(self, seconds_until_due: Callable[[], float], work: Callable[[], None],
                 on_end: Callable[[], None] = lambda: None) -> None:
        self._on_end = on_end
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

    def stop(self, seconds: float | None = None) -> bool:
        """
        End the thread after the work in progress; return whether it has ended.

        Blocks until then, but not longer than some seconds, if they are given.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while self._wait():
            self._work()
        self._on_end()

    def _wait(self) -> bool:
        """Block until work is due; return False if the thread is to end."""
        with self._changed:
            while not self._stopping:
                delay = self._seconds_until_due()
                if delay <= 0:
                    return True
                self._changed.wait(min(delay, threading.TIMEOUT_MAX))
        return False
