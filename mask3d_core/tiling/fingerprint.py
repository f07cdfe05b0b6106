"""Fingerprints of tiles: whether a place of the map looks as it did before."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from mask3d_core.scan import Scan
from mask3d_core.sparse import map_blocks
from mask3d_core.sparse.threads import BLOCK_ROWS
from mask3d_core.tiling.tile_plan import count_levels, LEVELS, PARTS, TilePlan
import numpy as np
from numpy.typing import NDArray

BUCKET_CELLS = 64
"""Cells along a bucket, by which fingerprints of a place are looked up."""
MIN_CHANGED_LEVELS = 3
"""Levels of cells that changed in a tile that has changed; fewer may be stray points."""
COLOR_CHANGE = 0.15
"""Difference of the mean colour of a cell, of 0..1, that is a change."""
MIN_COLOR_POINTS = 8
"""Points of a cell whose mean colour is compared."""
MIN_RECOLORED_CELLS = 30
"""Cells of another colour in a tile that has changed."""


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """
    What stands in a tile, in cells of the plan.

    Attributes
    ----------
    cell : float
        Edge of a cell, metres.
    x, y : [X], [Y] int64
        Lattice coordinates of the cells: floor(position / cell).
    core : [X, Y] bool
        Cells of the core.
    levels : [X, Y] uint64
        Occupied levels of height, also of the cells around the core.
    color : [X, Y, 3] float32 or None
        Mean colour of the points of the tile; NaN where few are.

    """

    cell: float
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    core: NDArray[np.bool_]
    levels: NDArray[np.uint64]
    color: NDArray[np.float32] | None

    @property
    def area(self) -> int:
        """Number of cells of the core."""
        return int(np.count_nonzero(self.core))

    @property
    def buckets(self) -> set[tuple[int, int]]:
        """Squares of `BUCKET_CELLS` cells that the fingerprint lies in."""
        x, y = (np.unique(places // BUCKET_CELLS).tolist() for places in (self.x, self.y))
        return set(product(x, y))

    def common_area(self, other: Fingerprint) -> int:
        """Return the number of cells that both cores have: 0 for cells of different edges."""
        if self.cell != other.cell:
            return 0
        _, x, other_x = np.intersect1d(self.x, other.x, True, return_indices=True)
        _, y, other_y = np.intersect1d(self.y, other.y, True, return_indices=True)
        return int(np.count_nonzero(self.core[np.ix_(x, y)]
                                    & other.core[np.ix_(other_x, other_y)]))

    def differs(self, other: Fingerprint) -> bool:
        """
        Return whether the place looks different.

        A level of a cell has changed if it is occupied in one of both, and in the other neither
        it nor a level next to it is, in the cell or one next to it. So noise below the height of
        a level, half a cell, changes nothing, and an object twice as large as a cell does.
        """
        x, y = np.union1d(self.x, other.x), np.union1d(self.y, other.y)
        mine, theirs = (_placed(one.levels, one, x, y) for one in (self, other))
        core, their_core = (_placed(one.core, one, x, y) for one in (self, other))
        changed = (np.where(core, mine & ~_surroundings(theirs), np.uint64(0))
                   | np.where(their_core, theirs & ~_surroundings(mine), np.uint64(0)))
        if count_levels(changed[changed != 0]).sum() >= MIN_CHANGED_LEVELS:
            return True
        if self.color is None or other.color is None:
            return self.color is not other.color
        difference = np.abs(_placed(self.color, self, x, y) - _placed(other.color, other, x, y))
        with np.errstate(invalid='ignore'):
            recolored = core & their_core & (difference.max(-1) > COLOR_CHANGE)
        return int(np.count_nonzero(recolored)) >= MIN_RECOLORED_CELLS


def fingerprint(plan: TilePlan, number: int, window: tuple[slice, slice], points: Scan,
                ) -> Fingerprint:
    """
    Return the fingerprint of a tile.

    Parameters
    ----------
    plan : TilePlan
    number : int
        Of the tile.
    window : pair of slices
        Cells of the plan around its core, and those next to them.
    points : Scan
        Its points.

    """
    x, y = window
    parts = plan.tile[PARTS * x.start:PARTS * x.stop, PARTS * y.start:PARTS * y.stop] == number
    core = parts.reshape(len(parts) // PARTS, PARTS, -1, PARTS).any((1, 3))
    mean = None if points.color is None else _mean_color(plan, window, points.xyz, points.color)
    return Fingerprint(plan.cell, plan.x[x], plan.y[y], core, plan.levels[x, y], mean)


def _mean_color(plan: TilePlan, window: tuple[slice, slice], xyz: NDArray[np.floating],
                color: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean colour of points in each cell of a window."""
    shape = [cells.stop - cells.start for cells in window]
    size = shape[0] * shape[1]

    def add_up(rows: slice) -> NDArray[np.float64]:
        row, column = (part // PARTS - np.int32(cells.start)
                       for part, cells in zip(plan.part_of(xyz[rows]), window))
        outside = (row < 0) | (row >= shape[0]) | (column < 0) | (column >= shape[1])
        cell = np.where(outside, size, row * np.int32(shape[1]) + column)
        return np.stack([np.bincount(cell, weight, minlength=size + 1)[:size]
                         for weight in (None, *color[rows].T)])

    count, *total = np.sum(map_blocks(add_up, len(xyz), max(BLOCK_ROWS, size)), axis=0)
    mean = np.stack(total, 1) / np.where(count < MIN_COLOR_POINTS, np.nan, count)[:, None]
    return mean.astype(np.float32).reshape(*shape, 3)


def _placed(values: NDArray, one: Fingerprint, x: NDArray[np.int64], y: NDArray[np.int64],
            ) -> NDArray:
    """Return values of a fingerprint on a larger part of the lattice, 0 elsewhere."""
    placed = np.zeros((len(x), len(y), *values.shape[2:]), values.dtype)
    placed[np.ix_(np.searchsorted(x, one.x), np.searchsorted(y, one.y))] = values
    return placed


def _surroundings(levels: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the occupied levels of each cell, those next to them and those of cells nearby."""
    one, rest = np.uint64(1), np.uint64(LEVELS - 1)
    near = levels | levels << one | levels >> rest | levels >> one | levels << rest
    for axis in (0, 1):
        spread = near.copy()
        after, before = (np.s_[1:], np.s_[:-1]) if axis == 0 else (np.s_[:, 1:], np.s_[:, :-1])
        spread[after] |= near[before]
        spread[before] |= near[after]
        near = spread
    return near
