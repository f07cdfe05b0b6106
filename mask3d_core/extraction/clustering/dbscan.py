"""
Exact DBSCAN of points in space, for many masks over the same points.

With `min_points` 1 the clusters are the connected components of the graph of all pairs within eps,
so no neighbour lists are needed: points of one small cell belong together, touching cells too. Of
most masks that is all there is to know; for the others cells that come close are looked at, and
only where two components do, points have to be compared. The cells are shared by all masks of a
scan. The result equals scikit-learn's, labels included.
"""

from __future__ import annotations

from mask3d_core.errors import InputError
from mask3d_core.extraction.clustering.cells import (
    box_bounds,
    boxes,
    Cells,
    CHUNK,
    every_pair,
    gather_cells,
)
from mask3d_core.extraction.clustering.cores import core_rows, with_borders
from mask3d_core.extraction.clustering.neighbors import are_neighbours, Members, members_of, reach
from mask3d_core.extraction.clustering.touching import in_one_piece
from mask3d_core.geometry.components import graph_components, numbered_by_first
import numpy as np
from numpy.typing import NDArray


def dbscan(points: NDArray[np.floating], eps: float, min_points: int = 1) -> NDArray[np.int64]:
    """
    Cluster points by density (Ester et al. 1996), as scikit-learn's DBSCAN does.

    Parameters
    ----------
    points : [M, 3] float
        Metres.
    eps : float
        Two points at most this far apart are neighbours, metres.
    min_points : int
        A point with this many neighbours, itself included, is a core point.

    Returns
    -------
    [M] int64
        Cluster of each point, numbered in the order of their first core points; -1 for noise. A
        border point within reach of several clusters gets the lowest.

    Raises
    ------
    InputError
        For points that are not finite or not [M, 3], eps <= 0, min_points < 1.

    """
    return cluster_rows(points, [np.arange(len(points))], eps, min_points)[0]


def cluster_masks(centers: NDArray[np.floating], masks: NDArray[np.bool_], eps: float,
                  min_points: int = 1) -> list[NDArray[np.int64]]:
    """
    Run `dbscan` on the points of each of many masks.

    Parameters
    ----------
    centers : [V, 3] float
        Metres.
    masks : [V, Q] bool
    eps, min_points
        As in `dbscan`.

    Returns
    -------
    Q arrays, [n] int64 each
        Labels of the rows in the mask, ascending (`np.flatnonzero(masks[:, q])`).

    """
    if masks.ndim != 2 or len(masks) != len(centers):
        raise InputError(f'expected masks of shape [{len(centers)}, Q], got {list(masks.shape)}')
    rows = [np.flatnonzero(column) for column in np.ascontiguousarray(masks.T)]
    return cluster_rows(centers, rows, eps, min_points)


def cluster_rows(centers: NDArray[np.floating], masks: list[NDArray[np.int64]], eps: float,
                 min_points: int = 1) -> list[NDArray[np.int64]]:
    """Run `cluster_masks` on masks given as ascending rows of `centers`, Q arrays."""
    if min_points < 1:
        raise InputError(f'expected min_points of at least 1, got {min_points}')
    labels = [np.zeros(len(rows), np.int64) for rows in masks]
    open_ = [number for number, rows in enumerate(masks) if len(rows)]
    if not open_:
        return labels
    centers, masks = _only_used(centers, [masks[number] for number in open_])
    if min_points == 1:
        split = np.flatnonzero(~in_one_piece(centers, masks, eps))
        if not len(split):
            return labels
        open_ = [open_[place] for place in split]
        centers, masks = _only_used(centers, [masks[place] for place in split])
    cells = gather_cells(centers, eps)
    cores = masks if min_points == 1 else [core_rows(cells, rows, min_points) for rows in masks]
    found = _components(cells, cores)
    if min_points > 1:
        found = [with_borders(cells, *mask) for mask in zip(masks, cores, found, strict=True)]
    for number, label in zip(open_, found, strict=True):
        labels[number] = label
    return labels


def _only_used(centers: NDArray[np.floating], masks: list[NDArray[np.int64]],
               ) -> tuple[NDArray[np.floating], list[NDArray[np.int64]]]:
    """Leave out the points that are in no mask: of a room, most of the walls."""
    used = np.zeros(len(centers), bool)
    for rows in masks:
        used[rows] = True
    place = np.cumsum(used) - 1
    return centers[used], [place[rows] for rows in masks]


