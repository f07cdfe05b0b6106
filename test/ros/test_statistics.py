"""Counts and latencies: exact sums, a window, each result taken once."""

from dataclasses import replace

from mask3d_ros.statistics import Counts, Latency, Statistics, WINDOW
import numpy as np
import pytest
from tiny_result import tiny_result


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_nothing_has_happened() -> None:
    snapshot = Statistics().snapshot()
    assert snapshot.counts == Counts() and not snapshot.latencies and snapshot.result is None
    assert snapshot.seconds_since_result is None and not snapshot.error_is_newest


def test_clouds_are_counted_by_what_became_of_them() -> None:
    statistics = Statistics()
    for _ in range(7):
        statistics.receive()
    statistics.drop(3)
    statistics.lose(2)
    statistics.fail('too few points', clouds=1)
    statistics.finish(tiny_result(), 1.0, clouds=1)
    statistics.finish(tiny_result(), 1.0, clouds=0)  # other settings, the same cloud
    assert statistics.snapshot().counts == Counts(7, 1, 1, 3, 2)


def test_dropped_and_lost_clouds_are_logged_once() -> None:
    statistics = Statistics()
    statistics.drop(3)
    statistics.lose(2)
    assert statistics.take_dropped() == 5
    assert statistics.take_dropped() == 0
    statistics.drop(1)
    assert statistics.take_dropped() == 1


def test_latencies_are_those_of_the_last_results() -> None:
    statistics = Statistics()
    for number in range(1, WINDOW + 11):
        statistics.finish(replace(tiny_result(), seconds={'unet': 0.01 * number}), 1.0, 1)
    latencies = statistics.snapshot().latencies
    window = 0.01 * np.arange(11, WINDOW + 11)
    assert list(latencies) == ['unet', 'total'] and latencies['total'] == Latency(1, 1, 1)
    assert latencies['unet'].last == pytest.approx(window[-1])
    assert latencies['unet'].mean == pytest.approx(window.mean())
    assert latencies['unet'].p95 == pytest.approx(np.percentile(window, 95))


def test_each_result_is_taken_once() -> None:
    statistics = Statistics()
    statistics.finish(tiny_result(), 1.0, 1)
    assert statistics.take_latencies() == [{'read': 0.25, 'unet': 0.5, 'total': 1.0}]
    assert statistics.take_latencies() == []


def test_facts_of_the_last_result_and_the_time_since() -> None:
    clock = Clock()
    statistics = Statistics(clock)
    clock.now = 10.0
    statistics.finish(tiny_result(), 1.0, 1)
    clock.now = 12.5
    snapshot = statistics.snapshot()
    assert snapshot.result is not None and snapshot.seconds_since_result == 2.5
    assert (snapshot.result.points, snapshot.result.instances) == (10, 2)
    assert (snapshot.result.frame, snapshot.result.stamp) == ('map', 7.0)


def test_an_error_is_the_newest_until_there_is_a_result() -> None:
    statistics = Statistics()
    statistics.fail('no field x', 1)
    assert statistics.snapshot().error_is_newest
    statistics.finish(tiny_result(), 1.0, 1)
    snapshot = statistics.snapshot()
    assert snapshot.error == 'no field x' and not snapshot.error_is_newest
