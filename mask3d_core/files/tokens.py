"""Numbers written as text, as ascii .ply and .pcd files hold them."""

from __future__ import annotations

from mask3d_core.errors import InputError
import numpy as np
from numpy.typing import NDArray


def number_rows(text: bytes, count: int, width: int) -> NDArray[np.float64]:
    """
    Read `count` rows of `width` numbers, `nan` and `inf` included, and nothing else.

    Raises
    ------
    InputError
        When there are fewer or more, or something is no number.

    """
    expected = count * width
    words = text.split(None, min(expected, len(text)))  # what is left over is one word more
    if len(words) < expected:
        raise InputError(f'expected {count} rows of {width} numbers, {expected} in all, '
                         f'got {len(words)}: the file is cut')
    if len(words) > expected:
        raise InputError(f'expected {count} rows of {width} numbers, {expected} in all, got more: '
                         'does the header name all fields, and say how many rows follow?')
    try:
        return np.array(words, np.float64).reshape(count, width)
    except ValueError as error:
        raise InputError(f'expected numbers: {error}') from error
