"""Solids of which furniture is built; each stands on z = 0, centered on x = y = 0."""

from __future__ import annotations

from collections.abc import Sequence

from mask3d_core.rooms.materials import Material
from mask3d_core.rooms.mesh import Mesh
import numpy as np
from numpy.typing import ArrayLike, NDArray

BOX_CORNERS = np.array([(x, y, z) for z in (0, 1) for y in (-.5, .5) for x in (-.5, .5)])
BOX_QUADS = np.array([(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4),
                      (1, 5, 7, 3)])


def _triangles(quads: NDArray) -> NDArray[np.int64]:
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def _grid_quads(rows: int, columns: int) -> NDArray[np.int64]:
    """Return the corners of the cells of a grid of rows x columns vertices: [cells, 4]."""
    first = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1)
    return np.stack([first, first + 1, first + columns + 1, first + columns], axis=1)


def box(size: ArrayLike, material: Material) -> Mesh:
    """Make a block of size (x, y, z), metres."""
    return Mesh.of(BOX_CORNERS * np.asarray(size), _triangles(BOX_QUADS), material)


def panel(width: float, height: float, material: Material) -> Mesh:
    """Make a vertical rectangle without thickness in the plane y = 0, metres."""
    x = width / 2
    return Mesh.of([(-x, 0, 0), (x, 0, 0), (x, 0, height), (-x, 0, height)],
                   [(0, 1, 2), (0, 2, 3)], material)


def lathe(profile: Sequence[tuple[float, float]], material: Material, segments: int = 16) -> Mesh:
    """
    Make the surface of revolution of a profile (radius, z) about the z axis, metres.

    An end of the profile with radius 0 closes the surface; other ends are open.
    """
    radius, height = np.array(profile, np.float64).T
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    vertices = np.stack([radius[:, None] * np.cos(angle), radius[:, None] * np.sin(angle),
                         np.broadcast_to(height[:, None], (len(radius), len(angle)))], axis=2)
    return Mesh.of(vertices, _triangles(_grid_quads(len(radius), len(angle))), material)


def cylinder(radius: float, height: float, material: Material, top: float | None = None,
             segments: int = 16) -> Mesh:
    """Make a closed cylinder, or a truncated cone with the upper radius `top`, metres."""
    upper = radius if top is None else top
    return lathe([(0, 0), (radius, 0), (upper, height), (0, height)], material, segments)


def ball(radius: float, material: Material, segments: int = 12) -> Mesh:
    """Make a sphere, metres."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, segments // 2 + 1)
    return lathe([(radius * np.cos(a), radius * (1 + np.sin(a))) for a in angle], material,
                 segments)


def cushion(size: ArrayLike, material: Material, roundness: float = 0.35, segments: int = 12,
            ) -> Mesh:
    """Make a superellipsoid of a size in metres: roundness 0 gives a block, 1 an ellipsoid."""
    up = np.linspace(-np.pi / 2, np.pi / 2, segments // 2 + 3)[:, None]
    around = np.linspace(0, 2 * np.pi, segments * 2 + 1)[None]

    def bent(wave: NDArray) -> NDArray:
        return np.sign(wave) * np.abs(wave) ** max(roundness, 0.05)

    unit = np.stack(np.broadcast_arrays(bent(np.cos(up)) * bent(np.cos(around)),
                                        bent(np.cos(up)) * bent(np.sin(around)),
                                        bent(np.sin(up)) + 1), axis=2)
    return Mesh.of(unit * (np.asarray(size) / 2), _triangles(_grid_quads(*unit.shape[:2])),
                   material)


def tube(path: ArrayLike, radius: float, material: Material, segments: int = 6) -> Mesh:
    """Make a pipe with open ends along a polyline [P, 3], metres."""
    points = np.asarray(path, np.float64)
    along = np.gradient(points, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    # The axis least parallel to the path serves as reference, so that the rings do not twist.
    reference = np.eye(3)[np.abs(along).max(0).argmin()]
    side = np.cross(along, reference)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    up = np.cross(along, side)
    angle = np.linspace(0, 2 * np.pi, segments + 1)[None, :, None]
    around = np.cos(angle) * side[:, None] + np.sin(angle) * up[:, None]
    rings = points[:, None] + radius * around
    return Mesh.of(rings, _triangles(_grid_quads(len(points), segments + 1)), material)


def sheet(surface: ArrayLike, material: Material) -> Mesh:
    """Make the surface through a grid of points [R, C, 3], metres, as for cloth and leaves."""
    points = np.asarray(surface, np.float64)
    return Mesh.of(points, _triangles(_grid_quads(*points.shape[:2])), material)


def prism(outline: ArrayLike, height: float, material: Material) -> Mesh:
    """Extrude an outline [P, 2], metres; all of it must be visible from its first point."""
    corners = np.asarray(outline, np.float64)
    count = len(corners)
    vertices = np.concatenate([np.column_stack([corners, np.full(count, z)])
                               for z in (0, height)])
    here = np.arange(count)
    after = (here + 1) % count
    walls = _triangles(np.stack([here, after, after + count, here + count], axis=1))
    fan = np.stack([np.zeros(count - 2, int), here[1:-1], here[2:]], axis=1)
    return Mesh.of(vertices, np.concatenate([walls, fan, fan + count]), material)
