"""The voxels of all levels, their kernel maps and parents; built once per scan."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
import math
from typing import NamedTuple

from mask3d_core.sparse.fused_conv import runs_fused
from mask3d_core.sparse.gather_table import ConvTables, to_parents, within_level
from mask3d_core.sparse.grid import CUBE, Grid, KERNEL_OFFSETS
from mask3d_core.sparse.planes import cut_planes, MIN_LEVEL_ROWS, plane_order, Planes
from mask3d_core.sparse.rows import group_rows, mean_of_groups
import torch
from torch import Tensor

CUBE_KERNELS = ((CUBE,),) * 5
"""Kernel volumes of the five levels of the paper's U-Net."""
MAX_BLOCK_ROWS = 1024
"""
Largest number of rows that are convolved together.

Smaller blocks spend fewer FLOPs on absent neighbors, larger ones multiply faster; measured in
docs/log/attempts.md.
"""
BLOCK_ROW_MULTIPLE = 128
"""Blocks have a multiple of this many rows: products then have few shapes (`conv._pad_rows`)."""


@dataclass(frozen=True)
class Block:
    """
    Consecutive rows of a level and the part of the kernel map that they need.

    Attributes
    ----------
    start, stop : int
        Range of the rows.
    offsets : [n] int64, or None for all
        The offsets of the kernel at which at least one of the rows has a neighbor.
    neighbors : [(stop - start) * n] int32
        The neighbors of each row at these offsets; the level's number of rows if absent.

    """

    start: int
    stop: int
    offsets: Tensor | None
    neighbors: Tensor


class KernelMap(NamedTuple):
    """
    The input rows of each output row of a convolution within a level.

    Attributes
    ----------
    blocks : list of Block
        None if there are planes.
    num_pairs : int
        Number of (voxel, neighbor) pairs, the voxel itself included.
    planes : Planes, optional
        The same by planes.

    """

    blocks: list[Block]
    num_pairs: int
    planes: Planes | None = None


class DeviceKernelMap:
    """
    A `KernelMap` on a GPU: a table, cut into blocks only where the fused kernels are not used.

    Parameters
    ----------
    table : [volume, V] int32
        The neighbor of each voxel at each offset; V if absent.

    """

    planes: Planes | None = None  # on CPUs only

    def __init__(self, table: Tensor) -> None:
        self.table = table

    @cached_property
    def tables(self) -> ConvTables:
        """The tables for the fused kernels."""
        return within_level(self.table)

    @cached_property
    def blocks(self) -> list[Block]:
        """The blocks, as in `KernelMap`."""
        return _cut(self.table.t().contiguous()).blocks

    @cached_property
    def num_pairs(self) -> int:
        """Number of (voxel, neighbor) pairs, as in `KernelMap`."""
        return int((self.table < self.table.shape[1]).sum())


@dataclass(frozen=True)
class Level:
    """
    One level of a pyramid; its rows are sorted by scan, then by which neighbors are present.

    Attributes
    ----------
    coords : [V, 4] int64
        Scan, x, y, z in voxels of this level.
    starts : list of int
        First row of each scan, and V at the end.
    kernel_maps : dict of int to KernelMap or DeviceKernelMap
        Of the level's convolutions, by kernel volume.
    children : [V] int64, [num_parents] int64, or None
        The rows grouped by parent, and where each group starts; None at the coarsest level.
    slots : [V] int64 or None
        8 times the row of the parent in the next coarser level plus the place among its eight
        children; None at the coarsest level.
    num_parents : int
        Rows of the next coarser level.

    """

    coords: Tensor
    starts: list[int]
    kernel_maps: Mapping[int, KernelMap | DeviceKernelMap]
    children: tuple[Tensor, Tensor] | None
    slots: Tensor | None
    num_parents: int

    def __len__(self) -> int:
        return len(self.coords)

    def scans(self) -> list[slice]:
        """Return the rows of each scan."""
        return [slice(start, stop) for start, stop in pairwise(self.starts)]

    @cached_property
    def to_parents(self) -> ConvTables:
        """The tables of a strided convolution, for the fused kernels."""
        assert self.slots is not None, 'the coarsest level has no parents'
        return to_parents(self.slots, self.num_parents)

    @cached_property
    def from_parents(self) -> ConvTables:
        """The tables of a transposed convolution, for the fused kernels."""
        return ConvTables(self.to_parents.backward, self.to_parents.forward, mirrored=False)

    def pool(self, features: Tensor) -> Tensor:
        """Average the occupied children of each parent: [V, C] -> [num_parents, C]."""
        assert self.children is not None, 'the coarsest level has no parents'
        return mean_of_groups(features, *self.children)


@dataclass(frozen=True)
class Pyramid:
    """
    Five levels of voxels, fine to coarse; the voxel size doubles from level to level.

    Attributes
    ----------
    levels : list of Level
    order : [V] int64
        For each row of the finest level its row in the coordinates the pyramid was built from.
    rank : [V] int64
        The inverse permutation: the finest level's row of each of these coordinates.

    """

    levels: list[Level]
    order: Tensor
    rank: Tensor


