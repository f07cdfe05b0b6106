"""Masks of tests, which are written as booleans, as instances store them."""

import numpy as np
from numpy.typing import NDArray


def rows_of(masks: NDArray[np.bool_]) -> tuple[NDArray[np.int32], ...]:
    """Return the rows of the true values of each mask: [I, N] bool -> I arrays."""
    return tuple(np.flatnonzero(mask).astype(np.int32) for mask in masks)
