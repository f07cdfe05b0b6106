"""From the newest cloud to the outputs, in one thread beside the executor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
import math
import threading
import time

from mask3d_core.segmenter import Segmenter
from mask3d_core.tracker import Tracker
from mask3d_ros.answer import Answer, answer
from mask3d_ros.error_log import ErrorLog
from mask3d_ros.outputs import Output
from mask3d_ros.parameters import Settings
from mask3d_ros.worker import Newest, Worker
from rclpy.impl.rcutils_logger import RcutilsLogger
from sensor_msgs.msg import PointCloud2


class Segmentation:
    """
    Answers the newest cloud, as long as someone listens.

    Every method but `close` returns at once. A cloud that arrives while nobody listens waits; it
    is answered when the first subscriber comes. An output that nobody listens to is not built; it
    is built from the last answer when its first subscriber comes.

    Parameters
    ----------
    segmenter : Segmenter
    settings : Settings
    outputs : sequence of Output
    logger
    alive : callable
        Whether ROS still runs.

    """

    def __init__(self, segmenter: Segmenter, settings: Settings, outputs: Sequence[Output],
                 logger: RcutilsLogger, alive: Callable[[], bool]) -> None:
        self._segmenter = segmenter
        self._settings = settings
        self._outputs = outputs
        self._logger = logger
        self._alive = alive
        self._errors = ErrorLog(logger, alive)
        self._newest: Newest[PointCloud2] = Newest()
        self._cloud: PointCloud2 | None = None  # taken last, whether it could be answered or not
        self._answer: Answer | None = None
        self._tracker = Tracker()
        self._again = False
        self._active = False
        self._activation = 0
        self._started = -math.inf
        self._lock = threading.Lock()
        self._worker = Worker(self._due_in, self._work)

    def submit(self, cloud: PointCloud2) -> None:
        """Hand over a cloud; it replaces one that still waits."""
        self._newest.put(cloud)
        self._worker.wake()

    def change(self, settings: Settings) -> None:
        """Use other settings from the next cloud on, and answer the last one again."""
        with self._lock:
            self._settings = settings
            self._again = True
        self._worker.wake()

    def look(self) -> None:
        """Look for new subscribers; to be called now and then."""
        self._worker.wake()

    def resume(self) -> None:
        """Start to answer."""
        self._active = True

    def pause(self) -> None:
        """Forget the clouds and stop answering; a cloud in work is finished for nobody."""
        with self._lock:
            self._active = False
            self._activation += 1
            self._cloud = self._answer = None
            self._again = False
            self._newest.clear()

    def close(self) -> None:
        """End the thread; waits for the cloud in work."""
        self.pause()
        self._worker.stop()

    def _due_in(self) -> float:
        delays: list[float] = []  # none when ROS shuts down meanwhile
        self._errors.survive(lambda: delays.append(self._delay()))
        return delays[0] if delays else math.inf

    def _delay(self) -> float:
        current = self._answer
        if not (self._active and self._alive()):
            return math.inf
        if current is not None and any(output.lacks(current) for output in self._outputs):
            return 0.0
        if self._has_cloud() and any(output.wanted() for output in self._outputs):
            return self._start_in()
        return math.inf

    def _has_cloud(self) -> bool:
        """Return whether a cloud waits, or the last one is to be answered by other settings."""
        return bool(self._newest) or (self._again and self._cloud is not None)

    def _start_in(self) -> float:
        """Return the seconds until the next cloud may be begun."""
        return self._started + self._settings.min_seconds - time.monotonic()

    def _work(self) -> None:
        if self._has_cloud() and self._start_in() <= 0:
            self._started = time.monotonic()
            self._errors.survive(self._answer_newest)
        current = self._answer
        if current is not None:
            for output in self._outputs:
                self._errors.survive(partial(output.update, current))

    def _answer_newest(self) -> None:
        start = time.perf_counter()
        with self._lock:
            activation, settings = self._activation, self._settings
            cloud, dropped = self._newest.take()
            if cloud is None and self._again:
                cloud = self._cloud
            if cloud is not None:
                self._cloud = cloud
            self._again = False
        if cloud is None:
            return
        found = answer(cloud, self._segmenter, settings, self._tracker)
        with self._lock:
            if activation != self._activation:
                return
            self._answer = found
        self._errors.forget()
        self._logger.info(_summary(found, time.perf_counter() - start, dropped))


def _summary(found: Answer, seconds: float, dropped: int) -> str:
    stages = ', '.join(f'{name} {1000 * time:.0f}' for name, time in found.seconds.items())
    late = f'; {dropped} older clouds were dropped' if dropped else ''
    instances = found.instances
    return (f'{instances.num_points} points in voxels of {100 * instances.voxel_size:.3g} cm: '
            f'{len(instances)} instances in {1000 * seconds:.0f} ms ({stages}){late}')
