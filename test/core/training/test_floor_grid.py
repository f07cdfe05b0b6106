"""The floor in cells: where it was seen, its height, and what is above it."""

from dataclasses import replace

from mask3d_core.data.labels import LabelledScan
from mask3d_core.training.augmentation import rotation
from mask3d_core.training.floor_grid import FloorGrid
import numpy as np
from numpy.typing import NDArray
import pytest

FLOOR, OTHER = 4, 7


def scan_of(floor: NDArray, other: NDArray) -> LabelledScan:
    label = np.repeat([FLOOR, OTHER], [len(floor), len(other)])
    return LabelledScan.from_columns({'xyz': np.concatenate([floor, other]), 'label': label}, 'a')


def floor_of(seen: NDArray[np.bool_], height: float = 0.0) -> NDArray[np.float64]:
    """Return four points in each cell that is seen; the first cell begins at (2, -1)."""
    row, column = np.nonzero(seen)
    points = [(2 + (row + x) * 0.1, -1 + (column + y) * 0.1, np.full(len(row), height))
              for x in (0.2, 0.7) for y in (0.2, 0.7)]
    return np.concatenate([[(2, -1, height)], *(np.stack(part, axis=1) for part in points)])


def test_cells_have_the_height_of_the_floor_and_of_what_is_lowest_above_it() -> None:
    floor = floor_of(np.ones((7, 6), np.bool_), 0.5)
    other = np.array([[2.15, -0.85, 1.4], [2.15, -0.85, 0.9], [2.55, -0.55, 2.0], [9, 9, 0.6],
                      [2.55, -1.2, 0.6]])
    grid = FloorGrid.of(scan_of(floor, other), FLOOR)
    assert grid is not None and grid.seen.shape == (7, 6) and grid.seen.all()
    np.testing.assert_allclose(grid.height, 0.5)
    assert grid.lowest[1, 1] == 0.9 and grid.lowest[5, 4] == 2.0  # those beside it do not matter
    assert [int(grid.is_free(height).sum()) for height in (0.3, 0.5, 1.6)] == [42, 41, 40]
    np.testing.assert_allclose(grid.center(np.array([1, 1])), [2.15, -0.85])
    grid.occupy(np.array([0, 0]), np.array([2, 3]))
    assert grid.is_free(0.3).sum() == 40 and not grid.is_free(0.0)[0, 3]


def test_gaps_between_points_are_floor_and_holes_are_not() -> None:
    seen = np.ones((12, 12), np.bool_)
    seen[3, 3] = seen[0, 9] = False      # gaps, one of them at the border
    seen[6:9, 6:9] = False               # a hole
    grid = FloorGrid.of(scan_of(floor_of(seen), np.array([[2.0, -1, 1]])), FLOOR)
    assert grid is not None and grid.seen[3, 3]
    assert not grid.seen[6:9, 6:9][1, 1] and grid.seen.sum() >= 144 - 10
    xy = np.array([[2.35, -0.65], [2.75, -0.25], [1.9, -0.5], [2.05, 0.3], [2.05, 0.15]])
    assert grid.is_seen(xy).tolist() == [True, False, False, False, True]


def test_the_height_is_that_of_the_nearest_floor_also_on_steps() -> None:
    both = np.concatenate([floor_of(np.ones((9, 9), np.bool_), 0.0),
                           floor_of(np.ones((9, 9), np.bool_), 0.4) + (2.0, 0, 0)])
    grid = FloorGrid.of(scan_of(both, np.array([[2.0, -1, 1]])), FLOOR)
    assert grid is not None
    assert grid.height_at(np.array([2.9, -0.7])) == pytest.approx(0.0)
    assert grid.height_at(np.array([3.8, -0.7])) == pytest.approx(0.4)
    assert grid.height_at(np.array([30.0, 9.0])) == pytest.approx(0.4)


def test_two_storeys_have_no_floor_between_them() -> None:
    upper = np.zeros((20, 20), np.bool_)
    upper[:5] = True
    both = np.concatenate([floor_of(np.ones((20, 20), np.bool_), 0.0), floor_of(upper, 3.0)])
    grid = FloorGrid.of(scan_of(both, np.array([[2.0, -1, 4]] * 900)), FLOOR)
    assert grid is not None and not grid.seen[:5].any() and grid.seen[5:].all()
    np.testing.assert_allclose(grid.height, 0)


def test_scans_without_a_level_floor_below_have_none() -> None:
    scan = scan_of(floor_of(np.ones((20, 20), np.bool_)), np.array([[2.5, -0.5, 1.0]] * 9))

    def turned(axis: int, degrees: float) -> LabelledScan:
        xyz = scan.scan.xyz @ rotation(axis, np.radians(degrees)).T
        return replace(scan, scan=replace(scan.scan, xyz=xyz))

    assert all(FloorGrid.of(turned(axis, angle), FLOOR) is not None
               for axis, angle in ((2, 40), (0, 2), (1, -2)))
    # tilted, in the frame of a camera, upside down
    assert all(FloorGrid.of(turned(axis, angle), FLOOR) is None
               for axis, angle in ((0, 5), (1, -20), (0, -90), (0, 180)))
    assert FloorGrid.of(scan, OTHER) is None  # in one cell
    assert FloorGrid.of(replace(scan, label=np.full_like(scan.label, FLOOR)), FLOOR) is None
    assert FloorGrid.of(replace(scan, label=np.full_like(scan.label, -1)), FLOOR) is None
    stray = np.concatenate([floor_of(np.ones((20, 20), np.bool_)), [[4000.0, 4000, 0]]])
    assert FloorGrid.of(scan_of(stray, np.array([[2.5, -0.5, 1.0]])), FLOOR) is None
