"""Find the surfaces of a mesh on which things can stand: a table top, a seat, shelf boards."""

from __future__ import annotations

from collections.abc import Iterator

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
MIN_CLEARANCE, THICKEST_BOARD = 0.14, 0.035
"""Metres, of the free height above a board; of two levels as close as a board is thick, the
higher one is its upper side."""
MIN_BOARD_HEIGHT = 0.03
"""Metres; lower surfaces are the undersides of closed pieces."""
MIN_BOARD_SIDE, BOARDS_PER_LEVEL = 0.14, 4
"""Metres; boards at one height, as in a shelf with compartments."""
MAX_ROOM = 1.0
"""Metres, of the free height above a top."""


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
    top = _top(mesh.bounds[0][:2], rows, columns, level)
    high_enough = level >= MIN_HEIGHT_SHARE * mesh.size[2]
    return top if min(top.size) >= MIN_SIDE and high_enough else None


def find_boards(mesh: Mesh) -> list[Top]:
    """
    Return the free horizontal rectangles of a mesh at all heights, from low to high.

    Parameters
    ----------
    mesh : Mesh
        In the coordinates of its piece.

    """
    corners = mesh.vertices[mesh.faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    level = np.abs(normal[:, 2]) > 0.95 * np.linalg.norm(normal, axis=1)
    low = mesh.bounds[0][:2]
    shape = tuple(np.maximum(np.ceil(mesh.size[1::-1] / CELL).astype(np.int64), 1))
    points, flat = (_surface_points(part) for part in (corners, corners[level]))
    boards: list[Top] = []
    for height in _board_levels(flat[:, 2]):
        near = flat[np.abs(flat[:, 2] - height) <= LEVEL_TOLERANCE]
        height = float(np.median(near[:, 2]))
        clear = np.full(shape, np.inf)
        above = points[points[:, 2] > height + THICKEST_BOARD]
        np.minimum.at(clear, _cells(above, low, shape), above[:, 2] - height)
        free = np.zeros(shape, bool)
        free[_cells(near, low, shape)] = True
        boards += _rectangles(free & (clear >= MIN_CLEARANCE), clear, low, height)
    return boards


def _board_levels(heights: NDArray) -> list[float]:
    """Return the heights [P] at which there are enough points for a board, in ascending order."""
    if not len(heights):
        return []
    least = (MIN_BOARD_SIDE / CELL) ** 2
    bins, count = np.unique(np.round(heights / LEVEL_TOLERANCE), return_counts=True)
    levels = (bins[count >= least] * LEVEL_TOLERANCE).tolist()
    return [level for level, after in zip(levels, [*levels[1:], np.inf])
            if after - level > THICKEST_BOARD]


def _cells(points: NDArray, low: NDArray, shape: tuple[int, ...]) -> tuple[NDArray, NDArray]:
    """Return row and column of each point [P, 3] in a grid of cells from `low`."""
    column, row = np.floor((points[:, :2] - low) / CELL).astype(np.int64).T
    return row.clip(0, shape[0] - 1), column.clip(0, shape[1] - 1)


def _rectangles(free: NDArray, clear: NDArray, low: NDArray, height: float) -> Iterator[Top]:
    """Yield the largest free rectangles [Y, X] of a level, each as a top."""
    for _ in range(BOARDS_PER_LEVEL if height >= MIN_BOARD_HEIGHT else 0):
        rows, columns = largest_rectangle(free)
        if min(rows[1] - rows[0], columns[1] - columns[0]) * CELL < MIN_BOARD_SIDE:
            return
        part = slice(*rows), slice(*columns)
        room = float(min(clear[part].min() - 0.01, MAX_ROOM))
        yield _top(low, rows, columns, height, room)
        free[part] = False


def _top(low: NDArray, rows: tuple[int, int], columns: tuple[int, int], height: float,
         room: float = MAX_ROOM) -> Top:
    x, y = low + CELL * np.array([sum(columns), sum(rows)]) / 2
    size = (columns[1] - columns[0]) * CELL, (rows[1] - rows[0]) * CELL
    return Top((float(x), float(y), height), size, room)


def height_map(mesh: Mesh) -> NDArray[np.float64]:
    """Return the highest point in each cell of a grid over the mesh: [Y, X]; -inf for none."""
    low = mesh.bounds[0][:2]
    columns, rows = np.maximum(np.floor(mesh.size[:2] / CELL).astype(np.int64), 1)
    height = np.full((rows, columns), -np.inf)
    points = _surface_points(mesh.vertices[mesh.faces])
    x, y = np.floor((points[:, :2] - low) / CELL).astype(np.int64).T
    inside = (x < columns) & (y < rows)
    np.maximum.at(height, (y[inside], x[inside]), points[inside, 2])
    return height


def _surface_points(corners: NDArray) -> NDArray[np.float64]:
    """Return points on triangles [F, 3, 3], in rows less than a cell apart: [P, 3]."""
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
