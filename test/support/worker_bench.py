"""A worker of segment_node whose tiles wait for a test, and what it publishes and logs."""

from collections.abc import Callable
import queue
import threading
import time
from typing import Any

from mask3d_core.classes import load_classes
from mask3d_core.errors import InputError
from mask3d_core.extraction.measures import measure_masks
from mask3d_core.extraction.postprocess import ExtractSettings
from mask3d_core.instances import Instances
from mask3d_core.model import ModelConfig
from mask3d_core.scan import Scan
from mask3d_core.tiling.map_segmentation import MapSegmentation
from mask3d_core.tiling.settings import TileSettings
from mask3d_core.weights.checkpoint import untrained_weights
from mask3d_ros.cloud_reader import CloudReader
from mask3d_ros.map_segmenter import MapSegmenter
from mask3d_ros.object_state import ObjectState
from mask3d_ros.result import SegmentationResult
from mask3d_ros.segment_parameters import Settings
from mask3d_ros.segmentation_worker import SegmentationWorker
from mask3d_ros.transforms import FramePose
import numpy as np
from sensor_msgs.msg import PointCloud2
from toy_map import SPACING

CLASSES = load_classes('scannet20')
SETTINGS = Settings(ExtractSettings(), 0, 0.0)
SECONDS = 300.0
"""Limit of every wait."""


class HeldSegmenter:
    """
    A segmenter of which every tile waits for `allow`: stands in for the network only.

    Each tile has one instance, the points above a height, 0.1 m, or none if there are no such.
    """

    def __init__(self) -> None:
        self.weights = untrained_weights(
            ModelConfig('Res16UNet14A', num_classes=len(CLASSES), num_queries=5, num_rounds=1),
            CLASSES)
        self.height = 0.1
        self.started: queue.Queue[float] = queue.Queue()
        self._allowed = threading.Semaphore(0)

    def open_map(self, scan: Scan, settings: ExtractSettings, *, cache: Any, frame: str,
                 tiles: TileSettings, workload: Any, **options: Any) -> MapSegmentation:
        cache.use((frame, settings, tiles, tuple(sorted(options.items()))))
        return MapSegmentation(scan, tiles, self._segment, CLASSES, cache, workload)

    def room(self) -> int:
        """Return the room of the next tile that is begun."""
        return int(self.started.get(timeout=SECONDS) // SPACING)

    def allow(self, tiles: int = 1) -> None:
        """Let so many tiles be finished."""
        for _ in range(tiles):
            self._allowed.release()

    def _segment(self, scan: Scan) -> Instances:
        self.started.put(float(scan.xyz[:, 0].mean()))
        assert self._allowed.acquire(timeout=SECONDS)
        if scan.xyz[:, 0].min() < -10:
            raise InputError('a tile that cannot be segmented')
        above = np.flatnonzero(scan.xyz[:, 2] > self.height)
        return measure_masks([above] if len(above) else [], scan, CLASSES)


class ResultList:
    """An output with a subscriber; keeps the results."""

    def __init__(self) -> None:
        self.results: list[SegmentationResult] = []
        self.is_of_events = False
        self.subscribers = 1

    def has_subscribers(self) -> bool:
        return self.subscribers > 0

    def needs_update(self, result: SegmentationResult) -> bool:
        return self.subscribers > 0 and not (self.results and self.results[-1] is result)

    def update(self, result: SegmentationResult) -> None:
        if self.needs_update(result):
            self.results.append(result)

    @property
    def stamps(self) -> list[int]:
        return [result.cloud.header.stamp.sec for result in self.results]


class Log:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, message: str) -> None:
        self.lines.append(message)

    error = info


class Bench:
    """A running worker with its stand-ins."""

    def __init__(self, settings: Settings = SETTINGS, state: ObjectState | None = None) -> None:
        self.segmenter, self.output, self.log = HeldSegmenter(), ResultList(), Log()
        self.poses: dict[str, FramePose] = {}
        reader = CloudReader(lambda frame, *_: self.poses[frame], self.log.lines.append, 0.02)
        maps = MapSegmenter(self.segmenter, lambda frame, _: self.poses.get(frame),  # type: ignore
                            reader, state)
        self.worker = SegmentationWorker(
            maps, settings, [self.output], self.log, lambda: True)  # type: ignore
        self.worker.resume()

    def close(self) -> None:
        """End the worker; it may finish what it has begun."""
        self.segmenter.allow(1000)
        self.worker.close()

    def wait(self, condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < deadline, self.log.lines
            time.sleep(0.005)

    def result(self, cloud: PointCloud2, tiles: int) -> SegmentationResult:
        """Return the result of a cloud that needs so many tiles to be segmented."""
        count = len(self.output.results)
        self.segmenter.allow(tiles)
        self.worker.submit(cloud)
        self.wait(lambda: len(self.output.results) > count)
        for _ in range(tiles):
            self.segmenter.room()
        assert self.segmenter.started.empty(), 'more tiles were segmented'
        return self.output.results[-1]
