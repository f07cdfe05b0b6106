"""Connected components of graphs, and their numbering."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components


def graph_components(edges: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return the connected component of each vertex of a graph with edges [E, 2]: [size]."""
    weight = np.ones(len(edges), np.int8)
    graph = csr_array((weight, (edges[:, 0], edges[:, 1])), shape=(size, size))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def numbered_by_first(component: NDArray[np.int64]) -> NDArray[np.int64]:
    """Renumber the components of points in the order of their first points."""
    if not len(component) or (component == component[0]).all():
        return np.zeros(len(component), np.int64)
    component = component - component.min()
    first = np.full(component.max() + 1, len(component))
    first[component[::-1]] = np.arange(len(component))[::-1]
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first, kind='stable')] = np.arange(len(first))
    return rank[component]