def _components(cells: Cells, masks: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """Label the rows of each mask by component of its eps-graph, numbered by first row."""
    labels = []
    at_once = max(1, CHUNK // max(len(cells.sure), len(cells.maybe), cells.count))
    for first in range(0, len(masks), at_once):
        batch = masks[first:first + at_once]
        component = _merge_exactly(cells, batch, _merge_surely(cells, batch))
        labels += [numbered_by_first(part[cells.cell[rows]])
                   for part, rows in zip(component, batch, strict=True)]
    return labels


def _merge_surely(cells: Cells, masks: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the components the cells of each mask surely form, [B, C]; -1 for absent cells."""
    active = np.zeros((len(masks), cells.count), bool)
    for row, rows in zip(active, masks, strict=True):
        row[cells.cell[rows]] = True
    a, b = cells.sure.T
    mask, edge = np.nonzero(active[:, a] & active[:, b])
    number = np.cumsum(active).reshape(active.shape) - 1
    edges = np.stack([number[mask, a[edge]], number[mask, b[edge]]], axis=1)
    component = np.full(active.shape, -1)
    component[active] = graph_components(edges, int(active.sum()))
    return component


def _merge_exactly(cells: Cells, masks: list[NDArray[np.int64]], component: NDArray[np.int64],
                   ) -> NDArray[np.int64]:
    """
    Join components of a mask [B, C] wherever two of their points are within eps.

    Each component first asks the cell that is closest to one of its own, then four times as many,
    and so on: those that do touch are joined after few questions, and what that settles is not
    asked.
    """
    largest = component.max(axis=1, keepdims=True)
    split = np.flatnonzero(((component != largest) & (component >= 0)).any(axis=1))
    if not len(split):
        return component
    members = members_of(cells, [masks[mask] for mask in split])
    pairs, far = _open_pairs(cells, members, component[split])
    joint = component[split].reshape(-1)
    asked = 1
    while True:
        sides = joint[pairs]
        open_ = sides[:, 0] != sides[:, 1]
        pairs, far, sides = pairs[open_], far[open_], sides[open_]
        if not len(pairs):
            break
        ask = _closest(sides, asked)
        within = _any_within(cells, members, pairs[ask], far[ask])
        joint = _joined(joint, sides[ask[within]])
        rest = np.ones(len(pairs), bool)
        rest[ask] = False
        pairs, far = pairs[rest], far[rest]
        asked *= 4
    component[split] = joint.reshape(len(split), -1)
    return component


def _closest(sides: NDArray[np.int64], number: int) -> NDArray[np.int64]:
    """Return which pairs, closest first, are among the `number` first of either component."""
    if number == 1:  # most pairs are only ever seen here: no sorting
        first = np.full(sides.max() + 1, len(sides))
        backwards = np.arange(len(sides))[::-1]
        for side in sides.T:
            last = np.full_like(first, len(sides))
            last[side[backwards]] = backwards
            first = np.minimum(first, last)
        return np.unique(first[first < len(sides)])
    owner = sides.reshape(-1)
    ranked = np.argsort(owner, kind='stable')
    first = np.flatnonzero(np.diff(owner[ranked], prepend=-1))
    place = np.arange(len(ranked)) - np.repeat(first, np.diff(first, append=len(ranked)))
    return np.unique(ranked[place < number] // 2)


def _open_pairs(cells: Cells, members: Members, component: NDArray[np.int64],
                ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """
    Return the pairs of parts that may join components [B, C], and how far apart they are at most.

    Those that may be closest come first.
    """
    a, b = cells.maybe.T
    active = component >= 0
    mask, edge = np.nonzero(active[:, a] & active[:, b])
    pairs = cells.maybe[edge] + (mask * cells.count)[:, None]
    sides = component.reshape(-1)[pairs]
    pairs = pairs[sides[:, 0] != sides[:, 1]]
    low, high = _part_boxes(cells, members)
    a, b = pairs.T
    near, far = box_bounds(low[a], high[a], low[b], high[b])
    order = np.argsort(near, kind='stable')[:np.count_nonzero(near <= cells.limit)]
    return pairs[order], far[order]


def _part_boxes(cells: Cells, members: Members,
                ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the boxes of each part's members: lowest and highest corner, two [B * C, 3]."""
    active = members.count > 0
    low, high = np.zeros((2, len(active), 3))
    low[active], high[active] = boxes(cells.xyz[members.rows], members.start[active])
    return low, high


def _any_within(cells: Cells, members: Members, pairs: NDArray[np.int64],
                far: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell for each pair of parts whether some of their members are within eps: [E] bool."""
    within = far <= cells.limit
    large = members.count[pairs].prod(axis=1) > CHUNK
    for one in np.flatnonzero(~within & large):
        mine, other = (members.rows[members.start[c]:][:members.count[c]] for c in pairs[one])
        within[one] = reach(cells, mine, other)
    undecided = np.flatnonzero(~within & ~large)
    a, b = pairs[undecided].T
    for edge, i, j in every_pair(members.start[a], members.count[a],
                                 members.start[b], members.count[b]):
        close = are_neighbours(cells, members.rows[i], members.rows[j])
        within[undecided[edge[close]]] = True
    return within


def _joined(component: NDArray[np.int64], links: NDArray[np.int64]) -> NDArray[np.int64]:
    """Renumber components after linking pairs of them [E, 2]; -1 stays."""
    linked, ends = np.unique(links, return_inverse=True)
    _, first, group = np.unique(graph_components(ends.reshape(-1, 2), len(linked)),
                                return_index=True, return_inverse=True)
    new = np.arange(component.max() + 1)
    new[linked] = linked[first[group]]
    return np.where(component < 0, -1, new[component])
