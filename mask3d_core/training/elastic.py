"""Elastic distortion: displace points by smooth noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

MAX_NODES = 64
"""Most nodes of the noise grid along an axis; along longer scans the noise repeats."""
NUM_BLURS = 2


def elastic_distortion(xyz: NDArray[np.floating], rng: np.random.Generator, granularity: float,
                       magnitude: float) -> NDArray[np.floating]:
    """
    Displace each point by noise that is smooth in space: close points move alike.

    A grid of normal noise, blurred twice with a box of 3 nodes, is interpolated linearly at the
    points (as in the original's augmentation, from SparseConvNet). The noise repeats every 64
    nodes, so that large outdoor scenes take no longer.

    Parameters
    ----------
    xyz : [N, 3]
        Metres.
    rng : Generator
    granularity : float
        Spacing of the grid nodes, metres.
    magnitude : float
        Standard deviation of the noise before it is blurred, metres.

    Returns
    -------
    [N, 3], dtype as `xyz`

    """
    low = np.array([xyz[:, axis].min() for axis in range(3)])
    high = np.array([xyz[:, axis].max() for axis in range(3)])
    nodes = ((high - low) // granularity).astype(np.int64) + 3
    repeats = nodes > MAX_NODES
    shape = np.minimum(nodes, MAX_NODES)
    noise = rng.standard_normal((*shape, 3), np.float32)
    for _ in range(NUM_BLURS):
        for axis in range(3):
            noise = ndimage.uniform_filter1d(
                noise, 3, axis, mode='wrap' if repeats[axis] else 'constant')
    places = (xyz - low) * (1 / granularity) + 1  # the grid is one node wider on every side
    return xyz + (magnitude * _interpolate(noise, places)).astype(xyz.dtype)


def _interpolate(grid: NDArray[np.float32], places: NDArray[np.floating]) -> NDArray[np.float32]:
    """Interpolate a grid [X, Y, Z, 3] linearly at [N, 3], in node units, with wrap-around."""
    node, upper, fraction = [], [], []
    for axis, nodes in enumerate(grid.shape[:3]):
        below = np.floor(places[:, axis])
        fraction.append((places[:, axis] - below).astype(np.float32))
        stride = int(np.prod(grid.shape[axis + 1:3]))
        node.append((below.astype(np.int64) % nodes) * stride)
        upper.append((below.astype(np.int64) + 1) % nodes * stride)
    rows = grid.reshape(-1, 3)
    total = np.zeros((len(places), 3), np.float32)
    for corner in range(8):  # bit i of the number: the upper node along axis i
        row, weight = np.zeros(len(places), np.int64), np.ones(len(places), np.float32)
        for axis in range(3):
            above = corner >> axis & 1
            row += upper[axis] if above else node[axis]
            weight *= fraction[axis] if above else 1 - fraction[axis]
        total += rows.take(row, axis=0) * weight[:, None]
    return total
