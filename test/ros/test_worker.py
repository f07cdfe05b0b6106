"""The worker thread and the slot for the latest item."""

from collections.abc import Iterator
from contextlib import contextmanager
import math
import threading
import time

from mask3d_ros.worker import LatestSlot, Questions, Worker

TIMEOUT_SECONDS = 300.0
"""Limit of every wait for the thread; only a thread that hangs reaches it."""


@contextmanager
def running(worker: Worker) -> Iterator[Worker]:
    try:
        yield worker
    finally:
        worker.stop()


def test_the_latest_item_replaces_others_which_are_counted() -> None:
    slot: LatestSlot[str] = LatestSlot()
    assert not slot
    for name in ('first', 'second', 'third'):
        slot.put(name)
    assert slot
    assert slot.take() == ('third', 2)
    assert slot.take() == (None, 0)


def test_clear_resets_the_count() -> None:
    slot: LatestSlot[str] = LatestSlot()
    slot.put('first')
    slot.put('second')
    slot.clear()
    assert slot.take() == (None, 0)


def test_works_when_woken_and_only_if_work_is_due() -> None:
    due, worked = threading.Event(), threading.Semaphore(0)

    def work() -> None:
        due.clear()
        worked.release()

    with running(Worker(lambda: 0.0 if due.is_set() else math.inf, work)) as worker:
        worker.wake()
        assert not worked.acquire(timeout=0.1)
        due.set()
        worker.wake()
        assert worked.acquire(timeout=TIMEOUT_SECONDS)
    assert not worked.acquire(blocking=False), 'one piece of work, done once'


def test_waits_until_it_is_time_without_being_woken() -> None:
    start = time.monotonic()
    worked: list[float] = []
    done = threading.Event()

    def seconds_until_due() -> float:
        if worked:
            done.set()
            return math.inf
        return start + 0.2 - time.monotonic()

    with running(Worker(seconds_until_due, lambda: worked.append(time.monotonic()))):
        assert done.wait(TIMEOUT_SECONDS)
    assert len(worked) == 1 and worked[0] - start >= 0.2


def test_waits_longer_than_a_lock_can() -> None:
    asked = threading.Semaphore(0)

    def seconds_until_due() -> float:
        asked.release()
        return 1e300

    with running(Worker(seconds_until_due, lambda: None)) as worker:
        assert asked.acquire(timeout=TIMEOUT_SECONDS)
        worker.wake()  # an exception in the wait before would have ended the thread
        assert asked.acquire(timeout=TIMEOUT_SECONDS)
        assert worker._thread.is_alive()


def test_stop_waits_for_the_work_in_progress_and_wake_does_not() -> None:
    started, finish, finished = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        assert finish.wait(TIMEOUT_SECONDS)
        finished.set()

    worker = Worker(lambda: 0.0, work)
    assert started.wait(TIMEOUT_SECONDS)
    worker.wake()
    assert not finished.is_set(), 'wake returns while the work is in progress'
    threading.Timer(0.2, finish.set).start()
    worker.stop()
    assert finished.is_set()


def test_questions_are_answered_once_and_by_the_work_they_wait_for() -> None:
    questions = Questions()
    told: list[tuple[str, bool, str]] = []

    def ask(name: str) -> None:
        questions.add(lambda success, text: told.append((name, success, text)))

    ask('first')
    questions.begin()
    ask('later')
    questions.found(True, 'one', latest=False)
    assert not told and questions, 'outcomes wait for tell'
    questions.tell()
    assert told == [('first', True, 'one')] and questions
    questions.begin()
    ask('during')
    questions.found(True, 'two')
    questions.tell()
    assert told[1:] == [('later', True, 'two'), ('during', True, 'two')] and not questions
    ask('last')
    questions.answer(False, 'closed')
    questions.answer(False, 'again')
    assert told[3:] == [('last', False, 'closed')]


def test_stop_waits_no_longer_than_allowed() -> None:
    started, finish, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        assert finish.wait(TIMEOUT_SECONDS)

    worker = Worker(lambda: 0.0, work, ended.set)
    assert started.wait(TIMEOUT_SECONDS)
    assert not worker.stop(0.01) and not ended.is_set()
    finish.set()
    assert worker.stop() and ended.is_set()
