"""From many frames to one map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_CELL = 0.3
"""Metres: voxels are counted in some cells of this size, to guess how many there are in all."""
SAMPLE_POINTS = 60000
COARSEST = 0.1
"""Metres: voxels of maps."""


@dataclass(frozen=True, eq=False)
class Fused:
    """
    Points of a map, and the readings that each is made of.

    Attributes
    ----------
    xyz : [N, 3] float64
        Metres.
    nearest : [N] int64
        Row of the reading that is nearest to the point.
    order : [R] int64
        Rows of the readings, those of a point side by side.
    start, count : [N] int64
        Where in `order` the readings of a point begin, and how many they are.

    """

    xyz: NDArray[np.float64]
    nearest: NDArray[np.int64]
    order: NDArray[np.int64]
    start: NDArray[np.int64]
    count: NDArray[np.int64]

    def rows(self, chosen: NDArray) -> Fused:
        """Return some of the points."""
        return Fused(self.xyz[chosen], self.nearest[chosen], self.order, self.start[chosen],
                     self.count[chosen])

    def draw_readings(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return rows of readings of each point, with repetition: [count, N]."""
        place = (rng.random((count, len(self.xyz))) * self.count).astype(np.int64)
        return self.order[self.start + place]


def keep_readings(xyz: NDArray) -> Fused:
    """Make every reading [R, 3] a point."""
    rows = np.arange(len(xyz))
    return Fused(xyz, rows, rows, rows, np.ones(len(xyz), np.int64))


def average_voxels(xyz: NDArray, voxel: float) -> Fused:
    """Make the means of the readings [R, 3] in voxels, metres, the points."""
    key = _keys(xyz, voxel)
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
    return Fused(mean, nearest, order, start, count)


def _keys(xyz: NDArray, voxel: float) -> NDArray[np.int64]:
    """Return a number for the voxel of each point; metres."""
    cell = np.floor(xyz / voxel).astype(np.int64)
    cell -= cell.min(axis=0)
    return (cell[:, 0] << 42) | (cell[:, 1] << 21) | cell[:, 2]


def find_voxel(xyz: NDArray, points: int, finest: float) -> float:
    """
    Return the size of voxels, metres, of which the readings [R, 3] occupy about `points`.

    It is at least `finest`, and then they may be fewer, and at most 10 cm.
    """
    place = np.floor(xyz / SAMPLE_CELL).astype(np.int64)
    mixed = (place @ np.array([73856093, 19349663, 83492791])) * 2654435761 >> 8 & 1023
    bound = max(1, round(1024 * min(1.0, SAMPLE_POINTS / len(xyz))))
    sample = xyz[mixed < bound]
    wanted = points * len(sample) / len(xyz)
    low, high = finest, COARSEST
    middle = finest
    for _ in range(6):
        occupied = len(np.unique(_keys(sample, middle))) if len(sample) else 0
        if occupied <= wanted and middle == finest:
            break
        low, high = (middle, high) if occupied > wanted else (low, middle)
        middle = float(np.sqrt(low * high))
    return middle


def drop_lonely(fused: Fused, voxel: float) -> Fused:
    """Drop points with less than two others around, as filters of maps do; metres."""
    lonely = np.ones(len(fused.xyz), bool)
    for shift in (0, 1.5 * voxel):  # of two grids, one has a cell border farther away
        _, cell, count = np.unique(_keys(fused.xyz + shift, 3 * voxel), return_inverse=True,
                                   return_counts=True)
        lonely &= count[cell.reshape(-1)] < 3
    return fused.rows(np.flatnonzero(~lonely))


def to_grid_lines(fused: Fused, normals: NDArray, voxel: float) -> Fused:
    """
    Move points along their surface to the lines of a grid, where marching cubes has vertices.

    Parameters
    ----------
    fused : Fused
    normals : [N, 3] float
        Of the surfaces the points are on.
    voxel : float
        Distance of the lines, metres.

    """
    rows = np.arange(len(fused.xyz))
    axis = np.abs(normals).argmax(1)
    moved = np.round(fused.xyz / voxel) * voxel
    moved[rows, axis] = fused.xyz[rows, axis]
    rise = ((moved - fused.xyz) * normals).sum(1)
    normal = normals[rows, axis]
    moved[rows, axis] -= rise / np.where(normal == 0, 1, normal)
    _, first = np.unique(_keys(moved + voxel / 8, voxel / 4), return_index=True)
    return Fused(moved, fused.nearest, fused.order, fused.start, fused.count).rows(first)
