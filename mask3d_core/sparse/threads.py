"""Worker pools that run whole blocks of work in parallel, one torch thread in each worker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
import os
from threading import Barrier
from typing import Any, TypeVar

from mask3d_core.stop import until_stopped
import torch

T = TypeVar('T')
BLOCK_ROWS = 1 << 18
"""Rows, as of points, that a worker processes at once."""
_background: list[Future[Any]] = []
"""The work that runs `in_background` now, or is queued for it."""


def parallel_for(work: Callable[[Iterator[int]], None], count: int) -> None:
    """
    Process the numbers 0..count - 1 in parallel: each worker calls `work` with an iterator.

    The workers draw from the same iterator, so that each number is processed once. There is one
    worker for each of torch's threads; inside, torch computes with one thread and without
    gradients. The workers synchronize once, at the end, and not after every operation: where
    another program wants a core, the network loses that share of its speed and not nine tenths
    of it (docs/log/speed.md). Before each number a request to stop takes effect.
    """
    threads = min(torch.get_num_threads(), count)
    numbers = iter(range(count))  # `next` on it is atomic
    if threads <= 1:
        work(until_stopped(numbers))
        return
    for part in [_submit(lambda: work(until_stopped(numbers))) for _ in range(threads)]:
        part.result()


def parallel_map(work: Callable[[int], T], count: int) -> list[T]:
    """Return the results of `work` for 0..count - 1 in order, computed by `parallel_for`."""
    results: list[Any] = [None] * count

    def fill(numbers: Iterable[int]) -> None:
        for number in numbers:
            results[number] = work(number)

    parallel_for(fill, count)
    return results


def map_blocks(work: Callable[[slice], T], count: int, size: int = BLOCK_ROWS) -> list[T]:
    """Return the results of `work` for blocks of `count` rows in order, as `parallel_map`."""
    starts = range(0, count, size)
    return parallel_map(lambda number: work(
        slice(starts[number], min(starts[number] + size, count))), len(starts))


def single_threaded(work: Callable[[], T]) -> T:
    """
    Return the result of `work`, computed with one thread while other work is `in_background`.

    For many small operations: with more threads, each would wait for a thread that has no core
    then.
    """
    busy = torch.get_num_threads() > 1 and any(not done.done() for done in _background)
    return on_one_thread(work) if busy else work()


def on_one_thread(work: Callable[[], T]) -> T:
    """
    Return the result of `work`, computed with one thread.

    For operations of a millisecond: more threads gain nothing there, and where another program
    wants a core, they take three times as long.
    """
    return _submit(work).result()


def _submit(work: Callable[[], T]) -> Future[T]:
    """Run work on the pool without gradients, and in inference mode if that is on here."""
    inference, threads = torch.is_inference_mode_enabled(), torch.get_num_threads()

    def do() -> T:
        with torch.inference_mode(inference), torch.no_grad():
            return work()

    return _pool(os.getpid(), threads, threads).submit(copy_context().run, do)


@contextmanager
def in_background(work: Callable[[], T]) -> Iterator[Future[T]]:
    """
    Run work in a background thread; it is done, or has failed, when the context ends.

    In it torch computes with one thread: two that want all of them wait for each other. A
    process has one background thread: callers take turns, and `work` must not call this itself.
    Modes as `torch.inference_mode` do not carry over; a request to stop does.
    """
    done = _pool(os.getpid(), torch.get_num_threads(), 1).submit(copy_context().run, work)
    _background.append(done)
    try:
        yield done
    finally:
        wait([done])
        _background.remove(done)


@cache
def _pool(process: int, common: int, size: int) -> ThreadPoolExecutor:
    """
    Return the worker pool of `size` threads of a process (a fork has none of its parent's).

    `common` is the number of threads torch computes with outside the pool, which stays.
    """
    started = Barrier(size)
    pool = ThreadPoolExecutor(size, 'sparse', _use_one_torch_thread)
    for task in [pool.submit(started.wait) for _ in range(size)]:
        task.result()
    torch.set_num_threads(common)  # the workers have also set the number of later threads
    return pool


def _use_one_torch_thread() -> None:
    """Let torch compute with one thread in this worker, and in no other thread."""
    torch.get_num_threads()  # a thread's first call sets it to the common number
    torch.set_num_threads(1)
