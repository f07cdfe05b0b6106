"""Data association: which instances of a cloud are objects of earlier clouds."""

from __future__ import annotations

from mask3d_core.tracking.motion import alike, MapObjects
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components

MIN_TRACK_IOU = 0.25
"""Intersection over union of the cells of two instances of one object, at least."""
MAX_MOVE = 3.0
"""Metres that an object may have been moved between two clouds."""
MAX_MOVED_SIZE_RATIO = 1.25
"""Most by which the edges of its boxes may differ."""


def certain_pairs(in_instance: csr_matrix, in_track: csr_matrix, size: NDArray[np.int64],
                  track_size: NDArray[np.int64]) -> dict[int, tuple[int, float]]:
    """
    Return the matches that no other one contradicts: an IoU above a half, for both the only one.

    Parameters
    ----------
    in_instance : [J, c]
        Incidence of instances and cells.
    in_track : [T, c]
        The same of tracks.
    size : [J] int64
        Number of the cells of each instance; others than the c are taken for not common.
    track_size : [T] int64
        The same of tracks.

    Returns
    -------
    dict of int to (int, float)
        Row of the track of an instance, and the share of the instance that was known from it.

    """
    common = (in_instance @ in_track.T).tocoo()
    union = size[common.row] + track_size[common.col] - common.data
    likely = 2 * common.data > union
    row, column = common.row[likely], common.col[likely]
    alone = (np.bincount(row)[row] == 1) & (np.bincount(column)[column] == 1)
    share = common.data[likely] / size[row]
    return {int(row[k]): (int(column[k]), float(share[k])) for k in np.flatnonzero(alone)}


def matching_pairs(in_instance: csr_matrix, in_track: csr_matrix, shown_before: NDArray[np.bool_],
                   track_size: NDArray[np.int64]) -> list[tuple[int, int]]:
    """
    Return the rows of the instances and tracks that are the same objects, each at most once.

    Parameters
    ----------
    in_instance : [J, c]
        Incidence of instances and cells.
    in_track : [T, c]
        The same of tracks, with the neighbors of their cells.
    shown_before : [n] bool
        Whether the last cloud showed the cell of each entry of `in_instance`.
    track_size : [T] int64
        Number of the cells of each track.

    """
    common = (in_instance @ in_track.T).tocoo()  # [J, T], of which few pairs have any
    instance, track, count = common.row, common.col, common.data
    # only cells that the last cloud showed or a track occupies: the map and instances grow
    known = in_instance.copy()
    known.data = shown_before | (in_track.getnnz(axis=0) > 0)[in_instance.indices]
    seen = np.asarray(known.sum(axis=1)).ravel()  # [J]
    union = seen[instance] + in_track.getnnz(axis=1)[track] - count
    iou = count / np.maximum(union, 1)
    # two adjacent objects of which both clouds show little more than the common border are
    # not the same, although their IoU there may be high
    smaller = np.minimum(in_instance.getnnz(axis=1)[instance], track_size[track])
    same = (iou >= MIN_TRACK_IOU) & (count >= MIN_TRACK_IOU * smaller)
    # squared, so that one good pair scores higher than two poor ones
    return _assign(instance[same], track[same], iou[same] ** 2)


def moved_pairs(missing: MapObjects, new: MapObjects) -> list[tuple[int, int]]:
    """
    Return the rows of missing and new objects that are the same object in another place.

    Only where it is the one candidate: of several chairs nobody knows which went where.
    """
    near = np.linalg.norm(missing.centroid[:, None] - new.centroid, axis=2) <= MAX_MOVE
    possible = near & alike(missing, new, MAX_MOVED_SIZE_RATIO)
    alone = possible.sum(axis=1, keepdims=True) * possible.sum(axis=0) == 1
    return [(int(row), int(column)) for row, column in np.argwhere(possible & alone)]


def _assign(rows: NDArray[np.integer], columns: NDArray[np.integer], value: NDArray[np.float64],
            ) -> list[tuple[int, int]]:
    """
    Return the pairs of the assignment with the largest sum of values, from those that may be.

    Solved for each connected component of the graph of the pairs: its time does not grow with
    the square of the map, as that of one large matrix does.

    Parameters
    ----------
    rows, columns : [n] int
        The pairs that may be assigned.
    value : [n] float64
        Above 0.

    """
    if not len(rows):
        return []
    first_column, count = rows.max() + 1, rows.max() + columns.max() + 2
    graph = coo_matrix((value, (rows, columns + first_column)), shape=(count, count))
    component = connected_components(graph, directed=False)[1][rows]
    alone = np.bincount(component)[component] == 1
    pairs = list(zip(rows[alone].tolist(), columns[alone].tolist()))
    if alone.all():
        return pairs
    others = np.flatnonzero(~alone)
    others = others[np.argsort(component[others], kind='stable')]
    for part in np.split(others, np.flatnonzero(np.diff(component[others])) + 1):
        row, row_of = np.unique(rows[part], return_inverse=True)
        column, column_of = np.unique(columns[part], return_inverse=True)
        values = np.zeros((len(row), len(column)))
        values[row_of, column_of] = value[part]
        chosen = np.stack(linear_sum_assignment(values, maximize=True), axis=1)
        pairs += [(int(row[i]), int(column[j])) for i, j in chosen if values[i, j]]
    return pairs
