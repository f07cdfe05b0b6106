"""Triangle meshes with materials, of which rooms consist."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mask3d_core.rooms.materials import Material
import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class Mesh:
    """
    A triangle mesh with a material per face.

    Attributes
    ----------
    vertices : [M, 3] float64
        Metres, z up.
    faces : [F, 3] int64
        Vertex indices. Faces are two-sided.
    texture : [M, 3] float64
        Texture coordinates of the vertices, metres: their positions when the mesh was created.
        Moving and turning keep them, so that a pattern moves with its surface.
    material : [F] int64
        Indices into `materials`.
    materials : tuple of Material

    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    texture: NDArray[np.float64]
    material: NDArray[np.int64]
    materials: tuple[Material, ...]

    @classmethod
    def of(cls, vertices: ArrayLike, faces: ArrayLike, material: Material) -> Mesh:
        """Create a mesh of a single material."""
        corners = np.array(vertices, np.float64).reshape(-1, 3)
        triangles = np.array(faces, np.int64).reshape(-1, 3)
        return cls(corners, triangles, corners.copy(), np.zeros(len(triangles), np.int64),
                   (material,))

    @property
    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Minimum and maximum coordinates, metres."""
        return self.vertices.min(0), self.vertices.max(0)

    @property
    def size(self) -> NDArray[np.float64]:
        """Extent along x, y and z, metres."""
        return np.ptp(self.vertices, axis=0)

    def moved(self, x: float = 0, y: float = 0, z: float = 0) -> Mesh:
        """Shift the mesh, metres."""
        return replace(self, vertices=self.vertices + (x, y, z))

    def turned(self, angle: float, axis: str = 'z') -> Mesh:
        """Rotate the mesh counter-clockwise about an axis through the origin, radians."""
        u, v = {'x': (1, 2), 'y': (2, 0), 'z': (0, 1)}[axis]
        vertices = self.vertices.copy()
        vertices[:, u] = np.cos(angle) * self.vertices[:, u] - np.sin(angle) * self.vertices[:, v]
        vertices[:, v] = np.sin(angle) * self.vertices[:, u] + np.cos(angle) * self.vertices[:, v]
        return replace(self, vertices=vertices)

    def settled(self) -> Mesh:
        """Move the mesh onto z = 0 with its footprint centered on x = y = 0."""
        low, high = self.bounds
        return self.moved(*-(low + high)[:2] / 2).moved(z=-low[2])

    def scaled(self, x: float = 1, y: float = 1, z: float = 1) -> Mesh:
        """Scale the mesh about the origin; its texture pattern keeps its size."""
        return replace(self, vertices=self.vertices * (x, y, z),
                       texture=self.texture * np.abs((x, y, z)))


def join(meshes: Iterable[Mesh]) -> Mesh:
    """Concatenate meshes; equal materials are merged."""
    parts: Sequence[Mesh] = list(meshes)
    first_vertex = np.cumsum([0] + [len(part.vertices) for part in parts])
    materials = {material: None for part in parts for material in part.materials}
    row = {material: number for number, material in enumerate(materials)}
    return Mesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.faces + start for part, start in zip(parts, first_vertex)]),
        np.concatenate([part.texture for part in parts]),
        np.concatenate([np.array([row[material] for material in part.materials])[part.material]
                        for part in parts]),
        tuple(materials))
