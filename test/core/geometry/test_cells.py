"""Cells that points occupy, and maps of them that are updated by place."""

from cell_clouds import boxes, cells_of
from hypothesis import given, strategies
from mask3d_core.geometry import cells
from mask3d_core.geometry.cells import (
    cell_centers,
    cell_keys,
    CellMap,
    CellSet,
    find,
    NO_CELLS,
    surrounding_columns,
)
import numpy as np
from numpy.typing import ArrayLike
import pytest

OFFSETS = np.array([[x, y, z] for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1)])
COLUMN = 1.6
"""Metres: edge of a column."""


def occupied(*positions: ArrayLike) -> CellSet:
    return cells_of(np.array(positions, np.float64).reshape(-1, 3))


def test_points_of_one_cell_have_one_key() -> None:
    keys = cell_keys(np.array([[0.01, -0.01, 0.01], [0.04, -0.04, 0.04], [0.06, -0.01, 0.01]]))
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
@given(seed=strategies.integers(0, 10 ** 6))
def test_cells_have_different_keys(dtype: type, seed: int) -> None:
    xyz = boxes(seed).astype(dtype)
    coords = np.floor(xyz / dtype(cells.CELL_SIZE)).astype(np.int64)
    same = (coords[:, None] == coords).all(axis=2)
    keys = cell_keys(xyz)
    assert np.array_equal(keys[:, None] == keys, same)


@pytest.mark.parametrize('corner', [0.0, COLUMN, -COLUMN, 16.0, 1e4, -3e4])
@pytest.mark.parametrize('within', [0.025, COLUMN - 0.025])
def test_neighbors_across_the_borders_of_columns(corner: float, within: float) -> None:
    middle = np.full(3, corner + within)
    near = middle + 0.05 * OFFSETS
    face = near[np.abs(OFFSETS).sum(axis=1) <= 1]
    assert np.array_equal(occupied(middle).dilated().keys, cells_of(face).keys)
    assert np.array_equal(occupied(middle).dilated_blocks().keys, np.unique(
        cell_keys(middle + 0.2 * OFFSETS) & cells.BLOCK_MASK))


def test_a_block_is_a_cube_of_20_cm() -> None:
    inside = np.array([0.01, 0.19])
    corners = np.stack(np.meshgrid(inside, inside, inside), axis=-1).reshape(-1, 3)
    assert len(np.unique(cell_keys(corners) & cells.BLOCK_MASK)) == 1
    assert len(np.unique(cell_keys(np.array([[0.1, 0.1, 0.1], [0.1, 0.1, 0.21]]))
                         & cells.BLOCK_MASK)) == 2


def test_columns_have_the_whole_height() -> None:
    one = occupied([0.1, 0.1, -9], [1.5, 1.5, 9])
    assert len(one.columns) == 1
    assert len(occupied([0.1, 0.1, 0], [-0.1, 0.1, 0], [0.1, 1.7, 0]).columns) == 3
    assert occupied().columns == frozenset()


@given(seed=strategies.integers(0, 10 ** 6))
def test_centers_lie_in_their_cells(seed: int) -> None:
    xyz = boxes(seed)
    centers = cell_centers(cell_keys(xyz), np.zeros(3))
    assert np.abs(centers - xyz).max() <= cells.CELL_SIZE / 2 + 1e-9
    assert np.array_equal(cell_keys(centers), cell_keys(xyz))
    utm = np.array([500_000.0, 5_400_000.0, 300.0])
    far = cell_centers(cell_keys(xyz + utm), utm)
    assert np.abs(far - xyz - utm).max() <= cells.CELL_SIZE / 2 + 1e-6


def test_columns_around() -> None:
    around = cells_of(COLUMN * OFFSETS + 0.1)
    assert surrounding_columns(occupied([0.1, 0.1, 0.1]).columns) == around.columns
    assert surrounding_columns([]) == frozenset()


def test_find() -> None:
    row, contained = find(np.array([5, 1, 9, 3]), np.array([1, 3, 5]))
    assert contained.tolist() == [True, True, False, True]
    assert row[contained].tolist() == [2, 0, 1]
    assert not find(np.array([5]), np.empty(0, np.int64))[1].any()


@given(seed=strategies.integers(0, 10 ** 6))
def test_a_map_has_what_it_is_made_of(seed: int) -> None:
    shown = cells_of(boxes(seed))
    whole = CellMap.of(shown)
    assert whole.columns == shown.columns
    assert np.array_equal(whole.take(whole.columns), shown.keys)
    some = frozenset(sorted(shown.columns)[::2])
    assert np.array_equal(whole.take(some),
                          shown.keys[np.isin(shown.keys >> cells.COLUMN_SHIFT, list(some))])
    assert len(CellMap().take([1, 2])) == 0


def keys_of(cell_map: CellMap) -> list[int]:
    return cell_map.take(cell_map.columns).tolist()


def test_a_change_replaces_its_place_only() -> None:
    chair, floor, lamp, far = [0.02, 0.02, 0.5], [0.07, 0.07, 0], [0.32, 0.02, 2], [50, 0, 0]
    before = CellMap.of(occupied(chair, lamp, far))
    after = before.replaced(occupied(floor), NO_CELLS)       # in the square of the chair
    assert keys_of(after) == occupied(floor, lamp, far).keys.tolist()
    assert keys_of(before) == occupied(chair, lamp, far).keys.tolist()


@pytest.mark.parametrize('x', [0.0, COLUMN])
def test_cells_next_to_points_that_did_not_change_stay(x: float) -> None:
    """They may be those of other points of the same square."""
    squares = np.array([[x + 0.1 * number, 0.02, 0] for number in range(-5, 5)]) + 0.02
    before = CellMap.of(cells_of(squares))
    after = before.replaced(cells_of(squares[5:] + [0.05, 0, 1]), NO_CELLS)   # x and further
    assert keys_of(after) == cells_of(
        np.concatenate([squares[:6], squares[5:] + [0.05, 0, 1]])).keys.tolist()


def test_a_map_stays_as_it_is_where_nothing_changes() -> None:
    before = CellMap.of(cells_of(boxes(0)))
    after = before.replaced(occupied(), NO_CELLS)
    assert np.array_equal(before.take(before.columns), after.take(after.columns))


def test_what_is_gone_is_replaced_where_nothing_else_is_seen() -> None:
    column = np.array([[0.02, 0.02, z] for z in np.arange(0, 1, 0.05)]) + 0.01
    far = column + [1, 0, 0]
    before = CellMap.of(cells_of(np.concatenate([column, far])))
    assert keys_of(before.replaced(NO_CELLS, cells_of(far))) == cells_of(column).keys.tolist()
    assert keys_of(before.replaced(NO_CELLS, NO_CELLS)) == keys_of(before)
    new = far + [0, 0, 2]
    after = before.replaced(cells_of(new), cells_of(far))
    assert keys_of(after) == cells_of(np.concatenate([column, new])).keys.tolist()
