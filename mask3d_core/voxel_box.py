"""Occupied voxels of clouds with many points in each: counted in their box, not sorted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
import math

from mask3d_core.sparse.threads import map_blocks
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

MAX_VOXELS_PER_POINT = 8
"""Of the box around a cloud; in a larger one counting takes the memory and time of sorting."""
MAX_FLOAT32_VOXEL = 2.0 ** 23
"""Differences of voxels up to this are exact in float32."""
CHUNK_POINTS = 1 << 15
"""Points whose voxels are computed at once: they stay in the processor's cache."""
ROWS_PER_REDUCTION = 64
"""Points that are compared at once, in rows of three times as many numbers."""


def bounds(xyz: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    Return the lowest and highest position along each axis of points [N, 3], each [3].

    Numpy compares short rows, as of three numbers, many times as slowly as long ones.
    """
    def ends(rows: slice) -> list[NDArray[np.float64]]:
        points = xyz[rows]
        whole = len(points) // ROWS_PER_REDUCTION * ROWS_PER_REDUCTION
        wide = points[:whole].reshape(-1, 3 * ROWS_PER_REDUCTION)
        return [end(np.concatenate([end(wide, axis=0).reshape(-1, 3) if whole else points[:0],
                                    points[whole:]]), axis=0).astype(np.float64)
                for end in (np.min, np.max)]

    low, high = zip(*map_blocks(ends, len(xyz)))
    return np.min(low, axis=0), np.max(high, axis=0)


def voxel_bounds(xyz: NDArray[np.floating], size: float,
                 ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    Return the box of voxels around points [N, 3]; a voxel is floor(position / size).

    Returns
    -------
    low : [3] float64
        The lowest voxel.
    shape : [3] float64
        Voxels along x, y, z; they may be more than an integer can count.

    """
    low, high = (np.floor(end.astype(xyz.dtype) / xyz.dtype.type(size)).astype(np.float64)
                 for end in bounds(xyz))
    return low, high - low + 1


def voxel_places(xyz: NDArray[np.floating], size: float, low: NDArray[np.float64],
                 shape: tuple[int, ...], dtype: type[np.signedinteger] = np.int32,
                 ) -> NDArray[np.signedinteger]:
    """
    Return the flat indices of the voxels of points [n, 3] in a box, in C order: [n].

    Points beyond the box are put at its border. An axis at a time, as numpy takes three times as
    long for rows of three numbers.
    """
    place = np.zeros(len(xyz), dtype)
    for axis, lowest, count in zip(xyz.T, low.tolist(), shape):
        voxel = axis / xyz.dtype.type(size)
        np.floor(voxel, out=voxel)
        voxel -= lowest
        np.clip(voxel, 0, count - 1, out=voxel)
        place *= count
        place += voxel.astype(dtype)
    return place


@dataclass(frozen=True, eq=False)
class VoxelBox:
    """
    The voxels of the box around a cloud, and which of them hold points.

    Attributes
    ----------
    low : [3] int64
        The lowest voxel: floor(position / size).
    shape : 3 int
        Voxels along x, y, z.
    place : [N] int64
        The voxel of each point, in the flattened box.
    filled : [prod(shape)] bool

    """

    low: NDArray[np.int64]
    shape: tuple[int, ...]
    place: NDArray[np.int64]
    filled: NDArray[np.bool_]

    def __len__(self) -> int:
        return int(np.count_nonzero(self.filled))

    @classmethod
    def around(cls, xyz: NDArray[np.floating], size: float) -> VoxelBox | None:
        """
        Put points [N, 3] into voxels of a size, metres.

        Returns None if the box has so many voxels that counting them is not worth it.
        """
        low, shape = voxel_bounds(xyz, size)
        if (shape.prod() > MAX_VOXELS_PER_POINT * len(xyz)
                or (xyz.dtype == np.float32
                    and max(-low.min(), (low + shape).max() - 1) > MAX_FLOAT32_VOXEL)):
            return None
        box = tuple(map(int, shape))
        place, filled = np.empty(len(xyz), np.int64), np.zeros(math.prod(box), np.bool_)
        dtype = np.int32 if len(filled) < 2 ** 31 else np.int64

        def fill(block: slice) -> None:
            for rows in chunks(block):
                place[rows] = voxel_places(xyz[rows], size, low, box, dtype)
                filled[place[rows]] = True

        map_blocks(fill, len(xyz))
        return cls(low.astype(np.int64), box, place, filled)

    def occupied(self) -> tuple[Tensor, Tensor]:
        """
        Return the voxels that hold points.

        Returns
        -------
        coords : [V, 3] int64
            floor(position / size), sorted by x, then y, then z.
        inverse : [N] int64
            The row of each point's voxel in them.

        """
        number = np.cumsum(self.filled, dtype=np.int32)
        number -= 1
        inverse = np.empty(len(self.place), np.int64)

        def look_up(block: slice) -> None:
            for rows in chunks(block):
                inverse[rows] = number.take(self.place[rows])

        map_blocks(look_up, len(inverse))
        coords = np.stack(np.unravel_index(np.flatnonzero(self.filled), self.shape), axis=1)
        return torch.from_numpy(coords + self.low), torch.from_numpy(inverse)


def chunks(block: slice, size: int = CHUNK_POINTS) -> Iterator[slice]:
    """Yield the parts of a block, each of at most `size` rows."""
    for start in range(block.start, block.stop, size):
        yield slice(start, min(start + size, block.stop))
