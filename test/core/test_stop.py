"""Requests to stop reach the work in progress, on all its threads."""

import signal
import threading

from mask3d_core.classes import load_classes
from mask3d_core.model import ModelConfig
from mask3d_core.scan import Scan
from mask3d_core.segmenter import load_segmenter, Segmenter
from mask3d_core.sparse import in_background, parallel_map
from mask3d_core.stop import (
    begin_stage,
    check_stop,
    interruptible,
    stop_on_signals,
    stoppable,
    Stopped,
    StopRequest,
    until_stopped,
)
from mask3d_core.superpoints.graph_segmentation import segment_graph
from mask3d_core.weights.checkpoint import untrained_weights
import numpy as np
import pytest

STAGES = ['tiles', 'voxels', 'pyramid', 'unet', 'decoder', 'superpoints', 'clustering',
          'instances']


@pytest.fixture(scope='module')
def segmenter() -> Segmenter:
    classes = load_classes('scannet20')
    config = ModelConfig('Res16UNet14A', num_classes=len(classes), num_queries=5, num_rounds=1)
    return load_segmenter(untrained_weights(config, classes, voxel_size=0.05), 'cpu')


@pytest.fixture(scope='module')
def scan() -> Scan:
    random = np.random.default_rng(0)
    xyz = random.uniform(0, 2, (4000, 3)) * [1, 1, 0.1]
    return Scan.from_points(xyz.astype(np.float32),
                            random.uniform(0, 1, xyz.shape).astype(np.float32))


def stopped() -> StopRequest:
    request = StopRequest()
    request.make('test')
    return request


def test_only_work_of_the_request_is_stopped() -> None:
    check_stop()
    with stoppable(StopRequest()):
        check_stop()
    with stoppable(stopped()):
        with stoppable(None):
            check_stop()
        with pytest.raises(Stopped, match='test'):
            check_stop()
        with pytest.raises(Stopped):
            list(until_stopped([1]))
    check_stop()


def test_the_first_reason_is_kept() -> None:
    request = stopped()
    request.make('later')
    assert request and request.reason == 'test' and not StopRequest()


def test_threads_stop_with_the_work_that_started_them() -> None:
    request, seen = StopRequest(), []

    def work(number: int) -> None:
        seen.append(number)
        request.make('enough')

    with stoppable(request), pytest.raises(Stopped):
        parallel_map(work, 1000)
    assert len(seen) < 100
    with pytest.raises(Stopped), stoppable(stopped()), in_background(check_stop) as background:
        background.result()
    assert parallel_map(lambda number: number, 3) == [0, 1, 2]


@pytest.mark.parametrize('stage', STAGES)
def test_segmentation_stops_in_each_stage(segmenter: Segmenter, scan: Scan, stage: str) -> None:
    begun: list[str] = []

    def stop_here(name: str) -> None:
        begun.append(name)
        if name == stage:
            request.make('test')

    request = StopRequest(stop_here)
    with stoppable(request), pytest.raises(Stopped):
        segmenter.open_map(scan).finish()
    assert begun[-1] == stage


def test_stages_are_told_in_order(segmenter: Segmenter, scan: Scan) -> None:
    begun: list[str] = []
    with stoppable(StopRequest(begun.append)):
        segmenter.open_map(scan).finish()
    assert begun == STAGES
    begin_stage('of nobody')


def test_a_graph_whose_edges_are_processed_one_by_one_can_be_stopped() -> None:
    star = np.stack([np.zeros(50_000, int), np.arange(1, 50_001)], 1)
    request = StopRequest()
    request.make('test')
    with stoppable(request), pytest.raises(Stopped):
        segment_graph(star, np.linspace(0, 1, len(star)), 50_001, 1.0, 5)


def test_a_request_in_another_thread_stops_the_work() -> None:
    request = StopRequest()
    timer = threading.Timer(0.01, request.make, ['a timer'])
    timer.start()
    with stoppable(request), pytest.raises(Stopped, match='a timer'):
        while True:
            check_stop()


def test_a_request_just_before_a_long_call_prevents_it() -> None:
    request, begun = StopRequest(), []

    class Interrupts(list):
        def append(self, interrupt: object) -> None:
            request.make('just now')  # by another thread
            super().append(interrupt)

    request.interrupts = Interrupts()
    with stoppable(request), pytest.raises(Stopped, match='just now'):
        with interruptible(lambda: None):
            begun.append('the call')
    assert not begun and not request.interrupts


def test_signals_make_a_request_and_a_second_interrupt_ends_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    with stop_on_signals() as request:
        signal.raise_signal(signal.SIGTERM)
        assert request.reason == 'SIGTERM'
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
