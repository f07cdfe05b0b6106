"""
Exact DBSCAN of points in space, for many masks over the same points.

With `min_points` 1 the clusters are the connected components of the graph of all pairs within eps,
so no neighbor lists are needed. Points of one small cell are connected, and so are touching cells:
that settles most masks (`touching`). For the others, pairs of close cells are merged where their
distance bounds allow it; only between components that remain are points compared. All masks of a
scan use the same cells. The result equals scikit-learn's, labels included.
"""

from __future__ import annotations

from mask3d_core.errors import InputError
from mask3d_core.extraction.clustering.cells import (
    bounding_boxes,
    Cells,
    distance_bounds,
    every_pair,
    gather_cells,
    MAX_PAIRS,
)
from mask3d_core.extraction.clustering.cores import core_rows, with_borders
from mask3d_core.extraction.clustering.neighbors import (
    any_neighbors,
    are_neighbors,
    Members,
    members_of,
)
from mask3d_core.extraction.clustering.touching import surely_connected
from mask3d_core.geometry.components import graph_components, numbered_by_first
from mask3d_core.stop import check_stop, until_stopped
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
        Two points at most this far apart are neighbors, metres.
    min_points : int
        A point with this many neighbors, itself included, is a core point.

    Returns
    -------
    [M] int64
        Cluster of each point, numbered in the order of their first core points; -1 for noise. A
        border point of several clusters gets the lowest.

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
    """Run `cluster_masks` on Q masks given as ascending rows of `centers`."""
    if min_points < 1:
        raise InputError(f'expected min_points of at least 1, got {min_points}')
    labels = [np.zeros(len(rows), np.int64) for rows in masks]
    unsettled = [number for number, rows in enumerate(masks) if len(rows)]
    if not unsettled:
        return labels
    centers, masks = _used_points(centers, [masks[number] for number in unsettled])
    if min_points == 1:
        rest = np.flatnonzero(~surely_connected(centers, masks, eps))
        if not len(rest):
            return labels
        unsettled = [unsettled[index] for index in rest]
        centers, masks = _used_points(centers, [masks[index] for index in rest])
    cells = gather_cells(centers, eps)
    cores = masks if min_points == 1 else [
        core_rows(cells, rows, min_points) for rows in until_stopped(masks)]
    clusters = _components(cells, cores)
    if min_points > 1:
        clusters = [with_borders(cells, *mask)
                    for mask in until_stopped(zip(masks, cores, clusters, strict=True))]
    for number, label in zip(unsettled, clusters, strict=True):
        labels[number] = label
    return labels


def _used_points(centers: NDArray[np.floating], masks: list[NDArray[np.int64]],
                 ) -> tuple[NDArray[np.floating], list[NDArray[np.int64]]]:
    """Drop the points that are in no mask: of a room, most of the walls."""
    used = np.zeros(len(centers), bool)
    for rows in masks:
        used[rows] = True
    new_row = np.cumsum(used) - 1
    return centers[used], [new_row[rows] for rows in masks]


