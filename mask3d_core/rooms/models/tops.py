"""Find the surface of a mesh on which things can stand: a table top, a mattress, a seat."""

from __future__ import annotations

from mask3d_core.rooms.mesh import Mesh
from mask3d_core.rooms.piece import Top
import numpy as np
from numpy.typing import NDArray

CELL = 0.04
"""Metres, of the height map."""
LEVEL_TOLERANCE = 0.015
"""Metres by which a top may be uneven."""
MIN_SIDE = 0.2
"""Metres, of a top."""
MIN_HEIGHT_SHARE = 0.3
"""Of the height of the mesh: lower tops are the bottoms of baskets."""


def find_top(mesh: Mesh) -> Top | None:
    """
    Return the largest free rectangle at the most common height of a mesh seen from above.

    Parameters
    ----------
    mesh : Mesh
        In the coordinates of its piece.

    """
    height = height_map(mesh)
    known = height[np.isfinite(height)]
    if not len(known):
        return None
    bins = np.round(known / LEVEL_TOLERANCE).astype(np.int64)
    level = float(np.median(known[bins == np.bincount(bins - bins.min()).argmax() + bins.min()]))
    rows, columns = largest_rectangle(np.abs(height - level) <= LEVEL_TOLERANCE)
    size = np.array([columns[1] - columns[0], rows[1] - rows[0]]) * CELL
    if size.min() < MIN_SIDE or level < MIN_HEIGHT_SHARE * mesh.size[2]:
        return None
    x, y = mesh.bounds[0][:2] + CELL * np.array([sum(columns), sum(rows)]) / 2
    return Top((float(x), float(y), level), (float(size[0]), float(size[1])))


def height_map(mesh: Mesh) -> NDArray[np.float64]:
    """Return the highest point in each cell of a grid over the mesh: [Y, X]; -inf for none."""
    low = mesh.bounds[0][:2]
    columns, rows = np.maximum(np.floor(mesh.size[:2] / CELL).astype(np.int64), 1)
    height = np.full((rows, columns), -np.inf)
    points = _surface_points(mesh)
    x, y = np.floor((points[:, :2] - low) / CELL).astype(np.int64).T
    inside = (x < columns) & (y < rows)
    np.maximum.at(height, (y[inside], x[inside]), points[inside, 2])
    return height


def _surface_points(mesh: Mesh) -> NDArray[np.float64]:
    """Return points in rows and columns on all triangles, less than a cell apart: [P, 3]."""
    corners = mesh.vertices[mesh.faces]
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(1)
    steps = 2 ** np.ceil(np.log2(np.maximum(longest / (0.7 * CELL), 1))).astype(np.int64)
    parts = []
    for count in np.unique(steps):
        first, second = (axis.reshape(-1) / count for axis in np.mgrid[0:count + 1, 0:count + 1])
        keep = first + second <= 1
        weight = np.stack([first, second, 1 - first - second], axis=1)[keep]  # [W, 3]
        parts.append((weight @ corners[steps == count]).reshape(-1, 3))
    return np.concatenate(parts)


def largest_rectangle(free: NDArray[np.bool_]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the rows and columns (begin, end) of the largest rectangle of True cells."""
    best, rows, columns = 0, (0, 0), (0, 0)
    run = np.zeros(free.shape[1], np.int64)  # True cells above each cell of the row, with it
    for row, cells in enumerate(free):
        run = np.where(cells, run + 1, 0)
        for begin in range(len(run)):
            lowest = np.minimum.accumulate(run[begin:])
            area = lowest * np.arange(1, len(lowest) + 1)
            width = int(area.argmax())
            if area[width] > best:
                best = int(area[width])
                rows, columns = (row + 1 - int(lowest[width]), row + 1), (begin, begin + width + 1)
    return rows, columns
