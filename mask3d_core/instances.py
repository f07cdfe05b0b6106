"""The prediction for one cloud: its object instances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Instances:
    """
    Object instances of one cloud, best score first.

    Masks may overlap; `point_instance` assigns each point to its best instance. Point indices are
    rows of the input cloud, including the points that were dropped as not finite.

    Attributes
    ----------
    masks : [I, ceil(N / 8)] uint8
        Masks over the N points of the input cloud, packed by `numpy.packbits`.
    num_points : int
        N.
    class_id : [I] int32
        Class ids of the class table.
    score : [I] float32
        Confidence 0..1 (equation 7 of the paper).
    class_names : mapping of int to str
        Names of all classes of the weights.
    class_colors : mapping of int to (red, green, blue)
        0..255.
    centroid : [I, 3] float64
        Mean of the instance's points, metres, in the frame of the cloud.
    box_center, box_size : [I, 3] float64
        Axis-aligned box, metres.
    upright_center, upright_size : [I, 3] float64
        The smallest box around the instance that is rotated about z only, metres.
    upright_yaw : [I] float64
        Rotation of that box about z, radians in [-pi/2, pi/2).
    seconds : mapping of str to float
        Run time of each stage of the pipeline.
    voxel_size : float
        Edge length of the voxels that the network processed, metres; NaN if it is not known.

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
        """Return the index of the best instance of each point, -1 for none: [N] int32."""
        best = np.full(self.num_points, -1, np.int32)
        for index in reversed(range(len(self))):
            best[self.points(index)] = index
        return best
