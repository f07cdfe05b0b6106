"""The floor of a scan in cells seen from above: where it was seen, and what stands on it."""

from __future__ import annotations

from dataclasses import dataclass
import math

from mask3d_core.data.labels import LabelledScan
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

CELL = 0.1
"""Edge of a cell, metres."""
MAX_CELLS = 1 << 22
"""Of a grid: 200 by 200 m. Of a floor that is larger, as by a stray point, there is none."""
MAX_DEVIATION = 0.05
"""
Metres: standard deviation of the heights in a cell. Those of two storeys deviate more, and those
of a floor that is vertical in the frame of a camera.
"""
MAX_TILT_DEG = 3.0
"""Degrees between the floor and the horizontal; gravity of a map is as exact."""
SLOPE_CELLS = 5
"""Cells over which the slope of the floor is measured."""


@dataclass(frozen=True, eq=False)
class FloorGrid:
    """
    The floor of a scan seen from above, in cells of 10 cm, over the extent of its points.

    Attributes
    ----------
    corner : [2] float64
        Smallest x and y of the first cell, metres.
    seen : [X, Y] bool
        Where the scan shows floor, also between points of it: in gaps of a cell or two.
    height : [X, Y] float64
        Mean z of the floor in a cell, and where none was seen that of the nearest one, metres.
    lowest : [X, Y] float64
        Smallest z of the points of a cell that are no floor, metres; infinite where there are
        none.

    """

    corner: NDArray[np.float64]
    seen: NDArray[np.bool_]
    height: NDArray[np.float64]
    lowest: NDArray[np.float64]

    @classmethod
    def of(cls, labelled: LabelledScan, floor: int) -> FloorGrid | None:
        """
        Return the grid of a scan; None without a level floor below its other points.

        So it is None for scans in the frame of a camera.

        Parameters
        ----------
        labelled : LabelledScan
            Metres, z up.
        floor : int
            Id of the class of the floor.

        """
        is_floor = labelled.label == floor
        ground = labelled.scan.xyz[is_floor].astype(np.float64, copy=False)
        others = labelled.scan.xyz[~is_floor]
        if not len(ground) or not len(others) or (
                others[:, 2].mean(dtype=np.float64) < ground[:, 2].mean()):
            return None
        corner = ground[:, :2].min(0)
        size = np.floor((ground[:, :2].max(0) - corner) / CELL) + 1
        if size.prod() > MAX_CELLS:
            return None
        shape = (int(size[0]), int(size[1]))
        mean, deviation = _heights(ground, corner, shape)
        flat = deviation <= MAX_DEVIATION
        if not _is_level(mean, flat):
            return None
        nearest = ndimage.distance_transform_edt(~flat, return_distances=False,
                                                 return_indices=True)
        gaps = ndimage.binary_closing(np.pad(flat, 1))[1:-1, 1:-1] & np.isnan(mean)
        return cls(corner, flat | gaps, mean[tuple(nearest)], _lowest(others, corner, shape))

    def is_seen(self, xy: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Return where the floor was seen, for positions [n, 2] in metres: [n]."""
        x, y = _cells(xy, self.corner)
        row, column = self._clipped(x, y)
        return np.asarray(self.seen[row, column] & (row == x) & (column == y))

    def height_at(self, xy: NDArray[np.floating]) -> float:
        """Return the height of the floor that is nearest to a position [2], metres."""
        return float(self.height[self._clipped(*_cells(xy[None], self.corner))][0])

    def occupy(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> None:
        """Take cells [n], [n]: they are no longer free."""
        self.lowest[rows, columns] = -np.inf

    def is_free(self, height: float) -> NDArray[np.bool_]:
        """Return where there is floor, with nothing up to a height in metres above it: [X, Y]."""
        return self.seen & (self.lowest > self.height + height)

    def center(self, cell: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the middle of a cell [2], metres: [2]."""
        return np.asarray(self.corner + (cell + 0.5) * CELL)

    def _clipped(self, x: NDArray[np.int64], y: NDArray[np.int64],
                 ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows and columns of the grid that are nearest to cells [n], [n]."""
        return x.clip(0, self.seen.shape[0] - 1), y.clip(0, self.seen.shape[1] - 1)


def _cells(positions: NDArray[np.floating], corner: NDArray[np.float64],
           ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return row and column of the cells of positions [n, 2 or 3], metres: [n], [n]."""
    row, column = (np.floor((positions[:, axis] - corner[axis]) / CELL).astype(np.int64)
                   for axis in (0, 1))
    return row, column


def _lowest(xyz: NDArray[np.floating], corner: NDArray[np.float64], shape: tuple[int, int],
            ) -> NDArray[np.float64]:
    """Return the smallest z of the points [n, 3] in each cell: [X, Y]."""
    row, column = _cells(xyz, corner)
    inside = (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
    lowest = np.full(math.prod(shape), np.inf)
    np.minimum.at(lowest, (row * shape[1] + column)[inside], xyz[inside, 2].astype(np.float64))
    return lowest.reshape(shape)


def _heights(ground: NDArray[np.float64], corner: NDArray[np.float64], shape: tuple[int, int],
             ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    Return the mean and the standard deviation of z of the points [n, 3] in each cell: [X, Y] each.

    Both are NaN in cells without points.
    """
    row, column = _cells(ground, corner)
    cell, middle = row * shape[1] + column, ground[:, 2].mean()
    count, total, squares = (
        np.bincount(cell, (ground[:, 2] - middle) ** power, math.prod(shape)).reshape(shape)
        for power in range(3))
    count[count == 0] = np.nan
    mean = total / count
    return middle + mean, np.sqrt(np.maximum(squares / count - mean ** 2, 0))


def _is_level(height: NDArray[np.float64], flat: NDArray[np.bool_]) -> bool:
    """Return whether the floor of most cells, flat ones, has no slope; steps do not count."""
    rises = []
    for one, is_flat in ((height, flat), (height.T, flat.T)):
        both = is_flat[SLOPE_CELLS:] & is_flat[:-SLOPE_CELLS]
        if not both.any():
            return False
        rises.append(np.median((one[SLOPE_CELLS:] - one[:-SLOPE_CELLS])[both]))
    return math.hypot(*rises) <= SLOPE_CELLS * CELL * math.tan(math.radians(MAX_TILT_DEG))