def _components(cells: Cells, masks: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """Label the rows of each mask by component of its eps-graph, numbered by first row."""
    labels = []
    at_once = max(1, MAX_PAIRS // max(len(cells.sure), len(cells.maybe), cells.count))
    for first in until_stopped(range(0, len(masks), at_once)):
        batch = masks[first:first + at_once]
        component = _merge_by_points(cells, batch, _merge_by_bounds(cells, batch))
        labels += [numbered_by_first(part[cells.cell[rows]])
                   for part, rows in zip(component, batch, strict=True)]
    return labels


def _merge_by_bounds(cells: Cells, masks: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return each mask's components of `cells.sure` pairs, [B, C]; -1 for cells not in it."""
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


def _merge_by_points(cells: Cells, masks: list[NDArray[np.int64]],
                     component: NDArray[np.int64]) -> NDArray[np.int64]:
    """
    Merge components of a mask [B, C] of which two points are within eps.

    Comparing the points of two cells is expensive, and one hit merges two components, which
    settles all their other pairs of cells. So in each round every component compares only a few
    pairs, those of the closest cells, which are the likeliest hits: one, then four, then sixteen,
    and so on. Components that do touch are merged early; for those that do not, all pairs are
    compared within a number of rounds that grows with the logarithm of the pairs.
    """
    largest = component.max(axis=1, keepdims=True)
    split = np.flatnonzero(((component != largest) & (component >= 0)).any(axis=1))
    if not len(split):
        return component  # each mask is one component
    members = members_of(cells, [masks[mask] for mask in split])
    pairs, far = _candidate_pairs(cells, members, component[split])
    merged = component[split].reshape(-1)  # component of each part; distinct across masks
    budget = 1
    while True:
        check_stop()
        # earlier rounds may have merged the two components of a pair: nothing is left to decide
        sides = merged[pairs]
        apart = sides[:, 0] != sides[:, 1]
        pairs, far, sides = pairs[apart], far[apart], sides[apart]
        if not len(pairs):
            break
        chosen = _closest(sides, budget)
        within = _any_within(cells, members, pairs[chosen], far[chosen])
        merged = _merge(merged, sides[chosen[within]])
        rest = np.ones(len(pairs), bool)
        rest[chosen] = False  # compared: either merged or known to be further apart than eps
        pairs, far = pairs[rest], far[rest]
        budget *= 4
    component[split] = merged.reshape(len(split), -1)
    return component


def _closest(sides: NDArray[np.int64], number: int) -> NDArray[np.int64]:
    """
    Return the first `number` pairs of each component; pairs are sorted, closest first.

    `sides` [E, 2] are the components of each pair. A pair is returned if it is among the first of
    either.
    """
    if number == 1:  # most pairs are settled in this round: it does without sorting
        first = np.full(sides.max() + 1, len(sides))
        backwards = np.arange(len(sides))[::-1]
        for side in sides.T:
            first_here = np.full_like(first, len(sides))
            first_here[side[backwards]] = backwards  # the last write, of the first pair, stays
            first = np.minimum(first, first_here)
        return np.unique(first[first < len(sides)])
    # rank of each pair among those of its component, by a stable sort of both sides
    owner = sides.reshape(-1)                                   # pair e at 2 e and 2 e + 1
    ranked = np.argsort(owner, kind='stable')
    first = np.flatnonzero(np.diff(owner[ranked], prepend=-1))
    rank = np.arange(len(ranked)) - np.repeat(first, np.diff(first, append=len(ranked)))
    return np.unique(ranked[rank < number] // 2)


def _candidate_pairs(cells: Cells, members: Members, component: NDArray[np.int64],
                     ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """
    Return the pairs of parts that may merge components [B, C], and their largest squared distance.

    They are sorted by their smallest possible distance.
    """
    a, b = cells.maybe.T
    active = component >= 0
    mask, edge = np.nonzero(active[:, a] & active[:, b])
    pairs = cells.maybe[edge] + (mask * cells.count)[:, None]
    sides = component.reshape(-1)[pairs]
    pairs = pairs[sides[:, 0] != sides[:, 1]]
    low, high = _part_boxes(cells, members)
    a, b = pairs.T
    # tighter than the bounds of `cells`: the boxes hold only the points of this mask
    near, far = distance_bounds(low[a], high[a], low[b], high[b])
    order = np.argsort(near, kind='stable')[:np.count_nonzero(near <= cells.limit)]
    return pairs[order], far[order]


def _part_boxes(cells: Cells, members: Members,
                ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the bounding box of each part: lowest and highest corner, two [B * C, 3]."""
    active = members.count > 0
    low, high = np.zeros((2, len(active), 3))
    low[active], high[active] = bounding_boxes(cells.xyz[members.rows], members.start[active])
    return low, high


def _any_within(cells: Cells, members: Members, pairs: NDArray[np.int64],
                far: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell for each pair of parts whether two of their points are within eps: [E] bool."""
    within = far <= cells.limit
    large = members.count[pairs].prod(axis=1) > MAX_PAIRS
    for pair in np.flatnonzero(~within & large):  # by a k-d tree
        some, others = (members.rows[members.start[c]:][:members.count[c]] for c in pairs[pair])
        within[pair] = any_neighbors(cells, some, others)
    undecided = np.flatnonzero(~within & ~large)
    a, b = pairs[undecided].T
    for edge, i, j in every_pair(members.start[a], members.count[a],
                                 members.start[b], members.count[b]):
        close = are_neighbors(cells, members.rows[i], members.rows[j])
        within[undecided[edge[close]]] = True
    return within


def _merge(component: NDArray[np.int64], links: NDArray[np.int64]) -> NDArray[np.int64]:
    """Renumber components after merging pairs of them [E, 2]; -1 stays."""
    linked, ends = np.unique(links, return_inverse=True)
    _, first, group = np.unique(graph_components(ends.reshape(-1, 2), len(linked)),
                                return_index=True, return_inverse=True)
    new = np.arange(component.max() + 1)
    new[linked] = linked[first[group]]
    return np.where(component < 0, -1, new[component])
