"""Elastic distortion: space bent by smooth noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

MOST_NODES = 64
"""Nodes of the noise grid along an axis; a longer scan sees them again and again."""
BLURS = 2


def elastic_distortion(xyz: NDArray[np.floating], rng: np.random.Generator, granularity: float,
                       magnitude: float) -> NDArray[np.floating]:
    """
    Move each point by noise that hardly differs from that of its neighbours.

    A grid of normal noise, blurred twice with a box of 3 nodes, is interpolated linearly at the
    points (as the original's augmentation, from SparseConvNet). Scans of more than 64 nodes
    repeat the noise, so that outdoor scenes take no more time.

    Parameters
    ----------
    xyz : [N, 3]
        Metres.
    rng : Generator
    granularity : float
        From one node of the grid to the next, metres.
    magnitude : float
        Metres, of the noise before it is blurred.

    Returns
    -------
    [N, 3], dtype as `xyz`

    """
    low = np.array([xyz[:, axis].min() for axis in range(3)])
    high = np.array([xyz[:, axis].max() for axis in range(3)])
    nodes = ((high - low) // granularity).astype(np.int64) + 3
    repeats = nodes > MOST_NODES
    shape = np.minimum(nodes, MOST_NODES)
    noise = rng.standard_normal((*shape, 3), np.float32)
    for _ in range(BLURS):
        for axis in range(3):
            noise = ndimage.uniform_filter1d(
                noise, 3, axis, mode='wrap' if repeats[axis] else 'constant')
    places = (xyz - low) * (1 / granularity) + 1  # one node lies outside on every side
    return xyz + (magnitude * _interpolate(noise, places)).astype(xyz.dtype)


def _interpolate(grid: NDArray[np.float32], places: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the linear interpolation of [X, Y, Z, 3] at [N, 3], in nodes, with wrap-around."""
    node, upper, share = [], [], []
    for axis, nodes in enumerate(grid.shape[:3]):
        below = np.floor(places[:, axis])
        share.append((places[:, axis] - below).astype(np.float32))
        stride = int(np.prod(grid.shape[axis + 1:3]))
        node.append((below.astype(np.int64) % nodes) * stride)
        upper.append((below.astype(np.int64) + 1) % nodes * stride)
    rows = grid.reshape(-1, 3)
    total = np.zeros((len(places), 3), np.float32)
    for corner in range(8):
        row, weight = np.zeros(len(places), np.int64), np.ones(len(places), np.float32)
        for axis in range(3):
            above = corner >> axis & 1
            row += upper[axis] if above else node[axis]
            weight *= share[axis] if above else 1 - share[axis]
        total += rows.take(row, axis=0) * weight[:, None]
    return total
