"""Tiles remembered from map to map: found again, carried over, changed, forgotten."""

from dataclasses import replace

from labelled_map import box, find_labelled, labelled_map, rooms, Surface
from mask3d_core.scan import Scan
from mask3d_core.tiling import tile_plan
from mask3d_core.tiling.settings import TileSettings
from mask3d_core.tiling.tile_cache import TileCache
from mask3d_core.tiling.tiles import cut_map, Tile, TiledMap
import numpy as np
import pytest

SETTINGS = TileSettings()
CUP = box((1.0, 1.0, 0.75), (1.1, 1.1, 0.95))
TABLE = box((0.6, 0.6, 0.7), (1.6, 1.4, 0.74), 0)
SURFACES = [*rooms(3), TABLE, box((9.5, 2.5, 0), (10.1, 3.1, 0.5), 1)]


def remembered(surfaces: list[Surface] = SURFACES) -> tuple[TileCache, TiledMap]:
    """Return a cache with all tiles of a map."""
    cache, tiled = TileCache(), cut_map(labelled_map(surfaces), SETTINGS)
    for tile in tiled.tiles:
        cache.store(tile, find_labelled(tile.cut()))
    return cache, tiled


def found(cache: TileCache, scan: Scan) -> list[bool]:
    """Return for each tile of a map, from left to right, whether it is remembered."""
    tiles = sorted(cut_map(scan, SETTINGS).tiles, key=lambda tile: float(tile.cut().xyz[0, 0]))
    return [cache.find(tile) is not None for tile in tiles]


def test_the_same_points_are_found_with_their_very_instances() -> None:
    cache, tiled = remembered()
    for tile in cut_map(labelled_map(SURFACES), SETTINGS).tiles:
        known = cache.find(tile)
        assert known is not None
        expected = find_labelled(tiled.tiles[tile.number].cut())
        for mine, theirs in zip(known.instances.rows, expected.rows, strict=True):
            np.testing.assert_array_equal(mine, theirs)


def exact_share(tile: Tile, cache: TileCache) -> float:
    """Return the share of points whose object is right after the masks were carried over."""
    known, scan = cache.find(tile), tile.cut()
    assert known is not None
    label = np.full(len(scan), -1)
    names = np.unique(scan.segment[scan.segment >= 0])
    for rows, name in zip(known.instances.rows, names, strict=True):
        label[rows] = name
    return float((label == scan.segment).mean())


@pytest.mark.parametrize('noise, least', [(0.0, 0.995), (0.005, 0.98), (0.01, 0.96)])
def test_other_order_and_noise_are_the_same_tile(noise: float, least: float) -> None:
    cache, _ = remembered()
    scan = labelled_map(SURFACES, seed=7, noise=noise)
    for tile in cut_map(scan, SETTINGS).tiles:
        assert exact_share(tile, cache) >= least
    assert len(cache) == 3


def test_carried_tiles_do_not_drift() -> None:
    cache, _ = remembered()
    for seed in range(5):
        scan = labelled_map(SURFACES, seed=seed, noise=0.005)
        assert all(exact_share(tile, cache) >= 0.98 for tile in cut_map(scan, SETTINGS).tiles)


def test_a_new_object_changes_its_tile_only() -> None:
    cache, _ = remembered()
    assert found(cache, labelled_map([*SURFACES, CUP], seed=3, noise=0.003)) == [
        False, True, True]


def test_an_object_that_left_changes_its_tile_only() -> None:
    cache, _ = remembered([*SURFACES, CUP])
    assert found(cache, labelled_map(SURFACES, seed=3, noise=0.003)) == [False, True, True]


def test_another_colour_changes_a_tile() -> None:
    cache, _ = remembered()
    scan = labelled_map(SURFACES, seed=1)
    painted = scan.color.copy()
    painted[scan.segment == 0] = (0.9, 0.1, 0.1)
    assert found(cache, replace(scan, color=painted)) == [False, True, True]
    assert found(cache, replace(scan, color=None)) == [False, False, False]


def test_another_context_forgets_all() -> None:
    cache, _ = remembered()
    cache.use(('map', 1))
    assert not len(cache)


def test_tiles_far_outside_are_forgotten_and_others_wait() -> None:
    cache, tiled = remembered()
    near, far = (cut_map(labelled_map([box((x, 0, 0), (x + 11, 4, 0))]), SETTINGS)
                 for x in (20, 500))
    cache.forget_far(near, SETTINGS)
    assert len(cache) == 3, 'the map may show them again'
    cache.forget_far(far, SETTINGS)
    assert len(cache) == 0


def test_a_cache_does_not_grow_with_a_map_that_moves() -> None:
    cache = TileCache()
    for step in range(8):
        tiled = cut_map(labelled_map([box((30 * step, 0, 0), (30 * step + 11, 4, 0))]), SETTINGS)
        cache.forget_far(tiled, SETTINGS)
        for tile in tiled.tiles:
            assert cache.find(tile) is None
            cache.store(tile, find_labelled(tile.cut()))
    in_buckets = {serial for serials in cache._in_bucket.values() for serial in serials}
    assert len(in_buckets) == len(cache) <= 4 and all(cache._in_bucket.values())


def test_tiles_of_larger_cells_are_not_those_of_smaller_ones(
        monkeypatch: pytest.MonkeyPatch) -> None:
    cache, tiled = remembered()
    small = tiled.tiles[0].fingerprint
    monkeypatch.setattr(tile_plan, 'MAX_CELLS', 1000)
    coarse = cut_map(tiled.scan, SETTINGS)
    assert coarse.plan.cell > tiled.plan.cell
    assert small.common_area(small) and not small.common_area(coarse.tiles[0].fingerprint)
    cache.forget_far(coarse, SETTINGS)
    assert len(cache) == 0


def test_what_is_stored_replaces_what_was_there() -> None:
    cache, _ = remembered()
    changed = cut_map(labelled_map([*SURFACES, CUP]), SETTINGS)
    for tile in changed.tiles:
        if cache.find(tile) is None:
            cache.store(tile, find_labelled(tile.cut()))
    assert len(cache) == 3
