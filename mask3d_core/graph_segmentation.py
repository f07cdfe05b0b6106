"""
Graph-based segmentation (Felzenszwalb and Huttenlocher 2004), exact, mostly in whole arrays.

The method takes the edges one by one, lightest first, and joins the two components an edge runs
between if it is no heavier than either of their thresholds: the heaviest edge inside, plus
`scale` over the size. It is not enough to look at the edges of a minimum spanning tree: two
components whose path in the tree leads through a third one that is finished may still join over
an edge that is not in the tree.

What makes it fast is what cannot matter, judged for thousands of edges at a time: edges within a
component; edges of a finished component, one whose threshold is below the lightest edge left, as
no edge will ever change it again; and all but the first edge between the same two components,
which either joins them or shows one of them finished.
"""

from __future__ import annotations

from mask3d_core.cluster import numbered_by_first
from mask3d_core.errors import InputError
import numpy as np
from numpy.typing import NDArray

CHUNKS = 96
"""Parts the sorted edges are taken in: with more of them fewer edges are asked in vain."""
MIN_CHUNK = 1000


def segment_graph(edges: NDArray[np.integer], weight: NDArray[np.floating], size: int,
                  scale: float, min_size: int) -> NDArray[np.int64]:
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
    order = _lightest_first(weight)
    a, b = edges[order, 0].astype(np.int64), edges[order, 1].astype(np.int64)
    forest = _Forest(size, scale)
    _join_similar(forest, a, b, weight[order].astype(np.float64))
    _join_small(forest, a, b, min_size)
    return numbered_by_first(forest.roots(np.arange(size)))


class _Forest:
    """
    Disjoint sets, as lists for single steps and as arrays for many.

    Attributes
    ----------
    parent, size, threshold : list
        By vertex; the last two hold for roots.
    tops : [N] int64
        A copy of `parent`, as of the last `publish`.
    limits : [N] float64
        A copy of `threshold`.
    scale : float

    """

    def __init__(self, count: int, scale: float) -> None:
        self.parent = list(range(count))
        self.size = [1] * count
        self.threshold = [scale] * count
        self.tops = np.arange(count)
        self.limits = np.full(count, scale, np.float64)
        self.scale = scale

    def roots(self, vertices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the root of each vertex, as of the last `publish`."""
        top = self.tops[vertices]
        while True:
            higher = self.tops[top]
            if np.array_equal(higher, top):
                break
            top = higher
        self.tops[vertices] = top
        return top

    def publish(self, joined: list[int]) -> None:
        """Bring the arrays up to date after some roots got a parent."""
        above = [self.parent[vertex] for vertex in joined]
        self.tops[joined] = above
        self.limits[above] = [self.threshold[vertex] for vertex in above]


def _lightest_first(weight: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the stable order of the weights; numpy's own takes four times as long on floats."""
    order = np.argsort(weight)
    ranked = weight[order]
    rank = np.zeros(len(order), np.int64)
    rank[1:] = np.cumsum(ranked[1:] > ranked[:-1])
    return np.sort(rank * len(order) + order) % max(len(order), 1)


def _join_similar(forest: _Forest, a: NDArray[np.int64], b: NDArray[np.int64],
                  weight: NDArray[np.float64]) -> None:
    """Join components over sorted edges, as the paper's algorithm 1."""
    length = max(MIN_CHUNK, -(-len(weight) // CHUNKS))
    for first in range(0, len(weight), length):
        part = slice(first, first + length)
        low, high = forest.roots(a[part]), forest.roots(b[part])
        lightest = weight[first]
        rows = np.flatnonzero((low != high) & (forest.limits[low] >= lightest)
                              & (forest.limits[high] >= lightest))
        rows = rows[_first_of_each_pair(low[rows], high[rows])]
        forest.publish(_join_within(forest, low[rows].tolist(), high[rows].tolist(),
                                    weight[part][rows].tolist()))


def _join_within(forest: _Forest, low: list[int], high: list[int], weight: list[float],
                 ) -> list[int]:
    """Take edges one by one; return the roots that got a parent."""
    parent, size, threshold, scale = forest.parent, forest.size, forest.threshold, forest.scale
    joined = []
    for a, b, heaviest in zip(low, high, weight, strict=True):
        while parent[a] != a:
            parent[a] = a = parent[parent[a]]
        while parent[b] != b:
            parent[b] = b = parent[parent[b]]
        if a != b and heaviest <= threshold[a] and heaviest <= threshold[b]:
            if size[a] < size[b]:
                a, b = b, a
            parent[b] = a
            size[a] += size[b]
            threshold[a] = heaviest + scale / size[a]
            joined.append(b)
    return joined


def _join_small(forest: _Forest, a: NDArray[np.int64], b: NDArray[np.int64], min_size: int,
                ) -> None:
    """Join components below a size over sorted edges, lightest first, until they reach it."""
    low, high = forest.roots(a), forest.roots(b)
    large = np.array(forest.size) >= min_size
    rows = np.flatnonzero((low != high) & ~(large[low] & large[high]))
    rows = rows[_first_of_each_pair(low[rows], high[rows])]
    parent, size = forest.parent, forest.size
    joined = []
    for i, j in zip(low[rows].tolist(), high[rows].tolist(), strict=True):
        while parent[i] != i:
            parent[i] = i = parent[parent[i]]
        while parent[j] != j:
            parent[j] = j = parent[parent[j]]
        if i != j and (size[i] < min_size or size[j] < min_size):
            if size[i] < size[j]:
                i, j = j, i
            parent[j] = i
            size[i] += size[j]
            joined.append(j)
    forest.publish(joined)


def _first_of_each_pair(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each unordered pair occurs first, ascending."""
    if not len(a):
        return np.zeros(0, np.int64)
    pair = np.minimum(a, b) * (max(a.max(), b.max()) + 1) + np.maximum(a, b)
    order = np.argsort(pair, kind='stable')
    return np.sort(order[np.diff(pair[order], prepend=-1) > 0])
