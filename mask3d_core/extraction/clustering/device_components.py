"""Connected components of graphs in torch's operations, for graphs that are on a GPU."""

from __future__ import annotations

import torch
from torch import Tensor


def connect(component: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """
    Merge components of vertices that edges connect.

    Each component joins the neighboring one with the lowest number, as in Boruvka's algorithm, so
    each round at least halves the components that have a neighbor. The host waits once per round,
    for the number of edges that are left.

    Parameters
    ----------
    component : [n] int64
        Number of the component of each vertex, in 0..n - 1; at first `torch.arange(n)`.
    a, b : [E] int64
        The vertices of each edge; may be equal.

    Returns
    -------
    [n] int64
        As `component`. Vertices of one component have one number.

    """
    count = len(component)
    numbers = torch.arange(count, device=component.device)
    while True:
        one, other = component[a], component[b]
        left = (one != other).nonzero()[:, 0]
        if not len(left):
            return component
        a, b, one, other = a[left], b[left], one[left], other[left]
        lowest = torch.full_like(numbers, count)
        lowest.scatter_reduce_(0, one, other, 'amin').scatter_reduce_(0, other, one, 'amin')
        parent = lowest.where(lowest < count, numbers)
        # a chain can only end in two components that join each other: the lower one is the root
        root = (parent[parent] == numbers) & (numbers < parent)
        parent = numbers.where(root, parent)
        for _ in range(count.bit_length()):  # jumps of 1, 2, 4, ...: all reach their root
            parent = parent[parent]
        component = parent[component]
