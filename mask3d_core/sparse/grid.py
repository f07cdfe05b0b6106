"""Voxel coordinates as sorted integer keys: the one structure all geometry is read from."""

from __future__ import annotations

from dataclasses import dataclass
import math

from mask3d_core.errors import InputError
import torch
from torch import Tensor
from torch.nn import functional

MARGIN = 16
"""
Free cells around the voxels of level 0.

A neighbour's key then never wraps into the next row, and cells of every level up to stride 16 keep
the parity of the absolute coordinates.
"""
STEPS = torch.tensor([[k % 3 - 1, k // 3 % 3 - 1, k // 9 - 1] for k in range(27)])
"""The offsets of a 3 x 3 x 3 neighbourhood, x fastest: [27, 3]."""
CUBE, CROSS = 27, 7
"""Volumes of the kernels there are: all of that neighbourhood, or one step along each axis."""
KERNELS = {CUBE: tuple(range(27)), CROSS: (4, 10, 12, 13, 14, 16, 22)}
"""Rows of `STEPS` by volume; the one in the middle is the voxel itself, opposite ones mirror."""
_COLUMNS = {CUBE: ((0, 0, 1, 1), (0, 1, -1, 1), (1, -1, -1, 1), (1, 0, -1, 1), (1, 1, -1, 1)),
            CROSS: ((0, 0, 1, 1), (0, 1, 0, 0), (1, 0, 0, 0))}
"""Half of their offsets, the other half mirrors: x, y, lowest and highest z."""


def cell_shift(coords: Tensor) -> Tensor:
    """Return the multiple of `MARGIN` below all voxels of [V, 4] (scan, x, y, z): [3]."""
    return coords[:, 1:].amin(0).div(MARGIN, rounding_mode='floor') * MARGIN - MARGIN


def cell_keys(coords: Tensor, shift: Tensor | int) -> tuple[Tensor, list[int]]:
    """
    Return the numbers of cells (scan, x, y, z) by mixed radix, z fastest.

    Returns
    -------
    keys, size
        [V] int64, and the number of cells along x, y, z: one more than occur, so that a step
        beyond the last cell meets no other.

    Raises
    ------
    InputError
        When the voxels span more cells than a key can number.

    """
    size = (coords[:, 1:].amax(0) - shift + 2).tolist()
    if math.prod(size) * (int(coords[:, 0].max()) + 1) >= 2 ** 62:
        raise InputError(
            f'the cloud spans {size[0]} x {size[1]} x {size[2]} voxels, more than can be '
            'numbered: remove outliers, crop the cloud, or check that it is in metres')
    scan, x, y, z = coords.unbind(1)
    if not isinstance(shift, int):
        x, y, z = x - shift[0], y - shift[1], z - shift[2]
    return ((scan * size[0] + x) * size[1] + y) * size[2] + z, size


def occupied_cells(places: Tensor) -> tuple[Tensor, Tensor]:
    """
    Return the cells some points of one scan are in.

    Parameters
    ----------
    places : [N, 3] int64
        Cell of each point; any sign, any order.

    Returns
    -------
    coords, inverse
        [V, 3] int64, sorted by x, then y, then z, and the row [N] of each point's cell in them.

    Raises
    ------
    InputError
        When the points span more cells than a key can number.

    """
    cells = functional.pad(places, (1, 0))
    keys, inverse = torch.unique(cell_keys(cells, cell_shift(cells))[0], return_inverse=True)
    coords = places.new_empty(len(keys), 3)
    coords[inverse] = places
    return coords, inverse


@dataclass(frozen=True)
class Grid:
    """
    Unique voxels in ascending order of their key.

    Attributes
    ----------
    coords : [V, 4] int64
        Scan of the batch, x, y, z; shifted so that x, y, z are positive.
    keys : [V] int64
        Mixed-radix number of (scan, x, y, z), z fastest; ascending and unique.
    stride_x, stride_y : int
        How much the key grows with one step in x and in y; one step in z is 1.

    """

    coords: Tensor
    keys: Tensor
    stride_x: int
    stride_y: int

    @classmethod
    def sort(cls, coords: Tensor) -> tuple[Grid, Tensor]:
        """
        Sort unique voxels.

        Parameters
        ----------
        coords : [V, 4] int64
            Scan, x, y, z in voxels; any sign, any order.

        Returns
        -------
        grid, rows
            rows [V]: the input row of each voxel of the grid.

        Raises
        ------
        InputError
            When the voxels span more cells than a key can number.

        """
        shift = cell_shift(coords)
        unsorted, size = cell_keys(coords, shift)
        keys, rows = unsorted.sort()
        shifted = torch.cat([coords[:, :1], coords[:, 1:] - shift], 1).index_select(0, rows)
        return cls(shifted, keys, size[1] * size[2], size[2]), rows

    def coarsen(self) -> tuple[Grid, Tensor]:
        """
        Merge 2 x 2 x 2 voxels into one.

        Returns
        -------
        grid, slots
            slots [V]: 8 times the row of a voxel's parent plus its place within it,
            x fastest (the order of the original's 2 x 2 x 2 kernels).

        """
        halves = torch.cat([self.coords[:, :1], self.coords[:, 1:] >> 1], 1)
        unsorted, size = cell_keys(halves, 0)
        keys, parent = torch.unique(unsorted, return_inverse=True)
        coords = torch.empty(len(keys), 4, dtype=torch.int64, device=keys.device)
        coords[parent] = halves
        x, y, z = (self.coords[:, 1:] & 1).unbind(1)  # CUDA has no product of integers
        slots = 8 * parent + x + 2 * y + 4 * z
        return Grid(coords, keys, size[1] * size[2], size[2]), slots

    def neighbors(self, volume: int = CUBE) -> Tensor:
        """
        Find the neighbours of every voxel at the offsets of a kernel.

        Voxels one step apart in z are consecutive keys, so one binary search serves a column of
        three; and a neighbour's neighbour on the other side is the voxel itself, so five of the
        nine columns of a cube are enough.

        Returns
        -------
        [volume, V] int32
            Row of the neighbour at the offset `STEPS[KERNELS[volume][k]]`; V for none.

        """
        count = len(self.keys)
        keys = torch.cat([self.keys, self.keys.new_full((1,), -1)])  # beyond the last is none
        rows = torch.arange(count, dtype=torch.int32, device=keys.device)
        # Its last column is written where there is no neighbour, and left out in the end.
        table = torch.full((volume, count + 1), count, dtype=torch.int32, device=keys.device)
        table[volume // 2, :count] = rows
        for dx, dy, lowest, highest in _COLUMNS[volume]:
            wanted = self.keys + (dx * self.stride_x + dy * self.stride_y + lowest)
            place = torch.searchsorted(self.keys, wanted)
            for dz in range(lowest, highest + 1):
                found = keys.index_select(0, place) == wanted
                there = place.where(found, count)
                offset = KERNELS[volume].index((dx + 1) + 3 * (dy + 1) + 9 * (dz + 1))
                table[offset, :count] = there
                table[volume - 1 - offset].scatter_(0, there, rows)
                place, wanted = place + found, wanted + 1
        return table[:, :count]
