"""Segment a map tile by tile; only tiles that changed, where earlier ones are remembered."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
import time
from typing import Any, Protocol
import zlib

from mask3d_core.classes import ClassTable
from mask3d_core.errors import SingleVoxelError
from mask3d_core.extraction.measures import measure_masks
from mask3d_core.geometry.cells import distinct, NO_CELLS
from mask3d_core.geometry.points_in_cells import count_cells
from mask3d_core.instances import concatenate, Instances
from mask3d_core.scan import MIN_POINTS, Scan
from mask3d_core.stop import begin_stage
from mask3d_core.tiling.joining import join_tiles, MapObject
from mask3d_core.tiling.settings import TileSettings
from mask3d_core.tiling.tile_cache import TileCache
from mask3d_core.tiling.tiles import cut_map, Tile
from mask3d_core.tracking import Difference
import numpy as np
from numpy.typing import ArrayLike, NDArray

PartKey = tuple[int, int]
"""Serial number of a tile's segmentation, and index of an instance in it."""


class Workers(Protocol):
    """Processes that share the tiles of a map."""

    rank: int
    size: int

    def gather(self, item: Any) -> list[Any]:
        """Return the items of all processes, by rank."""


@dataclass(frozen=True, eq=False)
class Workload:
    """
    Which tiles are segmented, in which order, and by whom.

    Attributes
    ----------
    near : [2] or [3] float, or None
        Position of the robot: tiles that changed at the same time are segmented by their distance.
    wanted : function or None
        Of the points [n, 3] of a tile: whether it is to be segmented; the others are left out.
    max_points : int
        Most points in the tiles that are segmented; the others are left out. 0: no limit.
    workers : Workers or None
        Processes that run the same code, each of which segments a share of the tiles.
    min_points : int
        Of an instance: tiles of a larger map with fewer have none.

    """

    near: ArrayLike | None = None
    wanted: Callable[[NDArray[np.floating]], bool] | None = None
    max_points: int = 0
    workers: Workers | None = None
    min_points: int = MIN_POINTS


@dataclass(frozen=True, eq=False)
class MapResult:
    """
    The instances of a map, and what they were made of.

    Attributes
    ----------
    instances : Instances
    parts : list of tuple of PartKey
        What each instance consists of: equal in two answers for the very same object.
    serials : [T] int64
        Serial number of the segmentation of each tile; 0 for a tile without a result.
    core : [N] unsigned integer
        The tile in whose core each point of the scan is.

    """

    instances: Instances
    parts: list[tuple[PartKey, ...]]
    serials: NDArray[np.int64]
    core: NDArray[np.unsignedinteger]

    def same_as(self, earlier: MapResult) -> NDArray[np.int64]:
        """Return the row of each instance in an earlier result, -1 for another object: [I]."""
        row = {parts: index for index, parts in enumerate(earlier.parts)}
        return np.array([row.get(parts, -1) for parts in self.parts], np.int64)

    def changed_since(self, earlier: MapResult) -> NDArray[np.int64]:
        """
        Return the points in the cores of tiles that were segmented since an earlier result.

        Tiles without a result are not among them: nothing is known of their objects.
        """
        changed = ~np.isin(self.serials, earlier.serials) & (self.serials != 0)
        return np.flatnonzero(changed[self.core]) if changed.any() else np.zeros(0, np.int64)


def difference(scan: Scan, result: MapResult, last_scan: Scan, last: MapResult) -> Difference:
    """
    Return how a map differs from the last one, for tracking.

    What is gone is told only if no tile is missing: nothing is known of the places of these.
    """
    changed, gone = result.changed_since(last), NO_CELLS
    if len(changed) < len(scan) and result.serials.all():
        gone = count_cells(last_scan.xyz, last.changed_since(result))[0]
    return Difference(result.same_as(last), changed, gone)


