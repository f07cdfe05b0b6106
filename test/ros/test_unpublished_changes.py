"""Changes of objects whose result was stopped before it was published."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from mask3d_ros.object_state import ObjectState
import pytest
from toy_map import toy_map
from worker_bench import Bench, CLASSES, Log


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Return a worker whose output is of events, as `~/changes` is."""
    with closing(Bench()) as bench:
        bench.output.is_of_events = True
        bench.segmenter.allow(10)
        yield bench


class Stop:
    """Stops the worker once, when it calls a method of its statistics."""

    def __init__(self, bench: Bench, monkeypatch: pytest.MonkeyPatch, moment: str,
                 stop: str) -> None:
        self.happened = False
        statistics = bench.worker.statistics
        original = getattr(statistics, moment)

        def stop_now(*arguments: Any) -> Any:
            monkeypatch.undo()
            if stop == 'paused':
                bench.worker.pause()
            else:
                bench.worker.enable(False)
            self.happened = True
            return original(*arguments)

        monkeypatch.setattr(statistics, moment, stop_now)


def bench_with_state(path: Path) -> Bench:
    """Return a worker of a node that is configured with a state file."""
    bench = Bench(state=ObjectState(path, CLASSES, Log()))  # type: ignore[arg-type]
    bench.output.is_of_events = True
    bench.segmenter.allow(10)
    return bench


def changes(bench: Bench) -> list[tuple[str, int]]:
    """Return kind and id of all changes that were published."""
    return [(change.kind, change.id) for result in bench.output.results
            for change in result.objects.changes]


@pytest.mark.parametrize('moment', ['take_dropped', 'finish'])
@pytest.mark.parametrize('stop', ['disabled', 'paused'])
def test_changes_are_told_once_though_work_is_stopped_before_or_after_they_are_published(
        bench: Bench, monkeypatch: pytest.MonkeyPatch, moment: str, stop: str) -> None:
    stopped = Stop(bench, monkeypatch, moment, stop)
    bench.worker.submit(toy_map(1, 1))
    bench.wait(lambda: stopped.happened)
    bench.worker.resume()
    bench.worker.submit(toy_map(2, 2))
    bench.wait(lambda: 2 in bench.output.stamps)
    assert changes(bench) == [('appeared', 1), ('appeared', 2)]


def test_a_repeated_result_does_not_discard_the_changes_of_one_that_was_stopped(
        bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.result(toy_map(1, 1), tiles=1)
    stopped = Stop(bench, monkeypatch, 'take_dropped', 'disabled')
    bench.worker.submit(toy_map(2, 2))
    bench.wait(lambda: stopped.happened)
    bench.worker.submit(toy_map(1, 3))
    bench.worker.enable(True)
    bench.wait(lambda: 3 in bench.output.stamps)
    bench.worker.submit(toy_map(2, 4))
    bench.wait(lambda: 4 in bench.output.stamps)
    assert changes(bench) == [('appeared', 1), ('appeared', 2)]


def test_what_was_stopped_before_a_cleanup_is_told_after_the_next_configure(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = bench_with_state(tmp_path / 'state')
    with closing(before):
        before.result(toy_map(1, 1), tiles=1)
        stopped = Stop(before, monkeypatch, 'take_dropped', 'paused')
        before.worker.submit(toy_map(2, 2))
        before.wait(lambda: stopped.happened)
    with closing(bench_with_state(tmp_path / 'state')) as after:
        after.result(toy_map(2, 3), tiles=2)
        assert changes(before) + changes(after) == [('appeared', 1), ('appeared', 2)]
