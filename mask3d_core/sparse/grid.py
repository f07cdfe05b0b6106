"""Voxel coordinates as sorted integer keys, from which all neighborhoods are computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math

from mask3d_core.errors import InputError
import torch
from torch import Tensor
from torch.nn import functional

GRID_MARGIN = 16
"""
Free cells around the voxels of the finest level.

A neighbor's key then never wraps into the next row, and up to stride 16 the cells of each level
keep the parity of the absolute coordinates.
"""
NEIGHBOR_OFFSETS = torch.tensor([[k % 3 - 1, k // 3 % 3 - 1, k // 9 - 1] for k in range(27)])
"""The offsets of a 3 x 3 x 3 neighborhood, x fastest: [27, 3]."""
CUBE, CROSS = 27, 7
"""Kernel volumes: the 3 x 3 x 3 neighborhood, or the voxel and its six face neighbors."""
KERNEL_OFFSETS = {CUBE: tuple(range(27)), CROSS: (4, 10, 12, 13, 14, 16, 22)}
"""
Offsets of a kernel by its volume, as rows of `NEIGHBOR_OFFSETS`. The middle one is the voxel
itself; the kth from the start and from the end are opposite.
"""
_HALF_COLUMNS = {
    CUBE: ((0, 0, 1, 1), (0, 1, -1, 1), (1, -1, -1, 1), (1, 0, -1, 1), (1, 1, -1, 1)),
    CROSS: ((0, 0, 1, 1), (0, 1, 0, 0), (1, 0, 0, 0))}
"""Half of a kernel's offsets, of which the others are mirrors: x, y, lowest and highest z."""


def cell_shift(coords: Tensor) -> Tensor:
    """Return the multiple of `GRID_MARGIN` below all voxels of [V, 4] (scan, x, y, z): [3]."""
    lowest = coords[:, 1:].amin(0)
    return lowest.div(GRID_MARGIN, rounding_mode='floor') * GRID_MARGIN - GRID_MARGIN


def cell_keys(coords: Tensor, shift: Tensor) -> tuple[Tensor, list[int]]:
    """
    Return the mixed-radix keys of cells (scan, x, y, z), z fastest.

    Returns
    -------
    keys, size
        [V] int64, and the number of scans and of cells along x, y, z: one more than are occupied,
        so that a step beyond the last cell leads to no other.

    Raises
    ------
    InputError
        When the voxels span more cells than a key can number.

    """
    highest = coords.amax(0)
    scans, *size = torch.cat([highest[:1] + 1, highest[1:] - shift + 2]).tolist()
    if math.prod(size) * scans >= 2 ** 62:
        raise InputError(
            f'the cloud spans {size[0]} x {size[1]} x {size[2]} voxels, more than can be '
            'numbered: remove outliers, crop the cloud, or check that it is in metres')
    return _keys(coords[:, 0], coords[:, 1:] - shift, size), [scans, *size]


def _keys(scan: Tensor, xyz: Tensor, size: Sequence[int]) -> Tensor:
    x, y, z = xyz.unbind(1)
    return ((scan * size[0] + x) * size[1] + y) * size[2] + z


def occupied_cells(point_cells: Tensor) -> tuple[Tensor, Tensor]:
    """
    Return the occupied cells of one scan.

    Parameters
    ----------
    point_cells : [N, 3] int64
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
    cells = functional.pad(point_cells, (1, 0))
    keys, inverse = torch.unique(cell_keys(cells, cell_shift(cells))[0], return_inverse=True)
    coords = point_cells.new_empty(len(keys), 3)
    coords[inverse] = point_cells
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
        Mixed-radix key of (scan, x, y, z), z fastest; ascending and unique.
    num_scans : int
    size : 3 int
        Numbers of cells along x, y, z, the radixes of the keys. They are kept on the host: reading
        them from a GPU would wait for it at every level.

    """

    coords: Tensor
    keys: Tensor
    num_scans: int
    size: tuple[int, ...]

    @property
    def stride_x(self) -> int:
        """Difference of the keys of neighbors along x."""
        return self.size[1] * self.size[2]

    @property
    def stride_y(self) -> int:
        """Difference of the keys of neighbors along y; along z it is 1."""
        return self.size[2]

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
        unsorted, (num_scans, *size) = cell_keys(coords, shift)
        keys, rows = unsorted.sort()
        shifted = torch.cat([coords[:, :1], coords[:, 1:] - shift], 1).index_select(0, rows)
        return cls(shifted, keys, num_scans, tuple(size)), rows

    def coarsen(self) -> tuple[Grid, Tensor]:
        """
        Merge 2 x 2 x 2 voxels into one.

        Returns
        -------
        grid, slots
            slots [V]: 8 times the row of a voxel's parent plus its place among the eight
            children, x fastest (the order of the original's 2 x 2 x 2 kernels).

        """
        halves = torch.cat([self.coords[:, :1], self.coords[:, 1:] >> 1], 1)
        size = tuple((cells - 2) // 2 + 2 for cells in self.size)  # the last cell, halved
        keys, parent = torch.unique(_keys(halves[:, 0], halves[:, 1:], size), return_inverse=True)
        coords = torch.empty(len(keys), 4, dtype=torch.int64, device=keys.device)
        coords[parent] = halves
        x, y, z = (self.coords[:, 1:] & 1).unbind(1)  # CUDA has no integer matmul
        slots = 8 * parent + x + 2 * y + 4 * z
        return Grid(coords, keys, self.num_scans, size), slots

    def neighbors(self, volume: int = CUBE) -> Tensor:
        """
        Find the neighbors of all voxels at the offsets of a kernel.

        The keys of voxels one step apart in z are consecutive, so one binary search serves a
        column of three. If v is the neighbor of u at an offset, u is that of v at the opposite
        one, so five of the nine columns of a cube are enough.

        Returns
        -------
        [volume, V] int32
            Row of the neighbor at `NEIGHBOR_OFFSETS[KERNEL_OFFSETS[volume][k]]`; V if absent.

        """
        count = len(self.keys)
        keys = torch.cat([self.keys, self.keys.new_full((1,), -1)])  # row V: no voxel
        rows = torch.arange(count, dtype=torch.int32, device=keys.device)
        # The last column takes the mirrored writes of absent neighbors; it is cut off at the end.
        table = torch.full((volume, count + 1), count, dtype=torch.int32, device=keys.device)
        table[volume // 2, :count] = rows
        for dx, dy, lowest, highest in _HALF_COLUMNS[volume]:
            wanted = self.keys + (dx * self.stride_x + dy * self.stride_y + lowest)
            place = torch.searchsorted(self.keys, wanted)
            for dz in range(lowest, highest + 1):
                present = keys.index_select(0, place) == wanted
                neighbor = place.where(present, count)
                offset = KERNEL_OFFSETS[volume].index((dx + 1) + 3 * (dy + 1) + 9 * (dz + 1))
                table[offset, :count] = neighbor
                table[volume - 1 - offset].scatter_(0, neighbor, rows)
                place, wanted = place + present, wanted + 1
        return table[:, :count]
