"""
Convolution with a cube plane by plane: 9 of its 27 offsets at once.

Few voxels of a block have a neighbor at all of the offsets that occur in it; for the others zeros
are multiplied. Each plane has an order of rows of its own, in which voxels with the same neighbors
in that plane are in the same blocks. Of a room a quarter of the products is saved. The sums of the
two outer planes are stored first, and then added to those of the middle plane.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mask3d_core.sparse.grid import CUBE
from mask3d_core.sparse.threads import parallel_for
import torch
from torch import Tensor
from torch.nn import functional

LOWER, MIDDLE, UPPER = slice(0, 9), slice(9, 18), slice(18, 27)
"""The planes of a cube in its offsets, which are in the order of `NEIGHBOR_OFFSETS`."""
MAX_BLOCK_ROWS = 256
"""Largest number of rows that are convolved together; see docs/log/speed.md."""
MIN_LEVEL_ROWS = 1024
"""Smaller levels are convolved with whole cubes: there reading the weights takes the time."""


@dataclass(frozen=True)
class PlaneBlock:
    """
    Consecutive rows of a plane and the part of the kernel map that they need.

    Attributes
    ----------
    start, stop : int
        Range of the rows.
    offsets : [n] int64, or a slice for the whole plane
        The offsets of the cube at which at least one of the rows has a neighbor. Blocks in
        succession with the same offsets share the object.
    neighbors : [(stop - start) * n] int32
        The neighbors of each row at these offsets; the level's number of rows if absent.

    """

    start: int
    stop: int
    offsets: Tensor | slice
    neighbors: Tensor


class Planes(NamedTuple):
    """
    The input rows of each output row of a convolution with a cube, by planes.

    Attributes
    ----------
    outer : list of PlaneBlock
        Of the lower and the upper plane; their rows are those of the partial sums.
    middle : list of PlaneBlock
        Their rows are those of the level.
    places : [2, V] int32
        The partial sums of each voxel in the lower and in the upper plane: a row, or
        `num_partial` if it has no neighbors there.
    num_partial : int
        Number of partial sums.

    """

    outer: list[PlaneBlock]
    middle: list[PlaneBlock]
    places: Tensor
    num_partial: int


def plane_order(scan: Tensor, present: Tensor) -> Tensor:
    """
    Sort the voxels of a level by scan, then by neighbors in the middle plane, then by others.

    Parameters
    ----------
    scan : [V] int64
    present : [27, V] bool
        Whether a voxel has a neighbor at an offset.

    """
    others = torch.cat([present[LOWER], present[UPPER]])
    pattern = _append_bits(_append_bits(scan, present[MIDDLE]), others)
    return pattern.argsort(stable=True)


def _append_bits(pattern: Tensor, present: Tensor) -> Tensor:
    """Append the bits of some offsets to a pattern [V], the rarest first: few blocks need it."""
    for offset in present.sum(1).argsort(stable=True).tolist():
        pattern = pattern << 1 | present[offset]
    return pattern


def cut_planes(neighbors: Tensor, present: Tensor) -> Planes:
    """
    Cut a table of neighbors into blocks.

    Parameters
    ----------
    neighbors : [V, 27] int32
        V if absent.
    present : [V, 27] bool
        The others.

    """
    count = len(neighbors)
    places = neighbors.new_empty(2, count)
    outer: list[PlaneBlock] = []
    num_partial = 0
    for place, plane in zip(places, (LOWER, UPPER)):
        inside = present[:, plane]
        rows = inside.any(1).nonzero()[:, 0]
        inside = inside.index_select(0, rows)
        order = _append_bits(torch.zeros_like(rows), inside.t()).argsort(stable=True)
        rows = rows.index_select(0, order)
        outer += _cut(neighbors[:, plane].index_select(0, rows), inside.index_select(0, order),
                      plane, num_partial)
        place.fill_(-1)
        place[rows] = torch.arange(num_partial, num_partial + len(rows), dtype=place.dtype)
        num_partial += len(rows)
    places[places < 0] = num_partial
    middle = _cut(neighbors[:, MIDDLE], present[:, MIDDLE], MIDDLE, 0)
    return Planes(outer, middle, places, num_partial)


def _cut(neighbors: Tensor, present: Tensor, plane: slice, first: int) -> list[PlaneBlock]:
    """Cut the table of a plane, [rows, 9], into blocks that are numbered from `first`."""
    padded = functional.pad(present, (0, 0, 0, -len(present) % MAX_BLOCK_ROWS))
    occurs = padded.view(-1, MAX_BLOCK_ROWS, 9).any(1)
    blocks = []
    occurring: list[bool] | None = None
    for part, now in zip(neighbors.split(MAX_BLOCK_ROWS), occurs.tolist()):
        if now != occurring:
            occurring = now
            columns = torch.tensor(now).nonzero()[:, 0]
            offsets = plane if all(now) else columns + plane.start
        part = part if offsets is plane else part.index_select(1, columns)
        blocks.append(PlaneBlock(first, first + len(part), offsets, part.reshape(-1)))
        first += len(part)
    return blocks


def convolve_planes(padded: Tensor, weight: Tensor, planes: Planes, result: Tensor,
                    finish: Callable[[Tensor, slice], object]) -> None:
    """
    Convolve the voxels of a level with a cube.

    Parameters
    ----------
    padded : [V + 1, C]
        The features and a row of zeros.
    weight : [D, 27, C]
    planes : Planes
    result : [V, D]
        Is written.
    finish : callable
        Called with each block of the result and its rows, while it is in the cache.

    """
    assert weight.shape[1] == CUBE
    partial = result.new_empty(planes.num_partial + 1, len(weight))
    partial[-1] = 0
    lower, upper = planes.places

    def convolve_outer(numbers: Iterable[int]) -> None:
        factors = _Factors(padded, weight, planes.outer)
        for number in numbers:
            rows, gathered, matrix = factors[number]
            torch.mm(gathered, matrix, out=partial[rows])

    def convolve_middle(numbers: Iterable[int]) -> None:
        factors = _Factors(padded, weight, planes.middle)
        other = result.new_empty(MAX_BLOCK_ROWS, len(weight))
        for number in numbers:
            rows, gathered, matrix = factors[number]
            sums = torch.index_select(partial, 0, lower[rows], out=result[rows])
            sums.addmm_(gathered, matrix)
            sums += torch.index_select(partial, 0, upper[rows], out=other[:len(sums)])
            finish(sums, rows)

    parallel_for(convolve_outer, len(planes.outer))
    parallel_for(convolve_middle, len(planes.middle))


class _Factors:
    """Gathers the factors of the products of blocks, one block after another."""

    def __init__(self, padded: Tensor, weight: Tensor, blocks: Sequence[PlaneBlock]) -> None:
        self.padded = padded
        self.weight = weight
        self.blocks = blocks
        self.buffer = padded.new_empty(9 * MAX_BLOCK_ROWS, padded.shape[1])
        self.offsets: Tensor | slice | None = None
        self.matrix = weight

    def __getitem__(self, number: int) -> tuple[slice, Tensor, Tensor]:
        """Return rows, their neighbors [rows, n * C] until the next call, weights [n * C, D]."""
        block = self.blocks[number]
        if block.offsets is not self.offsets:
            self.offsets = block.offsets
            chosen = (self.weight[:, block.offsets] if isinstance(block.offsets, slice)
                      else self.weight.index_select(1, block.offsets))
            self.matrix = chosen.reshape(len(self.weight), -1).t()
        gathered = self.buffer[:len(block.neighbors)]
        torch.index_select(self.padded, 0, block.neighbors, out=gathered)
        return (slice(block.start, block.stop), gathered.view(block.stop - block.start, -1),
                self.matrix)
