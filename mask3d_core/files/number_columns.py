"""Columns of numbers without names: what they hold is concluded from their number and values."""

from __future__ import annotations

from mask3d_core.errors import InputError
from mask3d_core.files.columns import AXES, FileColumns
import numpy as np
from numpy.typing import NDArray

CHANNELS = ('red', 'green', 'blue')
MIN_WIDTH = 3


def table_columns(rows: NDArray) -> FileColumns:
    """
    Name the columns of a table [N, 3 or more]: x y z, then colour, if some columns look like it.

    Those are columns 4 to 6, or after an intensity 5 to 7. Values of colours are whole numbers up
    to 65535, or numbers of 0..1; normals are not. Where six columns or more have no colours, the
    names of the result say so.

    Raises
    ------
    InputError
        For less than three columns.

    """
    if rows.ndim != 2 or rows.shape[1] < MIN_WIDTH:
        raise InputError(f'expected rows of x y z, got an array of shape {list(rows.shape)}')
    values = {axis: rows[:, place] for place, axis in enumerate(AXES)}
    width = rows.shape[1]
    for first in (4, 3) if width == 7 else (3, 4):
        if first + 3 <= width and _is_color(rows[:, first:first + 3]):
            values |= {name: rows[:, first + place] for place, name in enumerate(CHANNELS)}
            return FileColumns(values, tuple(values))
    unknown = () if width < 6 or _is_normal(rows[:, 3:6]) else ('colour_in_columns_4_to_6',)
    return FileColumns(values, (*values, *unknown))


def _is_color(rows: NDArray) -> bool:
    known = rows[np.isfinite(rows).all(axis=1)]
    if not len(known) or known.min() < 0 or known.max() > 65535:
        return False
    return bool(known.max() <= 1 or (known == np.rint(known)).all())


def _is_normal(rows: NDArray) -> bool:
    """Return whether rows [N, 3] are vectors of length 1, or 0 where unknown."""
    length = np.linalg.norm(rows.astype(np.float64), axis=1)
    return bool((np.abs(length - 1) < 0.05).mean() > 0.5)
