"""The voxels of every level and the integer tables between them; built once per scan."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from mask3d_core.sparse.grid import Grid
from mask3d_core.sparse.rows import place_rows
import torch
from torch import Tensor

NUM_LEVELS = 5
BLOCK_ROWS = 1024
"""
Rows of a level that are convolved together.

Fewer rows need fewer offsets between them (less arithmetic on empty neighbours), more rows multiply
faster; measured in docs/benchmarks.md.
"""


@dataclass(frozen=True)
class Block:
    """
    Consecutive rows of a level with the neighbours that occur among them.

    Attributes
    ----------
    start, stop : int
        The rows.
    offsets : [n] int64, or None for all 27
        The offsets at which at least one of the rows has a neighbour.
    neighbors : [(stop - start) * n] int32
        For each row its neighbours at these offsets, the level's number of rows for none.

    """

    start: int
    stop: int
    offsets: Tensor | None
    neighbors: Tensor


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
    blocks : list of Block
        The table of its 3 x 3 x 3 convolutions.
    num_pairs : int
        Number of (voxel, neighbour) pairs, the voxel itself included.
    slots : [V] int64 or None
        8 times the row of the parent in the next coarser level plus the place within it;
        None at the coarsest.
    num_parents : int
        Rows of the next coarser level.

    """

    coords: Tensor
    starts: list[int]
    blocks: list[Block]
    num_pairs: int
    slots: Tensor | None
    num_parents: int

    def __len__(self) -> int:
        return len(self.coords)

    def scans(self) -> list[slice]:
        """Return the rows of each scan."""
        return [slice(start, stop) for start, stop in pairwise(self.starts)]

    def pool(self, features: Tensor) -> Tensor:
        """Average the existing children of each parent: [V, C] -> [num_parents, C]."""
        assert self.slots is not None
        children = place_rows(features, self.slots, 8 * self.num_parents)
        count = torch.bincount(self.slots >> 3, minlength=self.num_parents)
        return children.view(self.num_parents, 8, -1).sum(1) / count[:, None].to(features.dtype)


@dataclass(frozen=True)
class Pyramid:
    """
    Five levels of voxels, fine to coarse, each with voxels twice as large as the one before.

    Attributes
    ----------
    levels : list of Level
    rows : [V] int64
        For each row of the finest level its row in the coordinates the pyramid was built from.

    """

    levels: list[Level]
    rows: Tensor


def build_pyramid(coords: Tensor) -> Pyramid:
    """
    Build all geometry of a batch from its voxel coordinates.

    Parameters
    ----------
    coords : [V, 4] int64
        Scan, x, y, z; unique, any order, every scan from 0 on present.

    """
    grid, rows = Grid.sort(coords)
    num_scans = int(coords[:, 0].max()) + 1
    order, rank, blocks, num_pairs = _blocks(grid)
    rows = rows[order]
    levels = []
    for depth in range(NUM_LEVELS):
        starts = torch.searchsorted(grid.coords[order, 0].contiguous(),
                                    torch.arange(num_scans + 1, device=rows.device)).tolist()
        if depth == NUM_LEVELS - 1:
            levels.append(Level(grid.coords[order], starts, blocks, num_pairs, None, 0))
            break
        coarse, slots = grid.coarsen()
        coarse_order, coarse_rank, coarse_blocks, coarse_pairs = _blocks(coarse)
        slots = slots[order]
        slots = 8 * coarse_rank[slots >> 3].long() + (slots & 7)
        levels.append(Level(grid.coords[order], starts, blocks, num_pairs, slots, len(coarse.keys)))
        grid, order, rank = coarse, coarse_order, coarse_rank
        blocks, num_pairs = coarse_blocks, coarse_pairs
    return Pyramid(levels, rows)


def _blocks(grid: Grid) -> tuple[Tensor, Tensor, list[Block], int]:
    """Order the voxels and cut their neighbour table; return order, its inverse, blocks, pairs."""
    table = grid.neighbors()
    count = table.shape[1]
    present = table < count
    order = _pattern_order(grid.coords[:, 0], present)
    rank = torch.empty(count + 1, dtype=torch.int32, device=order.device)
    rank[order] = torch.arange(count, dtype=torch.int32, device=order.device)
    rank[count] = count

    occurs = [part.any(1) for part in present[:, order].split(BLOCK_ROWS, 1)]
    blocks = []
    for number, occurring in enumerate(torch.stack(occurs).cpu()):
        start = number * BLOCK_ROWS
        stop = min(start + BLOCK_ROWS, count)
        offsets = None if occurring.all() else occurring.nonzero()[:, 0].to(order.device)
        part = table.index_select(1, order[start:stop])
        part = part if offsets is None else part.index_select(0, offsets)
        blocks.append(Block(start, stop, offsets, rank[part.t().reshape(-1).long()]))
    return order, rank, blocks, int(present.sum())


def _pattern_order(scan: Tensor, present: Tensor) -> Tensor:
    """
    Sort voxels so that those with the same neighbours stand together.

    The rarest offset counts most: a block then seldom has to carry it.
    """
    rarest_first = present.sum(1).argsort(stable=True)
    pattern = scan << 27
    for place, offset in enumerate(rarest_first.tolist()):
        pattern = pattern | (present[offset].long() << (26 - place))
    return pattern.argsort(stable=True)
