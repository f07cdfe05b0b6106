"""
Exact DBSCAN of many masks on a GPU, for `min_points` 1: the clusters are those of `dbscan.py`.

The points of a mask in one cell are a part. Parts in cells that touch are connected. Of masks that
are then still in several components, pairs of parts whose boxes are within eps are compared point
by point, the closest first, except where earlier ones have connected them already.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

from mask3d_core.extraction.clustering.cells import CELL_SIDE
from mask3d_core.extraction.clustering.device_components import connect
from mask3d_core.stop import check_stop
import torch
from torch import Tensor

AXIS_BITS, QUERY_BITS = 17, 12
"""Bits of a part's key for the cell along each axis, and for the query."""
REACH = 4
"""Cells along an axis between points within eps, whose cells have half the side of `CELL_SIDE`."""
MAX_SQUARED_GAP = 12
"""Largest sum of the squared numbers of whole cells between points within eps, 2 / `CELL_SIDE`."""
PARTS_AT_ONCE = 1 << 14
"""Parts whose neighbors are looked up at once: bounds the memory to about 0.3 GB."""
POINT_PAIRS_AT_ONCE = 1 << 22
"""Pairs of points compared at once: bounds the memory to about 0.5 GB."""


class _Parts(NamedTuple):
    """
    The parts of all masks, by ascending key.

    Attributes
    ----------
    keys : [n] int64
        Query and cell; ascending.
    of_pair : [P] int64
        Part of each pair of a query and a point in its mask.
    xyz : [P, 3] float64
        The points of all pairs, sorted by part.
    start, size : [n] int64
        Range of each part in `xyz`.
    low, high : [n, 3] float64
        Bounding box of each part.

    """

    keys: Tensor
    of_pair: Tensor
    xyz: Tensor
    start: Tensor
    size: Tensor
    low: Tensor
    high: Tensor


def cluster_pairs(centers: Tensor, query: Tensor, row: Tensor, eps: float) -> Tensor | None:
    """
    Cluster the points of each mask.

    Parameters
    ----------
    centers : [V, 3] float
        Finite, metres.
    query, row : [P] int64
        The points of all masks: the query of each, and its row in `centers`.
    eps : float
        Metres, above 0.

    Returns
    -------
    [P] int64 or None
        Pairs of a cluster have one number, in 0..P - 1; pairs of others have another. None if
        there are more cells or queries than can be numbered.

    """
    if not len(row):
        return torch.zeros_like(row)
    xyz = centers.double()
    cells = ((xyz - xyz.amin(0)) / (eps * CELL_SIDE / 2)).floor()
    highest, queries = torch.stack([cells.amax(), query.amax().double()]).tolist()
    if highest >= (1 << AXIS_BITS) - 2 * REACH or queries >= 1 << QUERY_BITS:
        return None
    parts = _gather(xyz, cells.long(), query, row)
    numbers = torch.arange(len(parts.keys), device=row.device)
    component = connect(numbers, *_touching(parts.keys, numbers))
    component = _merge_by_points(parts, component, float(eps) * float(eps))
    return component[parts.of_pair]


def _gather(xyz: Tensor, cells: Tensor, query: Tensor, row: Tensor) -> _Parts:
    x, y, z = (cells + REACH).unbind(1)  # so that no step leads to a cell of another column
    cell = (x << 2 * AXIS_BITS) + (y << AXIS_BITS) + z
    keys, of_pair = torch.unique((query << 3 * AXIS_BITS) + cell[row], return_inverse=True)
    order = of_pair.argsort(stable=True)
    points = xyz[row[order]]
    start = torch.searchsorted(of_pair[order], torch.arange(len(keys), device=row.device))
    size = torch.cat([start[1:], start.new_full((1,), len(row))]) - start
    place = of_pair[order][:, None].expand(-1, 3)
    infinite = xyz.new_full((len(keys), 3), torch.inf)
    return _Parts(keys, of_pair, points, start, size,
                  infinite.scatter_reduce(0, place, points, 'amin'),
                  (-infinite).scatter_reduce(0, place, points, 'amax'))


def _steps(reach: int) -> list[int]:
    """Return the differences of the keys of cells that points within eps can be in."""
    return [(dx << 2 * AXIS_BITS) + (dy << AXIS_BITS) + dz
            for dx, dy, dz in product(range(-reach, reach + 1), repeat=3)
            if sum(max(abs(step) - 1, 0) ** 2 for step in (dx, dy, dz)) <= MAX_SQUARED_GAP]


