"""
Graph-based segmentation (Felzenszwalb and Huttenlocher 2004), vectorized: exact or approximate.

The algorithm processes the edges one by one, lightest first. It merges the two components of an
edge if its weight is at most the threshold of both: the heaviest edge inside, plus `scale` over
the size. The edges of a minimum spanning tree are not enough: two components whose path in the
tree leads through a third, finished one may still merge over an edge outside the tree.

Exact: when an edge is the lightest of both its components, no edge processed before it can change
them. So all such edges are processed at once, in rounds. A component whose lightest edge is above
its threshold is finished: no edge will change it any more, so its edges are dropped. When rounds
settle few edges, as when one large component absorbs many small ones, the remaining edges are
processed one by one. That takes as long as all rounds, in pure Python, which holds the global
interpreter lock.

Approximate: an edge is processed as soon as it is the lightest of one of its components, as in
Boruvka's algorithm, and rounds are enough. Thresholds are the paper's. But a component may merge
over a heavy edge before lighter edges elsewhere would have lowered the threshold of the other
component: with the same `scale` more is merged.
"""

from __future__ import annotations

from collections.abc import Iterator

from mask3d_core.errors import InputError
from mask3d_core.geometry.components import numbered_by_first
from mask3d_core.stop import check_stop, until_stopped
import numpy as np
from numpy.typing import NDArray
import torch

MAX_EDGES_PER_SETTLED = 12
"""
Rounds continue while they settle at least one edge in this many: an edge costs that much less in
a round than in the loop over single edges.
"""
CHECK_EDGES = 1 << 14
"""Edges that are processed one by one between two checks for a request to stop."""
MAX_ROUNDS = 64
"""Limit of the approximate algorithm: edges left after it merge nothing; clouds need nine."""


def segment_graph(edges: NDArray[np.integer], weight: NDArray[np.floating], size: int,
                  scale: float, min_size: int, exact: bool = True) -> NDArray[np.int64]:
    """
    Segment a graph.

    Parameters
    ----------
    edges : [E, 2] integer
        Vertices 0..size-1.
    weight : [E] float
        Dissimilarity; equal ones are processed in their order.
    size : int
        Number of vertices.
    scale : float
        k of the paper, in units of the weight: larger values give larger segments.
    min_size : int
        Smaller components are merged with a neighbor afterwards, over their lightest edges.
        Components without neighbors stay small.
    exact : bool
        Whether edges are processed in the paper's order; if not, it takes a third of the time.

    Returns
    -------
    [size] int64
        Segment of each vertex, 0..S-1 in the order of their first vertices.

    Raises
    ------
    InputError
        For a weight of NaN, or edges of vertices that do not exist.

    """
    if edges.ndim != 2 or edges.shape[1] != 2 or weight.shape != edges.shape[:1]:
        raise InputError(f'expected edges [E, 2] with weights [E], got {list(edges.shape)} and '
                         f'{list(weight.shape)}')
    if len(edges) and not (0 <= edges.min() and edges.max() < size):
        raise InputError(f'expected edges between vertices 0..{size - 1}, got '
                         f'{edges.min()}..{edges.max()}')
    if np.isnan(weight).any():
        raise InputError('expected weights that are numbers, got NaN')
    loops = edges[:, 0] == edges[:, 1]
    if loops.any():
        edges, weight = edges[~loops], weight[~loops]
    order = _lightest_first(weight)
    a, b = (np.ascontiguousarray(ends, np.int64).take(order) for ends in edges.T)
    forest = _Forest(size, scale)
    merge = _merge_exactly if exact else _merge_approximately
    merge(forest, a, b, weight[order].astype(np.float64))
    _merge_small(forest, a, b, min_size)
    return numbered_by_first(forest.roots())


