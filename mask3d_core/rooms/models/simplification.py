"""Meshes with fewer triangles: vertices that are close to each other become one."""

from __future__ import annotations

from dataclasses import replace

from mask3d_core.geometry.cells import numbered
from mask3d_core.rooms.mesh import Mesh
import numpy as np
from numpy.typing import NDArray

CELL_SIZES = (0.002, 0.008)
"""Metres, minimum and maximum edge of the cells whose vertices become one."""
CELLS_PER_LENGTH = 80
"""Cells along the longest side of a mesh, within the bounds above."""
MAX_FACES = 5000
"""Cells of a mesh with more triangles are enlarged."""


def simplify(mesh: Mesh) -> Mesh:
    """Merge vertices in cubic cells, and drop triangles that become edges or equal to others."""
    size = float(np.clip(mesh.size.max() / CELLS_PER_LENGTH, *CELL_SIZES))
    simple = _merge(mesh, size)
    while len(simple.faces) > MAX_FACES:
        size *= 1.3
        simple = _merge(mesh, size)
    return simple.settled()


def _merge(mesh: Mesh, size: float) -> Mesh:
    cell = np.floor(mesh.vertices / size).astype(np.int64)
    cell -= cell.min(0)
    span = cell.max(0) + 1
    _, row = numbered((cell[:, 0] * span[1] + cell[:, 1]) * span[2] + cell[:, 2])
    faces = row[mesh.faces]
    keep = _whole_and_different(faces)
    used, place = np.unique(faces[keep], return_inverse=True)
    count = np.bincount(row)[used, None]
    vertices = np.stack([np.bincount(row, axis)[used] for axis in mesh.vertices.T], axis=1) / count
    return replace(mesh, vertices=vertices, faces=place.reshape(-1, 3), texture=vertices.copy(),
                   material=mesh.material[keep])


def _whole_and_different(faces: NDArray) -> NDArray[np.int64]:
    """Return the first triangle of each set of three different vertices."""
    whole = np.flatnonzero((faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2])
                           & (faces[:, 2] != faces[:, 0]))
    _, first = np.unique(np.sort(faces[whole], axis=1), axis=0, return_index=True)
    return whole[np.sort(first)]
