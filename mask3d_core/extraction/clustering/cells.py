"""Cells: points gathered in small cubes, and what the cubes alone say about distances."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mask3d_core.errors import InputError
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

SIDE = (1 - 1e-5) / np.sqrt(3)
"""Of a cube for eps 1: the points in it are within eps, with a margin for rounding."""
CROWDED = 6
"""
Points per cube of half that side from which on it is the better one: touching cubes are then
within eps too, so fewer points have to be compared. With fewer points, fewer cubes are better.
"""
FINEST = 2.0 ** 30
"""Cubes along one axis beyond which rounding a point into one errs by more than the margin."""
SLACK = 1e-6
"""Relative: trees are asked a little too far, then the exact distance decides."""
CHUNK = 1 << 21
"""Point pairs compared at once: bounds the memory to about 150 MB."""


@dataclass(frozen=True, eq=False)
class Cells:
    """
    Points in cubes, and which cubes lie within eps of each other.

    A bound on a distance is computed from the corners of two boxes with the operations, in the
    order, that compute the distance itself. Rounding is monotone, so the bounds hold for the
    rounded distances too: `sure` and `maybe` are exact, never approximate.

    Attributes
    ----------
    xyz : [V, 3] float64
        The points, metres.
    cell : [V] uint16 or int64
        Cell of each point. Sixteen bits, where they do, sort by counting, several times faster.
    count : int
        C, the number of cells; none is empty.
    sure : [E, 2] int64
        Pairs of cells whose points are all within eps of each other.
    maybe : [F, 2] int64
        Pairs of cells where only the points can tell.
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
    xyz = checked(points, eps)
    cell = _cell_of_point(xyz, eps * SIDE / 2)
    count = int(cell.max()) + 1
    if len(xyz) < CROWDED * count:
        cell = _cell_of_point(xyz, eps * SIDE)
        count = int(cell.max()) + 1
    if count <= 1 << 16:
        cell = cell.astype(np.uint16)
    sorted_xyz = xyz[np.argsort(cell, kind='stable')]
    size = np.bincount(cell)
    low, high = boxes(sorted_xyz, np.cumsum(size) - size)
    sure, maybe = _close_pairs(low, high, eps)
    return Cells(xyz, cell, count, sure, maybe, float(eps), float(eps) * float(eps))


def checked(points: NDArray[np.floating], eps: float) -> NDArray[np.float64]:
    """Return points in double precision; raise InputError as `gather_cells` does."""
    xyz = np.asarray(points, np.float64)
    if xyz.ndim != 2 or xyz.shape[1] != 3 or not len(xyz) or not np.isfinite(xyz).all():
        raise InputError(f'expected at least one finite point, [V, 3], got {list(xyz.shape)}')
    if not 0 < eps < np.inf:
        raise InputError(f'expected a positive eps in metres, got {eps:g}')
    return xyz


def boxes(xyz: NDArray[np.float64], start: NDArray[np.int64],
          ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lowest and highest corner of each run of points that begins at `start`."""
    return np.minimum.reduceat(xyz, start), np.maximum.reduceat(xyz, start)


def squared_length(difference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the squared length of [..., 3] vectors, summed x first as k-d trees do."""
    x, y, z = difference[..., 0], difference[..., 1], difference[..., 2]
    return x * x + y * y + z * z


def box_bounds(low_a: NDArray[np.float64], high_a: NDArray[np.float64],
               low_b: NDArray[np.float64], high_b: NDArray[np.float64],
               ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least and the largest squared distance of points in two boxes: two [E]."""
    near = squared_length(np.maximum(np.maximum(low_b - high_a, low_a - high_b), 0))
    far = squared_length(np.maximum(high_b - low_a, high_a - low_b))
    return near, far


def every_pair(start_a: NDArray[np.int64], count_a: NDArray[np.int64],
               start_b: NDArray[np.int64], count_b: NDArray[np.int64],
               ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """
    Pair every index of one range with every index of another, for each of E range pairs.

    Yields
    ------
    edge, i, j : three [P] int64
        Number of the range pair, an index of its first range, one of its second. P stays near
        `CHUNK` as long as no single range pair is larger.

    """
    size = count_a * count_b
    part = np.cumsum(size) // CHUNK
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
    """Return the number of each point's cube; where floats cannot count cubes, of its place."""
    local = xyz - xyz.min(axis=0)
    if local.max() >= side * FINEST:
        return np.unique(xyz, axis=0, return_inverse=True)[1].reshape(-1)
    cube = np.floor(local / side).astype(np.int64)
    x, y, z = (_numbered(cube[:, axis], int(cube[:, axis].max()) + 1) for axis in range(3))
    width, depth = int(y.max()) + 1, int(z.max()) + 1
    row = _numbered(x * width + y, (int(x.max()) + 1) * width)
    return _numbered(row * depth + z, (int(row.max()) + 1) * depth)


def _numbered(key: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Renumber keys in 0..size-1 without gaps, in their order."""
    if size > 8 * len(key) + 1024:
        return np.unique(key, return_inverse=True)[1]
    present = np.zeros(size, bool)
    present[key] = True
    return (np.cumsum(present) - 1)[key]


def _close_pairs(low: NDArray[np.float64], high: NDArray[np.float64], eps: float,
                 ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs of boxes that are surely, and that may be, within eps."""
    middle = (low + high) / 2
    diagonal = float(np.sqrt(squared_length(high - low).max()))
    reach = (eps + diagonal) * (1 + SLACK) + 1e-15 * float(np.abs(middle).max())
    pairs = cKDTree(middle).query_pairs(reach, output_type='ndarray')
    limit = float(eps) * float(eps)
    sure, maybe = [], []
    for part in np.array_split(pairs, len(pairs) // CHUNK + 1):
        a, b = part.T
        near, far = box_bounds(low[a], high[a], low[b], high[b])
        sure.append(part[far <= limit])
        maybe.append(part[(near <= limit) & (far > limit)])
    return np.concatenate(sure), np.concatenate(maybe)
