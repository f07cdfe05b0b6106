"""Instances: what was found in a cloud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Instances:
    """
    Object instances of one cloud, best score first.

    Masks may overlap; `point_instance` gives each point to its best instance.
    Indices are rows of the input cloud: a consumer never needs to know which points were dropped.

    Attributes
    ----------
    masks : [I, ceil(N / 8)] uint8
        Packed bits over the N points of the input cloud (`numpy.packbits` order).
    num_points : int
        N.
    class_id : [I] int32
        Ids of the class table.
    score : [I] float32
        0..1, eq. 7.
    class_names : mapping of int to str
        Name of every class the weights know.
    class_colors : mapping of int to (red, green, blue)
        0..255.
    centroid : [I, 3] float64
        Mean of the instance's points, metres, frame of the cloud.
    box_center, box_size : [I, 3] float64
        Axis-aligned box, metres.
    upright_center, upright_size : [I, 3] float64
        The smallest box that stands upright (z up) around the instance, metres.
    upright_yaw : [I] float64
        Its rotation about z, radians in [-pi/2, pi/2).
    seconds : mapping of str to float
        Time of each stage that led here.
    voxel_size : float
        Edge of the voxels the cloud was seen with, metres; NaN if that is not known.

    """

    masks: NDArray[np.uint8]
    num_points: int
    class_id: NDArray[np.int32]
    score: NDArray[np.float32]
    class_names: Mapping[int, str]
    class_colors: Mapping[int, tuple[int, int, int]]
    centroid: NDArray[np.float64]
    box_center: NDArray[np.float64]
    box_size: NDArray[np.float64]
    upright_center: NDArray[np.float64]
    upright_size: NDArray[np.float64]
    upright_yaw: NDArray[np.float64]
    seconds: Mapping[str, float] = field(default_factory=dict)
    voxel_size: float = np.nan

    def __len__(self) -> int:
        return len(self.score)

    def name(self, index: int) -> str:
        """Return the class name of one instance."""
        return self.class_names[int(self.class_id[index])]

    def mask(self, index: int) -> NDArray[np.bool_]:
        """Return the mask of one instance: [N] bool."""
        return np.unpackbits(self.masks[index], count=self.num_points).view(bool)

    def points(self, index: int) -> NDArray[np.int64]:
        """Return the rows of the input cloud that belong to one instance, ascending."""
        return np.flatnonzero(self.mask(index))

    def point_instance(self) -> NDArray[np.int32]:
        """Return for each point the index of its best instance, -1 for none: [N] int32."""
        best = np.full(self.num_points, -1, np.int32)
        for index in reversed(range(len(self))):
            best[self.points(index)] = index
        return best
