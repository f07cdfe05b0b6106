"""Colours of textured triangles: a few materials of two colours each instead of an image."""

from __future__ import annotations

from typing import Any

from mask3d_core.rooms.materials import Material
from mask3d_core.rooms.mesh import Mesh
import numpy as np
from numpy.typing import NDArray

MAX_TEXTURE_SIZE = 256
"""Pixels; larger images are reduced."""
LEVELS = 4
"""Triangles whose mean colours are in the same of LEVELS^3 cells get one material."""
MIN_CONTRAST = 0.03
"""Standard deviation of the brightness, 0..1, of a material with a pattern."""
SAMPLES = np.array([(4, 1, 1), (1, 4, 1), (1, 1, 4), (2, 2, 2), (3, 3, 0), (0, 3, 3), (3, 0, 3)],
                   np.float64) / 6
"""Barycentric coordinates at which a triangle's colours are read: [S, 3]."""


def paint_from_texture(vertices: NDArray, faces: NDArray, image: Any, place: NDArray) -> Mesh:
    """
    Make a mesh whose materials have the colours of an image.

    Parameters
    ----------
    vertices : [M, 3] float
    faces : [F, 3] int
    image : Pillow image
    place : [M, 2] float
        Texture coordinates, 0..1 from the lower left corner; they repeat.

    """
    colors = _read_colors(image, (place[faces].transpose(0, 2, 1) @ SAMPLES.T).transpose(0, 2, 1))
    cell = (colors.mean(1) * LEVELS).astype(np.int64).clip(0, LEVELS - 1)
    _, group = np.unique(cell @ (1, LEVELS, LEVELS ** 2), return_inverse=True)
    group = group.reshape(-1)
    materials = tuple(_material(colors[group == number].reshape(-1, 3))
                      for number in range(group.max() + 1))
    corners = np.array(vertices, np.float64)
    return Mesh(corners, faces, corners.copy(), group, materials)


def _read_colors(image: Any, place: NDArray) -> NDArray[np.float64]:
    """Return the colours, 0..1, at texture coordinates: [..., 2] -> [..., 3]."""
    image.draft('RGB', (MAX_TEXTURE_SIZE, MAX_TEXTURE_SIZE))  # JPEG: decode in less detail
    small = image.convert('RGBA')
    small.thumbnail((MAX_TEXTURE_SIZE, MAX_TEXTURE_SIZE))
    pixels = np.asarray(small, np.float64) / 255
    opaque = pixels[..., 3] > 0.5
    if opaque.any():  # transparent pixels around leaves have any colour
        pixels[~opaque, :3] = pixels[opaque, :3].mean(0)
    height, width = opaque.shape
    across, up = np.moveaxis(place - np.floor(place), -1, 0)
    row = ((1 - up) * height).astype(np.int64).clip(0, height - 1)
    return pixels[row, (across * width).astype(np.int64).clip(0, width - 1), :3]


def _material(colors: NDArray) -> Material:
    """Return a material with the mean colours of the darker and of the brighter half: [C, 3]."""
    brightness = colors.mean(1)
    order = np.argsort(brightness, kind='stable')
    first, second = (tuple(part.mean(0).tolist()) for part in np.array_split(colors[order], 2))
    if brightness.std() < MIN_CONTRAST:
        return Material(tuple(colors.mean(0).tolist()))
    return Material(first, second, 'blotches')
