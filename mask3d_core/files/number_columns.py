"""Columns of numbers without names: what they hold is concluded from their number and values."""

from __future__ import annotations

from mask3d_core.errors import InputError
from mask3d_core.files.color_fields import MIN_FLOAT_255
from mask3d_core.files.columns import AXES, FileColumns
from mask3d_core.scan import MIN_POINTS
import numpy as np
from numpy.typing import NDArray

CHANNELS = ('red', 'green', 'blue')
MIN_WIDTH = 3
SAMPLE_ROWS = 10_000
"""Rows from which it is concluded whether a column belongs to a colour."""
MIN_CORRELATION = 0.3
"""Of a channel with the two others."""
MAX_PACKED_FLOAT = 2.4e-38
"""More than the value of a packed colour without alpha, if its bits are read as a float."""
MAX_CHANNEL = 65535


def table_columns(rows: NDArray) -> FileColumns:
    """
    Name the columns of a table [N, 3 or more]: x y z, then colour, if some columns look like it.

    Those are columns 4 to 6, or after an intensity 5 to 7, or after normals 7 to 9; or column 4
    with the bits of a packed colour. Values of channels are whole numbers up to 65535, or numbers
    of 0..1; also other numbers of 0..255, if the three vary together. A first column that counts
    the rows is skipped. Where columns might be colours and are not understood, the names of the
    result say so; they count the other columns.

    Raises
    ------
    InputError
        For less than three columns, and for tables with a column for each point.

    """
    if rows.ndim != 2 or rows.shape[1] < MIN_WIDTH:
        raise InputError(f'expected rows of x y z, got an array of shape {list(rows.shape)}')
    if len(rows) < MIN_POINTS <= rows.shape[1]:
        raise InputError(f'expected a row for each point, got an array of shape '
                         f'{list(rows.shape)}: transpose it')
    counts = rows.shape[1] > MIN_WIDTH and len(rows) > 1 and (np.diff(rows[:, 0]) == 1).all()
    skipped = int(counts)
    rows = rows[:, skipped:]
    values = {axis: rows[:, place] for place, axis in enumerate(AXES)}
    first = _first_channel(rows)
    others = [f'column_{skipped + place + 1}' for place in range(rows.shape[1])]
    if first is not None:
        values |= {name: rows[:, first + place] for place, name in enumerate(CHANNELS)}
        return FileColumns(values, (*values, *others[3:first], *others[first + 3:]))
    if rows.shape[1] > MIN_WIDTH and _is_packed(rows[:, 3]):
        return FileColumns(values | {'rgb': rows[:, 3]}, (*values, 'rgb', *others[4:]))
    return FileColumns(values, (*values, *_unknown(rows, skipped), *others[3:]))


def channel_columns(rows: NDArray) -> int | None:
    """Return the first of three columns of [N, 3 or more] that vary together as a colour does."""
    return next((place for place in range(rows.shape[1] - 2)
                 if _is_color(three := rows[:, place:place + 3])
                 and all(_is_channel(three[:, one], np.delete(three, one, axis=1))
                         for one in range(3))), None)


def _unknown(rows: NDArray, skipped: int) -> tuple[str, ...]:
    """Return a name for columns that may be colours and are not understood."""
    if rows.shape[1] == 4 and (known := _finite(rows[:, 3])).size:
        packed = known.min() >= 0 and MAX_CHANNEL < known.max() < 2 ** 24 and _is_whole(known)
        return (f'colour_in_column_{skipped + 4}',) if packed else ()
    if rows.shape[1] < 6 or _is_normal(rows[:, 3:6]):
        return ()
    return (f'colour_in_columns_{skipped + 4}_to_{skipped + 6}',)


def _first_channel(rows: NDArray) -> int | None:
    """Return the place of the first of three columns with a colour, None if there are none."""
    width = rows.shape[1]
    places = [place for place in (3, 4) if place + 3 <= width
              and _is_color(rows[:, place:place + 3])]
    if len(places) == 2:  # r g b and another number, or an intensity and r g b
        red, other = (_is_channel(rows[:, place], rows[:, 4:6]) for place in (3, 6))
        return (3 if red else 4) if red != other else (4 if width == 7 else 3)
    if not places and width >= 9 and _is_normal(rows[:, 3:6]) and _is_color(rows[:, 6:9]):
        return 6
    return places[0] if places else None


def _is_color(rows: NDArray) -> bool:
    known = rows[np.isfinite(rows).all(axis=1)].astype(np.float64, copy=False)
    if not len(known) or known.min() < 0 or known.max() > MAX_CHANNEL:
        return False
    if known.max() <= 1 or _is_whole(known):
        return True
    return bool(MIN_FLOAT_255 <= known.max() <= 255) and all(
        _is_channel(known[:, place], np.delete(known, place, axis=1)) for place in range(3))


def _is_channel(column: NDArray, others: NDArray) -> bool:
    """
    Return whether a column [N] varies as the other two channels of a colour [N, 2].

    Labels have fewer values; intensities and indices do not follow the colour.
    """
    step = -(-len(column) // SAMPLE_ROWS)
    sample = np.column_stack([column, others])[::step].astype(np.float64)
    sample = sample[np.isfinite(sample).all(axis=1)]
    values, *other_values = (len(np.unique(channel)) for channel in sample.T)
    if values < 2 or max(other_values) < 2 or 2 * values < min(other_values):
        return False
    correlation = np.corrcoef(sample[:, 0], sample[:, 1:].sum(axis=1))[0, 1]
    return bool(abs(correlation) > MIN_CORRELATION)


def _is_packed(column: NDArray) -> bool:
    """Return whether a column has packed colours in the bits of floats, as of PCL."""
    known = _finite(column)
    return bool(known.size and 0 <= known.min() and 0 < known.max() < MAX_PACKED_FLOAT)


def _finite(column: NDArray) -> NDArray[np.float64]:
    values = column.astype(np.float64, copy=False)
    return values[np.isfinite(values)]


def _is_whole(values: NDArray) -> bool:
    return bool((values == np.rint(values)).all())


def _is_normal(rows: NDArray) -> bool:
    """Return whether rows [N, 3] are vectors of length 1, or 0 where unknown."""
    length = np.linalg.norm(rows.astype(np.float64), axis=1)
    return bool((np.abs(length - 1) < 0.05).mean() > 0.5)
