"""The tiles of a map: the points of a core, and of a margin around it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
import math
from typing import Any
import zlib

from mask3d_core.extraction.point_masks import Groups
from mask3d_core.scan import Scan
from mask3d_core.sparse import map_blocks, parallel_map
from mask3d_core.sparse.threads import BLOCK_ROWS
from mask3d_core.tiling.fingerprint import Fingerprint, fingerprint
from mask3d_core.tiling.settings import MAX_STRETCH, TileSettings
from mask3d_core.tiling.tile_plan import PARTS, plan_tiles, TilePlan
from mask3d_core.voxel_box import bounds
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Digest = tuple[int, ...]
"""Number of points, and checksums of them."""


def digest_of(scan: Scan) -> Digest:
    """Return what only the same points in the same order have."""
    columns: tuple[NDArray[Any] | None, ...] = (scan.xyz, scan.color, scan.segment)

    def checksum(number: int) -> int:
        column = columns[number]
        return 0 if column is None else zlib.crc32(np.ascontiguousarray(column).data)

    return len(scan), *parallel_map(checksum, len(columns))


@dataclass(frozen=True, eq=False)
class Tile:
    """
    A part of a map that is segmented at once.

    Attributes
    ----------
    number : int
        Of the tile in its map.
    rows : [n] int32
        Points of the map in the core and in the margin, ascending.
    shared : [m] int32
        Those of them that other tiles see as well, ascending.
    window : pair of slices
        Cells of the plan around the core, and those next to them.
    scan : Scan
        The map.
    plan : TilePlan
        Of the map.
    map_digest : Digest or None
        Of the map, if it is known.

    """

    number: int
    rows: NDArray[np.int32]
    shared: NDArray[np.int32]
    window: tuple[slice, slice]
    scan: Scan
    plan: TilePlan
    map_digest: Digest | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def xyz(self) -> NDArray[np.floating]:
        """Positions of the points: [n, 3], metres."""
        return self.scan.xyz if self.is_map else self.scan.xyz.take(self.rows, axis=0)

    @property
    def is_map(self) -> bool:
        """Whether it has all points of the map."""
        return len(self.rows) == len(self.scan)

    def cut(self) -> Scan:
        """Return the points of this tile as a scan, whose input are the rows of the tile."""
        if self.is_map:
            return Scan(self.scan.xyz, self.scan.color, self.scan.segment,
                        np.arange(len(self.scan)), len(self.scan),
                        only_color=self.scan.only_color)
        return self.scan.take(self.rows)

    @cached_property
    def digest(self) -> Digest:
        """What only the same points in the same order have."""
        return self.map_digest if self.is_map and self.map_digest else digest_of(self.cut())

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """What stands in the core, also if the points are in another order or noisy."""
        return fingerprint(self.plan, self.number, self.window, self.cut())


@dataclass(frozen=True, eq=False)
class TiledMap:
    """
    A map and its tiles.

    Attributes
    ----------
    scan : Scan
    plan : TilePlan
    core : [N] unsigned integer
        The tile in whose core each point is.
    tiles : list of Tile

    """

    scan: Scan
    plan: TilePlan
    core: NDArray[np.unsignedinteger]
    tiles: list[Tile]


def cut_map(scan: Scan, settings: TileSettings, digest: Digest | None = None) -> TiledMap:
    """
    Cut a map into tiles.

    The margin of a tile is what can be reached from its core over free cells, so it reaches
    through doorways, but neither into nor behind walls: half an object confuses the network.

    Parameters
    ----------
    scan : Scan
    settings : TileSettings
    digest : Digest, optional
        Of the scan.

    """
    plan = plan_tiles(scan.xyz, settings)
    windows = ndimage.find_objects(plan.tile + 1)
    if plan.extent <= _longest(settings) or len(windows) == 1:
        return _one_tile(scan, plan, digest)
    steps = round(settings.margin / plan.cell * PARTS)
    free = ~plan.wall.repeat(PARTS, 0).repeat(PARTS, 1)
    margins = parallel_map(lambda tile: _margin(plan, free, tile, windows[tile], steps),
                           len(windows))
    core, shared, place = _locate(scan, plan, margins)
    own, shared_own = (_by_tile(tile, len(windows)) for tile in (core, core[shared]))
    by_place = Groups(place, plan.tile.size)

    def tile(number: int) -> Tile:
        beyond = shared[by_place.members(margins[number])]
        rows, seen = (np.sort(np.concatenate([points, beyond]))
                      for points in (own[number], shared[shared_own[number]]))
        return Tile(number, rows, seen, _coarse(windows[number], plan), scan, plan)

    return TiledMap(scan, plan, core, parallel_map(tile, len(windows)))


def _locate(scan: Scan, plan: TilePlan, margins: list[NDArray[np.int64]],
            ) -> tuple[NDArray[np.unsignedinteger], NDArray[np.int32], NDArray[np.int32]]:
    """
    Find the tiles that points are in.

    Returns
    -------
    core : [N] unsigned integer
        The tile in whose core each point is.
    shared, place : [m] int32
        Points in margins, ascending, and their places in the flattened `plan.tile`.

    """
    tile = plan.tile.reshape(-1).astype(np.min_scalar_type(len(margins)))
    near = np.zeros(len(tile), np.bool_)
    near[np.concatenate(margins)] = True
    core = np.empty(len(scan), tile.dtype)

    def locate(rows: slice) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        row, column = plan.part_of(scan.xyz[rows])
        place = row * np.int32(plan.tile.shape[1]) + column
        core[rows] = tile.take(place)
        shared = np.flatnonzero(near.take(place)).astype(np.int32)
        return shared + np.int32(rows.start), place[shared]

    shared, place = zip(*map_blocks(locate, len(scan)))
    return core, np.concatenate(shared), np.concatenate(place)


def _by_tile(tile: NDArray[np.unsignedinteger], count: int) -> list[NDArray[np.int32]]:
    """Return the points of each tile, ascending, given the tile of each point."""
    sizes = np.array(map_blocks(lambda rows: np.bincount(tile[rows], minlength=count), len(tile)),
                     np.int64).reshape(-1, count)               # of each chunk
    first = np.cumsum(sizes.T).reshape(count, -1).T - sizes     # place of the points of each chunk
    order = np.empty(len(tile), np.int32)

    def sort(rows: slice) -> None:
        chunk = rows.start // BLOCK_ROWS
        by_tile = np.argsort(tile[rows], kind='stable').astype(np.int32)  # a radix sort
        by_tile += np.int32(rows.start)
        for start, points in zip(first[chunk], np.split(by_tile, np.cumsum(sizes[chunk])[:-1])):
            order[start:start + len(points)] = points

    map_blocks(sort, len(tile))
    return np.split(order, np.cumsum(sizes.sum(0))[:-1])


def _coarse(window: tuple[slice, slice], plan: TilePlan) -> tuple[slice, slice]:
    """Return the cells around a window of parts of cells, and those next to them."""
    x, y = (slice(max(part.start // PARTS - 1, 0), min(-(-part.stop // PARTS) + 1, cells))
            for part, cells in zip(window, plan.levels.shape))
    return x, y


def fits_one_tile(scan: Scan, settings: TileSettings) -> bool:
    """Return whether a scan is not larger than what a tile may be."""
    low, high = bounds(scan.xyz)
    return float((high - low)[:2].max()) <= _longest(settings)


def _longest(settings: TileSettings) -> float:
    return MAX_STRETCH * settings.size if settings.size else math.inf


def _one_tile(scan: Scan, plan: TilePlan, digest: Digest | None) -> TiledMap:
    plan = replace(plan, tile=np.minimum(plan.tile, 0))
    tile = Tile(0, np.arange(len(scan), dtype=np.int32), np.zeros(0, np.int32),
                (slice(0, len(plan.x)), slice(0, len(plan.y))), scan, plan, digest)
    return TiledMap(scan, plan, np.zeros(len(scan), np.uint8), [tile])


def _margin(plan: TilePlan, free: NDArray[np.bool_], tile: int, window: tuple[slice, slice],
            steps: int) -> NDArray[np.int64]:
    """Return the margin of a tile that is in a window: places in the flattened `plan.tile`."""
    if not steps:
        return np.zeros(0, np.int64)
    x, y = (slice(max(part.start - steps, 0), part.stop + steps) for part in window)
    core, open_cells = plan.tile[x, y] == tile, free[x, y]
    reached = ndimage.binary_dilation(core & open_cells, iterations=steps, mask=open_cells)
    row, column = np.nonzero(reached & ~core & (plan.tile[x, y] >= 0))
    return (row + x.start) * plan.tile.shape[1] + column + y.start
