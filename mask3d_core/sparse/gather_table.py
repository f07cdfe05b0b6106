"""Which input rows each output row of a convolution gathers, and the offsets of each tile."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Tiles:
    """
    The offsets that occur in each tile of rows, T tiles of equal size.

    Attributes
    ----------
    offsets : [T, volume] int32
        Ascending; only the first `counts` of a row are valid.
    counts : [T] int32
    occurs : [volume, T] int32
        1 where an offset occurs in a tile, else 0.

    """

    offsets: Tensor
    counts: Tensor
    occurs: Tensor

    @cached_property
    def by_offset(self) -> Tensor:
        """For each offset, first the tiles in which it occurs: [volume, T] int32."""
        return self.occurs.argsort(stable=True, dim=1, descending=True).int()

    @cached_property
    def num_by_offset(self) -> Tensor:
        """How many these are: [volume] int32."""
        return self.occurs.sum(1, dtype=torch.int32)


@dataclass(frozen=True, eq=False)
class GatherTable:
    """
    The input rows of a convolution, by offset and output row.

    Attributes
    ----------
    table : [volume, R] int32
        `num_inputs` if absent. Neighbors in memory are rows, as a tile reads one offset of many.
    num_inputs : int
    order : [R] int32, optional
        The rows of the table in the order of the tiles; by default as they are.

    """

    table: Tensor
    num_inputs: int
    order: Tensor | None = None
    _tiles: dict[int, Tiles] = field(default_factory=dict)

    @property
    def volume(self) -> int:
        """Number of offsets."""
        return self.table.shape[0]

    @property
    def num_rows(self) -> int:
        """Number of output rows R."""
        return self.table.shape[1]

    @property
    def order_or_any(self) -> Tensor:
        """The order, or another tensor where none is needed: kernels take no None."""
        return self.table if self.order is None else self.order

    def tiles(self, rows: int) -> Tiles:
        """Cut the rows into tiles of this size, a power of two; computed once, on the device."""
        if rows not in self._tiles:
            self._tiles[rows] = self._cut(rows)
        return self._tiles[rows]

    def _cut(self, rows: int) -> Tiles:
        from mask3d_core.sparse.triton_kernels import list_offsets

        count = -(-self.num_rows // rows)
        make = self.table.new_empty
        tiles = Tiles(make(count, self.volume), make(count), make(self.volume, count))
        if count:
            list_offsets[(count,)](
                self.table, self.order_or_any, tiles.offsets, tiles.counts, tiles.occurs,
                self.num_rows, self.num_inputs, VOLUME=self.volume,
                PADDED=1 << (self.volume - 1).bit_length(), ORDERED=self.order is not None,
                TILE=rows)
        return tiles


class ConvTables(NamedTuple):
    """
    The tables of a convolution and of its gradient.

    Attributes
    ----------
    forward, backward : GatherTable
    mirrored : bool
        Offset k of `forward` is offset volume - 1 - k of `backward`, not k.

    """

    forward: GatherTable
    backward: GatherTable
    mirrored: bool


def within_level(table: Tensor) -> ConvTables:
    """
    Return the tables of a submanifold convolution with neighbors [volume, V] int32.

    v is the neighbor of u at offset k exactly if u is that of v at the opposite one, so the
    table is its own way back.
    """
    both = GatherTable(table, table.shape[1])
    return ConvTables(both, both, mirrored=True)


def to_parents(slots: Tensor, num_parents: int) -> ConvTables:
    """
    Return the tables of a 2 x 2 x 2 convolution of stride 2; `slots` [V] as in `Level`.

    The way back has one offset for each row. Its tiles are sorted by that, so that each walks one
    or two of the eight.
    """
    count = len(slots)
    rows = torch.arange(count, dtype=torch.int32, device=slots.device)
    parents, places = slots >> 3, slots & 7
    children = rows.new_full((8 * num_parents,), count)
    children[places * num_parents + parents] = rows
    back = rows.new_full((8 * count,), num_parents)
    back[places * count + rows] = parents.int()
    return ConvTables(GatherTable(children.view(8, num_parents), count),
                      GatherTable(back.view(8, count), num_parents,
                                  places.argsort(stable=True).int()), mirrored=False)
