"""Points and the cells they are in: how many each cell has, and which."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mask3d_core.geometry.cells import (
    cell_keys,
    CELL_SIZE,
    CellSet,
    COLUMN_BITS,
    distinct,
    distinct_counts,
    find,
    is_first,
    PIECE_POINTS,
    run_lengths,
    signed,
)
import numpy as np
from numpy.typing import NDArray

CHUNK_POINTS = 1 << 20
"""Points whose keys are sorted at once; bounds the memory."""


def count_cells(xyz: NDArray[np.floating], rows: NDArray[np.integer] | None = None,
                ) -> tuple[CellSet, NDArray[np.int64]]:
    """
    Return the cells that some points occupy, and the number of points in each: [c].

    Parameters
    ----------
    xyz : [N, 3] float
        Positions, metres.
    rows : [n] integer or None
        Rows of the points; None: all.

    """
    num_points = len(xyz) if rows is None else len(rows)
    chunks = (slice(start, start + CHUNK_POINTS) for start in range(0, num_points, CHUNK_POINTS))
    return _counted(cell_keys(xyz[chunk] if rows is None else take_points(xyz, rows[chunk]))
                    for chunk in chunks)


def count_keys(keys: NDArray[np.int64]) -> tuple[CellSet, NDArray[np.int64]]:
    """Return what `count_cells` does, for the keys of the cells of points, which get sorted."""
    return _counted(keys[start:start + CHUNK_POINTS]
                    for start in range(0, len(keys), CHUNK_POINTS))


def count_keys_of(keys: NDArray[np.int64], points: NDArray[np.int64],
                  ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """
    Return the cells that some groups of points occupy, as `count_cells` does for each.

    Parameters
    ----------
    keys : [n] int64
        Of the cells of the points, one group after another; they get sorted in each.
    points : [P] int64
        Where the points of each group end.

    Returns
    -------
    keys, counts : [c] int64
        Of the cells of each group, one after another, ascending in each.
    ends : [P] int64
        Where the cells of each group end.

    """
    starts = np.concatenate([[0], points])[:-1]
    for start, end in zip(starts.tolist(), points.tolist()):
        keys[start:end].sort()
    first = is_first(keys)
    first[starts[starts < len(keys)]] = True
    row = np.flatnonzero(first)
    return keys[row], run_lengths(row, len(keys)), np.searchsorted(row, points)


def rows_in_cells(xyz: NDArray[np.floating], sets: Sequence[CellSet]) -> list[NDArray[np.int64]]:
    """Return the rows of the points [N, 3] in each set of cells, ascending."""
    cells = distinct(np.concatenate([*(one.keys for one in sets), np.empty(0, np.int64)]))
    near = _rows_in_columns(xyz, frozenset().union(*(one.columns for one in sets)))
    place, contained = find(cell_keys(take_points(xyz, near)), cells)
    rows, place = near[contained], place[contained]
    rows = rows[np.argsort(place, kind='stable')]               # grouped by cell
    count = np.bincount(place, minlength=len(cells))
    wanted = np.searchsorted(cells, np.concatenate([*(one.keys for one in sets),
                                                    np.empty(0, np.int64)]))
    taken = np.cumsum(count[wanted])                            # points up to each cell of a set
    first = np.repeat(np.cumsum(count)[wanted] - taken, count[wanted])
    rows = rows[first + np.arange(len(first))]
    ends = np.concatenate([[0], taken])[np.cumsum(list(map(len, sets)), dtype=np.int64)]
    return [np.sort(part) for part in np.split(rows, ends[:-1])] if sets else []


def _counted(chunks: Iterable[NDArray[np.int64]]) -> tuple[CellSet, NDArray[np.int64]]:
    """Return the distinct keys in some arrays, which get sorted, and how often each occurs."""
    keys, counts = np.empty(0, np.int64), np.empty(0, np.int64)
    for chunk in chunks:
        keys, counts = _merged(keys, counts, *distinct_counts(chunk))
    return CellSet(keys), counts


def _merged(keys: NDArray[np.int64], counts: NDArray[np.int64], more: NDArray[np.int64],
            more_counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct keys of two ascending arrays, and the sums of their counts."""
    if not len(keys):
        return more, more_counts
    keys = np.concatenate([keys, more])
    order = np.argsort(keys, kind='stable')
    keys = keys[order]
    first = np.flatnonzero(is_first(keys))
    return keys[first], np.add.reduceat(np.concatenate([counts, more_counts])[order], first)


def _rows_in_columns(xyz: NDArray[np.floating], columns: frozenset[int]) -> NDArray[np.int64]:
    """Return the rows of the points [N, 3] in some columns, ascending."""
    if not columns:
        return np.empty(0, np.int64)
    numbers = np.array(sorted(columns), np.int64)
    at_x, at_y = distinct(numbers >> 16), distinct(signed(numbers, 16))
    wanted = np.zeros((len(at_x) + 1, len(at_y) + 1), np.bool_)  # the last ones are of no column
    wanted[np.searchsorted(at_x, numbers >> 16),
           np.searchsorted(at_y, signed(numbers, 16))] = True
    rows = []
    for start in range(0, len(xyz), PIECE_POINTS):  # the 16 bits that a key has of each column
        x, y = (_place_among(np.floor(xyz[start:start + PIECE_POINTS, axis]
                                      / xyz.dtype.type(CELL_SIZE)).astype(np.int32)
                             << 16 - COLUMN_BITS >> 16, places)
                for axis, places in ((0, at_x), (1, at_y)))
        rows.append(np.flatnonzero(wanted[x, y]) + start)
    return np.concatenate(rows)


def _place_among(values: NDArray[np.int32], places: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return the row of each value in an ascending array; that after the last one for others."""
    low, count = int(places[0]), int(places[-1] - places[0]) + 1
    row = np.full(count + 1, len(places), np.int32)
    row[places - low] = np.arange(len(places), dtype=np.int32)
    index = values - np.int32(low)
    index[(index < 0) | (index >= count)] = count
    return row.take(index)


def take_points(xyz: NDArray[np.floating], rows: NDArray[np.integer]) -> NDArray[np.floating]:
    """Return some points; `take` is four times as fast, but copies an array with gaps whole."""
    return xyz.take(rows, axis=0) if xyz.flags.c_contiguous else xyz[rows]
