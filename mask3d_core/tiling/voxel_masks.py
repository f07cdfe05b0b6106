"""Masks by the voxels that they fill: how instances are carried over to other points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math

from mask3d_core.geometry.mask_labels import MaskLabels
from mask3d_core.sparse import map_blocks
from mask3d_core.voxel_box import CHUNK_POINTS, voxel_bounds, voxel_places
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
    low : [3] float64
        The lowest voxel of a box: floor(position / size). Those at its border hold no points.
    shape : 3 int
        Voxels along that box.
    voxels : [V] int32
        Places in the flattened box of the voxels that hold points, ascending.
    members : I arrays, [v_i] int64
        Rows of the voxels of which each mask has more than half of the points.

    """

    size: float
    low: NDArray[np.float64]
    shape: tuple[int, ...]
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
            low, shape = voxel_bounds(xyz, size)
            if np.prod(shape + 2) <= MAX_VOXELS:
                break
            size *= 2
        low, box = low - 1, tuple(map(int, shape + 2))
        place = np.empty(len(xyz), np.int32)
        filled = np.zeros(math.prod(box), np.bool_)

        def fill(rows: slice) -> None:
            place[rows] = voxel_places(xyz[rows], size, low, box)
            filled[place[rows]] = True

        map_blocks(fill, len(xyz), CHUNK_POINTS)
        voxels = np.flatnonzero(filled).astype(np.int32)
        row = np.cumsum(filled, dtype=np.int32)[place] - np.int32(1)
        total = np.bincount(row)
        members = [np.flatnonzero(2 * np.bincount(row[mask], minlength=len(total)) > total)
                   for mask in masks]
        return cls(size, low, box, voxels, members)

    def over(self, xyz: NDArray[np.floating]) -> list[NDArray[np.int32]]:
        """
        Return the masks over other points [N, 3] in the same place: rows, ascending.

        A point in a voxel that held no points belongs to the masks of a neighboring one.
        """
        number = np.zeros(math.prod(self.shape), np.int32)      # 0: a voxel without points
        number[self.voxels] = np.arange(1, len(self.voxels) + 1, dtype=np.int32)
        labels = MaskLabels(self.members, len(self.voxels))
        layers, columns = math.prod(self.shape[1:]), self.shape[2]
        label = np.append(labels.of_place.dtype.type(0), labels.of_place)

        def look_up(rows: slice) -> list[NDArray[np.int32]]:
            place = voxel_places(xyz[rows], self.size, self.low, self.shape)
            voxel = number.take(place)
            unknown = np.flatnonzero(voxel == 0)
            for step in (1, -1, columns, -columns, layers, -layers):
                voxel[unknown] = number.take(place[unknown] + step, mode='clip')
                unknown = unknown[voxel[unknown] == 0]
            return list(labels.rows(label.take(voxel), rows.start))

        parts = map_blocks(look_up, len(xyz))
        return [np.concatenate([part[index] for part in parts])
                for index in range(len(self.members))]
