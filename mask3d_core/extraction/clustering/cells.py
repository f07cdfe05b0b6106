"""Cells: points sorted into small cubes, and bounds on the distances between cubes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mask3d_core.errors import InputError
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

CELL_SIDE = (1 - 1e-5) / np.sqrt(3)
"""Side of a cell for eps 1: its points are within eps of each other, with a rounding margin."""
MIN_POINTS_PER_SMALL_CELL = 6
"""
Mean number of points per cell of half that side from which on half the side is faster. Touching
cells are then within eps, too, so fewer points are compared; with fewer points, fewer cells win.
"""
MAX_CELLS_PER_AXIS = 2.0 ** 30
"""With more, the rounding error of a point's cell exceeds the margin."""
QUERY_SLACK = 1e-6
"""Relative: k-d trees are queried this much beyond eps, then the exact distance decides."""
MAX_PAIRS = 1 << 21
"""Pairs of points compared at once: bounds the memory to about 150 MB."""


@dataclass(frozen=True, eq=False)
class Cells:
    """
    Points in cells, and which cells are within eps of each other.

    Bounds on distances are computed from the corners of two boxes by the same operations, in the
    same order, as the distances themselves. Rounding is monotone, so the bounds hold for rounded
    distances, too: `sure` and `maybe` are exact, not approximate.

    Attributes
    ----------
    xyz : [V, 3] float64
        The points, metres.
    cell : [V] uint16 or int64
        Cell of each point; uint16 if possible, which numpy sorts several times faster.
    count : int
        C, the number of cells; none is empty.
    sure : [E, 2] int64
        Pairs of cells whose points are all within eps of each other.
    maybe : [F, 2] int64
        Pairs of cells of which some points may be within eps.
    eps, limit : float
        Metres, and its square.

    """

    xyz: NDArray[np.float64]
    cell: NDArray[np.integer]
    count: int
    sure: NDArray[np.int64]
    maybe: NDArray[np.int64]
    eps: float
    limit: float


def gather_cells(points: NDArray[np.floating], eps: float) -> Cells:
    """
    Sort [V, 3] finite points into cells for the distance eps (both in metres).

    Raises
    ------
    InputError
        For points of another shape or with a NaN, or an eps that is not positive.

    """
    xyz = checked_points(points, eps)
    cell = _cell_of_point(xyz, eps * CELL_SIDE / 2)
    count = int(cell.max()) + 1
    if len(xyz) < MIN_POINTS_PER_SMALL_CELL * count:
        cell = _cell_of_point(xyz, eps * CELL_SIDE)
        count = int(cell.max()) + 1
    if count <= 1 << 16:
        cell = cell.astype(np.uint16)
    sorted_xyz = xyz[np.argsort(cell, kind='stable')]
    size = np.bincount(cell)
    low, high = bounding_boxes(sorted_xyz, np.cumsum(size) - size)
    sure, maybe = _close_pairs(low, high, eps)
    return Cells(xyz, cell, count, sure, maybe, float(eps), float(eps) * float(eps))


def checked_points(points: NDArray[np.floating], eps: float) -> NDArray[np.float64]:
    """Return points in double precision; raise InputError as `gather_cells` does."""
    xyz = np.asarray(points, np.float64)
    if xyz.ndim != 2 or xyz.shape[1] != 3 or not len(xyz) or not np.isfinite(xyz).all():
        raise InputError(f'expected at least one finite point, [V, 3], got {list(xyz.shape)}')
    if not 0 < eps < np.inf:
        raise InputError(f'expected a positive eps in metres, got {eps:g}')
    return xyz


def bounding_boxes(xyz: NDArray[np.float64], start: NDArray[np.int64],
                   ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lowest and highest corner of each range of points that begins at `start`."""
    return np.minimum.reduceat(xyz, start), np.maximum.reduceat(xyz, start)


def squared_length(difference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the squared length of [..., 3] vectors, summed in the order of scipy's k-d tree."""
    x, y, z = difference[..., 0], difference[..., 1], difference[..., 2]
    return x * x + y * y + z * z


def distance_bounds(low_a: NDArray[np.float64], high_a: NDArray[np.float64],
                    low_b: NDArray[np.float64], high_b: NDArray[np.float64],
                    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the smallest and largest squared distance of points in two boxes: two [E]."""
    near = squared_length(np.maximum(np.maximum(low_b - high_a, low_a - high_b), 0))
    far = squared_length(np.maximum(high_b - low_a, high_a - low_b))
    return near, far


def every_pair(start_a: NDArray[np.int64], count_a: NDArray[np.int64],
               start_b: NDArray[np.int64], count_b: NDArray[np.int64],
               ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """
    Pair every index of one range with every index of another, for each of E pairs of ranges.

    Yields
    ------
    edge, i, j : three [P] int64
        Number of the pair of ranges, an index of its first range, one of its second. P stays near
        `MAX_PAIRS` as long as no single pair of ranges has more.

    """
    size = count_a * count_b
    part = np.cumsum(size) // MAX_PAIRS
    for first, last in _runs(part):
        edge = np.repeat(np.arange(first, last), size[first:last])
        offset = np.arange(len(edge)) - np.repeat(
            np.cumsum(size[first:last]) - size[first:last], size[first:last])
        step, j = np.divmod(offset, count_b[edge])
        yield edge, start_a[edge] + step, start_b[edge] + j


def _runs(values: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield first and one past the last index of each run of equal values."""
    border = np.flatnonzero(np.diff(values)) + 1
    yield from zip([0, *border], [*border, len(values)], strict=True) if len(values) else ()


def _cell_of_point(xyz: NDArray[np.float64], side: float) -> NDArray[np.int64]:
    """Return the cell of each point; if cells are too small to count, one per position."""
    local = xyz - xyz.min(axis=0)
    if local.max() >= side * MAX_CELLS_PER_AXIS:
        return np.unique(xyz, axis=0, return_inverse=True)[1].reshape(-1)
    cell = np.floor(local / side).astype(np.int64)
    # renumbered axis by axis, so that the keys stay small: counting is faster than sorting
    x, y, z = (_renumber(cell[:, axis], int(cell[:, axis].max()) + 1) for axis in range(3))
    width, depth = int(y.max()) + 1, int(z.max()) + 1
    row = _renumber(x * width + y, (int(x.max()) + 1) * width)
    return _renumber(row * depth + z, (int(row.max()) + 1) * depth)


def _renumber(key: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Renumber keys in 0..size-1 without gaps, in their order."""
    if size > 8 * len(key) + 1024:
        return np.unique(key, return_inverse=True)[1]
    present = np.zeros(size, bool)
    present[key] = True
    return (np.cumsum(present) - 1)[key]


def _close_pairs(low: NDArray[np.float64], high: NDArray[np.float64], eps: float,
                 ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs of boxes whose points are all, and of which some may be, within eps."""
    middle = (low + high) / 2
    diagonal = float(np.sqrt(squared_length(high - low).max()))
    reach = (eps + diagonal) * (1 + QUERY_SLACK) + 1e-15 * float(np.abs(middle).max())
    pairs = cKDTree(middle).query_pairs(reach, output_type='ndarray')
    limit = float(eps) * float(eps)
    sure, maybe = [], []
    for part in np.array_split(pairs, len(pairs) // MAX_PAIRS + 1):
        a, b = part.T
        near, far = distance_bounds(low[a], high[a], low[b], high[b])
        sure.append(part[far <= limit])
        maybe.append(part[(near <= limit) & (far > limit)])
    return np.concatenate(sure), np.concatenate(maybe)
