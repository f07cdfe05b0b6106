"""Masks by the voxels that they fill: how instances are carried over to other points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mask3d_core.geometry.mask_labels import MaskLabels
from mask3d_core.sparse import map_blocks
from mask3d_core.voxel_box import bounds
import numpy as np
from numpy.typing import NDArray

MAX_VOXELS = 1 << 26
"""Of the box around a tile: 256 MB for the time in which masks are carried over."""

CHUNK_POINTS = 1 << 15
"""Points that are put into voxels at once: they stay in the processor's cache."""


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
            low, high = (np.floor(end.astype(xyz.dtype) / xyz.dtype.type(size)).astype(np.int32)
                         for end in bounds(xyz))
            shape = high - low + 1
            if np.prod(shape + 2, dtype=np.float64) <= MAX_VOXELS:
                break
            size *= 2
        place = np.empty(len(xyz), np.int32)
        filled = np.zeros(int(shape.prod()), np.bool_)

        def fill(rows: slice) -> None:
            place[rows] = _places(xyz[rows], size, low, shape)
            filled[place[rows]] = True

        map_blocks(fill, len(xyz), CHUNK_POINTS)
        voxels = np.flatnonzero(filled).astype(np.int32)
        row = np.cumsum(filled, dtype=np.int32)[place] - np.int32(1)
        total = np.bincount(row)
        members = [np.flatnonzero(2 * np.bincount(row[mask], minlength=len(total)) > total)
                   for mask in masks]
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
        labels = MaskLabels(self.members, len(self.voxels))
        label = np.append(labels.of_place.dtype.type(0), labels.of_place)

        def look_up(rows: slice) -> list[NDArray[np.int32]]:
            place = _places(xyz[rows], self.size, self.low - 1, shape)
            voxel = number.take(place)
            unknown = np.flatnonzero(voxel == 0)
            for step in (1, -1, shape[2], -shape[2], shape[1] * shape[2], -shape[1] * shape[2]):
                voxel[unknown] = number.take(place[unknown] + step, mode='clip')
                unknown = unknown[voxel[unknown] == 0]
            return list(labels.rows(label.take(voxel), rows.start))

        parts = map_blocks(look_up, len(xyz))
        return [np.concatenate([part[index] for part in parts])
                for index in range(len(self.members))]


def _places(xyz: NDArray[np.floating], size: float, low: NDArray[np.int32],
            shape: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the places of points [n, 3] in a flattened box of voxels; at its border if beyond."""
    voxel = np.floor(xyz / xyz.dtype.type(size)).astype(np.int32)
    voxel -= low
    np.clip(voxel, 0, shape - 1, out=voxel)
    place: NDArray[np.int32] = (voxel[:, 0] * shape[1] + voxel[:, 1]) * shape[2] + voxel[:, 2]
    return place


def _flat(voxel: NDArray[np.int32], shape: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the places of voxels [3, N] in a flattened box."""
    return (voxel[0] * shape[1] + voxel[1]) * shape[2] + voxel[2]
