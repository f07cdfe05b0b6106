"""A furnished room as a camera finds it."""

from __future__ import annotations

from dataclasses import dataclass

from mask3d_core.rooms.mesh import Mesh
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Scene:
    """
    All surfaces of a room, and where a camera can be.

    Attributes
    ----------
    mesh : Mesh
        F triangles; z = 0 is the floor, metres.
    label : [F] int32
        Id of the class, -1 for what has none (ceilings, carpets).
    instance : [F] int32
        Number of the object from 0, -1 for none (walls, floors, ceilings).
    lights : [L, 3] float64
        Positions of the lamps, metres.
    standpoints : [S, 2] float64
        Free places on the floor, metres: where a robot or a person can stand.
    targets : [T, 3] float64
        What is worth looking at from near by: the middles of table tops, metres.

    """

    mesh: Mesh
    label: NDArray[np.int32]
    instance: NDArray[np.int32]
    lights: NDArray[np.float64]
    standpoints: NDArray[np.float64]
    targets: NDArray[np.float64]
