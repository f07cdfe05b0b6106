"""Core and border points of DBSCAN, for min_points above 1."""

from __future__ import annotations

from mask3d_core.extraction.clustering.cells import Cells, QUERY_SLACK
from mask3d_core.extraction.clustering.neighbors import Members, members_of, neighbor_pairs
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

NOISE = -1
"""Label of points in no cluster."""


def core_rows(cells: Cells, rows: NDArray[np.int64], min_points: int) -> NDArray[np.int64]:
    """Return the rows with at least `min_points` of the rows within eps, ascending."""
    members = members_of(cells, [rows])
    return np.sort(members.rows[_is_core(cells, members, min_points)])


def with_borders(cells: Cells, rows: NDArray[np.int64], cores: NDArray[np.int64],
                 core_label: NDArray[np.int64]) -> NDArray[np.int64]:
    """Extend the labels of a mask's core rows to all its rows: border points and noise."""
    label = np.full(len(cells.cell), len(cells.cell))
    label[cores] = core_label
    others = np.setdiff1d(rows, cores, assume_unique=True)
    i, j = neighbor_pairs(cells, others, cores) if len(cores) else (others[:0], others[:0])
    np.minimum.at(label, others[i], core_label[j])
    return np.where(label < len(cells.cell), label, NOISE)[rows]


def _is_core(cells: Cells, members: Members, min_points: int) -> NDArray[np.bool_]:
    """
    Tell which members have at least `min_points` neighbors: [n] bool.

    Bounds on the number of neighbors decide where they can: first those from the cells, then
    those from two queries of a k-d tree, a little below and beyond eps.
    """
    lower = members.count + _sum_over(cells.sure, members.count)
    upper = lower + _sum_over(cells.maybe, members.count)
    core = np.repeat(lower >= min_points, members.count)
    undecided = np.flatnonzero(~core & np.repeat(upper >= min_points, members.count))
    if not len(undecided):
        return core
    tree = cKDTree(cells.xyz[members.rows])
    points = cells.xyz[members.rows[undecided]]
    lower, upper = (tree.query_ball_point(points, cells.eps * (1 + slack), return_length=True)
                    for slack in (-QUERY_SLACK, QUERY_SLACK))
    core[undecided] = lower >= min_points
    rest = undecided[(lower < min_points) & (upper >= min_points)]
    i, _ = neighbor_pairs(cells, members.rows[rest], members.rows)
    core[rest] = np.bincount(i, minlength=len(rest)) >= min_points
    return core


def _sum_over(pairs: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sum the counts of each cell's partners in the pairs: [C]."""
    a, b = pairs.T
    size = len(count)
    total = np.bincount(a, count[b], minlength=size) + np.bincount(b, count[a], minlength=size)
    return total.astype(np.int64)
