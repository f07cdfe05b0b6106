"""Segmentation of one PointCloud2 after another; what did not change is not segmented again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
import math
import time
from typing import Any

from mask3d_core.extraction.postprocess import ExtractSettings
from mask3d_core.scan import Scan
from mask3d_core.segmenter import Segmenter
from mask3d_core.stop import begin_stage, stoppable
from mask3d_core.tiling.map_segmentation import difference, MapResult, MapSegmentation, Workload
from mask3d_core.tiling.tile_cache import TileCache
from mask3d_core.tracking import (
    Difference,
    Header,
    ObjectChange,
    ObjectMap,
    Selection,
    TrackedObjects,
    untracked,
)
from mask3d_core.tracking.object_map import CONTINUE_SHARE
from mask3d_ros.cloud_reader import CloudReader
from mask3d_ros.messages import nanoseconds
from mask3d_ros.object_state import ObjectState
from mask3d_ros.result import SegmentationResult, TileCounts
from mask3d_ros.segment_parameters import Settings
from mask3d_ros.transforms import FindPose
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2

CHUNK_BYTES = 1 << 18
"""Bytes compared at once: they stay in the processor's cache."""
Track = Callable[[Scan, MapResult, PointCloud2, Settings], TrackedObjects]


class MapSegmenter:
    """
    Segments the clouds of a map that grows; keeps tiles and objects from cloud to cloud.

    Parameters
    ----------
    segmenter : Segmenter
    find_pose : callable
        Returns poses of `roi_frame` and `robot_frame`.
    reader : CloudReader
    state : ObjectState, optional
        Where the objects are kept.

    """

    def __init__(self, segmenter: Segmenter, find_pose: FindPose, reader: CloudReader,
                 state: ObjectState | None = None) -> None:
        self._segmenter = segmenter
        self._reader = reader
        self._find_pose = find_pose
        self._cache = TileCache()
        self._state = state
        self._objects = ObjectMap() if state is None else state.load()
        self._unsaved = False
        self._unpublished_changes: list[ObjectChange] = []
        self._tracked: tuple[Scan, MapResult] | None = None  # what the objects are of

    def reset(self) -> None:
        """Forget all tiles and objects; ids count from 1 again."""
        self._cache.clear()
        self._objects.reset()
        self._tracked, self._unsaved, self._unpublished_changes = None, True, []

    def mark_published(self) -> None:
        """Note that the last result was published, and with it all changes so far."""
        self._unpublished_changes = []

    def open(self, cloud: PointCloud2, settings: Settings, last: SegmentationResult | None = None,
             ) -> OpenMap:
        """
        Decode a cloud and cut it into tiles.

        Parameters
        ----------
        cloud : PointCloud2
        settings : Settings
        last : SegmentationResult, optional
            Its scan is used if its cloud has the same points.

        Raises
        ------
        InputError
            If the cloud cannot be decoded, or not be transformed into the target frame.

        """
        begin_stage('read')
        start = time.perf_counter()
        if last is not None and not settings.target_frame and same_points(cloud, last.cloud):
            scan = last.scan
        else:
            cloud, scan = self._reader.read(cloud, settings.target_frame)
        seconds = time.perf_counter() - start
        frame = cloud.header.frame_id
        opened = self._segmenter.open_map(
            scan, _extraction(settings), cache=self._cache, frame=frame,
            tiles=settings.tiles(self._segmenter.weights),
            workload=map_workload(settings, frame, self._find_pose),
            num_queries=settings.num_queries or None, max_voxels=settings.max_voxels)
        return OpenMap(cloud, scan, settings, opened, seconds, self._track)

    def see_again(self, scan: Scan, stamp: int) -> None:
        """Note in the objects that a later cloud has the points of the last scan; nanoseconds."""
        if self._tracked is not None and self._tracked[0] is scan:
            self._objects.see_again(stamp)
            self._unsaved = True

    def seconds_until_save(self) -> float:
        """Return the seconds until objects may be written; infinity if there are none to write."""
        if self._state is None or not self._unsaved or self._unpublished_changes:
            return math.inf
        return self._state.seconds_until_save()

    def save_objects(self, *, now: bool = False) -> None:
        """
        Write the objects to the state file, if there is one and they may have changed.

        Not while changes of them are unpublished: a node that reads the file tells these again.

        Parameters
        ----------
        now : bool
            Also if the last time was just before.

        Raises
        ------
        InputError
            If the file cannot be written.

        """
        if self._state is not None and self._unsaved and not self._unpublished_changes:
            self._unsaved = not self._state.save(self._objects, now=now)

    def close(self) -> None:
        """Let other nodes use the state file."""
        if self._state is not None:
            self._state.close()

    def _track(self, scan: Scan, result: MapResult, cloud: PointCloud2, settings: Settings,
               ) -> TrackedObjects:
        """Return the objects of a map; without tracking, the instances of one cloud."""
        header = Header(cloud.header.frame_id, nanoseconds(cloud.header.stamp))
        last, self._tracked = self._tracked, None
        if not settings.track:
            self._objects.reset()
            self._unpublished_changes = []
            return untracked(result.instances, header.stamp)
        tracker = self._objects.tracker
        tracker.max_misses = settings.max_misses
        if tracker.tracks and tracker.frame != header.frame:
            self._reader.warn(f'the frame of the clouds is {header.frame!r} now and was '
                              f'{tracker.frame!r}: {len(tracker.tracks)} objects are forgotten; '
                              'use a node for each frame, or set target_frame')
        since = Difference() if last is None else difference(scan, result, *last)
        objects = self._objects.update(scan, result.instances, header,
                                       self._selection(settings.extract), since)
        self._tracked, self._unsaved = (scan, result), True
        self._unpublished_changes += objects.changes
        return replace(objects, changes=tuple(self._unpublished_changes))

    def _selection(self, extract: ExtractSettings) -> Selection:
        """Return which objects are published."""
        table = self._segmenter.weights.classes
        ids = frozenset(table.ids[row] for row in table.rows(extract.classes))
        return Selection(extract.score_threshold, ids if extract.classes else None)


