"""Tiles that are remembered from map to map, so that only what changed is segmented again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, TypeVar

from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
from mask3d_core.sparse import parallel_map
from mask3d_core.tiling.fingerprint import Fingerprint
from mask3d_core.tiling.settings import TileSettings
from mask3d_core.tiling.tiles import cut_map, Digest, digest_of, Tile, TiledMap
from mask3d_core.tiling.voxel_masks import VoxelMasks
import numpy as np

VOXELS_PER_CELL = 3
"""Voxels along a cell of the plan, by which masks are carried over to other points."""
FORGET_DISTANCE = 3
"""Lengths of a tile outside the bounds of the map at which a remembered tile is forgotten."""

Result = TypeVar('Result')


@dataclass(frozen=True, eq=False)
class CachedTile:
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
    masks : VoxelMasks
        Of its instances when it was segmented.
    instances : Instances
        Over the rows of the tile.

    """

    serial: int
    digest: Digest
    fingerprint: Fingerprint
    masks: VoxelMasks
    instances: Instances


class TileCache:
    """
    Remembers the tiles of a map and their instances.

    A tile is found again by its points, or, if their order or noise differs, by its place and
    fingerprint; then its masks are carried over to the new points.
    """

    def __init__(self) -> None:
        self._context: Hashable = None
        self._tiles: dict[int, CachedTile] = {}
        self._by_digest: dict[Digest, CachedTile] = {}
        self._in_bucket: dict[tuple[int, int], set[int]] = defaultdict(set)
        self._serials = count(1)
        self._waiting: list[Fingerprint] = []
        self._result: tuple[Hashable, Any] | None = None
        self._cut: tuple[tuple[Digest, TileSettings], TiledMap] | None = None

    def __len__(self) -> int:
        return len(self._tiles)

    def clear(self) -> None:
        """Forget all tiles."""
        self._tiles.clear()
        self._by_digest.clear()
        self._in_bucket.clear()
        self._waiting.clear()
        self._result = self._cut = None

    def use(self, context: Hashable) -> None:
        """Forget all tiles if the frame of the maps, or a setting, is not that of the last map."""
        if context != self._context:
            self.clear()
            self._context = context

    def cut(self, scan: Scan, settings: TileSettings) -> TiledMap:
        """Cut a map into tiles, or return what was cut if it is the last map once more."""
        key = digest_of(scan), settings
        if self._cut is None or self._cut[0] != key:
            self._cut = key, cut_map(scan, settings, key[0])
        return self._cut[1]

    def forget_far(self, tiled: TiledMap, settings: TileSettings) -> None:
        """
        Forget tiles further than `FORGET_DISTANCE` tiles outside the bounds of a map.

        Tiles of cells of another edge, to which no tile of the map can be compared, are forgotten.
        """
        reach = round(FORGET_DISTANCE * settings.size / tiled.plan.cell)
        for tile in list(self._tiles.values()):
            if tile.fingerprint.cell != tiled.plan.cell or any(
                   mine[-1] < places[0] - reach or mine[0] > places[-1] + reach
                   for mine, places in ((tile.fingerprint.x, tiled.plan.x),
                                        (tile.fingerprint.y, tiled.plan.y))):
                self._forget(tile)

    def look_at(self, tiles: Sequence[Tile]) -> None:
        """Compute in parallel what tiles are found by."""
        parallel_map(lambda number: tiles[number].digest, len(tiles))
        other = [tile for tile in tiles if tile.digest not in self._by_digest]
        parallel_map(lambda number: other[number].fingerprint, len(other))

    def find(self, tile: Tile) -> CachedTile | None:
        """Return a tile as it is remembered, its instances over the present rows, or None."""
        if tile.digest in self._by_digest:
            return self._by_digest[tile.digest]
        known = self._at(tile.fingerprint)
        if known is None or known.fingerprint.differs(tile.fingerprint):
            return None
        # boxes stay as they were measured: they differ by less than the noise
        instances = replace(known.instances, rows=tuple(known.masks.over(tile.xyz)),
                            num_points=len(tile))
        carried = replace(known, digest=tile.digest, instances=instances)
        self._forget(known)
        self._remember(carried)
        return carried

    def is_waiting(self, tile: Tile) -> bool:
        """Return whether this tile was to be segmented in the last map, too."""
        return any(waiting.common_area(tile.fingerprint) and not waiting.differs(tile.fingerprint)
                   for waiting in self._waiting)

    def note_waiting(self, tiles: Sequence[Tile]) -> None:
        """Note the tiles of a map that are to be segmented."""
        self._waiting = [tile.fingerprint for tile in tiles]

    def store(self, tile: Tile, instances: Instances) -> CachedTile:
        """Remember a tile that was segmented, and forget what was there before."""
        for known in self._nearby(tile.fingerprint):
            if 2 * known.fingerprint.common_area(tile.fingerprint) > known.fingerprint.area:
                self._forget(known)
        masks = VoxelMasks.of(tile.xyz, instances.rows, tile.plan.cell / VOXELS_PER_CELL)
        stored = CachedTile(next(self._serials), tile.digest, tile.fingerprint, masks, instances)
        self._remember(stored)
        return stored

    def result(self, state: Hashable, make: Callable[[], Result]) -> Result:
        """Return the result for a state of a map: the last one, if the state is the same."""
        if self._result is None or self._result[0] != state:
            self._result = state, make()
        result: Result = self._result[1]
        return result

    def _at(self, fingerprint: Fingerprint) -> CachedTile | None:
        """Return the remembered tile that has most of a place in common."""
        nearby = self._nearby(fingerprint)
        area = [tile.fingerprint.common_area(fingerprint) for tile in nearby]
        return nearby[int(np.argmax(area))] if any(area) else None

    def _nearby(self, fingerprint: Fingerprint) -> list[CachedTile]:
        serials = {serial for bucket in fingerprint.buckets
                   for serial in self._in_bucket.get(bucket, ())}
        return [self._tiles[serial] for serial in sorted(serials)]

    def _remember(self, tile: CachedTile) -> None:
        self._tiles[tile.serial] = tile
        self._by_digest[tile.digest] = tile
        for bucket in tile.fingerprint.buckets:
            self._in_bucket[bucket].add(tile.serial)

    def _forget(self, tile: CachedTile) -> None:
        del self._tiles[tile.serial]
        self._by_digest.pop(tile.digest, None)
        for bucket in tile.fingerprint.buckets:
            self._in_bucket[bucket].discard(tile.serial)
            if not self._in_bucket[bucket]:
                del self._in_bucket[bucket]
