"""The worker thread and its slot."""

from collections.abc import Iterator
from contextlib import contextmanager
import math
import threading
import time

from mask3d_ros.worker import Newest, Worker


@contextmanager
def running(worker: Worker) -> Iterator[Worker]:
    try:
        yield worker
    finally:
        worker.stop()


def test_newest_wins_and_the_others_are_counted() -> None:
    slot: Newest[str] = Newest()
    assert not slot
    for name in ('first', 'second', 'third'):
        slot.put(name)
    assert slot
    assert slot.take() == ('third', 2)
    assert slot.take() == (None, 0)


def test_clear_forgets_the_count_too() -> None:
    slot: Newest[str] = Newest()
    slot.put('first')
    slot.put('second')
    slot.clear()
    assert slot.take() == (None, 0)


def test_works_when_woken_and_only_if_something_is_due() -> None:
    due, worked = threading.Event(), threading.Semaphore(0)

    def work() -> None:
        due.clear()
        worked.release()

    with running(Worker(lambda: 0.0 if due.is_set() else math.inf, work)) as worker:
        worker.wake()
        assert not worked.acquire(timeout=0.1)
        due.set()
        worker.wake()
        assert worked.acquire(timeout=5)
        assert not worked.acquire(timeout=0.1)


def test_waits_until_it_is_time_without_being_woken() -> None:
    start = time.monotonic()
    worked: list[float] = []

    def due_in() -> float:
        return math.inf if worked else start + 0.2 - time.monotonic()

    with running(Worker(due_in, lambda: worked.append(time.monotonic()))):
        time.sleep(0.5)
    assert len(worked) == 1 and worked[0] - start >= 0.2


def test_waits_longer_than_a_lock_can() -> None:
    with running(Worker(lambda: 1e300, lambda: None)) as worker:
        worker.wake()
        time.sleep(0.1)
        assert worker._thread.is_alive()


def test_stop_waits_for_the_work_at_hand_and_wake_does_not() -> None:
    started, finish = threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        finish.wait(5)

    worker = Worker(lambda: 0.0, work)
    assert started.wait(5)
    start = time.monotonic()
    worker.wake()
    assert time.monotonic() - start < 1
    threading.Timer(0.2, finish.set).start()
    worker.stop()
    assert time.monotonic() - start >= 0.2