class OpenMap:
    """
    A cloud whose tiles are segmented one after another.

    Parameters
    ----------
    cloud : PointCloud2
    scan : Scan
    settings : Settings
    opened : MapSegmentation
    read_seconds : float
        What it took to decode the cloud.
    track : callable
        Returns the objects, given scan, result, cloud and settings.

    Attributes
    ----------
    cloud : PointCloud2
        That of the result; can be replaced by one with the same points.
    settings : Settings

    """

    def __init__(self, cloud: PointCloud2, scan: Scan, settings: Settings,
                 opened: MapSegmentation, read_seconds: float, track: Track) -> None:
        self.cloud, self.settings = cloud, settings
        self._scan = scan
        self._opened = opened
        self._read_seconds = read_seconds
        self._track = track
        self._num_missing = len(opened.pending)

    @property
    def num_tiles(self) -> int:
        """Number of tiles of the map."""
        return self._opened.num_tiles

    @property
    def num_pending(self) -> int:
        """Number of tiles still to be segmented."""
        return len(self._opened.pending)

    @property
    def num_segmented(self) -> int:
        """Number of tiles segmented so far."""
        return self._num_missing - self.num_pending

    def run(self) -> Iterator[None]:
        """
        Segment the pending tiles; yield after each.

        Raises
        ------
        InputError
            If a tile does not suit the weights.

        """
        for _ in self._opened.run():
            yield

    def result(self) -> SegmentationResult:
        """Join the tiles that are known by now, and update the objects of the map."""
        result = self._opened.result()
        start = time.perf_counter()
        with stoppable(None):  # objects that are half updated would be wrong
            objects = self._track(self._scan, result, self.cloud, self.settings)
        tracking = time.perf_counter() - start
        left_out = [tile.number for tile in self._opened.left_out]
        points = (int(np.bincount(result.core, minlength=self.num_tiles)[left_out].sum())
                  if left_out else 0)
        seconds = {'read': self._read_seconds, **result.instances.seconds, 'tracking': tracking}
        tiles = TileCounts(self.num_tiles, self.num_segmented, self.num_pending, len(left_out),
                           points)
        return SegmentationResult(self.cloud, self._scan, objects, seconds,
                                  self.settings.cloud_voxel, tiles, self.settings.color_by)


def _extraction(settings: Settings) -> ExtractSettings:
    """Return how instances are extracted: those of lower score continue tracked objects."""
    extract = settings.extract
    if not settings.track:
        return extract
    return replace(extract, score_threshold=CONTINUE_SHARE * extract.score_threshold)


def same_points(cloud: PointCloud2, other: PointCloud2) -> bool:
    """Return whether two clouds have the same points, whatever their headers."""
    return cloud is other or (
        (cloud.height, cloud.width, cloud.point_step, cloud.row_step, cloud.is_bigendian,
         cloud.header.frame_id)
        == (other.height, other.width, other.point_step, other.row_step, other.is_bigendian,
            other.header.frame_id)
        and cloud.fields == other.fields and _same_bytes(cloud.data, other.data))


def _same_bytes(data: Any, other: Any) -> bool:
    """Return whether two buffers are the same: three times as fast as comparing two arrays."""
    one, two = (np.frombuffer(buffer, np.uint8) for buffer in (data, other))
    return len(one) == len(two) and all(
        np.array_equal(one[start:start + CHUNK_BYTES], two[start:start + CHUNK_BYTES])
        for start in range(0, len(one), CHUNK_BYTES))


def map_workload(settings: Settings, frame: str, find_pose: FindPose) -> Workload:
    """
    Return which tiles of a map are segmented, in which order.

    Parameters
    ----------
    settings : Settings
    frame : str
        Of the map.
    find_pose : callable
        Returns poses of `roi_frame` and `robot_frame` in it. Without the pose of `roi_frame`, the
        region is the whole map.

    """
    robot = find_pose(settings.robot_frame, frame) if settings.robot_frame else None
    near = None if robot is None else robot.position
    region = settings.region
    if region is None:
        return Workload(near, None, settings.max_points)
    pose = None
    if settings.region_frame:
        pose = find_pose(settings.region_frame, frame)
        if pose is None:
            return Workload(near, None, settings.max_points)

    def wanted(xyz: NDArray[np.floating]) -> bool:
        return bool(region.contains(xyz if pose is None else pose.to_frame(xyz)).any())

    return Workload(near, wanted, settings.max_points)
