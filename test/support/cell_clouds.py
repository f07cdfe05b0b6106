"""Random clouds, and the cells of points."""

from mask3d_core.geometry.cells import CellSet
from mask3d_core.geometry.points_in_cells import count_cells
import numpy as np
from numpy.typing import NDArray


def cells_of(xyz: NDArray[np.floating], rows: NDArray[np.integer] | None = None) -> CellSet:
    """Return the cells of some points."""
    return count_cells(xyz, rows)[0]


def boxes(seed: int, count: int = 200) -> NDArray[np.float64]:
    """Return random points around the origin, some of them far away."""
    random = np.random.default_rng(seed)
    return random.normal(0, 2, (count, 3)) + random.choice([0, 40, -3e4], (count, 1))
