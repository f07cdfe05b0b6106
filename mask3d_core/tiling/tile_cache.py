"""Tiles that are remembered from map to map, so that only what changed is segmented again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import count

from mask3d_core.classes import ClassTable
from mask3d_core.extraction.point_masks import Groups
from mask3d_core.extraction.postprocess import measure_masks
from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
from mask3d_core.tiling.fingerprint import Fingerprint, fingerprint
from mask3d_core.tiling.settings import TileSettings
from mask3d_core.tiling.tiles import Digest, Tile, TiledMap
import numpy as np
from numpy.typing import NDArray

VOXELS_PER_CELL = 4
"""Voxels along a cell of the floor plan, by which masks are carried over to other points."""
FORGET_DISTANCE = 3
"""Lengths of a tile outside the bounds of the map at which a remembered tile is forgotten."""
AXIS_BITS = 21


@dataclass(frozen=True, eq=False)
class RememberedTile:
    """
    A tile that was segmented.

    Attributes
    ----------
    serial : int
        Never that of another tile.
    digest : Digest
        Of the points that `instances` are of.
    fingerprint : Fingerprint
        What the tile looked like when it was segmented.
    voxels : [V] int64
        Keys of the voxels of its points, ascending.
    members : list of [v] int64
        Rows of the voxels that each instance has.
    instances : Instances
        Over the rows of the tile.

    """

    serial: int
    digest: Digest
    fingerprint: Fingerprint
    voxels: NDArray[np.int64]
    members: list[NDArray[np.int64]]
    instances: Instances


class TileCache:
    """
    Remembers the tiles of a map and their instances.

    A tile is found again by its points, or, if their order or noise differs, by its place and
    fingerprint; then its masks are carried over to the new points.
    """

    def __init__(self) -> None:
        self._context: Hashable = None
        self._tiles: dict[int, RememberedTile] = {}
        self._by_digest: dict[Digest, RememberedTile] = {}
        self._in_square: dict[tuple[int, int], set[int]] = defaultdict(set)
        self._serials = count(1)
        self._shown: set[Digest] = set()

    def __len__(self) -> int:
        return len(self._tiles)

    def clear(self) -> None:
        """Forget all tiles."""
        self._tiles.clear()
        self._by_digest.clear()
        self._in_square.clear()
        self._shown.clear()

    def use(self, context: Hashable) -> None:
        """Forget all tiles if the frame of the maps, or a setting, is not that of the last map."""
        if context != self._context:
            self.clear()
            self._context = context

    def forget_far(self, tiled: TiledMap, settings: TileSettings) -> None:
        """Forget tiles further than `FORGET_DISTANCE` tiles outside the bounds of a map."""
        reach = round(FORGET_DISTANCE * settings.size / tiled.plan.cell)
        for tile in list(self._tiles.values()):
            if any(mine[-1] < places[0] - reach or mine[0] > places[-1] + reach
                   for mine, places in ((tile.fingerprint.x, tiled.plan.x),
                                        (tile.fingerprint.y, tiled.plan.y))):
                self._forget(tile)

    def find(self, tiled: TiledMap, tile: Tile, classes: ClassTable) -> RememberedTile | None:
        """Return a tile as it is remembered, its instances over the present rows, or None."""
        if tile.digest in self._by_digest:
            return self._by_digest[tile.digest]
        looks = fingerprint(tiled, tile)
        known = self._at(looks)
        if known is None or known.fingerprint.differs(looks):
            return None
        carried = replace(known, digest=tile.digest,
                          instances=_carried(tiled, tile, known, classes))
        self._forget(known)
        self._remember(carried)
        return carried

    def was_shown(self, tile: Tile) -> bool:
        """Return whether the last map showed the same points in this place."""
        return tile.digest in self._shown

    def note_shown(self, tiles: Sequence[Tile]) -> None:
        """Note the tiles of a map, for `was_shown` of the next one."""
        self._shown = {tile.digest for tile in tiles}

    def store(self, tiled: TiledMap, tile: Tile, instances: Instances) -> RememberedTile:
        """Remember a tile that was segmented, and forget what was there before."""
        looks = fingerprint(tiled, tile)
        for known in self._nearby(looks):
            if 2 * known.fingerprint.common_area(looks) > known.fingerprint.area:
                self._forget(known)
        voxels, voxel = np.unique(_voxel_keys(tile.cut(), tiled.plan.cell), return_inverse=True)
        size = np.bincount(voxel, minlength=len(voxels))
        members = []
        for index in range(len(instances)):
            inside = np.bincount(voxel[instances.points(index)], minlength=len(voxels))
            members.append(np.flatnonzero(2 * inside > size))
        stored = RememberedTile(next(self._serials), tile.digest, looks, voxels, members,
                                instances)
        self._remember(stored)
        return stored

    def _at(self, looks: Fingerprint) -> RememberedTile | None:
        """Return the remembered tile that has most of a place in common."""
        nearby = self._nearby(looks)
        area = [tile.fingerprint.common_area(looks) for tile in nearby]
        return nearby[int(np.argmax(area))] if any(area) else None

    def _nearby(self, looks: Fingerprint) -> list[RememberedTile]:
        serials = {serial for square in looks.squares for serial in self._in_square[square]}
        return [self._tiles[serial] for serial in sorted(serials)]

    def _remember(self, tile: RememberedTile) -> None:
        self._tiles[tile.serial] = tile
        self._by_digest[tile.digest] = tile
        for square in tile.fingerprint.squares:
            self._in_square[square].add(tile.serial)

    def _forget(self, tile: RememberedTile) -> None:
        del self._tiles[tile.serial]
        self._by_digest.pop(tile.digest, None)
        for square in tile.fingerprint.squares:
            self._in_square[square].discard(tile.serial)


def _carried(tiled: TiledMap, tile: Tile, known: RememberedTile, classes: ClassTable) -> Instances:
    """Return the instances of a remembered tile over the points that are there now."""
    voxel = _nearest(known.voxels, _voxel_keys(tile.cut(), tiled.plan.cell))
    points = Groups(np.where(voxel < 0, len(known.voxels), voxel), len(known.voxels) + 1)
    masks = [points.members(member) for member in known.members]
    old = known.instances
    return replace(measure_masks(masks, tile.cut(), classes), class_id=old.class_id,
                   score=old.score, seconds={}, voxel_size=old.voxel_size)


def _voxel_keys(scan: Scan, cell: float) -> NDArray[np.int64]:
    """Return the key of each point's voxel, the same in all maps: [N]."""
    middle = 1 << AXIS_BITS - 1
    key = np.zeros(len(scan), np.int64)
    for axis in range(3):
        step = np.floor(scan.xyz[:, axis] * (VOXELS_PER_CELL / cell)).astype(np.int64) + middle
        key = key << AXIS_BITS | step & (1 << AXIS_BITS) - 1
    return key


def _nearest(voxels: NDArray[np.int64], keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the row of each key in `voxels`, or of a voxel next to it, or -1."""
    row = np.full(len(keys), -1, np.int64)
    left = np.arange(len(keys))
    for step in (0, *(sign << AXIS_BITS * axis for axis in range(3) for sign in (-1, 1))):
        wanted = keys[left] + step
        place = np.searchsorted(voxels, wanted).clip(max=len(voxels) - 1)
        known = voxels[place] == wanted
        row[left[known]] = place[known]
        left = left[~known]
    return row
