"""Exact tests which points are within eps of each other."""

from __future__ import annotations

from dataclasses import dataclass

from mask3d_core.extraction.clustering.cells import Cells, QUERY_SLACK, squared_length
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree


@dataclass(frozen=True, eq=False)
class Members:
    """
    The points of B masks, sorted by mask, then cell.

    A part is the points of one mask in one cell; its number is mask * C + cell.

    Attributes
    ----------
    rows : [n] int64
        Points of the masks, ascending within a part.
    start, count : [B * C] int64
        Range of each part in `rows`.

    """

    rows: NDArray[np.int64]
    start: NDArray[np.int64]
    count: NDArray[np.int64]


def members_of(cells: Cells, masks: list[NDArray[np.int64]]) -> Members:
    """Sort the rows of B >= 1 masks, which are ascending, by cell."""
    cell = [cells.cell[rows] for rows in masks]
    count = np.concatenate([np.bincount(part, minlength=cells.count) for part in cell])
    rows = np.concatenate([rows[np.argsort(part, kind='stable')]
                           for rows, part in zip(masks, cell, strict=True)])
    return Members(rows, np.cumsum(count) - count, count)


def are_neighbors(cells: Cells, i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which pairs of points, given by their rows, are within eps: [P] bool."""
    return squared_length(cells.xyz[i] - cells.xyz[j]) <= cells.limit


def any_neighbors(cells: Cells, some: NDArray[np.int64], others: NDArray[np.int64]) -> bool:
    """Tell whether any of some rows is within eps of any of the others."""
    distance, nearest = cKDTree(cells.xyz[others]).query(
        cells.xyz[some], distance_upper_bound=cells.eps * (1 + QUERY_SLACK))
    near = np.isfinite(distance)
    some, nearest = some[near], nearest[near]
    # the tree's nearest may, after rounding, be beyond eps while an equally near one is not
    return bool(are_neighbors(cells, some, others[nearest]).any()
                or len(neighbor_pairs(cells, some, others)[0]))


def neighbor_pairs(cells: Cells, some: NDArray[np.int64], others: NDArray[np.int64],
                   ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs within eps, as indices into the two arrays; for small arrays."""
    if not len(some):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    candidates = cKDTree(cells.xyz[others]).query_ball_point(
        cells.xyz[some], cells.eps * (1 + QUERY_SLACK))
    i = np.repeat(np.arange(len(some)), [len(near) for near in candidates])
    j = np.array([number for near in candidates for number in near], np.int64)
    close = are_neighbors(cells, some[i], others[j])
    return i[close], j[close]
