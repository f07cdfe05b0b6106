"""Whole pieces of work for each thread, instead of every operation cut in pieces for all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
import os
from threading import Barrier
from typing import Any, TypeVar

import torch

T = TypeVar('T')
_aside: list[Future[Any]] = []
"""What is done aside, or waits for it."""


def share(work: Callable[[Iterator[int]], None], count: int) -> None:
    """
    Let each of torch's threads call `work` with the numbers 0..count - 1 it gets hold of.

    Inside, torch computes with one thread and without gradients. The threads meet once, at the
    end, and not after every operation: where another program wants a core, the network loses
    that share of its speed and not nine tenths of it (docs/log/speed.md).
    """
    threads = min(torch.get_num_threads(), count)
    numbers = iter(range(count))  # `next` on it is atomic
    if threads <= 1:
        work(numbers)
        return
    for part in [_submit(lambda: work(numbers)) for _ in range(threads)]:
        part.result()


def shared(work: Callable[[int], T], count: int) -> list[T]:
    """Return what `work` says of 0..count - 1, computed as `share` does."""
    results: list[Any] = [None] * count

    def fill(numbers: Iterable[int]) -> None:
        for number in numbers:
            results[number] = work(number)

    share(fill, count)
    return results


def alone(work: Callable[[], T]) -> T:
    """
    Return what `work` says; while something is done `aside`, it is computed by one thread.

    For many small operations, which would wait, each for all of its threads, one of which has no
    core then.
    """
    busy = torch.get_num_threads() > 1 and any(not done.done() for done in _aside)
    return _submit(work).result() if busy else work()


def _submit(work: Callable[[], T]) -> Future[T]:
    """Let a thread do some work in inference mode if that is on here, without gradients."""
    inference, threads = torch.is_inference_mode_enabled(), torch.get_num_threads()

    def do() -> T:
        with torch.inference_mode(inference), torch.no_grad():
            return work()

    return _pool(os.getpid(), threads, threads).submit(do)


@contextmanager
def aside(work: Callable[[], T]) -> Iterator[Future[T]]:
    """
    Let a thread do some work meanwhile, which is done, or has failed, at the end.

    In it torch computes with one thread: two that want all of them wait for each other. The
    process has one such thread: callers take turns, and `work` must not call this itself. Modes
    as `torch.inference_mode` do not go along.
    """
    done = _pool(os.getpid(), torch.get_num_threads(), 1).submit(work)
    _aside.append(done)
    try:
        yield done
    finally:
        wait([done])
        _aside.remove(done)


@cache
def _pool(process: int, common: int, size: int) -> ThreadPoolExecutor:
    """
    Return `size` threads of a process (a fork has none of its parent's).

    `common` is the number of threads torch computes with elsewhere, which stays.
    """
    started = Barrier(size)
    pool = ThreadPoolExecutor(size, 'sparse', _compute_alone)
    for task in [pool.submit(started.wait) for _ in range(size)]:
        task.result()
    torch.set_num_threads(common)  # `_compute_alone` also set what threads to come begin with
    return pool


def _compute_alone() -> None:
    """Give this thread, and no other, operations of one thread."""
    torch.get_num_threads()  # a thread's first question sets it to the common number
    torch.set_num_threads(1)
