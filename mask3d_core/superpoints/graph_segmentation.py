"""
Graph-based segmentation (Felzenszwalb and Huttenlocher 2004) in whole arrays, exact or nearly so.

The method takes the edges one by one, lightest first, and joins the two components an edge runs
between if it is no heavier than either of their thresholds: the heaviest edge inside, plus
`scale` over the size. It is not enough to look at the edges of a minimum spanning tree: two
components whose path in the tree leads through a third one that is finished may still join over
an edge that is not in the tree.

What makes it fast is that an edge which is the lightest of both its components finds them as they
are now, however many lighter ones there are elsewhere: all such edges are taken at once, round
after round. A component whose lightest edge is above its threshold is finished, as no edge will
ever change it again, and so are all edges of it. When rounds settle few edges, as where one large
component takes in many small ones, the rest are taken one by one.

That rest takes as long as all before, in plain Python, which lets no other thread go on. Where
the order may differ, an edge is taken as soon as it is the lightest of one of its components, as
in Boruvka's algorithm, and rounds alone are enough. Thresholds are the paper's, but a component
may take a heavy edge before lighter ones elsewhere would have lowered the threshold of the other
side: with the same `scale` more is joined.
"""

from __future__ import annotations

from collections.abc import Iterator

from mask3d_core.errors import InputError
from mask3d_core.geometry.components import numbered_by_first
import numpy as np
from numpy.typing import NDArray
import torch

ROUND_SHARE = 12
"""Rounds go on while they settle one edge in so many: one by one takes so much longer."""
MOST_ROUNDS = 64
"""Where no order is kept, what is left after so many rounds stays apart; clouds need nine."""


def segment_graph(edges: NDArray[np.integer], weight: NDArray[np.floating], size: int,
                  scale: float, min_size: int, exact: bool = True) -> NDArray[np.int64]:
    """
    Segment a graph.

    Parameters
    ----------
    edges : [E, 2] integer
        Vertices 0..size-1.
    weight : [E] float
        Dissimilarity; of equal ones the earlier edge comes first.
    size : int
        Number of vertices.
    scale : float
        k of the paper, in units of the weight: larger values give larger segments.
    min_size : int
        Smaller components are joined to a neighbour afterwards, over the lightest edge first. What
        has no neighbours stays small.
    exact : bool
        Whether edges are taken in the paper's order; otherwise it takes a third of the time.

    Returns
    -------
    [size] int64
        Segment of each vertex, 0..S-1 in the order of their first vertices.

    Raises
    ------
    InputError
        For a weight that is not a number, or edges beyond the vertices.

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
    join = _join_similar if exact else _join_in_rounds
    join(forest, a, b, weight[order].astype(np.float64))
    _join_small(forest, a, b, min_size)
    return numbered_by_first(forest.roots())


class _Forest:
    """
    Disjoint sets of vertices.

    Attributes
    ----------
    parent : [N] int64
        By vertex; a root is its own.
    size : [N] int64
        Number of vertices; holds for roots.
    threshold : [N] float64
        Heaviest edge that may still join the set to another; holds for roots.
    scale : float

    """

    def __init__(self, count: int, scale: float) -> None:
        self.parent = np.arange(count)
        self.size = np.ones(count, np.int64)
        self.threshold = np.full(count, scale, np.float64)
        self.scale = scale

    def roots(self) -> NDArray[np.int64]:
        """Return the root of each vertex."""
        higher = self.parent[self.parent]
        while not np.array_equal(higher, self.parent):
            self.parent = higher
            higher = self.parent[self.parent]
        return self.parent

    def lightest(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the first of some edges between roots at each root; their number for none."""
        first = np.full((2, len(self.parent)), len(a))
        backwards = np.arange(len(a))[::-1]
        first[0, a[::-1]], first[1, b[::-1]] = backwards, backwards
        return first.min(axis=0)


