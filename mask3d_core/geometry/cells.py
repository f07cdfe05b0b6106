"""Cells of 5 cm that points occupy: sets of them, and maps of them that are updated by place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

CELL_SIZE = 0.05
"""Metres: edge of a cell."""
BLOCK_CELLS = 4
"""Edge of a block of 4 x 4 x 4 cells (20 cm), in cells."""
COLUMN_BITS = 5
"""
Bits of x and y of a cell within its column, which has 32 x 32 cells (1.6 m) and the whole height.
"""
HEIGHT_BITS = 21
"""Bits of z of a cell; they cover 100 km, and so do all bits of x and of y."""
COLUMN_SHIFT = 32
"""The bits of a key from here on number the column: ascending keys are grouped by column."""
PERIOD = CELL_SIZE * (1 << HEIGHT_BITS)
"""Metres along each axis after which keys repeat."""
Z_STEP, Y_STEP, X_STEP = 1, 1 << HEIGHT_BITS, 1 << HEIGHT_BITS + COLUMN_BITS
"""Difference of the keys of neighboring cells of one column."""
COLUMN_CELLS = 1 << COLUMN_BITS
Z_MASK = Y_STEP - 1
Y_MASK = 0xffff << COLUMN_SHIFT | (COLUMN_CELLS - 1) * Y_STEP
X_MASK = -1 << COLUMN_SHIFT + 16 | (COLUMN_CELLS - 1) * X_STEP
"""Bits of a key along each axis; x and y have those of the column and those within it."""
AXES = ((X_MASK, X_STEP), (Y_MASK, Y_STEP), (Z_MASK, Z_STEP))  # mask and step
FACE_MASKS = np.array([[mask] for mask, _ in AXES for _ in range(2)], np.int64)
FACE_STEPS = np.array([[sign * step] for _, step in AXES for sign in (-1, 1)], np.int64)
"""From a cell to the six that share a face with it."""
BLOCK_MASK = ~((BLOCK_CELLS - 1) * (X_STEP + Y_STEP + Z_STEP))
"""Bits of a key that all cells of a block have in common."""
SQUARE_CELLS = 2
SQUARE_MASK = ~((SQUARE_CELLS - 1) * (X_STEP + Y_STEP) | Z_MASK)
"""Bits of a key that all cells of a square of 10 cm have in common, whatever their height."""
PIECE_POINTS = 1 << 16
"""Points whose keys are computed at once: they fit the cache."""

Integer = TypeVar('Integer', bound=np.integer)


@dataclass(frozen=True, eq=False)
class CellSet:
    """
    Cells, or blocks of cells, that an object or a place occupies.

    Attributes
    ----------
    keys : [c] int64
        Ascending. A place has the same key in all clouds. A block has the key of its first cell.

    """

    keys: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def columns(self) -> frozenset[int]:
        """Return the numbers of the columns of the cells."""
        columns = self.keys >> COLUMN_SHIFT
        return frozenset(columns[is_first(columns)].tolist())

    def dilated(self) -> CellSet:
        """Return the cells and their face neighbors."""
        neighbors = shifted(self.keys, FACE_MASKS, FACE_STEPS)  # [6, c]
        return CellSet(distinct(np.concatenate([self.keys, neighbors.reshape(-1)])))

    def dilated_blocks(self) -> CellSet:
        """Return the blocks of the cells and the 26 neighbors of each."""
        keys = distinct(self.keys & BLOCK_MASK)
        for mask, step in AXES:
            keys = distinct(np.concatenate([
                shifted(keys, mask, -BLOCK_CELLS * step), keys,
                shifted(keys, mask, BLOCK_CELLS * step)]))
        return CellSet(keys)


NO_CELLS = CellSet(np.empty(0, np.int64))


class CellMap:
    """
    The cells that a map occupies, by column: a change of one place costs nothing elsewhere.

    It never changes; `replaced` returns another map, which shares the other columns.
    """

    def __init__(self, columns: Mapping[int, NDArray[np.int64]] | None = None) -> None:
        self._columns = dict(columns or {})

    @classmethod
    def of(cls, cells: CellSet) -> CellMap:
        """Return the map of some cells."""
        return cls(_by_column(cells.keys))

    @property
    def columns(self) -> frozenset[int]:
        """Numbers of the columns that have cells."""
        return frozenset(self._columns)

    def take(self, columns: Iterable[int]) -> NDArray[np.int64]:
        """Return the keys of the cells in some columns: ascending."""
        keys = [self._columns[column] for column in sorted(columns) if column in self._columns]
        return np.concatenate([*keys, np.empty(0, np.int64)])

    def replaced(self, cells: CellSet, gone: CellSet) -> CellMap:
        """
        Return the map after a change.

        All earlier cells of the squares of 10 cm, seen from above, that have new ones or ones that
        are gone, are replaced, whatever their height. But they stay next to squares that did not
        change, where a square may have both.

        Parameters
        ----------
        cells : CellSet
            All cells of the places that changed.
        gone : CellSet
            Those that were there before. Without them earlier cells stay where nothing is seen.

        """
        columns = cells.columns | gone.columns
        changed = distinct(np.concatenate([cells.keys, gone.keys]) & SQUARE_MASK)
        around = distinct(self.take(surrounding_columns(columns)) & SQUARE_MASK)
        unchanged = around[~find(around, changed)[1]]
        border = distinct(np.concatenate([
            shifted(unchanged, mask, sign * SQUARE_CELLS * step)
            for mask, step in AXES[:2] for sign in (-1, 1)]))
        replaced = changed[~find(changed, border)[1]]
        earlier = self.take(columns)
        stays = ~find(earlier & SQUARE_MASK, replaced)[1]
        keys = distinct(np.concatenate([earlier[stays], cells.keys]))
        others = {column: own for column, own in self._columns.items() if column not in columns}
        return CellMap(others | _by_column(keys))


def cell_centers(keys: NDArray[np.int64], near: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return the centres of cells, metres: [c, 3].

    Keys repeat every 105 km: of the cells with a key, the one closest to a position [3] is meant.
    """
    column = keys >> COLUMN_SHIFT
    low = (1 << COLUMN_BITS) - 1
    x = (column >> 16 << COLUMN_BITS) + (keys >> HEIGHT_BITS + COLUMN_BITS & low)
    y = (signed(column, 16) << COLUMN_BITS) + (keys >> HEIGHT_BITS & low)
    centers = (np.stack([x, y, signed(keys, HEIGHT_BITS)], axis=1) + 0.5) * CELL_SIZE
    return np.asarray(centers + PERIOD * np.rint((near - centers) / PERIOD))


