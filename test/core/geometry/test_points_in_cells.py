"""Points and the cells they are in."""

from cell_clouds import boxes, cells_of
from hypothesis import given, strategies
from mask3d_core.geometry import cells, points_in_cells
from mask3d_core.geometry.cells import cell_keys
from mask3d_core.geometry.points_in_cells import (
    count_cells,
    count_keys,
    count_keys_of,
    rows_in_cells,
)
import numpy as np
import pytest


@given(seed=strategies.integers(0, 10 ** 6), size=strategies.integers(1, 300))
def test_keys_do_not_depend_on_the_size_of_the_chunks(seed: int, size: int) -> None:
    xyz = boxes(seed)
    rows = np.random.default_rng(seed).integers(0, len(xyz), 150)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(points_in_cells, 'CHUNK_POINTS', size)
        patch.setattr(cells, 'PIECE_POINTS', max(size // 3, 1))
        assert np.array_equal(cells_of(xyz).keys, np.unique(cell_keys(xyz)))
        chosen, gaps = cells_of(xyz, rows), cells_of(np.asfortranarray(xyz), rows)
    assert np.array_equal(chosen.keys, cells_of(xyz[rows]).keys)
    assert np.array_equal(chosen.keys, gaps.keys)


@given(seed=strategies.integers(0, 10 ** 6), size=strategies.integers(1, 300))
def test_points_are_counted_in_chunks_as_at_once(seed: int, size: int) -> None:
    xyz = np.concatenate([boxes(seed), boxes(seed)[:50], boxes(seed)[:20]])
    keys, counts = np.unique(cell_keys(xyz), return_counts=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(points_in_cells, 'CHUNK_POINTS', size)
        both = count_cells(xyz), count_keys(cell_keys(xyz))
    for found, found_counts in both:
        assert np.array_equal(found.keys, keys)
        assert np.array_equal(found_counts, counts)


@given(seed=strategies.integers(0, 10 ** 6), order=strategies.permutations(range(3)),
       origin=strategies.sampled_from([(0, 0, 0), (5e5, 5.4e6, 300), (4.1e6, -6e5, -4.8e6)]))
def test_rows_in_cells_are_those_of_the_points_there(seed: int, order: list[int],
                                                     origin: tuple[float, ...]) -> None:
    xyz = boxes(seed) + origin
    places = [cells_of(xyz[:70]), cells_of(xyz[60:90]), cells_of(boxes(seed + 1) + origin)]
    keys = cell_keys(xyz)
    found = rows_in_cells(xyz, [places[index] for index in order])
    for rows, index in zip(found, order):
        assert np.array_equal(rows, np.flatnonzero(np.isin(keys, places[index].keys)))
    assert rows_in_cells(xyz, []) == []


@given(seed=strategies.integers(0, 10 ** 6), ends=strategies.lists(strategies.integers(0, 199)))
def test_groups_of_points_are_counted_each_for_itself(seed: int, ends: list[int]) -> None:
    xyz = boxes(seed)
    parts = np.split(np.arange(len(xyz)), sorted(ends))
    points = np.cumsum(list(map(len, parts)))
    keys, counts, stops = count_keys_of(cell_keys(xyz), points)
    for rows, own, number in zip(parts, np.split(keys, stops[:-1]), np.split(counts, stops[:-1])):
        expected, expected_counts = count_cells(xyz, rows)
        assert np.array_equal(own, expected.keys) and np.array_equal(number, expected_counts)