def _lightest_first(weight: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the stable order of the weights: torch sorts integers ten times as fast as floats."""
    single = weight.dtype == np.float32
    exact = weight + 0 if single else weight.astype(np.float64) + 0  # -0 is 0
    bits: NDArray[np.signedinteger] = exact.view(np.int32 if single else np.int64)
    ranked = np.where(bits < 0, bits ^ np.iinfo(bits.dtype).max, bits)
    return torch.from_numpy(ranked).sort(stable=True).indices.numpy()


def _join_similar(forest: _Forest, a: NDArray[np.int64], b: NDArray[np.int64],
                  weight: NDArray[np.float64]) -> None:
    """Join components over sorted edges, as the paper's algorithm 1."""
    number = np.arange(len(a))
    while len(a):
        first = forest.lightest(a, b)
        finished = np.append(weight, np.inf)[first] > forest.threshold
        ours, theirs = first[a] == number, first[b] == number
        chosen = np.flatnonzero(ours & theirs & ~finished[a] & ~finished[b])
        one, other = a[chosen], b[chosen]
        forest.parent[other] = one
        forest.size[one] += forest.size[other]
        forest.threshold[one] = weight[chosen] + forest.scale / forest.size[one]
        before = len(a)
        a, b, weight = _unsettled(forest, finished, a, b, weight)
        number = number[:len(a)]
        if (before - len(a)) * ROUND_SHARE < len(a):
            rows = _first_of_each_pair(a, b)
            a, b, weight = a[rows], b[rows], weight[rows]
            _join_similar_one_by_one(forest, a, b, weight)
            break


def _join_similar_one_by_one(forest: _Forest, a: NDArray[np.int64], b: NDArray[np.int64],
                             weight: NDArray[np.float64]) -> None:
    """Do what is left of `_join_similar` as the paper writes it."""
    size, threshold, heaviest = forest.size.tolist(), forest.threshold.tolist(), weight.tolist()
    parent = forest.parent.tolist()
    for number, one, other in _still_apart(parent, a, b):
        if heaviest[number] <= threshold[one] and heaviest[number] <= threshold[other]:
            one, other = (one, other) if size[one] >= size[other] else (other, one)
            parent[other] = one
            size[one] += size[other]
            threshold[one] = heaviest[number] + forest.scale / size[one]
    forest.parent, forest.size = np.array(parent), np.array(size)
    forest.threshold = np.array(threshold)


def _join_in_rounds(forest: _Forest, a: NDArray[np.int64], b: NDArray[np.int64],
                    weight: NDArray[np.float64]) -> None:
    """Join components over the lightest edge of either, round after round; edges are sorted."""
    inside = np.zeros(len(forest.parent))  # the heaviest edge of each component
    for _ in range(MOST_ROUNDS):
        if not len(a):
            break
        first = forest.lightest(a, b)
        finished = np.append(weight, np.inf)[first] > forest.threshold
        lower = np.flatnonzero(~finished & (first < len(a)))
        edge = first[lower]
        upper = a[edge] + b[edge] - lower
        joins = (weight[edge] <= forest.threshold[upper]) & ((first[upper] != edge)
                                                             | (upper < lower))
        lower, upper, edge = lower[joins], upper[joins], edge[joins]
        forest.parent[lower] = upper
        size, top = forest.size[lower], forest.roots()[lower]
        np.add.at(forest.size, top, size)
        np.maximum.at(inside, top, np.maximum(weight[edge], inside[lower]))
        forest.threshold[top] = inside[top] + forest.scale / forest.size[top]
        a, b, weight = _unsettled(forest, finished, a, b, weight)


def _unsettled(forest: _Forest, finished: NDArray[np.bool_], a: NDArray[np.int64],
               b: NDArray[np.int64], weight: NDArray[np.float64],
               ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the edges between components that are apart and not finished after a round."""
    unfinished = ~(finished[a] | finished[b])
    a, b = forest.parent[a], forest.parent[b]
    rows = np.flatnonzero(unfinished & (a != b))
    return a[rows], b[rows], weight[rows]


def _join_small(forest: _Forest, a: NDArray[np.int64], b: NDArray[np.int64], min_size: int,
                ) -> None:
    """
    Join components below a size over sorted edges, lightest first, until they reach it.

    Large ones take in whatever comes: an edge to one need only be the lightest of the small one.
    """
    while len(a):
        top, before = forest.roots(), len(a)
        a, b = top[a], top[b]
        small = forest.size < min_size
        rows = np.flatnonzero((a != b) & (small[a] | small[b]))
        a, b = a[rows], b[rows]
        if (before - len(rows)) * ROUND_SHARE < len(rows):
            _join_small_one_by_one(forest, a, b, min_size)
            break
        first, number = forest.lightest(a, b), np.arange(len(a))
        ours, theirs = (first[a] == number) | ~small[a], (first[b] == number) | ~small[b]
        chosen = np.flatnonzero(ours & theirs)
        one, other = a[chosen], b[chosen]
        one, other = np.where(small[other], one, other), np.where(small[other], other, one)
        forest.parent[other] = one
        np.add.at(forest.size, one, forest.size[other])


def _join_small_one_by_one(forest: _Forest, a: NDArray[np.int64], b: NDArray[np.int64],
                           min_size: int) -> None:
    """Do what is left of `_join_small`, which says how."""
    size = forest.size.tolist()
    parent = forest.parent.tolist()
    for _, one, other in _still_apart(parent, a, b):
        if size[one] < min_size or size[other] < min_size:
            one, other = (one, other) if size[one] >= size[other] else (other, one)
            parent[other] = one
            size[one] += size[other]
    forest.parent, forest.size = np.array(parent), np.array(size)


def _still_apart(parent: list[int], a: NDArray[np.int64], b: NDArray[np.int64],
                 ) -> Iterator[tuple[int, int, int]]:
    """Yield number and roots of each edge between components that are apart when it comes."""
    for number, (one, other) in enumerate(zip(a.tolist(), b.tolist())):
        while parent[one] != one:
            parent[one] = one = parent[parent[one]]
        while parent[other] != other:
            parent[other] = other = parent[parent[other]]
        if one != other:
            yield number, one, other


def _first_of_each_pair(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each unordered pair of vertices occurs first, ascending."""
    if not len(a):
        return np.zeros(0, np.int64)
    pair = np.minimum(a, b) * (max(a.max(), b.max()) + 1) + np.maximum(a, b)
    ranked, order = torch.from_numpy(pair).sort(stable=True)
    return np.sort(order.numpy()[np.diff(ranked.numpy(), prepend=-1) > 0])
