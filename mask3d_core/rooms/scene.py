"""The scene: a furnished room with labels, lights and camera positions."""

from __future__ import annotations

from dataclasses import dataclass

from mask3d_core.rooms.mesh import Mesh
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Scene:
    """
    The labelled surfaces of a room, and the positions of lamps and cameras.

    Attributes
    ----------
    mesh : Mesh
        F triangles, metres; the floor is z = 0.
    label : [F] int32
        Class id, -1 for faces without a class (ceilings).
    instance : [F] int32
        Index of the object, -1 for none (walls, floors, ceilings).
    lights : [L, 3] float64
        Positions of the lamps, metres.
    standpoints : [S, 2] float64
        Free positions on the floor where a robot or a person can stand, metres.
    targets : [T, 3] float64
        Targets of close-up scans: the centers of table tops, metres.

    """

    mesh: Mesh
    label: NDArray[np.int32]
    instance: NDArray[np.int32]
    lights: NDArray[np.float64]
    standpoints: NDArray[np.float64]
    targets: NDArray[np.float64]