def _touching(keys: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
    """Return the pairs of parts whose cells touch, and of parts with themselves."""
    edges = [_look_up(keys, keys + step) for step in _steps(1) if step > 0]
    return numbers.repeat(len(edges)), torch.cat([
        place.where(present, numbers) for place, present in edges])


def _look_up(keys: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Return the place of each wanted key, and whether it is there."""
    place = torch.searchsorted(keys, wanted).clamp_(max=len(keys) - 1)
    return place, keys[place] == wanted


def _merge_by_points(parts: _Parts, component: Tensor, limit: float) -> Tensor:
    """Merge components of a mask of which two points are within a squared distance."""
    a, b, far = _candidates(parts, component, limit)
    component = connect(component, a, b.where(far <= limit, a))
    while True:
        check_stop()
        apart = (component[a] != component[b]).nonzero()[:, 0]
        if not len(apart):
            return component
        a, b = a[apart], b[apart]
        total = (parts.size[a] * parts.size[b]).cumsum(0)
        chosen = max(1, int((total <= POINT_PAIRS_AT_ONCE).sum()))
        one, other = a[:chosen], b[:chosen]
        within = _any_within(parts, one, other, limit)
        component = connect(component, one, other.where(within, one))
        a, b = a[chosen:], b[chosen:]


def _candidates(parts: _Parts, component: Tensor, limit: float) -> tuple[Tensor, Tensor, Tensor]:
    """
    Return the pairs of parts [E] that may connect components, and their largest squared distance.

    They are sorted by their smallest possible distance.
    """
    minor = _in_minor_components(parts.keys, component)
    steps = torch.tensor(_steps(REACH)).to(minor.device)
    found = []
    for some in minor.nonzero()[:, 0].split(PARTS_AT_ONCE):
        place, present = _look_up(parts.keys, parts.keys[some][:, None] + steps)
        present &= component[place] != component[some][:, None]
        present &= ~minor[place] | (some[:, None] < place)  # two minor ones find each other
        index, step = present.nonzero(as_tuple=True)
        one, other = some[index], place[index, step]
        near = _squared_length(torch.maximum(
            parts.low[other] - parts.high[one], parts.low[one] - parts.high[other]).clamp_(min=0))
        close = (near <= limit).nonzero()[:, 0]
        found.append((one[close], other[close], near[close]))
    a, b, near = (torch.cat(each) for each in zip(*found))
    order = near.argsort(stable=True)
    a, b = a[order], b[order]
    return a, b, _squared_length(torch.maximum(parts.high[b] - parts.low[a],
                                               parts.high[a] - parts.low[b]))


def _in_minor_components(keys: Tensor, component: Tensor) -> Tensor:
    """Return which parts are not in the component of their mask with the most parts: [n] bool."""
    size = torch.zeros_like(component).scatter_add_(0, component, torch.ones_like(component))
    query = keys >> 3 * AXIS_BITS
    rank = size[component] * len(keys) + component
    largest = rank.new_zeros(1 << QUERY_BITS).scatter_reduce_(0, query, rank, 'amax')
    return rank != largest[query]


def _any_within(parts: _Parts, a: Tensor, b: Tensor, limit: float) -> Tensor:
    """Tell for each pair of parts whether two of their points are within it: [E] bool."""
    size = parts.size[a] * parts.size[b]
    end = size.cumsum(0)
    total, hits = int(end[-1]), torch.zeros_like(size)
    for first in range(0, total, POINT_PAIRS_AT_ONCE):
        flat = torch.arange(first, min(first + POINT_PAIRS_AT_ONCE, total), device=a.device)
        edge = torch.searchsorted(end, flat, right=True)
        offset, width = flat - (end - size)[edge], parts.size[b][edge]
        i = parts.start[a][edge] + offset.div(width, rounding_mode='floor')
        j = parts.start[b][edge] + offset % width
        close = _squared_length(parts.xyz[i] - parts.xyz[j]) <= limit
        hits.index_add_(0, edge, close.long())
    return hits > 0


def _squared_length(difference: Tensor) -> Tensor:
    """Return the squared length of [..., 3] vectors, added up as `cells.squared_length` does."""
    x, y, z = difference.square().unbind(-1)
    return x + y + z