class _Forest:
    """
    Disjoint sets of vertices (union-find).

    Attributes
    ----------
    parent : [N] int64
        Of each vertex; a root is its own parent.
    size : [N] int64
        Number of vertices; valid for roots.
    threshold : [N] float64
        Heaviest edge over which the set may still be merged; valid for roots.
    scale : float

    """

    def __init__(self, count: int, scale: float) -> None:
        self.parent = np.arange(count)
        self.size = np.ones(count, np.int64)
        self.threshold = np.full(count, scale, np.float64)
        self.scale = scale

    def roots(self) -> NDArray[np.int64]:
        """Compress all paths; return the root of each vertex."""
        higher = self.parent[self.parent]
        while not np.array_equal(higher, self.parent):
            self.parent = higher
            higher = self.parent[self.parent]
        return self.parent

    def lightest(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return each root's first edge of the sorted edges (a, b) between roots; E for none."""
        first = np.full((2, len(self.parent)), len(a))
        backwards = np.arange(len(a))[::-1]  # a root keeps its last write: its first edge
        first[0, a[::-1]], first[1, b[::-1]] = backwards, backwards
        return first.min(axis=0)


def _lightest_first(weight: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the stable order of the weights; torch sorts integers ten times as fast as floats."""
    single = weight.dtype == np.float32
    exact = weight + 0 if single else weight.astype(np.float64) + 0  # -0 becomes 0
    bits: NDArray[np.signedinteger] = exact.view(np.int32 if single else np.int64)
    # the bits of floats sort as integers once all but the sign of the negative ones are flipped
    ranked = np.where(bits < 0, bits ^ np.iinfo(bits.dtype).max, bits)
    return torch.from_numpy(ranked).sort(stable=True).indices.numpy()


def _merge_exactly(forest: _Forest, a: NDArray[np.int64], b: NDArray[np.int64],
                   weight: NDArray[np.float64]) -> None:
    """Merge components over sorted edges, as the paper's algorithm 1."""
    number = np.arange(len(a))
    while len(a):
        check_stop()
        first = forest.lightest(a, b)
        finished = np.append(weight, np.inf)[first] > forest.threshold
        lightest_of_both = (first[a] == number) & (first[b] == number)
        chosen = np.flatnonzero(lightest_of_both & ~finished[a] & ~finished[b])
        # these edges share no component, so their order does not matter
        one, other = a[chosen], b[chosen]
        forest.parent[other] = one
        forest.size[one] += forest.size[other]
        # sorted edges: this one is the heaviest edge inside so far
        forest.threshold[one] = weight[chosen] + forest.scale / forest.size[one]
        before = len(a)
        a, b, weight = _unsettled(forest, finished, a, b, weight)
        number = number[:len(a)]
        if (before - len(a)) * MAX_EDGES_PER_SETTLED < len(a):
            rows = _first_of_each_pair(a, b)
            a, b, weight = a[rows], b[rows], weight[rows]
            _merge_one_by_one(forest, a, b, weight)
            break


def _merge_one_by_one(forest: _Forest, a: NDArray[np.int64], b: NDArray[np.int64],
                      weight: NDArray[np.float64]) -> None:
    """Process the remaining edges of `_merge_exactly` as the paper does."""
    size, threshold, heaviest = forest.size.tolist(), forest.threshold.tolist(), weight.tolist()
    parent = forest.parent.tolist()
    for number, one, other in _unmerged_edges(parent, a, b):
        if heaviest[number] <= threshold[one] and heaviest[number] <= threshold[other]:
            one, other = (one, other) if size[one] >= size[other] else (other, one)
            parent[other] = one
            size[one] += size[other]
            threshold[one] = heaviest[number] + forest.scale / size[one]
    forest.parent, forest.size = np.array(parent), np.array(size)
    forest.threshold = np.array(threshold)


def _merge_approximately(forest: _Forest, a: NDArray[np.int64], b: NDArray[np.int64],
                         weight: NDArray[np.float64]) -> None:
    """Merge components over the lightest edge of either, in rounds; edges are sorted."""
    heaviest = np.zeros(len(forest.parent))  # edge inside each component; valid for roots
    for _ in until_stopped(range(MAX_ROUNDS)):
        if not len(a):
            break
        first = forest.lightest(a, b)
        finished = np.append(weight, np.inf)[first] > forest.threshold
        # Each unfinished component with edges is attached to the component at the other end of
        # its lightest edge, if the threshold of that component allows it, too.
        lower = np.flatnonzero(~finished & (first < len(a)))
        edge = first[lower]
        upper = a[edge] + b[edge] - lower  # the other end of the edge
        # Lightest edges form no cycles except of two components with the same lightest edge:
        # of those only the one with the larger number is attached.
        merges = (weight[edge] <= forest.threshold[upper]) & ((first[upper] != edge)
                                                              | (upper < lower))
        lower, upper, edge = lower[merges], upper[merges], edge[merges]
        forest.parent[lower] = upper
        # Several components may have the same new root, directly or in chains: sizes are added
        # and weights maximized by unbuffered operations. Roots are never in `lower`, and its
        # sizes are read before any is changed, so each component counts once.
        size, root = forest.size[lower], forest.roots()[lower]
        np.add.at(forest.size, root, size)
        np.maximum.at(heaviest, root, np.maximum(weight[edge], heaviest[lower]))
        forest.threshold[root] = heaviest[root] + forest.scale / forest.size[root]
        a, b, weight = _unsettled(forest, finished, a, b, weight)


def _unsettled(forest: _Forest, finished: NDArray[np.bool_], a: NDArray[np.int64],
               b: NDArray[np.int64], weight: NDArray[np.float64],
               ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the edges between different components that are not finished after a round."""
    unfinished = ~(finished[a] | finished[b])
    a, b = forest.parent[a], forest.parent[b]
    rows = np.flatnonzero(unfinished & (a != b))
    return a[rows], b[rows], weight[rows]


def _merge_small(forest: _Forest, a: NDArray[np.int64], b: NDArray[np.int64], min_size: int,
                 ) -> None:
    """
    Merge components below a size over sorted edges, lightest first, until they reach it.

    Large components absorb any small one, so the edge need only be the lightest of the small one.
    """
    while len(a):
        check_stop()
        root, before = forest.roots(), len(a)
        a, b = root[a], root[b]
        small = forest.size < min_size
        rows = np.flatnonzero((a != b) & (small[a] | small[b]))
        a, b = a[rows], b[rows]
        if (before - len(rows)) * MAX_EDGES_PER_SETTLED < len(rows):
            _merge_small_one_by_one(forest, a, b, min_size)
            break
        first, number = forest.lightest(a, b), np.arange(len(a))
        free_a, free_b = (first[a] == number) | ~small[a], (first[b] == number) | ~small[b]
        chosen = np.flatnonzero(free_a & free_b)
        one, other = a[chosen], b[chosen]
        # `one` absorbs `other`, which is small; a large one may absorb several at once
        one, other = np.where(small[other], one, other), np.where(small[other], other, one)
        forest.parent[other] = one
        np.add.at(forest.size, one, forest.size[other])


def _merge_small_one_by_one(forest: _Forest, a: NDArray[np.int64], b: NDArray[np.int64],
                            min_size: int) -> None:
    """Process the remaining edges of `_merge_small`."""
    size = forest.size.tolist()
    parent = forest.parent.tolist()
    for _, one, other in _unmerged_edges(parent, a, b):
        if size[one] < min_size or size[other] < min_size:
            one, other = (one, other) if size[one] >= size[other] else (other, one)
            parent[other] = one
            size[one] += size[other]
    forest.parent, forest.size = np.array(parent), np.array(size)


def _unmerged_edges(parent: list[int], a: NDArray[np.int64], b: NDArray[np.int64],
                 ) -> Iterator[tuple[int, int, int]]:
    """Yield number and roots of each edge whose components have not been merged before it."""
    for number, (one, other) in enumerate(zip(a.tolist(), b.tolist())):
        if number % CHECK_EDGES == 0:
            check_stop()
        while parent[one] != one:  # path halving
            parent[one] = one = parent[parent[one]]
        while parent[other] != other:
            parent[other] = other = parent[parent[other]]
        if one != other:
            yield number, one, other


def _first_of_each_pair(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first edge of each unordered pair of vertices, ascending."""
    if not len(a):
        return np.zeros(0, np.int64)
    pair = np.minimum(a, b) * (max(a.max(), b.max()) + 1) + np.maximum(a, b)
    ranked, order = torch.from_numpy(pair).sort(stable=True)
    return np.sort(order.numpy()[np.diff(ranked.numpy(), prepend=-1) > 0])