class MapSegmentation:
    """
    A map whose tiles are segmented one after another.

    Parameters
    ----------
    scan : Scan
    tiles : TileSettings
    segment : function of Scan to Instances
        Segments a tile at once.
    classes : ClassTable
    cache : TileCache or None
        Tiles of earlier maps; those of this one are added. None: nothing is remembered.
    workload : Workload, optional

    Attributes
    ----------
    pending : list of Tile
        Still to be segmented, in this order.
    left_out : list of Tile
        Tiles without a result that are not to be segmented.

    """

    def __init__(self, scan: Scan, tiles: TileSettings, segment: Callable[[Scan], Instances],
                 classes: ClassTable, cache: TileCache | None,
                 workload: Workload | None = None) -> None:
        begin_stage('tiles')
        start = time.perf_counter()
        self._scan, self._segment, self._classes = scan, segment, classes
        self._cache, self._workload = cache, workload or Workload()
        self._tiled = cut_map(scan, tiles) if cache is None else cache.cut(scan, tiles)
        self._found: dict[int, Instances] = {}
        self._serials = np.zeros(len(self._tiled.tiles), np.int64)
        missing = self._tiled.tiles if cache is None else self._look_up(cache, tiles)
        self.pending, self.left_out = self._shares(self._in_order_of_use(missing))
        self._seconds = {'tiles': time.perf_counter() - start}

    @property
    def num_tiles(self) -> int:
        """Number of tiles of the map."""
        return len(self._tiled.tiles)

    def run(self) -> Iterator[Tile]:
        """Segment the pending tiles; yield each after it was segmented."""
        workers = self._workload.workers
        rank, size = (workers.rank, workers.size) if workers else (0, 1)
        mine = self.pending[rank::size]
        segmented = {}
        for tile in mine:
            segmented[tile.number] = self._segment_tile(tile)
            if size == 1:
                self._keep(tile, segmented[tile.number])
                self.pending.remove(tile)
            yield tile
        if workers is not None and size > 1:
            everything = {number: instances for part in workers.gather(segmented)
                          for number, instances in part.items()}
            for tile in self.pending:
                self._keep(tile, everything[tile.number])
            self.pending.clear()

    def finish(self) -> MapResult:
        """Segment all pending tiles, and join the instances of the map."""
        for _ in self.run():
            pass
        return self.result()

    def result(self) -> MapResult:
        """Join the instances of the tiles that are known by now."""
        if self.num_tiles > 1:
            begin_stage('joining')
        start = time.perf_counter()
        known = (self._joined() if self._cache is None
                 else self._cache.result(self._state(), self._joined))
        seconds = dict(self._seconds)
        if self.num_tiles > 1:
            seconds['joining'] = time.perf_counter() - start
        return replace(known, instances=replace(known.instances, seconds=seconds))

    def _state(self) -> Hashable:
        """Return what decides the result: the points, their tiles, and which are segmented."""
        kept = (0 if len(self._scan) == self._scan.input_size
                else zlib.crc32(np.ascontiguousarray(self._scan.kept).data))
        tiles = tuple(tile.digest for tile in self._tiled.tiles)
        return (self._scan.input_size, kept, zlib.crc32(self._tiled.core.data), tiles,
                tuple(self._serials.tolist()))

    def _joined(self) -> MapResult:
        """Join the instances of the tiles over the input cloud; `seconds` are still to be set."""
        if self.num_tiles == 1 and self._found:
            instances = self._found[0]
            parts: list[tuple[PartKey, ...]] = [
                ((int(self._serials[0]), index),) for index in range(len(instances))]
        else:
            objects = join_tiles(self._tiled, self._found)
            parts = [tuple((int(self._serials[tile]), index) for tile, index in one.parts)
                     for one in objects]
            instances = self._measured(objects)
        largest = max((one.voxel_size for one in self._found.values()), default=np.nan)
        instances = replace(instances, rows=tuple(map(self._over_input, instances.rows)),
                            num_points=self._scan.input_size, voxel_size=largest,
                            num_voxels=sum(one.num_voxels for one in self._found.values()))
        return MapResult(instances, parts, self._serials.copy(), self._tiled.core)

    def _look_up(self, cache: TileCache, settings: TileSettings) -> list[Tile]:
        """Take the instances of tiles that are remembered; return the other tiles."""
        cache.forget_far(self._tiled, settings)
        tiles = self._tiled.tiles
        cache.look_at(tiles)
        missing = []
        for tile in tiles:
            known = cache.find(tile)
            if known is None:
                missing.append(tile)
            else:
                self._found[tile.number] = known.instances
                self._serials[tile.number] = known.serial
        return missing

    def _in_order_of_use(self, tiles: Sequence[Tile]) -> list[Tile]:
        """Return tiles, the newest changes first, then the nearest."""
        near = self._workload.near

        def distance(tile: Tile) -> float:
            if near is None:
                return 0.0
            rows, columns = tile.window
            plan = self._tiled.plan
            center = plan.cell * np.array([plan.x[rows].mean(), plan.y[columns].mean()])
            return float(np.linalg.norm(center - np.asarray(near, np.float64)[:2]))

        cache = self._cache
        if cache is None:
            return sorted(tiles, key=distance)
        ordered = sorted(tiles, key=lambda tile: (cache.is_waiting(tile), distance(tile)))
        cache.note_waiting(ordered)
        return ordered

    def _shares(self, tiles: Sequence[Tile]) -> tuple[list[Tile], list[Tile]]:
        """Return the tiles to be segmented and those that the workload leaves out."""
        wanted, limit = self._workload.wanted, self._workload.max_points
        pending: list[Tile] = []
        left_out: list[Tile] = []
        points = 0
        for tile in tiles:
            if ((wanted is None or wanted(self._scan.xyz[tile.rows]))
                    and (not limit or points + len(tile) <= limit)):
                points += len(tile)
                pending.append(tile)
            else:
                left_out.append(tile)
        return pending, left_out

    def _count(self, seconds: Mapping[str, float]) -> None:
        for stage, spent in seconds.items():
            self._seconds[stage] = self._seconds.get(stage, 0.0) + spent

    def _segment_tile(self, tile: Tile) -> Instances:
        scan = tile.cut()
        least = MIN_POINTS if self.num_tiles == 1 else max(MIN_POINTS, self._workload.min_points)
        if len(scan) < least:
            return measure_masks([], scan, self._classes)
        try:
            instances = self._segment(scan)
        except SingleVoxelError:
            if self.num_tiles == 1:
                raise
            return measure_masks([], scan, self._classes)  # stray points outside of the rooms
        self._count(instances.seconds)
        return replace(instances, seconds={})

    def _keep(self, tile: Tile, instances: Instances) -> None:
        serial = tile.number + 1 if self._cache is None else self._cache.store(
            tile, instances).serial
        self._found[tile.number] = instances
        self._serials[tile.number] = serial

    def _measured(self, objects: Sequence[MapObject]) -> Instances:
        """Measure objects; those of one part were measured in their tile."""
        joined = [one for one in objects if len(one.parts) > 1]
        points = distinct(np.concatenate([*(one.rows for one in joined), np.zeros(0, np.int32)]))
        measured = [measure_masks([np.searchsorted(points, one.rows) for one in joined],
                                  self._scan.take(points), self._classes)]
        place = {one.parts: index for index, one in enumerate(joined)}
        before = len(joined)
        for number, instances in self._found.items():
            place |= {((number, index),): before + index for index in range(len(instances))}
            before += len(instances)
            measured.append(instances)
        instances = concatenate(measured).take([place[one.parts] for one in objects])
        return replace(
            instances, rows=tuple(one.rows for one in objects),
            class_id=np.array([one.class_id for one in objects], np.int32),
            score=np.array([one.score for one in objects], np.float32))

    def _over_input(self, rows: NDArray[np.integer]) -> NDArray[np.int32]:
        """Return the rows of the input cloud, given points of the scan."""
        if len(self._scan) == self._scan.input_size:
            return rows.astype(np.int32, copy=False)
        return self._scan.kept[rows].astype(np.int32)
