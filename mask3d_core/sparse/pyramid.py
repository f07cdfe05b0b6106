"""The voxels of every level and the integer tables between them; built once per scan."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
import math
from typing import NamedTuple

from mask3d_core.sparse.grid import CUBE, Grid, KERNELS
from mask3d_core.sparse.rows import group_rows, mean_of_groups
import torch
from torch import Tensor

CUBES = ((CUBE,),) * 5
"""The kernels of the five levels of the paper's U-Net."""
BLOCK_ROWS = 1024
"""
Rows of a level that are convolved together, at most.

Fewer rows need fewer offsets between them (less arithmetic on empty neighbours), more rows
multiply faster; measured in docs/log/attempts.md.
"""
ROW_STEP = 128
"""Blocks have a multiple of so many rows, so that products have few shapes (`conv._round_up`)."""


@dataclass(frozen=True)
class Block:
    """
    Consecutive rows of a level with the neighbours that occur among them.

    Attributes
    ----------
    start, stop : int
        The rows.
    offsets : [n] int64, or None for all
        The offsets of the kernel at which at least one of the rows has a neighbour.
    neighbors : [(stop - start) * n] int32
        For each row its neighbours at these offsets, the level's number of rows for none.

    """

    start: int
    stop: int
    offsets: Tensor | None
    neighbors: Tensor


class Table(NamedTuple):
    """
    Which rows of a level a kernel brings together.

    Attributes
    ----------
    blocks : list of Block
    num_pairs : int
        Number of (voxel, neighbour) pairs, the voxel itself included.

    """

    blocks: list[Block]
    num_pairs: int


@dataclass(frozen=True)
class Level:
    """
    One level of a pyramid; its rows are sorted by scan, then by which neighbours they have.

    Attributes
    ----------
    coords : [V, 4] int64
        Scan, x, y, z in voxels of this level.
    starts : list of int
        Where each scan's rows begin, and V at the end.
    tables : dict of int to Table
        Of its convolutions, by the volume of their kernels.
    children : [V] int64, [num_parents] int64, or None
        The rows parent by parent, and where those of each begin; None at the coarsest.
    slots : [V] int64 or None
        8 times the row of the parent in the next coarser level plus the place within it;
        None at the coarsest.
    num_parents : int
        Rows of the next coarser level.

    """

    coords: Tensor
    starts: list[int]
    tables: dict[int, Table]
    children: tuple[Tensor, Tensor] | None
    slots: Tensor | None
    num_parents: int

    def __len__(self) -> int:
        return len(self.coords)

    def scans(self) -> list[slice]:
        """Return the rows of each scan."""
        return [slice(start, stop) for start, stop in pairwise(self.starts)]

    def pool(self, features: Tensor) -> Tensor:
        """Average the existing children of each parent: [V, C] -> [num_parents, C]."""
        assert self.children is not None, 'the coarsest level has no parents'
        return mean_of_groups(features, *self.children)


@dataclass(frozen=True)
class Pyramid:
    """
    Five levels of voxels, fine to coarse, each with voxels twice as large as the one before.

    Attributes
    ----------
    levels : list of Level
    order : [V] int64
        For each row of the finest level its row in the coordinates the pyramid was built from.
    rank : [V] int64
        The reverse: where each of these coordinates stands in the finest level.

    """

    levels: list[Level]
    order: Tensor
    rank: Tensor


def build_pyramid(coords: Tensor, kernels: Sequence[Collection[int]] = CUBES) -> Pyramid:
    """
    Build all geometry of a batch from its voxel coordinates.

    Parameters
    ----------
    coords : [V, 4] int64
        Scan, x, y, z; unique, any order, every scan from 0 on present.
    kernels : for each level, fine to coarse
        The volumes of the kernels it is convolved with, as `ModelConfig.kernels` has them.

    """
    grid, rows = Grid.sort(coords)
    num_scans = int(coords[:, 0].max()) + 1
    arranged = _arrange(grid, kernels[0])
    finest = rows[arranged.order]
    levels = []
    for volumes in kernels[1:]:
        coarse, slots = grid.coarsen()
        parents = _arrange(coarse, volumes)
        slots = slots[arranged.order]
        slots = 8 * parents.rank[slots >> 3] + (slots & 7)
        levels.append(_level(grid, arranged, num_scans, slots, len(coarse.keys)))
        grid, arranged = coarse, parents
    levels.append(_level(grid, arranged, num_scans, None, 0))
    rank = torch.empty_like(finest)
    rank[finest] = torch.arange(len(finest), device=finest.device)
    return Pyramid(levels, finest, rank)


class _Arranged(NamedTuple):
    """How a level's rows are arranged: order and rank as in Pyramid, rank one longer."""

    order: Tensor
    rank: Tensor
    tables: dict[int, Table]


def _level(grid: Grid, arranged: _Arranged, num_scans: int, slots: Tensor | None,
           num_parents: int) -> Level:
    coords = grid.coords.index_select(0, arranged.order)
    scans = torch.arange(num_scans + 1, device=coords.device)
    starts = torch.searchsorted(coords[:, 0].contiguous(), scans).tolist()
    children = None if slots is None else group_rows(slots >> 3, num_parents)
    return Level(coords, starts, arranged.tables, children, slots, num_parents)


def _arrange(grid: Grid, volumes: Collection[int]) -> _Arranged:
    """Order the voxels of a level by the largest kernel's neighbours, and make its tables."""
    largest = max(volumes)
    table = grid.neighbors(largest)
    count = table.shape[1]
    order = _pattern_order(grid.coords[:, 0], table < count)
    rank = torch.empty(count + 1, dtype=torch.int64, device=order.device)
    rank[order] = torch.arange(count, device=order.device)
    rank[count] = count  # "no neighbour" stays so
    renamed = rank.int().index_select(0, table.t().reshape(-1)).view(count, -1)
    neighbors = renamed.index_select(0, order)                  # [V, largest]
    tables = {volume: _cut(neighbors if volume == largest else neighbors[:, KERNELS[volume]])
              for volume in volumes}
    return _Arranged(order, rank, tables)


def _cut(neighbors: Tensor) -> Table:
    """Cut a table of neighbours [V, volume] into blocks."""
    present = neighbors < len(neighbors)
    length = _block_rows(len(neighbors))
    occurs = torch.stack([part.any(0) for part in present.split(length)]).cpu()
    blocks = []
    for number, (part, occurring) in enumerate(zip(neighbors.split(length), occurs)):
        start = number * length
        offsets = None if occurring.all() else occurring.nonzero()[:, 0].to(part.device)
        part = part if offsets is None else part.index_select(1, offsets)
        blocks.append(Block(start, start + len(part), offsets, part.reshape(-1)))
    return Table(blocks, int(present.sum()))


def _block_rows(count: int) -> int:
    """Return how long the blocks of a level are: alike, so that threads end together."""
    if count <= BLOCK_ROWS:
        return BLOCK_ROWS
    pairs = math.ceil(count / (2 * BLOCK_ROWS))
    return ROW_STEP * math.ceil(count / (2 * pairs * ROW_STEP))


def _pattern_order(scan: Tensor, present: Tensor) -> Tensor:
    """
    Sort voxels so that those with the same neighbours stand together.

    The rarest offset counts most: a block then seldom has to carry it.
    """
    rarest_first = present.sum(1).argsort(stable=True)
    pattern = scan << len(present)
    for place, offset in enumerate(rarest_first.tolist(), 1):
        pattern = pattern | (present[offset].long() << (len(present) - place))
    return pattern.argsort(stable=True)
