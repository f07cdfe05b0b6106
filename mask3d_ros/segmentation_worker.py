"""Segments the latest cloud in a worker thread and publishes the results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
import math
import threading
import time

from mask3d_ros.error_log import ErrorLog
from mask3d_ros.map_segmenter import MapSegmenter, nanoseconds, OpenMap, same_points
from mask3d_ros.outputs import Output
from mask3d_ros.result import SegmentationResult, TileCounts
from mask3d_ros.segment_parameters import Settings
from mask3d_ros.statistics import Statistics
from mask3d_ros.worker import LatestSlot, Worker
from rclpy.impl.rcutils_logger import RcutilsLogger
from sensor_msgs.msg import PointCloud2


class SegmentationWorker:
    """
    Segments the latest cloud while at least one output has a subscriber.

    Every method but `close` returns immediately. A cloud that arrives while no output has a
    subscriber is kept and segmented when the first subscriber appears. An output message is built
    only if its topic has subscribers; it is built from the last result when the first appears.

    Between two tiles a pause takes effect, and a newer cloud, or a change of the settings, is
    taken up: the cloud in progress gets no result then, or no further one with partial results.
    So that clouds that keep coming do not prevent all results, a cloud is finished in any case
    once as many tiles were segmented without a result as the first of these clouds needed.

    Parameters
    ----------
    segmenter : MapSegmenter
    settings : Settings
    outputs : sequence of Output
    logger
    is_ok : callable
        Whether the ROS context is valid.

    Attributes
    ----------
    statistics : Statistics
        Of the clouds it was given.

    """

    def __init__(self, segmenter: MapSegmenter, settings: Settings, outputs: Sequence[Output],
                 logger: RcutilsLogger, is_ok: Callable[[], bool]) -> None:
        self._segmenter = segmenter
        self._settings = settings
        self._outputs = outputs
        self._logger = logger
        self._is_ok = is_ok
        self.statistics = Statistics()
        self._errors = ErrorLog(logger, is_ok)
        self._slot: LatestSlot[PointCloud2] = LatestSlot()
        self._cloud: PointCloud2 | None = None  # the last one taken, even if it raised an error
        self._result: SegmentationResult | None = None
        self._result_settings = settings
        self._unfinished: OpenMap | None = None  # of a cloud for which a newer one was taken up
        self._settings_changed = False
        self._is_counted = True  # whether the cloud taken last was processed, failed or dropped
        self._tiles_without_result = 0
        self._max_tiles_without_result = 0
        self._left_out = (0, 0)  # as last logged: tiles and points
        self._active = False
        self._activation = 0  # counts pauses: a result of an earlier activation is discarded
        self._last_start = -math.inf
        self._lock = threading.Lock()
        self._worker = Worker(self._seconds_until_due, self._work)

    def submit(self, cloud: PointCloud2) -> None:
        """Accept a cloud; it replaces one that is still waiting."""
        self.statistics.receive()
        self._slot.put(cloud)
        self._worker.wake()

    def change(self, settings: Settings) -> None:
        """Use new settings from the next cloud on, and segment the last cloud again."""
        with self._lock:
            self._settings_changed |= settings != self._settings
            self._settings = settings
        self._worker.wake()

    def check_subscribers(self) -> None:
        """Check for new subscribers of the outputs; to be called periodically."""
        self._worker.wake()

    def resume(self) -> None:
        """Start segmenting."""
        self._active = True

    def pause(self) -> None:
        """Stop segmenting after the tile in progress, and discard all clouds and results."""
        with self._lock:
            self._active = False
            self._activation += 1
            self._cloud = self._result = self._unfinished = None
            self._settings_changed = False
            self.statistics.drop(self._slot.clear() + (not self._is_counted))
            self._is_counted = True

    def close(self) -> None:
        """End the worker thread; blocks until the tile in progress is done."""
        self.pause()
        self._worker.stop()
        self._errors.guard(partial(self._segmenter.save_objects, now=True))

    def _seconds_until_due(self) -> float:
        # During shutdown the queries of the ROS graph raise: then nothing is due any more.
        return self._errors.value_or(math.inf, self._delay)

    def _delay(self) -> float:
        result = self._result
        if not (self._active and self._is_ok()):
            return math.inf
        if result is not None and any(output.needs_update(result) for output in self._outputs):
            return 0.0
        if self._has_cloud() and self._has_subscribers():
            return self._seconds_until_next_start()
        return math.inf

    def _has_subscribers(self) -> bool:
        return any(output.has_subscribers() for output in self._outputs)

    def _has_cloud(self) -> bool:
        """Return whether a cloud is waiting, or settings changed since the last one."""
        return bool(self._slot) or (self._settings_changed and self._cloud is not None)

    def _seconds_until_next_start(self) -> float:
        """Return the seconds until `max_rate` allows the next cloud."""
        return self._last_start + self._settings.min_period - time.monotonic()

    def _work(self) -> None:
        if self._has_cloud() and self._seconds_until_next_start() <= 0:
            self._last_start = time.monotonic()
            if not self._errors.guard(self._segment_latest):
                self._restart_count()
                self.statistics.fail(self._errors.last_error, self._count_cloud())
        self._update_outputs()
        self._errors.guard(self._segmenter.save_objects)

    def _update_outputs(self) -> None:
        result = self._result
        if result is not None:
            for output in self._outputs:
                self._errors.guard(partial(output.update, result))

    def _segment_latest(self) -> None:
        start = time.perf_counter()
        with self._lock:
            activation, settings, last = self._activation, self._settings, self._result
            cloud, dropped = self._slot.take()
            if cloud is None and self._settings_changed:
                cloud = self._cloud
            elif cloud is not None:
                self.statistics.drop(dropped + (not self._is_counted))
                self._is_counted = False
            if cloud is not None:
                self._cloud = cloud
            self._settings_changed = False
        if cloud is None:
            return
        if last is not None and self._is_repeated(cloud, settings, last):
            self._repeat(cloud, settings, last, activation, start)
            return
        work = self._continued(cloud, settings) or self._segmenter.open(cloud, settings, last)
        if not self._max_tiles_without_result:
            self._max_tiles_without_result = work.num_pending
        for _ in work.run():
            if activation != self._activation or not self._is_ok():
                self._restart_count()
                return
            if not work.num_pending:
                break
            self._tiles_without_result += 1
            if settings.partial_results:
                self._publish(work.result(), settings, activation, start)
                self._update_outputs()
            if self._is_outdated(settings.partial_results):
                self._discard(work)
                return
        self._publish(work.result(), settings, activation, start)

    def _continued(self, cloud: PointCloud2, settings: Settings) -> OpenMap | None:
        """Return the unfinished map for a newer cloud that has the same points, or None."""
        work, self._unfinished = self._unfinished, None
        if (work is None or settings != work.settings or settings.frames
                or not same_points(cloud, work.cloud)):
            return None
        work.cloud = cloud
        return work

    def _is_outdated(self, has_result: bool) -> bool:
        """Return whether a newer cloud, or other settings, are to be taken up between tiles."""
        allowed = has_result or self._tiles_without_result < self._max_tiles_without_result
        return (allowed and self._has_cloud() and self._seconds_until_next_start() <= 0
                and self._errors.value_or(False, self._has_subscribers))

    def _count_cloud(self) -> int:
        """Return 1 for the first result or error of the cloud taken last, 0 for any other."""
        with self._lock:
            number, self._is_counted = int(not self._is_counted), True
        return number

    def _restart_count(self) -> None:
        """Count the tiles without a result from 0 again."""
        self._tiles_without_result = self._max_tiles_without_result = 0

    def _discard(self, work: OpenMap) -> None:
        self._unfinished = work
        self._logger.info(f'a newer cloud or setting is taken up after {work.num_segmented} of '
                          f'{work.num_tiles} tiles, which are kept')

    def _is_repeated(self, cloud: PointCloud2, settings: Settings, last: SegmentationResult,
                     ) -> bool:
        """Return whether a cloud has the points, and its result the instances, of the last one."""
        bounded = settings.max_points or settings.region_frame  # may select other tiles now
        return (not last.tiles.pending and not (last.tiles.left_out and bounded)
                and settings.same_result(self._result_settings) and same_points(cloud, last.cloud))

    def _repeat(self, cloud: PointCloud2, settings: Settings, last: SegmentationResult,
                activation: int, start: float) -> None:
        """Publish the last result again, with the header of another cloud."""
        stamp = nanoseconds(cloud.header.stamp)
        result = replace(last, cloud=cloud, objects=last.objects.again(stamp),
                         cloud_voxel=settings.cloud_voxel, color_by=settings.color_by,
                         seconds={'read': time.perf_counter() - start},
                         tiles=replace(last.tiles, segmented=0))
        self._publish(result, settings, activation, start)

    def _publish(self, result: SegmentationResult, settings: Settings, activation: int,
                 start: float) -> None:
        """Make a result the last one, whose messages are built next, and log it."""
        with self._lock:
            if activation != self._activation:
                return
            self._result, self._result_settings = result, settings
        seconds = time.perf_counter() - start
        self.statistics.finish(result, seconds,
                               0 if result.tiles.pending else self._count_cloud())
        self._restart_count()
        self._errors.reset()
        self._logger.info(_log_line(result, seconds, self.statistics.take_dropped()))
        self._log_left_out(result.tiles)

    def _log_left_out(self, tiles: TileCounts) -> None:
        """Log what is left out, if it is not what was logged before."""
        left_out = tiles.left_out, tiles.left_out_points
        if left_out != self._left_out:
            self._left_out = left_out
            self._logger.info(f'roi and max_points leave out {tiles.left_out_points} points in '
                              f'{tiles.left_out} of {tiles.total} tiles')


def _log_line(result: SegmentationResult, seconds: float, dropped: int) -> str:
    stages = ', '.join(f'{name} {1000 * time:.0f}' for name, time in result.seconds.items())
    late = f'; {dropped} older clouds were dropped' if dropped else ''
    instances, tiles = result.instances, result.tiles
    voxels = ('' if math.isnan(instances.voxel_size)
              else f' in voxels of {100 * instances.voxel_size:.3g} cm')
    return (f'{instances.num_points} points{voxels}: {len(instances)} instances in '
            f'{1000 * seconds:.0f} ms, {tiles.segmented} of {tiles.total} tiles segmented'
            + (f', {tiles.pending} to go' if tiles.pending else '') + f' ({stages}){late}')
