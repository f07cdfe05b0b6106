"""Fast test for masks that are one cluster, by cells that touch."""

from __future__ import annotations

from collections.abc import Sequence

from mask3d_core.extraction.clustering.cells import CELL_SIDE, checked_points, MAX_PAIRS
from mask3d_core.geometry.components import graph_components
from mask3d_core.sparse.grid import Grid, occupied_cells
from mask3d_core.stop import until_stopped
import numpy as np
from numpy.typing import NDArray
import torch
from torch.nn import functional

MAX_GRID_CELLS = 2.0 ** 19
"""Cells along one axis that a grid can number, whatever the extent of the other axes."""


def surely_connected(centers: NDArray[np.floating], masks: Sequence[NDArray[np.int64]],
                     eps: float) -> NDArray[np.bool_]:
    """
    Tell which masks surely have one component: their cells touch in a face, edge or corner.

    Parameters
    ----------
    centers : [V, 3] float
        Metres.
    masks : Q arrays
        Rows of `centers`, none empty.
    eps : float
        Metres; cells are so small that points of touching cells are within it.

    Returns
    -------
    [Q] bool

    """
    xyz = checked_points(centers, eps)
    local = (xyz - xyz.min(axis=0)) / (eps * CELL_SIDE / 2)
    if local.max() >= MAX_GRID_CELLS:
        return np.zeros(len(masks), bool)
    coords, inverse = occupied_cells(torch.from_numpy(np.floor(local)).long())
    grid, _ = Grid.sort(functional.pad(coords, (1, 0)))  # already in this order
    neighbors = grid.neighbors().numpy()[14:]  # the other half holds the same pairs
    cell = inverse.numpy()
    at_once = max(1, MAX_PAIRS // neighbors.size)
    return np.concatenate([_connected([cell[rows] for rows in masks[first:first + at_once]],
                                      neighbors)
                           for first in until_stopped(range(0, len(masks), at_once))])


def _connected(masks: Sequence[NDArray[np.int64]], neighbors: NDArray[np.int32],
               ) -> NDArray[np.bool_]:
    """Tell which masks of cells are connected; neighbors are [n, C], C if absent."""
    active = np.zeros((len(masks), neighbors.shape[1] + 1), bool)  # last column: absent
    for row, cells in zip(active, masks, strict=True):
        row[cells] = True
    mask, place = np.nonzero(active)
    offset, near = np.nonzero(active[mask, neighbors[:, place]])
    number = np.cumsum(active).reshape(active.shape) - 1
    edges = np.stack([near, number[mask[near], neighbors[offset, place[near]]]], axis=1)
    component = graph_components(edges, len(place))
    first = np.flatnonzero(np.diff(mask, prepend=-1))
    return np.minimum.reduceat(component, first) == np.maximum.reduceat(component, first)