def cell_keys(xyz: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the key of each point's cell, floor(position / CELL_SIZE): [N]."""
    keys = np.empty(len(xyz), np.int64)
    for start in range(0, len(xyz), PIECE_POINTS):
        x, y, z = (np.floor(axis / axis.dtype.type(CELL_SIZE)).astype(np.int32)
                   for axis in xyz[start:start + PIECE_POINTS].T)
        # the halves of a key are computed in 32 bits, which is twice as fast
        column = x >> COLUMN_BITS << 16 | y >> COLUMN_BITS & 0xffff
        x &= COLUMN_CELLS - 1
        y &= COLUMN_CELLS - 1
        key = keys[start:start + PIECE_POINTS]
        key[:] = column
        key <<= COLUMN_SHIFT
        key |= (x << COLUMN_BITS | y) << HEIGHT_BITS | z & Z_MASK
    return keys


def shifted(keys: NDArray[np.int64], mask: int | NDArray[np.int64],
            step: int | NDArray[np.int64]) -> NDArray[np.int64]:
    """
    Return the keys of the cells that lie some steps further along an axis, not sorted.

    Adds within the bits of `mask`; ones in all others pass on the carry.
    """
    return (keys | ~mask) + (step & mask) & mask | keys & ~mask


def surrounding_columns(columns: Iterable[int]) -> frozenset[int]:
    """Return the numbers of some columns and of the 8 around each."""
    keys = np.array(sorted(columns), np.int64) << COLUMN_SHIFT
    for mask, step in (X_MASK, 1 << COLUMN_SHIFT + 16), (Y_MASK, 1 << COLUMN_SHIFT):
        keys = np.concatenate([keys, shifted(keys, mask, -step), shifted(keys, mask, step)])
    return frozenset((keys >> COLUMN_SHIFT).tolist())


def distinct(keys: NDArray[Integer]) -> NDArray[Integer]:
    """
    Return the distinct keys, ascending.

    Sorts, as `numpy.unique` did before 2.3: its hash table takes ten times as long. The array is
    sorted in place, so pass a temporary one.
    """
    keys.sort()
    return keys[is_first(keys)]


def distinct_counts(keys: NDArray[Integer]) -> tuple[NDArray[Integer], NDArray[np.int64]]:
    """Return the distinct keys, ascending, and how often each occurs; sorts the array in place."""
    keys.sort()
    first = np.flatnonzero(is_first(keys))
    return keys[first], run_lengths(first, len(keys))


def numbered(keys: NDArray[Integer]) -> tuple[NDArray[Integer], NDArray[np.int64]]:
    """Return the distinct keys, ascending, and the row of each key in them."""
    order = np.argsort(keys)
    ascending = keys[order]
    first = is_first(ascending)
    row = np.empty(len(keys), np.int64)
    row[order] = np.cumsum(first) - 1
    return ascending[first], row


def find(wanted: NDArray[np.integer], keys: NDArray[np.integer],
         ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """
    Find keys in an ascending array.

    Returns
    -------
    row : [n] int64
        The row of each wanted key; any row where the array does not contain it.
    contained : [n] bool
        Whether the array contains it.

    """
    if not len(keys):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.bool_)
    row = np.searchsorted(keys, wanted)
    np.minimum(row, len(keys) - 1, out=row)
    return row, keys[row] == wanted


def is_first(keys: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return where a sorted array has another value than before: [c]."""
    first = np.empty(len(keys), np.bool_)
    first[:1] = True
    np.not_equal(keys[1:], keys[:-1], out=first[1:])
    return first


def run_lengths(starts: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """Return the lengths of the runs of `total` values that start at some of them: [c]."""
    length = np.empty(len(starts), np.int64)
    np.subtract(starts[1:], starts[:-1], out=length[:-1])  # `numpy.diff` takes three times as long
    length[-1:] = total - starts[-1:]
    return length


def _by_column(keys: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
    """Split ascending keys by column; copies, so that a column does not keep all others alive."""
    columns = keys >> COLUMN_SHIFT
    starts = np.flatnonzero(is_first(columns))
    ends = [*starts[1:].tolist(), len(keys)]
    return {column: keys[start:end].copy() for column, start, end
            in zip(columns[starts].tolist(), starts.tolist(), ends)}


def signed(values: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    """Return the lowest bits of values as signed numbers."""
    return values << 64 - bits >> 64 - bits
