"""Which points of some cells are within eps of each other, exactly."""

from __future__ import annotations

from dataclasses import dataclass

from mask3d_core.extraction.clustering.cells import Cells, SLACK, squared_length
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree


@dataclass(frozen=True, eq=False)
class Members:
    """
    The points of B masks, sorted by mask, then cell.

    A part is what one mask has of one cell: number mask * C + cell.

    Attributes
    ----------
    rows : [n] int64
        Ascending inside a part.
    start, count : [B * C] int64
        Range of each part in `rows`.

    """

    rows: NDArray[np.int64]
    start: NDArray[np.int64]
    count: NDArray[np.int64]


def members_of(cells: Cells, masks: list[NDArray[np.int64]]) -> Members:
    """Sort the rows of B >= 1 masks by cell; they come ascending."""
    cell = [cells.cell[rows] for rows in masks]
    count = np.concatenate([np.bincount(part, minlength=cells.count) for part in cell])
    rows = np.concatenate([rows[np.argsort(part, kind='stable')]
                           for rows, part in zip(masks, cell, strict=True)])
    return Members(rows, np.cumsum(count) - count, count)


def are_neighbours(cells: Cells, i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which points, given by rows, are neighbours: [P] bool."""
    return squared_length(cells.xyz[i] - cells.xyz[j]) <= cells.limit


def reach(cells: Cells, mine: NDArray[np.int64], other: NDArray[np.int64]) -> bool:
    """Tell whether any of some rows is within eps of any of others."""
    distance, nearest = cKDTree(cells.xyz[other]).query(
        cells.xyz[mine], distance_upper_bound=cells.eps * (1 + SLACK))
    near = np.isfinite(distance)
    mine, nearest = mine[near], nearest[near]
    # the tree may have rounded the nearest of equals to the wrong side of eps
    return bool(are_neighbours(cells, mine, other[nearest]).any()
                or len(neighbour_pairs(cells, mine, other)[0]))


def neighbour_pairs(cells: Cells, some: NDArray[np.int64], others: NDArray[np.int64],
                    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs within eps, as indices into two arrays of rows; of few pairs in all."""
    if not len(some):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    found = cKDTree(cells.xyz[others]).query_ball_point(
        cells.xyz[some], cells.eps * (1 + SLACK))
    i = np.repeat(np.arange(len(some)), [len(near) for near in found])
    j = np.array([number for near in found for number in near], np.int64)
    close = are_neighbours(cells, some[i], others[j])
    return i[close], j[close]
