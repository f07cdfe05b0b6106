"""From geometries of trimesh to meshes with plain materials."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mask3d_core.rooms.materials import Material
from mask3d_core.rooms.mesh import Mesh
from mask3d_core.rooms.models.texture import paint_from_texture
import numpy as np

GREY = (160, 160, 160, 255)
"""Of triangles without a material."""


def mesh_parts(geometry: Any) -> Iterator[Mesh]:
    """Yield the triangles of a geometry, which has one material; nothing if there are none."""
    faces = np.asarray(getattr(geometry, 'faces', ()), np.int64)
    if not len(faces):
        return
    vertices = np.asarray(geometry.vertices, np.float64)
    look: Any = getattr(geometry.visual, 'material', None)
    if hasattr(look, 'to_simple'):  # of .dae and glTF; only simple materials have an image
        look = look.to_simple()
    image, place = getattr(look, 'image', None), getattr(geometry.visual, 'uv', None)
    if image is not None and place is not None and len(place) == len(vertices):
        yield paint_from_texture(vertices, faces, image, place)
    else:
        diffuse = np.asarray(getattr(look, 'diffuse', GREY), np.float64)[:3] / 255
        yield Mesh.of(vertices, faces, Material(tuple(diffuse.tolist())))
