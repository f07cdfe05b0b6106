"""Numbers written as text, as ascii .ply and .pcd files hold them."""

from __future__ import annotations

from mask3d_core.errors import InputError
import numpy as np
from numpy.typing import NDArray


def number_rows(text: bytes, count: int, width: int) -> NDArray[np.float64]:
    """Read `count` rows of `width` numbers, `nan` and `inf` included; what follows is ignored."""
    words = text.split(None, count * width)[:count * width]
    if len(words) < count * width:
        raise InputError(f'expected {count} points of {width} numbers, {count * width} in all, '
                         f'got {len(words)}: the file is cut')
    try:
        return np.array(words, np.float64).reshape(count, width)
    except ValueError as error:
        raise InputError(f'expected numbers: {error}') from error
