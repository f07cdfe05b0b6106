"""Fuse the readings of many frames into one point cloud."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_BLOCK_SIZE = 0.3
"""Metres, edge of the blocks that are sampled to estimate the number of occupied voxels."""
MAX_SAMPLE_READINGS = 60000
MAX_VOXEL_SIZE = 0.1
"""Metres."""


@dataclass(frozen=True, eq=False)
class FusedMap:
    """
    The points of a map, with the readings that each was computed from.

    Attributes
    ----------
    xyz : [N, 3] float64
        Metres.
    nearest : [N] int64
        Index of the reading nearest to the point.
    order : [R] int64
        Indices of readings, grouped by point.
    start, count : [N] int64
        Range of each point's readings in `order`.

    """

    xyz: NDArray[np.float64]
    nearest: NDArray[np.int64]
    order: NDArray[np.int64]
    start: NDArray[np.int64]
    count: NDArray[np.int64]

    def select(self, chosen: NDArray) -> FusedMap:
        """Return a subset of the points."""
        return FusedMap(self.xyz[chosen], self.nearest[chosen], self.order, self.start[chosen],
                     self.count[chosen])

    def draw_readings(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return random readings of each point, with replacement: [count, N]."""
        place = (rng.random((count, len(self.xyz))) * self.count).astype(np.int64)
        return self.order[self.start + place]


def keep_readings(xyz: NDArray) -> FusedMap:
    """Use every reading [R, 3] as a point."""
    rows = np.arange(len(xyz))
    return FusedMap(xyz, rows, rows, rows, np.ones(len(xyz), np.int64))


def average_in_voxels(xyz: NDArray, voxel_size: float) -> FusedMap:
    """Average the readings [R, 3] in each voxel; `voxel_size` in metres."""
    key = _voxel_keys(xyz, voxel_size)
    order = np.argsort(key)
    key = key[order]
    start = np.flatnonzero(np.append(True, key[1:] != key[:-1]))
    count = np.diff(np.append(start, len(key)))
    xyz = xyz[order]
    mean = np.add.reduceat(xyz, start, axis=0) / count[:, None]
    distance = ((xyz - np.repeat(mean, count, axis=0)) ** 2).sum(1)
    least = np.repeat(np.minimum.reduceat(distance, start), count)
    point = np.repeat(np.arange(len(start)), count)
    best = np.flatnonzero(distance == least)
    nearest = np.zeros(len(start), np.int64)
    nearest[point[best]] = order[best]
    return FusedMap(mean, nearest, order, start, count)


def _voxel_keys(xyz: NDArray, voxel_size: float) -> NDArray[np.int64]:
    """Return an integer key of the voxel of each point: [N, 3] -> [N]."""
    cell = np.floor(xyz / voxel_size).astype(np.int64)
    cell -= cell.min(axis=0)
    return (cell[:, 0] << 42) | (cell[:, 1] << 21) | cell[:, 2]


def choose_voxel_size(xyz: NDArray, points: int, min_size: float) -> float:
    """
    Return the voxel size, metres, at which the readings [R, 3] occupy about `points` voxels.

    It is between `min_size`, where there may be fewer, and `MAX_VOXEL_SIZE`.
    """
    place = np.floor(xyz / SAMPLE_BLOCK_SIZE).astype(np.int64)
    mixed = (place @ np.array([73856093, 19349663, 83492791])) * 2654435761 >> 8 & 1023
    bound = max(1, round(1024 * min(1.0, MAX_SAMPLE_READINGS / len(xyz))))
    sample = xyz[mixed < bound]  # all readings of a random subset of blocks
    wanted = points * len(sample) / len(xyz)
    low, high = min_size, MAX_VOXEL_SIZE
    middle = min_size
    for _ in range(6):
        occupied = len(np.unique(_voxel_keys(sample, middle))) if len(sample) else 0
        if occupied <= wanted and middle == min_size:
            break
        low, high = (middle, high) if occupied > wanted else (low, middle)
        middle = float(np.sqrt(low * high))
    return middle


def drop_isolated(fused: FusedMap, voxel_size: float) -> FusedMap:
    """Drop points with fewer than two neighbors, like the outlier filters of mapping systems."""
    isolated = np.ones(len(fused.xyz), bool)
    for shift in (0, 1.5 * voxel_size):  # two shifted grids: no cell border is near in both
        key = _voxel_keys(fused.xyz + shift, 3 * voxel_size)
        _, cell, count = np.unique(key, return_inverse=True, return_counts=True)
        isolated &= count[cell.reshape(-1)] < 3
    return fused.select(np.flatnonzero(~isolated))


def snap_to_grid_lines(fused: FusedMap, normals: NDArray, voxel_size: float) -> FusedMap:
    """
    Move points along their surface onto grid lines, where marching cubes places its vertices.

    Parameters
    ----------
    fused : FusedMap
    normals : [N, 3] float
        Surface normals at the points.
    voxel_size : float
        Grid spacing, metres.

    """
    rows = np.arange(len(fused.xyz))
    axis = np.abs(normals).argmax(1)
    moved = np.round(fused.xyz / voxel_size) * voxel_size
    moved[rows, axis] = fused.xyz[rows, axis]
    rise = ((moved - fused.xyz) * normals).sum(1)
    normal = normals[rows, axis]
    moved[rows, axis] -= rise / np.where(normal == 0, 1, normal)
    _, first = np.unique(_voxel_keys(moved + voxel_size / 8, voxel_size / 4), return_index=True)
    return FusedMap(moved, fused.nearest, fused.order, fused.start, fused.count).select(first)
