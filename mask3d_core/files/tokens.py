"""Parse numbers in text: the data of ascii .ply and .pcd files."""

from __future__ import annotations

import re

from mask3d_core.errors import InputError
import numpy as np
from numpy.typing import NDArray

NAN_WORDS = re.compile(rb'(?<![^\s,;])[-+]?(?:nan\([^)\s]*\)|1\.#(?:QNAN|SNAN|IND)\d*)(?![^\s,;])',
                       re.IGNORECASE)
"""As programs on Windows write NaN: `-nan(ind)`, `1.#QNAN`."""


def plain_nan(text: bytes) -> bytes:
    """Return text in which every NaN is written as `nan`."""
    return NAN_WORDS.sub(b'nan', text) if b'(' in text or b'.#' in text else text


def number_rows(text: bytes, count: int, width: int) -> NDArray[np.float64]:
    """
    Parse exactly `count` rows of `width` numbers, which may be `nan` and `inf`.

    Raises
    ------
    InputError
        If there are fewer or more numbers, or a word is not a number.

    """
    text = plain_nan(text)
    expected = count * width
    words = text.split(None, min(expected, len(text)))  # any rest becomes one more word
    if len(words) < expected:
        raise InputError(f'expected {count} rows of {width} numbers, {expected} in all, '
                         f'got {len(words)}: the file is truncated')
    if len(words) > expected:
        raise InputError(f'expected {count} rows of {width} numbers, {expected} in all, got more: '
                         'does the header name all fields, and say how many rows follow?')
    try:
        return np.array(words, np.float64).reshape(count, width)
    except ValueError as error:
        raise InputError(f'expected numbers: {error}') from error
