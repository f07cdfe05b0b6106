"""Work shared among threads."""

from collections.abc import Iterator
import threading

from mask3d_core.sparse.threads import alone, aside, share, shared
import pytest
import torch


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Let torch have two threads for a test."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_every_number_once(two_threads: None) -> None:
    done = []
    share(lambda numbers: done.extend(numbers), 1000)
    assert sorted(done) == list(range(1000))


def test_two_threads_work_at_the_same_time(two_threads: None) -> None:
    both = threading.Barrier(2, timeout=20)
    share(lambda numbers: [both.wait() for _ in numbers], 2)  # one alone would wait for ever


def test_inside_torch_has_one_thread_and_outside_all(two_threads: None) -> None:
    inside = []
    share(lambda numbers: inside.extend(torch.get_num_threads() for _ in numbers), 8)
    assert set(inside) == {1}
    assert torch.get_num_threads() == 2
    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [2]


def test_modes_go_along(two_threads: None) -> None:
    modes = []
    with torch.inference_mode():
        share(lambda numbers: modes.extend(torch.is_inference_mode_enabled() for _ in numbers), 4)
    share(lambda numbers: modes.extend(torch.is_grad_enabled() for _ in numbers), 4)
    assert modes == [True] * 4 + [False] * 4


def test_errors_come_out(two_threads: None) -> None:
    def fail(numbers: Iterator[int]) -> None:
        for number in numbers:
            raise ValueError(f'number {number}')

    with pytest.raises(ValueError, match='number'):
        share(fail, 10)


def test_work_aside_has_one_thread_and_is_done_at_the_end(two_threads: None) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work() -> int:
        begun.set()
        go_on.wait(20)
        return torch.get_num_threads()

    with aside(work) as done:
        assert begun.wait(20) and not done.done() and torch.get_num_threads() == 2
        go_on.set()
    assert done.done() and done.result() == 1


def test_nothing_to_share_is_done_at_once() -> None:
    share(lambda numbers: list(map(pytest.fail, numbers)), 0)


def test_errors_aside_come_out_where_they_are_asked_for(two_threads: None) -> None:
    with aside(lambda: 1 // 0) as done:
        pass
    with pytest.raises(ZeroDivisionError):
        done.result()


def test_shared_work_is_answered_in_order(two_threads: None) -> None:
    assert shared(lambda number: number * number, 50) == [n * n for n in range(50)]


def test_work_beside_other_work_has_one_thread_and_its_modes(two_threads: None) -> None:
    until = threading.Event()
    with aside(until.wait):
        with torch.inference_mode():
            inside = alone(lambda: (torch.get_num_threads(), torch.is_inference_mode_enabled()))
        assert inside == (1, True) and not alone(torch.is_inference_mode_enabled)
        with pytest.raises(ZeroDivisionError):
            alone(lambda: 1 // 0)
        until.set()
    assert alone(torch.get_num_threads) == 2, 'nothing is aside: all threads are free'
