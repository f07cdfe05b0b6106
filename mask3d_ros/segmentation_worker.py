"""Segments the latest cloud in a worker thread and publishes the results."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
import math
import threading
import time

from mask3d_core.device import give_back_memory
from mask3d_core.errors import InputError
from mask3d_core.stop import stoppable, Stopped, StopRequest
from mask3d_ros.error_log import ErrorLog
from mask3d_ros.map_segmenter import MapSegmenter, OpenMap, same_points
from mask3d_ros.messages import nanoseconds
from mask3d_ros.outputs import Output
from mask3d_ros.result import cloud_name, log_line, SegmentationResult, TileCounts
from mask3d_ros.segment_parameters import Settings
from mask3d_ros.statistics import Statistics
from mask3d_ros.worker import Answer, Job, LatestSlot, Questions, Worker
from rclpy.impl.rcutils_logger import RcutilsLogger
from sensor_msgs.msg import PointCloud2
import torch

LONG_SECONDS = 1.0
"""Freed memory is returned to the system, some tens of ms, after clouds that took longer."""
NOT_ACTIVE = 'the node is not active: activate it first'
NO_CLOUD = 'no cloud has arrived yet'
RESET = 'the node was reset'
FORGOTTEN = 'ids, tiles and the last result are forgotten'


class SegmentationWorker:
    """
    Segments the latest cloud while at least one output has a subscriber.

    Every method but `close` returns immediately. A cloud that arrives while no output has a
    subscriber is kept and segmented when the first subscriber appears. An output message is built
    only if its topic has subscribers; it is built from the last result when the first appears.

    A pause stops the work in progress at its next check (`mask3d_core.stop`). Until then the
    thread goes on, and what it finds is discarded.

    Between two tiles a newer cloud, or a change of the settings, is taken up: the cloud in
    progress gets no result then, or no further one with partial results. So that clouds that keep
    coming do not prevent all results, a cloud is finished in any case once as many tiles were
    segmented without a result as the first of these clouds needed.

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
    result : SegmentationResult or None
        The last one.
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
        # errors of work that was stopped are those of what it lost: outputs are destroyed, say
        self._errors = ErrorLog(logger, lambda: is_ok() and self._active)
        self._slot: LatestSlot[PointCloud2] = LatestSlot()
        self._cloud: PointCloud2 | None = None  # the last one taken, even if it raised an error
        self.result: SegmentationResult | None = None
        self._result_settings = settings
        self._unfinished: OpenMap | None = None  # of a cloud for which a newer one was taken up
        self._again = False  # the last cloud is to be segmented once more
        self._in_work = False  # the cloud taken last has no result yet, or a partial one
        self._is_counted = True  # whether the cloud taken last was processed, failed or dropped
        self._tiles_without_result = 0
        self._max_tiles_without_result = 0
        self._left_out = (0, 0)  # as last logged: tiles and points
        self._active = self._enabled = False
        self._request = StopRequest()  # of the cloud in progress
        self._asked = Questions()  # for a result of the latest cloud
        self._resets = Questions()
        self._jobs: deque[Job] = deque()  # the first may be in progress
        self._last_start = -math.inf
        self._lock = threading.Lock()
        self._worker = Worker(self._seconds_until_due, self._work, self._free)

    def submit(self, cloud: PointCloud2) -> None:
        """Accept a cloud; it replaces one that is still waiting."""
        self.statistics.receive()
        self._slot.put(cloud)
        self._worker.wake()

    def change(self, settings: Settings) -> None:
        """Use new settings from the next cloud on, and segment the last cloud again."""
        with self._lock:
            self._again |= settings != self._settings
            self._settings = settings
        self._worker.wake()

    def check_subscribers(self) -> None:
        """Check for new subscribers of the outputs; to be called periodically."""
        self._worker.wake()

    def resume(self) -> None:
        """Start segmenting."""
        self._active = self._enabled = True

    def pause(self, reason: str = NOT_ACTIVE) -> None:
        """Stop the work in progress, discard all clouds and results, and answer all questions."""
        with self._lock:
            self._active = False
            self._request.make(reason)
            for job in self._jobs:
                job.request.make(reason)
            self._cloud = self.result = self._unfinished = None
            self._again = False
            self.statistics.drop(self._slot.clear() + (not self._is_counted))
            self._is_counted = True
        self._asked.answer(False, reason)

    def enable(self, enabled: bool) -> bool:
        """
        Segment the clouds that arrive, or only keep the latest; return whether this is active.

        A cloud that is in progress is stopped, and segmented once this is enabled again, unless
        its result was asked for.
        """
        with self._lock:
            if not self._active:
                return False
            self._enabled = enabled
            if not enabled and not self._asked:
                self._again |= self._in_work and not self._request
                self._request.make('segmentation is disabled')
        self._worker.wake()
        return True

    def expects_results(self) -> bool:
        """Return whether clouds are segmented: active, enabled, and an output has a subscriber."""
        return self._active and self._enabled and self._has_subscribers()

    def segment_now(self, answer: Answer) -> None:
        """Segment the latest cloud, whatever the rate and subscribers; answer after the result."""
        with self._lock:
            refusal = (NOT_ACTIVE if not self._active else
                       NO_CLOUD if not self._slot and self._cloud is None else '')
            if not refusal:
                self._asked.add(answer)
        if refusal:
            answer(False, refusal)
        self._worker.wake()

    def reset(self, answer: Answer) -> None:
        """Stop the cloud in progress; forget ids, tiles and the last result; then answer."""
        with self._lock:
            self._request.make(RESET)
            self.result = self._unfinished = None
            self._again = False
            self._resets.add(answer)
        self._asked.answer(False, RESET)
        self._worker.wake()

    def run(self, job: Job) -> bool:
        """Do other work in the thread, before the next cloud; return False if not active."""
        with self._lock:
            active = self._active
            if active:
                self._jobs.append(job)
        self._worker.wake()
        return active

    def close(self, seconds: float | None = None) -> bool:
        """
        Pause and end the worker thread; return whether it has ended.

        Blocks until the work in progress has stopped, but not longer than some seconds, if given.
        """
        self.pause()
        ended = self._worker.stop(seconds)
        self._resets.answer(False, NOT_ACTIVE)
        return ended

    def _seconds_until_due(self) -> float:
        # During shutdown the queries of the ROS graph raise: then nothing is due any more.
        return min(self._errors.value_or(math.inf, self._delay),
                   self._segmenter.seconds_until_save())

    def _delay(self) -> float:
        result = self.result
        if not self._is_ok():
            return math.inf
        if self._resets or self._jobs:
            return 0.0
        if not self._active:
            return math.inf
        if result is not None and any(output.needs_update(result) for output in self._outputs):
            return 0.0
        return self._seconds_until_cloud()

    def _seconds_until_cloud(self) -> float:
        """Return the seconds until a cloud is to be segmented; infinity if none is."""
        if self._has_cloud() and (self._asked or (self._enabled and self._has_subscribers())):
            return self._seconds_until_next_start()
        return math.inf

    def _has_subscribers(self) -> bool:
        return any(output.has_subscribers() for output in self._outputs)

    def _has_cloud(self) -> bool:
        """Return whether a cloud is waiting, or the last one is to be segmented again."""
        return bool(self._slot) or (
            (self._again or bool(self._asked)) and self._cloud is not None)

    def _seconds_until_next_start(self) -> float:
        """Return the seconds until `max_rate` allows the next cloud, or it is asked for."""
        if self._asked:
            return 0.0
        return self._last_start + self._settings.min_period - time.monotonic()

    def _work(self) -> None:
        worked = False
        if self._resets:
            self._errors.guard(self._segmenter.reset)
            self._restart_count()
            self._resets.answer(True, FORGOTTEN)
        if self._jobs:
            self._errors.guard(self._jobs[0].work)
            self._jobs.popleft()
        elif self._active and self._errors.value_or(math.inf, self._seconds_until_cloud) <= 0:
            self._last_start, worked = time.monotonic(), True
            if not self._errors.guard(self._segment_latest):
                self._restart_count()
                self.statistics.fail(self._errors.last_error, self._count_cloud())
        self._update_outputs()
        self._errors.guard(self._segmenter.save_objects)
        self._asked.tell()
        if worked and time.monotonic() - self._last_start >= LONG_SECONDS:
            give_back_memory()

    def _free(self) -> None:
        """Save the objects, and free the model, which the node has dropped already."""
        self._errors.guard(partial(self._segmenter.save_objects, now=True))
        self._segmenter.close()
        del self._segmenter
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()

    def _update_outputs(self) -> None:
        result = self.result
        if result is not None:
            for output in self._outputs:
                self._errors.guard(partial(output.update, result))

    def _segment_latest(self) -> None:
        start = time.perf_counter()
        with self._lock:
            settings, last = self._settings, self.result
            cloud, dropped = self._slot.take()
            if cloud is not None:
                self.statistics.drop(dropped + (not self._is_counted))
                self._is_counted = False
            cloud = self._cloud if cloud is None else cloud
            if cloud is None or not self._active:
                return
            self._cloud, self._again, self._in_work = cloud, False, True
            self._request = request = StopRequest()
            self._asked.begin()
        try:
            with stoppable(request):
                self._segment(cloud, settings, last, start)
        except Stopped:
            self._restart_count()
        except InputError as error:
            self._asked.found(False, f'{cloud_name(cloud)}: {error}')
            raise
        except Exception:
            self._asked.found(False, 'an unexpected error, which is in the log')
            raise
        finally:
            self._in_work = False

    def _segment(self, cloud: PointCloud2, settings: Settings, last: SegmentationResult | None,
                 start: float) -> None:
        request = self._request
        if last is not None and self._is_repeated(cloud, settings, last):
            self._repeat(cloud, settings, last, start)
            return
        work = self._continued(cloud, settings) or self._segmenter.open(cloud, settings, last)
        if not self._max_tiles_without_result:
            self._max_tiles_without_result = work.num_pending
        for _ in work.run():
            if request or not self._is_ok():
                self._restart_count()
                return
            if not work.num_pending:
                break
            self._tiles_without_result += 1
            if settings.partial_results:
                self._publish(work.result(), settings, start)
                self._update_outputs()
            if self._is_outdated(settings.partial_results):
                self._discard(work)
                return
        self._publish(work.result(), settings, start)

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
        return (allowed and (bool(self._slot) or self._again)
                and self._seconds_until_next_start() <= 0
                and (bool(self._asked) or self._errors.value_or(False, self._has_subscribers)))

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
                start: float) -> None:
        """Publish the last result again, with the header of another cloud."""
        stamp = nanoseconds(cloud.header.stamp)
        self._segmenter.see_again(last.scan, stamp)
        result = replace(last, cloud=cloud, objects=last.objects.again(stamp),
                         cloud_voxel=settings.cloud_voxel, color_by=settings.color_by,
                         seconds={'read': time.perf_counter() - start},
                         tiles=replace(last.tiles, segmented=0))
        self._publish(result, settings, start)

    def _publish(self, result: SegmentationResult, settings: Settings, start: float) -> None:
        """Make a result the last one, whose messages are built next, and log it."""
        seconds = time.perf_counter() - start
        line = log_line(result, seconds, self.statistics.take_dropped())
        with self._lock:
            if self._request:
                return
            self.result, self._result_settings = result, settings
            if not result.tiles.pending:
                self._in_work = False
                self._asked.found(True, f'{cloud_name(result.cloud)}: {line}',
                                  latest=not self._slot)
            for output in self._outputs:
                if output.is_of_events:  # published now: a pause or a reset discards the result
                    self._errors.guard(partial(output.update, result))
            if result.objects.changes:  # a result that is repeated has none
                self._segmenter.mark_published()
        self.statistics.finish(result, seconds,
                               0 if result.tiles.pending else self._count_cloud())
        self._restart_count()
        self._errors.reset()
        self._logger.info(line)
        self._log_left_out(result.tiles)

    def _log_left_out(self, tiles: TileCounts) -> None:
        """Log what is left out, if it is not what was logged before."""
        left_out = tiles.left_out, tiles.left_out_points
        if left_out != self._left_out:
            self._left_out = left_out
            self._logger.info(f'roi and max_points leave out {tiles.left_out_points} points in '
                              f'{tiles.left_out} of {tiles.total} tiles')
