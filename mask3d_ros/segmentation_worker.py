"""Segments the latest cloud in a worker thread and publishes the results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
import math
import threading
import time

from mask3d_core.segmenter import Segmenter
from mask3d_core.tracker import Tracker
from mask3d_ros.error_log import ErrorLog
from mask3d_ros.outputs import Output
from mask3d_ros.result import SegmentationResult
from mask3d_ros.segment_cloud import segment_cloud
from mask3d_ros.segment_parameters import Settings
from mask3d_ros.worker import LatestSlot, Worker
from rclpy.impl.rcutils_logger import RcutilsLogger
from sensor_msgs.msg import PointCloud2


class SegmentationWorker:
    """
    Segments the latest cloud while at least one output has a subscriber.

    Every method but `close` returns immediately. A cloud that arrives while no output has a
    subscriber is kept and segmented when the first subscriber appears. An output message is built
    only if its topic has subscribers; it is built from the last result when the first appears.

    Parameters
    ----------
    segmenter : Segmenter
    settings : Settings
    outputs : sequence of Output
    logger
    is_ok : callable
        Whether the ROS context is valid.

    """

    def __init__(self, segmenter: Segmenter, settings: Settings, outputs: Sequence[Output],
                 logger: RcutilsLogger, is_ok: Callable[[], bool]) -> None:
        self._segmenter = segmenter
        self._settings = settings
        self._outputs = outputs
        self._logger = logger
        self._is_ok = is_ok
        self._errors = ErrorLog(logger, is_ok)
        self._slot: LatestSlot[PointCloud2] = LatestSlot()
        self._cloud: PointCloud2 | None = None  # the last one taken, even if it raised an error
        self._result: SegmentationResult | None = None
        self._tracker = Tracker()
        self._settings_changed = False
        self._active = False
        self._activation = 0  # counts pauses: a result of an earlier activation is discarded
        self._last_start = -math.inf
        self._lock = threading.Lock()
        self._worker = Worker(self._seconds_until_due, self._work)

    def submit(self, cloud: PointCloud2) -> None:
        """Accept a cloud; it replaces one that is still waiting."""
        self._slot.put(cloud)
        self._worker.wake()

    def change(self, settings: Settings) -> None:
        """Use new settings from the next cloud on, and segment the last cloud again."""
        with self._lock:
            self._settings = settings
            self._settings_changed = True
        self._worker.wake()

    def check_subscribers(self) -> None:
        """Check for new subscribers of the outputs; to be called periodically."""
        self._worker.wake()

    def resume(self) -> None:
        """Start segmenting."""
        self._active = True

    def pause(self) -> None:
        """Stop segmenting and discard all clouds, and the result of one in progress."""
        with self._lock:
            self._active = False
            self._activation += 1
            self._cloud = self._result = None
            self._settings_changed = False
            self._slot.clear()

    def close(self) -> None:
        """End the worker thread; blocks until the cloud in progress is done."""
        self.pause()
        self._worker.stop()

    def _seconds_until_due(self) -> float:
        # During shutdown the queries of the ROS graph raise: then nothing is due any more.
        return self._errors.value_or(math.inf, self._delay)

    def _delay(self) -> float:
        result = self._result
        if not (self._active and self._is_ok()):
            return math.inf
        if result is not None and any(output.needs_update(result) for output in self._outputs):
            return 0.0
        if self._has_cloud() and any(output.has_subscribers() for output in self._outputs):
            return self._seconds_until_next_start()
        return math.inf

    def _has_cloud(self) -> bool:
        """Return whether a cloud is waiting, or settings changed since the last one."""
        return bool(self._slot) or (self._settings_changed and self._cloud is not None)

    def _seconds_until_next_start(self) -> float:
        """Return the seconds until `max_rate` allows the next cloud."""
        return self._last_start + self._settings.min_period - time.monotonic()

    def _work(self) -> None:
        if self._has_cloud() and self._seconds_until_next_start() <= 0:
            self._last_start = time.monotonic()
            self._errors.guard(self._segment_latest)
        result = self._result
        if result is not None:
            for output in self._outputs:
                self._errors.guard(partial(output.update, result))

    def _segment_latest(self) -> None:
        start = time.perf_counter()
        with self._lock:
            activation, settings = self._activation, self._settings
            cloud, dropped = self._slot.take()
            if cloud is None and self._settings_changed:
                cloud = self._cloud
            if cloud is not None:
                self._cloud = cloud
            self._settings_changed = False
        if cloud is None:
            return
        result = segment_cloud(cloud, self._segmenter, settings, self._tracker)
        with self._lock:
            if activation != self._activation:
                return
            self._result = result
        self._errors.reset()
        self._logger.info(_log_line(result, time.perf_counter() - start, dropped))


def _log_line(result: SegmentationResult, seconds: float, dropped: int) -> str:
    stages = ', '.join(f'{name} {1000 * time:.0f}' for name, time in result.seconds.items())
    late = f'; {dropped} older clouds were dropped' if dropped else ''
    instances = result.instances
    return (f'{instances.num_points} points in voxels of {100 * instances.voxel_size:.3g} cm: '
            f'{len(instances)} instances in {1000 * seconds:.0f} ms ({stages}){late}')
