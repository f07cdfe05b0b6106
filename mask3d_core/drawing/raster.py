"""Render points: hole-free splatting and eye-dome lighting."""

from __future__ import annotations

from mask3d_core.drawing.camera import Camera
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

SPLAT_RADII = np.array([1, 2, 3, 4, 6, 8, 12])
"""Pixels; each radius costs one pass over the image."""
MAX_HOLE_WIDTH = 12
"""Pixels; wider gaps between points stay background."""
SHADING_STRENGTH = 14.0
"""Strength of the eye-dome lighting (dimensionless)."""


def point_spacing(xyz: NDArray) -> NDArray[np.float64]:
    """Estimate the distance of each point to its neighbors, metres: [N, 3] -> [N]."""
    tree = cKDTree(xyz, balanced_tree=False, compact_nodes=False)
    sample = xyz[::max(1, len(xyz) // 2000)]
    distance, _ = tree.query(sample, k=min(5, len(xyz)))
    typical = max(float(np.median(distance[:, -1])), 1e-6)
    # n points on a surface in a cell of edge c have a spacing of about c / sqrt(n).
    cell = np.floor((xyz - xyz.min(axis=0)) / (8 * typical)).astype(np.int64)
    _, place, count = np.unique(cell @ np.array([1, 1 << 21, 1 << 42]), return_inverse=True,
                                return_counts=True)
    relative = 1 / np.sqrt(count[place.reshape(-1)])
    return typical * np.clip(relative / np.median(relative), 0.7, 1.6)


def rasterize(xyz: NDArray, camera: Camera) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """
    Find the nearest point in each pixel.

    Points are drawn as octagons of a radius that follows from their spacing, so that surfaces have
    no holes.

    Returns
    -------
    point : [height, width] int64
        Index of the point, -1 for the background.
    depth : [height, width] float32
        Metres, infinity for the background.

    """
    pixel, depth = camera.project(xyz)
    order = np.argsort(depth)
    column, row = np.floor(pixel[order]).astype(np.int64).T
    inside = (column >= 0) & (column < camera.width) & (row >= 0) & (row < camera.height)
    order, column, row = order[inside], column[inside], row[inside]
    reach = 0.8 * point_spacing(xyz)[order] * camera.focal / depth[order]
    radius = SPLAT_RADII[np.searchsorted(SPLAT_RADII, reach).clip(max=len(SPLAT_RADII) - 1)]

    # The rank of a point by depth is its depth and its index at once, so one minimum gives both.
    nearest = np.full((camera.height, camera.width), len(order), np.int32)
    for size in np.unique(radius):
        chosen = np.flatnonzero(radius == size)[::-1]  # the nearest is written last and wins
        layer = np.full_like(nearest, len(order))
        layer[row[chosen], column[chosen]] = chosen
        np.minimum(nearest, _octagon_minimum(layer, int(size)), out=nearest)
    nearest = _close_holes(nearest, len(order))
    point = np.append(order, -1)[nearest]
    far = np.append(depth[order], np.inf).astype(np.float32)
    return point, far[nearest]


def _octagon_minimum(image: NDArray, radius: int) -> NDArray:
    """Return the minimum over an octagonal window around each pixel."""
    corner = (radius + 1) // 3
    square = image
    for axis in (0, 1):
        square = np.minimum(_running_minimum(square, radius - corner, axis),
                            _running_minimum(square, corner - radius, axis))
    for _ in range(corner):
        wider = square.copy()
        for axis in (0, 1):
            for step in (1, -1):
                np.minimum(wider, _running_minimum(square, step, axis), out=wider)
        square = wider
    return square


def _running_minimum(image: NDArray, reach: int, axis: int) -> NDArray:
    """Return the minimum of each pixel and the `reach` pixels before it (after it if negative)."""
    result = image.copy()
    along = (slice(None),) * axis
    covered = 0  # doubling: log2(reach) passes instead of reach
    while covered < abs(reach):
        step = min(covered + 1, abs(reach) - covered)
        here, there = along + (slice(step, None),), along + (slice(None, -step),)
        if reach < 0:
            here, there = there, here
        result[here] = np.minimum(result[here], result[there])
        covered += step
    return result


def _close_holes(nearest: NDArray[np.int32], empty: int) -> NDArray[np.int32]:
    """Fill background pixels between two nearby points with the farther one."""
    for axis in (1, 0):
        between = np.maximum(_running_minimum(nearest, MAX_HOLE_WIDTH // 2, axis),
                             _running_minimum(nearest, -MAX_HOLE_WIDTH // 2, axis))
        nearest = np.where(nearest == empty, between, nearest)
    return nearest


def eye_dome_shade(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """
    Return the brightness 0..1 of each pixel by eye-dome lighting (Boucheny 2009).

    A pixel is darker the more its neighborhood is in front of it; no normals are needed.
    """
    logs = np.log2(np.where(np.isfinite(depth), depth, 1e9)).astype(np.float32)
    height, width = depth.shape
    total = np.zeros_like(logs)
    for reach, weight in ((2, 1.0), (6, 0.5)):
        padded = np.pad(logs, reach, mode='edge')
        for dy, dx in ((0, 1), (1, 0), (1, 2), (2, 1), (0, 0), (2, 2), (0, 2), (2, 0)):
            near = padded[dy * reach:dy * reach + height, dx * reach:dx * reach + width]
            total += weight * np.clip(logs - near, 0, 0.15)
    return np.exp(-SHADING_STRENGTH / 8 * total)
