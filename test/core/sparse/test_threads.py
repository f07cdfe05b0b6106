"""Worker pools and work in the background."""

from collections.abc import Iterator
import threading

from mask3d_core.sparse.threads import (
    in_background,
    on_one_thread,
    parallel_for,
    parallel_map,
    single_threaded,
)
import pytest
import torch


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Let torch have two threads for a test."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_every_number_is_processed_once(two_threads: None) -> None:
    done = []
    parallel_for(lambda numbers: done.extend(numbers), 1000)
    assert sorted(done) == list(range(1000))


def test_two_workers_run_at_the_same_time(two_threads: None) -> None:
    both = threading.Barrier(2, timeout=300)
    # a single worker would wait for ever
    parallel_for(lambda numbers: [both.wait() for _ in numbers], 2)


def test_torch_has_one_thread_inside_and_all_outside(two_threads: None) -> None:
    inside = []
    parallel_for(lambda numbers: inside.extend(torch.get_num_threads() for _ in numbers), 8)
    assert set(inside) == {1}
    assert torch.get_num_threads() == 2
    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [2]


def test_modes_carry_over(two_threads: None) -> None:
    modes = []
    inference, grad = torch.is_inference_mode_enabled, torch.is_grad_enabled
    with torch.inference_mode():
        parallel_for(lambda numbers: modes.extend(inference() for _ in numbers), 4)
    parallel_for(lambda numbers: modes.extend(grad() for _ in numbers), 4)
    assert modes == [True] * 4 + [False] * 4


def test_errors_are_raised_in_the_caller(two_threads: None) -> None:
    def fail(numbers: Iterator[int]) -> None:
        for number in numbers:
            raise ValueError(f'number {number}')

    with pytest.raises(ValueError, match='number'):
        parallel_for(fail, 10)


def test_background_work_has_one_thread_and_is_done_at_the_end(two_threads: None) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work() -> int:
        begun.set()
        go_on.wait(20)
        return torch.get_num_threads()

    with in_background(work) as done:
        assert begun.wait(20) and not done.done() and torch.get_num_threads() == 2
        go_on.set()
    assert done.done() and done.result() == 1


def test_no_numbers_need_no_worker() -> None:
    parallel_for(lambda numbers: list(map(pytest.fail, numbers)), 0)


def test_background_errors_are_raised_with_the_result(two_threads: None) -> None:
    with in_background(lambda: 1 // 0) as done:
        pass
    with pytest.raises(ZeroDivisionError):
        done.result()


def test_results_are_in_order(two_threads: None) -> None:
    assert parallel_map(lambda number: number * number, 50) == [n * n for n in range(50)]


def test_single_threaded_while_other_work_is_in_the_background(two_threads: None) -> None:
    until, inference = threading.Event(), torch.is_inference_mode_enabled
    with in_background(until.wait):
        with torch.inference_mode():
            inside = single_threaded(lambda: (torch.get_num_threads(), inference()))
        assert inside == (1, True) and not single_threaded(inference)
        with pytest.raises(ZeroDivisionError):
            single_threaded(lambda: 1 // 0)
        until.set()
    assert single_threaded(torch.get_num_threads) == 2, 'nothing runs in the background'
    assert on_one_thread(torch.get_num_threads) == 1 and torch.get_num_threads() == 2
