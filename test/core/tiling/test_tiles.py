"""Tiles of a map: cores and margins."""

from dataclasses import replace

from labelled_map import box, labelled_map, rooms
from mask3d_core.errors import InputError
from mask3d_core.scan import Scan
from mask3d_core.tiling.settings import default_tiles, TileSettings
from mask3d_core.tiling.tiles import cut_map, fits_one_tile
import numpy as np
import pytest

SETTINGS = TileSettings()


def test_each_point_is_in_one_core_and_each_tile_has_its_core() -> None:
    scan = labelled_map(rooms(3))
    tiled = cut_map(scan, SETTINGS)
    assert len(tiled.tiles) == 3
    seen = np.zeros(len(scan), int)
    for tile in tiled.tiles:
        assert (np.diff(tile.rows) > 0).all()
        inside = tiled.core[tile.rows] == tile.number
        assert inside.sum() == (tiled.core == tile.number).sum()
        seen[tile.rows] += 1
    for tile in tiled.tiles:
        np.testing.assert_array_equal(tile.shared, tile.rows[seen[tile.rows] > 1])


def test_a_margin_reaches_through_doorways_but_not_into_walls() -> None:
    scan = labelled_map(rooms(3))
    tiled = cut_map(scan, SETTINGS)
    for tile in tiled.tiles:
        beyond = scan.xyz[tile.rows[tiled.core[tile.rows] != tile.number]]
        assert len(beyond)
        assert (beyond[:, 1] > 0.4).all() and (beyond[:, 1] < 2.4).all(), 'around the doorways'
    first = scan.xyz[tiled.tiles[0].rows]
    assert 4.4 < first[:, 0].max() < 4.8


def test_a_margin_of_zero_shares_nothing() -> None:
    tiled = cut_map(labelled_map(rooms(3)), replace(SETTINGS, margin=0.0))
    assert not any(len(tile.shared) for tile in tiled.tiles)
    assert sum(map(len, tiled.tiles)) == len(tiled.scan)


def test_the_scan_of_a_tile_has_its_points() -> None:
    scan = labelled_map(rooms(3))
    tile = cut_map(scan, SETTINGS).tiles[1]
    cut = tile.cut()
    np.testing.assert_array_equal(cut.xyz, scan.xyz[tile.rows])
    np.testing.assert_array_equal(cut.color, scan.color[tile.rows])
    np.testing.assert_array_equal(cut.segment, scan.segment[tile.rows])
    assert cut.input_size == len(cut) == len(tile)


@pytest.mark.parametrize('side, settings, fits', [
    (9.9, SETTINGS, True), (10.2, SETTINGS, False), (200.0, TileSettings(0, 0), True),
    (60.0, default_tiles(0.333), True), (70.0, default_tiles(0.333), False)])
def test_what_fits_one_tile_is_not_cut(side: float, settings: TileSettings, fits: bool) -> None:
    scan = Scan.from_points(np.random.default_rng(0).uniform(0, 1, (20000, 3)) * [side, side, 2])
    assert fits_one_tile(scan, settings) == fits
    assert (len(cut_map(scan, settings).tiles) == 1) == fits


@pytest.mark.parametrize('along_walls', [True, False])
def test_a_size_of_zero_cuts_nothing(along_walls: bool) -> None:
    scan = labelled_map(rooms(3))
    tiled = cut_map(scan, TileSettings(0.0, 0.3, along_walls))
    assert len(tiled.tiles) == 1 and len(tiled.tiles[0]) == len(scan)
    assert not tiled.core.any() and not len(tiled.tiles[0].shared)
    assert tiled.tiles[0].fingerprint.area > 0


def test_the_digest_depends_on_points_and_order_of_the_tile_only() -> None:
    surfaces = rooms(3)
    scan = labelled_map(surfaces)
    digests = [tile.digest for tile in cut_map(scan, SETTINGS).tiles]
    assert len(set(digests)) == 3
    color = scan.color.copy()
    last = cut_map(scan, SETTINGS).tiles[2]
    color[last.rows[-1]] += 0.1
    changed = [tile.digest for tile in cut_map(replace(scan, color=color), SETTINGS).tiles]
    assert changed[:2] == digests[:2] and changed[2] != digests[2]
    new = labelled_map([box((20, 20, 0), (22, 22, 0))])
    grown = Scan.from_points(
        np.concatenate([scan.xyz, new.xyz]), np.concatenate([scan.color, new.color]),
        np.concatenate([scan.segment, new.segment]))
    assert set(digests) < {tile.digest for tile in cut_map(grown, SETTINGS).tiles}


@pytest.mark.parametrize('values, message', [
    ({'size': -1.0}, 'tile size in metres'), ({'size': float('inf')}, 'tile size'),
    ({'margin': -0.1}, 'tile margin of 0 to 8 m'), ({'margin': 9.0}, 'tile margin'),
    ({'size': float('nan')}, 'tile size')])
def test_settings_that_make_no_sense_are_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(SETTINGS, **values)


def test_defaults_follow_the_voxel_size() -> None:
    assert default_tiles(0.02) == default_tiles(0.05) == TileSettings()
    outdoors = default_tiles(1 / 3)
    assert outdoors.size == pytest.approx(50) and outdoors.margin == pytest.approx(2)
    assert not outdoors.along_walls
