"""Masks by the voxels that they fill: how instances are carried over to other points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mask3d_core.geometry.cells import distinct_counts, numbered
import numpy as np
from numpy.typing import NDArray

MAX_VOXELS = 1 << 26
"""Of the box around a tile: 256 MB for the time in which masks are carried over."""


@dataclass(frozen=True, eq=False)
class VoxelMasks:
    """
    Masks over the voxels of some points.

    Attributes
    ----------
    size : float
        Edge of a voxel, metres.
    low : [3] int32
        Place of the lowest voxel of the box around the points: floor(position / size).
    shape : [3] int32
        Voxels along that box.
    voxels : [V] int32
        Places in the flattened box of the voxels that hold points, ascending.
    members : I arrays, [v_i] int64
        Rows of the voxels of which each mask has more than half of the points.

    """

    size: float
    low: NDArray[np.int32]
    shape: NDArray[np.int32]
    voxels: NDArray[np.int32]
    members: list[NDArray[np.int64]]

    @classmethod
    def of(cls, xyz: NDArray[np.floating], masks: Sequence[NDArray[np.integer]], size: float,
           ) -> VoxelMasks:
        """
        Return the masks, which are rows of points [N, 3], as masks over voxels.

        Voxels are twice as large, and so on, in a box of more than `MAX_VOXELS`.
        """
        while True:
            voxel = _voxels(xyz, size)
            low = voxel.min(1)
            shape = voxel.max(1) - low + 1
            if np.prod(shape + 2, dtype=np.float64) <= MAX_VOXELS:
                break
            size *= 2
        voxels, row = numbered(_flat(voxel - low[:, None], shape))
        total = np.bincount(row)
        members = []
        for mask in masks:
            filled, count = distinct_counts(row[mask])
            members.append(filled[2 * count > total[filled]])
        return cls(size, low, shape, voxels, members)

    def over(self, xyz: NDArray[np.floating]) -> list[NDArray[np.int32]]:
        """
        Return the masks over other points [N, 3] in the same place: rows, ascending.

        A point in a voxel that held no points belongs to the masks of a neighboring one.
        """
        shape = self.shape + 2  # a border of one voxel, in which all points beyond are
        number = np.zeros(int(shape.prod()), np.int32)          # 0: a voxel without points
        known = np.stack(np.unravel_index(self.voxels, self.shape)).astype(np.int32)
        number[_flat(known + 1, shape)] = np.arange(1, len(self.voxels) + 1, dtype=np.int32)
        place = _flat((_voxels(xyz, self.size) - self.low[:, None] + 1).clip(
            0, shape[:, None] - 1), shape)
        voxel = number[place]
        unknown = np.flatnonzero(voxel == 0)
        for step in (1, -1, shape[2], -shape[2], shape[1] * shape[2], -shape[1] * shape[2]):
            voxel[unknown] = number[(place[unknown] + step).clip(0, len(number) - 1)]
            unknown = unknown[voxel[unknown] == 0]
        masks = []
        for member in self.members:
            inside = np.zeros(len(self.voxels) + 1, np.bool_)
            inside[member + 1] = True
            masks.append(np.flatnonzero(inside.take(voxel)).astype(np.int32))
        return masks


def _voxels(xyz: NDArray[np.floating], size: float) -> NDArray[np.int32]:
    """Return the voxel of each point: [3, N]."""
    return np.stack([np.floor(xyz[:, axis] / size).astype(np.int32) for axis in range(3)])


def _flat(voxel: NDArray[np.int32], shape: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the places of voxels [3, N] in a flattened box."""
    return (voxel[0] * shape[1] + voxel[1]) * shape[2] + voxel[2]
