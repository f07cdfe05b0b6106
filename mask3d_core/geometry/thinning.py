"""Voxel thinning: one point of a cloud in each occupied voxel."""

from __future__ import annotations

import math

from mask3d_core.errors import InputError
import numpy as np
from numpy.typing import NDArray

CHUNK_POINTS = 1 << 20
"""Points thinned at once; then those that remain are thinned together. Bounds the memory."""
HASH_FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""Odd factor of multiplicative hashing: 2^64 over the golden ratio (Knuth, TAOCP 3, 6.4)."""


def first_in_voxels(xyz: NDArray[np.floating], size: float) -> NDArray[np.int64]:
    """
    Return the first point in each occupied voxel: rows of the cloud, ascending.

    Parameters
    ----------
    xyz : [N, 3] float
        Finite positions, metres.
    size : float
        Edge of a voxel, metres. A point lies in the voxel floor(position / size).

    Raises
    ------
    InputError
        When the cloud spans more voxels than can be numbered.

    """
    if not len(xyz):
        return np.zeros(0, np.int64)
    edges = [_voxel(np.array([axis.min(), axis.max()]), size) for axis in xyz.T]
    low = [int(edge[0]) for edge in edges]
    span = [int(edge[1] - edge[0]) + 1 for edge in edges]
    if math.prod(span) >= 2 ** 63:
        raise InputError(f'the cloud spans {span[0]} x {span[1]} x {span[2]} voxels of {size:g} '
                         'm, more than can be numbered: use larger ones')
    rows, keys = [], []
    for start in range(0, len(xyz), CHUNK_POINTS):
        x, y, z = (_voxel(axis, size) - lowest
                   for axis, lowest in zip(xyz[start:start + CHUNK_POINTS].T, low))
        key = (x * span[1] + y) * span[2] + z
        first = first_of_each(key)
        rows.append(first + start)
        keys.append(key[first])
    return np.concatenate(rows)[first_of_each(np.concatenate(keys))]


def first_of_each(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """
    Return the first row of each distinct key: ascending.

    Every row writes itself to the slot of its key in a hash table, backwards. The row that is
    left there is the first of its key. Rows of other keys in the same slot try again.
    """
    bits = max(len(keys).bit_length(), 1)
    table = np.empty(1 << bits, np.int32)
    slot = (keys.view(np.uint64) * HASH_FACTOR >> np.uint64(64 - bits)).view(np.int64)
    first = np.zeros(len(keys), np.bool_)
    rows, key = np.arange(len(keys), dtype=np.int32), keys      # of no known first row yet
    while len(rows):
        table[slot[::-1]] = rows[::-1]
        winner = table.take(slot)
        first[winner] = True
        other = keys.take(winner) != key
        rows, key, slot = rows[other], key[other], slot[other]
    return np.flatnonzero(first)


def _voxel(positions: NDArray[np.floating], size: float) -> NDArray[np.int64]:
    return np.floor(positions / positions.dtype.type(size)).astype(np.int64)
