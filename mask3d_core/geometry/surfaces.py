"""A sample of the surfaces of a cloud: some points and their normals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from mask3d_core.geometry.normals import neighbor_normals
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

MAX_ROWS = 30_000
"""Points of the cloud that are looked at."""
MAX_SAMPLES = 1500
"""Points whose normals are estimated."""
MIN_SAMPLES = 300
"""With fewer points in different cells nothing is known of the surfaces."""
CELLS_ALONG_DIAGONAL = 64
"""Cells of the grid that thins them, along the diagonal of the cloud."""
NUM_NEIGHBORS = 12
"""Nearest points that a normal is fitted to."""
EXTENT_PERCENTILES = (0.5, 99.5)
"""Of the positions along an axis: where the cloud ends, stray points aside."""
STRAY_SIZES = 10.0
"""Longest sides of a cloud beyond which a point is a stray one."""
ANGLE_TOLERANCE = np.radians(15)
"""Radians between directions that count as parallel."""


@dataclass(frozen=True, eq=False)
class Surfaces:
    """
    Points on the surfaces of a cloud, and their normals.

    Attributes
    ----------
    xyz : [S, 3] float64
        Metres, one for each cell of a grid at most.
    normals : [S, 3] float64
        Of arbitrary sign.
    low, high : [3] float64
        Where the cloud ends, stray points aside, metres.
    spacing : float
        Distance between neighboring points of the cloud, roughly, metres.

    """

    xyz: NDArray[np.float64]
    normals: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    spacing: float

    @cached_property
    def parallel(self) -> NDArray[np.bool_]:
        """Whether each normal is parallel to x, to y and to z: [S, 3]."""
        return np.asarray(np.abs(self.normals) > np.cos(ANGLE_TOLERANCE))

    @cached_property
    def perpendicular(self) -> NDArray[np.bool_]:
        """Whether each normal is perpendicular to x, to y and to z: [S, 3]."""
        return np.asarray(np.abs(self.normals) < np.sin(ANGLE_TOLERANCE))


def sample_surfaces(xyz: NDArray[np.floating]) -> Surfaces | None:
    """
    Sample the surfaces of a cloud; None if it has too few points.

    Parameters
    ----------
    xyz : [N, 3] float
        Metres.

    """
    some = sample_rows(xyz)
    low, high = extent(some)
    inside = some[((some >= low) & (some <= high)).all(axis=1)]
    cell = float(np.linalg.norm(high - low)) / CELLS_ALONG_DIAGONAL
    if len(inside) < MIN_SAMPLES or not cell:
        return None
    place = np.floor((inside - low) / cell).astype(np.int64)
    key = (place[:, 0] << 16 | place[:, 1]) << 16 | place[:, 2]
    thinned = inside[np.unique(key, return_index=True)[1]]
    if len(thinned) < MIN_SAMPLES:
        return None
    chosen = thinned[::-(-len(thinned) // MAX_SAMPLES)]
    normals = neighbor_normals(thinned, cKDTree(thinned).query(chosen, NUM_NEIGHBORS)[1])
    return Surfaces(chosen, normals, low, high, cell * float(np.sqrt(len(thinned) / len(xyz))))


def near_others(xyz: NDArray[np.floating]) -> NDArray[np.bool_]:
    """
    Return which points are no stray ones, which would make a picture of the others small: [N].

    Those are further from where the cloud ends than `STRAY_SIZES` times its longest side.
    """
    low, high = extent(sample_rows(xyz))
    reach = STRAY_SIZES * float((high - low).max())
    near: NDArray[np.bool_] = np.logical_and.reduce([
        (xyz[:, axis] >= low[axis] - reach) & (xyz[:, axis] <= high[axis] + reach)
        for axis in range(3)])
    return near


def sample_rows(xyz: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return at most `MAX_ROWS` of the points, evenly chosen: [n, 3]."""
    step = -(-len(xyz) // MAX_ROWS) | 1  # odd: not always the same columns of an organized cloud
    return xyz[::step].astype(np.float64)


def extent(xyz: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where points end along each axis, stray ones aside: low [3], high [3]."""
    low, high = np.percentile(xyz, EXTENT_PERCENTILES, axis=0)
    return low, high
