"""Where a map is cut."""

from labelled_map import box, labelled_map, rooms
from mask3d_core.scan import Scan
from mask3d_core.tiling import tile_plan
from mask3d_core.tiling.settings import TileSettings
from mask3d_core.tiling.tile_plan import PARTS, plan_tiles, TilePlan
import numpy as np
import pytest

SETTINGS = TileSettings()


def tile_at(plan: TilePlan, x: float, y: float) -> int:
    """Return the tile of a place in metres."""
    row, column = (int(np.floor(value * PARTS / plan.cell)) - PARTS * int(places[0])
                   for value, places in ((x, plan.x), (y, plan.y)))
    return int(plan.tile[row, column])


def tiles_of(xyz: np.ndarray, plan: TilePlan) -> np.ndarray:
    """Return the tile of each point."""
    return plan.tile[plan.part_of(xyz)]


def test_rooms_are_tiles_and_a_wall_is_cut_along_its_middle() -> None:
    scan = labelled_map(rooms(3))
    plan = plan_tiles(scan.xyz, SETTINGS)
    tile = tiles_of(scan.xyz, plan)
    assert set(tile) == {0, 1, 2}
    for number, low in enumerate((0, 4.12, 8.24)):
        inside = (scan.xyz[:, 0] > low - 0.03) & (scan.xyz[:, 0] < low + 4.03)
        assert len(set(tile[inside])) == 1, f'room {number} with the faces of its walls'


def test_a_doorway_parts_two_rooms_and_a_wide_opening_does_not() -> None:
    closed = labelled_map(rooms(2))
    assert len(set(tiles_of(closed.xyz, plan_tiles(closed.xyz, SETTINGS)))) == 2
    wall = (closed.xyz[:, 0] > 3.9) & (closed.xyz[:, 0] < 4.2) & (closed.xyz[:, 2] > 0.05)
    middle = (closed.xyz[:, 1] > 0.8) & (closed.xyz[:, 1] < 3.2)
    opened = closed.xyz[~(wall & middle)]
    assert len(set(tiles_of(opened, plan_tiles(opened, SETTINGS)))) == 1


def test_what_is_longer_than_a_room_is_cut_on_a_lattice_of_the_frame() -> None:
    hall = labelled_map([box((0.5, 0.5, 0), (23.5, 7.5, 0))])
    plan = plan_tiles(hall.xyz, SETTINGS)
    assert len({tile_at(plan, x, 4) for x in (1, 7.9)}) == 1
    assert len({tile_at(plan, x, 4) for x in (7.9, 8.1, 15.9, 16.1)}) == 3


@pytest.mark.parametrize('shift', [(0, 0), (-5.0, 3.0), (1234.0, -777.0)])
def test_a_place_is_cut_in_the_same_way_however_the_map_grew(shift: tuple[float, float]) -> None:
    early = labelled_map(rooms(2))
    move = np.float32([*shift, 0])
    late = labelled_map([*rooms(4), box((-9, -9, 0), (-1, -1, 0))], seed=1)
    first, second = (plan_tiles(scan.xyz + move, SETTINGS) for scan in (early, late))
    places = [(x, y) for x in (0.2, 1, 3, 3.8) for y in (0.3, 2, 3.9)]
    places += [(x + 4.2, y) for x, y in places]
    same = [[tile_at(plan, x + shift[0], y + shift[1]) for x, y in places]
            for plan in (first, second)]
    partition = [np.equal.outer(tiles, tiles) for tiles in map(np.array, same)]
    np.testing.assert_array_equal(*partition)


def test_without_walls_the_lattice_alone_counts() -> None:
    scan = labelled_map(rooms(3))
    plan = plan_tiles(scan.xyz, TileSettings(5, 0.5, along_walls=False))
    assert not plan.wall.any()
    assert tile_at(plan, 4.9, 2) != tile_at(plan, 5.1, 2)
    assert tile_at(plan, 3.9, 2) == tile_at(plan, 4.3, 2), 'walls do not count'


def test_outliers_do_not_stretch_the_tiles_or_the_plan() -> None:
    surfaces = [*rooms(2), box((90_000, -80_000, 0), (90_000, -80_000, 0)),
                box((30, 50, 0), (30.2, 50.2, 0))]
    scan = labelled_map(surfaces)
    plan = plan_tiles(scan.xyz, SETTINGS)
    assert plan.cell == tile_plan.CELL and plan.tile.size < 1e6
    tile = tiles_of(scan.xyz, plan)
    for number in set(tile):
        assert np.ptp(scan.xyz[tile == number, :2], axis=0).max() < 10


def test_a_map_too_large_for_a_plan_gets_larger_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tile_plan, 'MAX_CELLS', 1000)
    scan = labelled_map(rooms(3))
    plan = plan_tiles(scan.xyz, SETTINGS)
    assert plan.cell > tile_plan.CELL and len(plan.x) * len(plan.y) <= 1000
    assert not plan.wall.any() and (tiles_of(scan.xyz, plan) >= 0).all()


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_every_point_has_a_tile(dtype: type) -> None:
    rng = np.random.default_rng(0)
    xyz = (rng.normal(0, 10, (5000, 3)) * [1, 1, .2]).astype(dtype)
    plan = plan_tiles(Scan.from_points(xyz).xyz, SETTINGS)
    tile = tiles_of(xyz, plan)
    assert (tile >= 0).all() and set(tile) == set(range(plan.tile.max() + 1))
    assert (plan.levels != 0).sum() == len({(int(x), int(y)) for x, y in np.floor(
        xyz[:, :2] / dtype(0.1 / PARTS)).astype(int) // PARTS})
