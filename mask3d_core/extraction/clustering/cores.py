"""DBSCAN for more than one point: which points are cores, and what their borders belong to."""

from __future__ import annotations

from mask3d_core.extraction.clustering.cells import Cells, SLACK
from mask3d_core.extraction.clustering.neighbors import Members, members_of, neighbour_pairs
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

NOISE = -1


def core_rows(cells: Cells, rows: NDArray[np.int64], min_points: int) -> NDArray[np.int64]:
    """Return the rows that have at least `min_points` of the rows within eps, ascending."""
    members = members_of(cells, [rows])
    return np.sort(members.rows[_is_core(cells, members, min_points)])


def with_borders(cells: Cells, rows: NDArray[np.int64], cores: NDArray[np.int64],
                 core_label: NDArray[np.int64]) -> NDArray[np.int64]:
    """Extend the labels of a mask's core rows to all its rows: borders, then noise."""
    label = np.full(len(cells.cell), len(cells.cell))
    label[cores] = core_label
    others = np.setdiff1d(rows, cores, assume_unique=True)
    i, j = neighbour_pairs(cells, others, cores) if len(cores) else (others[:0], others[:0])
    np.minimum.at(label, others[i], core_label[j])
    return np.where(label < len(cells.cell), label, NOISE)[rows]


def _is_core(cells: Cells, members: Members, min_points: int) -> NDArray[np.bool_]:
    """Tell which members have at least `min_points` neighbours: [n] bool."""
    sure = members.count + _sum_over(cells.sure, members.count)
    most = sure + _sum_over(cells.maybe, members.count)
    core = np.repeat(sure >= min_points, members.count)
    doubt = np.flatnonzero(~core & np.repeat(most >= min_points, members.count))
    if not len(doubt):
        return core
    tree = cKDTree(cells.xyz[members.rows])
    points = cells.xyz[members.rows[doubt]]
    least, most = (tree.query_ball_point(points, cells.eps * (1 + slack), return_length=True)
                   for slack in (-SLACK, SLACK))
    core[doubt] = least >= min_points
    edge = doubt[(least < min_points) & (most >= min_points)]
    i, _ = neighbour_pairs(cells, members.rows[edge], members.rows)
    core[edge] = np.bincount(i, minlength=len(edge)) >= min_points
    return core


def _sum_over(pairs: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sum over the neighbours of each cell: [C]."""
    a, b = pairs.T
    size = len(count)
    total = np.bincount(a, count[b], minlength=size) + np.bincount(b, count[a], minlength=size)
    return total.astype(np.int64)