def build_pyramid(coords: Tensor, kernels: Sequence[Collection[int]] = CUBE_KERNELS,
                  planes: bool = False) -> Pyramid:
    """
    Build the levels and kernel maps of a batch from its voxel coordinates.

    Parameters
    ----------
    coords : [V, 4] int64
        Scan, x, y, z; unique, in any order; scans are numbered from 0 without gaps.
    kernels : for each level, fine to coarse
        The kernel volumes of its convolutions, as in `ModelConfig.kernels`.
    planes : bool
        Whether cubes are convolved plane by plane (`planes.py`), which has no gradients.

    """
    grid, rows = Grid.sort(coords)
    arranged = _arrange(grid, kernels[0], planes)
    finest = rows[arranged.order]
    levels = []
    for volumes in kernels[1:]:
        coarse, slots = grid.coarsen()
        parents = _arrange(coarse, volumes, planes)
        slots = slots[arranged.order]
        slots = 8 * parents.rank[slots >> 3] + (slots & 7)
        levels.append(_level(grid, arranged, slots, len(coarse.keys)))
        grid, arranged = coarse, parents
    levels.append(_level(grid, arranged, None, 0))
    rank = torch.empty_like(finest)
    rank[finest] = torch.arange(len(finest), device=finest.device)
    return Pyramid(levels, finest, rank)


class _Arranged(NamedTuple):
    """Row order of a level: `order` and `rank` as in Pyramid, and rank[V] = V."""

    order: Tensor
    rank: Tensor
    kernel_maps: Mapping[int, KernelMap | DeviceKernelMap]


def _level(grid: Grid, arranged: _Arranged, slots: Tensor | None, num_parents: int) -> Level:
    coords = grid.coords.index_select(0, arranged.order)
    starts = [0, len(coords)]
    if grid.num_scans > 1:
        scans = torch.arange(grid.num_scans + 1, device=coords.device)
        starts = torch.searchsorted(coords[:, 0].contiguous(), scans).tolist()
    children = None if slots is None else group_rows(slots >> 3, num_parents)
    return Level(coords, starts, arranged.kernel_maps, children, slots, num_parents)


def _arrange(grid: Grid, volumes: Collection[int], planes: bool) -> _Arranged:
    """Sort the voxels of a level by the neighbors of the largest kernel; map all kernels."""
    largest = max(volumes)
    table = grid.neighbors(largest)
    count = table.shape[1]
    fused = table.is_cuda or runs_fused(table)
    planes = planes and largest == CUBE and count >= MIN_LEVEL_ROWS and not fused
    order = (plane_order if planes else _pattern_order)(grid.coords[:, 0], table < count)
    rank = torch.empty(count + 1, dtype=torch.int64, device=order.device)
    rank[order] = torch.arange(count, device=order.device)
    rank[count] = count  # an absent neighbor stays absent
    if fused:
        return _Arranged(order, rank, _device_maps(
            rank.int().index_select(0, table.reshape(-1)).view(table.shape).index_select(1, order),
            volumes))
    renamed = rank.int().index_select(0, table.t().reshape(-1)).view(count, -1)
    neighbors = renamed.index_select(0, order)                  # [V, largest]
    maps = {volume: _cut(neighbors if volume == largest
                         else neighbors[:, KERNEL_OFFSETS[volume]], planes and volume == CUBE)
            for volume in volumes}
    return _Arranged(order, rank, maps)


def _device_maps(table: Tensor, volumes: Collection[int]) -> dict[int, DeviceKernelMap]:
    """Return the kernel maps with these volumes, from the table of the largest."""
    return {volume: DeviceKernelMap(
        table if volume == len(table)
        else torch.stack([table[offset] for offset in KERNEL_OFFSETS[volume]]))
        for volume in volumes}


def _cut(neighbors: Tensor, planes: bool = False) -> KernelMap:
    """Cut a table of neighbors [V, volume] into blocks."""
    present = neighbors < len(neighbors)
    if planes:
        return KernelMap([], int(present.sum()), cut_planes(neighbors, present))
    length = _block_rows(len(neighbors))
    occurs = torch.stack([part.any(0) for part in present.split(length)]).cpu()
    blocks = []
    for number, (part, occurring) in enumerate(zip(neighbors.split(length), occurs)):
        start = number * length
        offsets = None if occurring.all() else occurring.nonzero()[:, 0].to(part.device)
        part = part if offsets is None else part.index_select(1, offsets)
        blocks.append(Block(start, start + len(part), offsets, part.reshape(-1)))
    return KernelMap(blocks, int(present.sum()))


def _block_rows(count: int) -> int:
    """Return the rows per block of a level: nearly equal blocks, so that threads end together."""
    if count <= MAX_BLOCK_ROWS:
        return MAX_BLOCK_ROWS
    pairs = math.ceil(count / (2 * MAX_BLOCK_ROWS))  # an even number of blocks suits two threads
    return BLOCK_ROW_MULTIPLE * math.ceil(count / (2 * pairs * BLOCK_ROW_MULTIPLE))


def _pattern_order(scan: Tensor, present: Tensor) -> Tensor:
    """
    Sort voxels so that those with the same offsets of neighbors are in the same blocks.

    The rarest offset is the most significant bit: few blocks then need it.
    """
    rarest_first = present.sum(1).argsort(stable=True)
    pattern = scan << len(present)
    if present.is_cuda:  # without waiting for the GPU
        places = torch.arange(len(present) - 1, -1, -1, device=present.device)
        bits = present.index_select(0, rarest_first).long() << places[:, None]
        return (pattern + bits.sum(0)).argsort(stable=True)
    for place, offset in enumerate(rarest_first.tolist(), 1):
        pattern = pattern | (present[offset].long() << (len(present) - place))
    return pattern.argsort(stable=True)
