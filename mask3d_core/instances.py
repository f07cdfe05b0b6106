"""The prediction for one cloud: its object instances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class Instances:
    """
    Object instances of one cloud, best score first.

    Masks may overlap; `point_instance` assigns each point to its best instance. Point indices are
    rows of the input cloud, including the points that were dropped as not finite.

    Attributes
    ----------
    rows : I arrays, [n_i] int32
        Rows of the input cloud that belong to each instance, ascending.
    num_points : int
        N, the number of points of the input cloud.
    class_id : [I] int32
        Class ids of the class table.
    score : [I] float32
        Confidence 0..1, by `ExtractSettings.ranking`.
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
    num_voxels : int
        Number of these voxels, of all tiles together; 0 if it is not known.

    """

    rows: Sequence[NDArray[np.int32]]
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
    num_voxels: int = 0

    def __len__(self) -> int:
        return len(self.score)

    def name(self, index: int) -> str:
        """Return the class name of one instance."""
        return self.class_names[int(self.class_id[index])]

    @property
    def masks(self) -> NDArray[np.uint8]:
        """Masks over the N points, packed as by `numpy.packbits`: [I, ceil(N / 8)], made anew."""
        packed = np.zeros((len(self), (self.num_points + 7) // 8), np.uint8)
        for row, points in zip(packed, self.rows, strict=True):
            if len(points):
                byte = points >> 3
                first = np.flatnonzero(np.diff(byte, prepend=-1))   # of the points of each byte
                bit = np.uint8(128) >> (points & 7).astype(np.uint8)
                row[byte[first]] = np.bitwise_or.reduceat(bit, first)
        return packed

    def mask(self, index: int) -> NDArray[np.bool_]:
        """Return the mask of one instance: [N] bool."""
        mask = np.zeros(self.num_points, np.bool_)
        mask[self.rows[index]] = True
        return mask

    def points(self, index: int) -> NDArray[np.int32]:
        """Return the rows of the input cloud that belong to one instance, ascending."""
        return self.rows[index]

    def point_instance(self) -> NDArray[np.int32]:
        """Return the index of the best instance of each point, -1 for none: [N] int32."""
        best = np.full(self.num_points, -1, np.int32)
        for index in reversed(range(len(self))):
            best[self.rows[index]] = index
        return best

    def moved(self, offset: NDArray[np.float64]) -> Instances:
        """Return the instances with an offset [3], metres, added to their positions."""
        return replace(self, centroid=self.centroid + offset,
                       box_center=self.box_center + offset,
                       upright_center=self.upright_center + offset)

    def take(self, chosen: ArrayLike) -> Instances:
        """
        Return some of the instances.

        Parameters
        ----------
        chosen : [J] integer
            Indices of the instances, in the order of the result; an index may occur repeatedly.

        """
        chosen = np.asarray(chosen, np.int64).reshape(-1)
        columns: dict[str, Any] = {name: getattr(self, name)[chosen] for name in COLUMNS}
        return replace(self, rows=tuple(self.rows[index] for index in chosen), **columns)


COLUMNS = ('class_id', 'score', 'centroid', 'box_center', 'box_size', 'upright_center',
           'upright_size', 'upright_yaw')
"""The attributes of `Instances` with a row per instance, besides `rows`."""


def concatenate(parts: Sequence[Instances]) -> Instances:
    """Return the instances of several clouds one after another; the rest is of the first."""
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS}
    return replace(parts[0], rows=tuple(rows for part in parts for rows in part.rows), **columns)
