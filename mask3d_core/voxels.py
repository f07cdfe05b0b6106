"""Voxels: a scan on a grid, what the network reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
import math

from mask3d_core.errors import InputError
from mask3d_core.scan import Scan
from mask3d_core.sparse.grid import occupied_cells
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

COARSER = 1.3
"""Times as large as a model knows its voxels they may become; beyond, too much is missed."""
GROWTH_STEPS = 20
"""Sizes they may have on the way from one size to twice that."""
FINE = 2.0 ** 30
"""Steps per voxel or colour unit: sums of such integers are exact in float64, in any order."""


@dataclass(frozen=True, eq=False)
class Voxels:
    """
    The occupied voxels of one scan, sorted by x, then y, then z.

    Attributes
    ----------
    coords : [V, 3] int64
        floor(position / voxel size).
    features : [V, C] float32
        Normalised colour; ones for a model without colour.
    centers : [V, 3] float32
        Position of each voxel's points, metres, relative to `origin`.
    origin : [3] float64
        Metres, in the frame of the cloud.
    inverse : [N] int64
        The voxel of each point of the scan.
    segment : [V] int64 or None
        Superpoint of each voxel, numbered 0..S-1.
    size : float
        Edge of a voxel, metres.

    """

    coords: Tensor
    features: Tensor
    centers: Tensor
    origin: NDArray[np.float64]
    inverse: Tensor
    segment: Tensor | None
    size: float

    def __len__(self) -> int:
        return len(self.coords)

    def to(self, device: torch.device) -> Voxels:
        """Move to a device."""
        return replace(
            self, coords=self.coords.to(device), features=self.features.to(device),
            centers=self.centers.to(device), inverse=self.inverse.to(device),
            segment=None if self.segment is None else self.segment.to(device))


@dataclass(frozen=True)
class Voxelization:
    """
    How a model wants its scans; these facts travel in the weights file.

    Attributes
    ----------
    size : float
        Edge of a voxel, metres.
    color : str
        'mean': a voxel has the mean colour and position of its points (paper, Sec. IV), whatever
        their order. 'first': those of its first point, as in the original's code.
    color_mean, color_std : 3 floats, or None for a model that sees only shape
        Subtracted from and divided into colours in 0..1.
    max_voxels : int
        A cloud that fills more gets larger voxels, of which a surface should fill so many, at
        most `COARSER` times; 0: none does.

    """

    size: float = 0.02
    color: str = 'mean'
    color_mean: tuple[float, float, float] | None = (0.5, 0.5, 0.5)
    color_std: tuple[float, float, float] | None = (0.28, 0.28, 0.28)
    max_voxels: int = 0


def voxelize(scan: Scan, voxelization: Voxelization) -> Voxels:
    """
    Put the points of a scan on a grid, a coarser one where it would fill too many voxels.

    The grid begins at the origin of the cloud's frame, so a cloud that moves by whole voxels
    keeps its voxels.

    Raises
    ------
    InputError
        For a cloud without colour when the model needs it, one that spans more voxels than can
        be numbered, or one whose points all fall into one voxel.

    """
    if voxelization.color_mean is not None and scan.color is None:
        raise InputError('the cloud has no colour, but these weights need it: publish a cloud '
                         'with an rgb field, or use weights trained without colour')
    cells = torch.from_numpy(np.floor(scan.xyz / scan.xyz.dtype.type(voxelization.size))).long()
    coords, inverse = occupied_cells(cells)
    if 0 < voxelization.max_voxels < len(coords):
        size = voxelization.size * _growth(len(coords), voxelization.max_voxels)
        return voxelize(scan, replace(voxelization, size=size, max_voxels=0))
    if len(coords) == 1:
        raise InputError(f'all {len(scan)} points fall into one voxel of {voxelization.size:g} m: '
                         'expected a cloud in metres; check its scale')
    inside = inverse.numpy()
    if voxelization.color == 'first':
        scan_of_voxels = _first_points(scan, inside)
    else:
        scan_of_voxels = _mean_points(scan, inside, coords.numpy(), voxelization.size)
    xyz, color, segment = scan_of_voxels
    origin = np.floor(xyz.min(0).astype(np.float64))
    return Voxels(coords, _features(color, len(coords), voxelization),
                  torch.from_numpy((xyz - origin).astype(np.float32)), origin, inverse,
                  None if segment is None else torch.from_numpy(_renumber(segment)),
                  voxelization.size)


def _growth(count: int, wanted: int) -> float:
    """
    Return how many times larger voxels must be; a surface fills fewer by the square of it.

    In steps: a map that grows keeps its voxels for a while.
    """
    times = math.sqrt(count / wanted)
    return min(math.ceil(times * GROWTH_STEPS) / GROWTH_STEPS, COARSER)


def batch_coords(scans: Sequence[Voxels]) -> Tensor:
    """Stack the voxels of several scans: [V, 4] int64 of scan, x, y, z."""
    return torch.cat([torch.cat([torch.full_like(scan.coords[:, :1], number), scan.coords], 1)
                      for number, scan in enumerate(scans)])


Points = tuple[NDArray[np.floating], NDArray[np.floating] | None, NDArray[np.int64] | None]
"""Position, colour and segment of each voxel."""


def first_points(inverse: NDArray[np.int64], num_voxels: int) -> NDArray[np.int64]:
    """Return the first point of each voxel."""
    first = np.empty(num_voxels, np.int64)
    first[inverse[::-1]] = np.arange(len(inverse))[::-1]
    return first


def _first_points(scan: Scan, inverse: NDArray[np.int64]) -> Points:
    first = first_points(inverse, int(inverse.max()) + 1)
    return (scan.xyz[first], None if scan.color is None else scan.color[first],
            None if scan.segment is None else scan.segment[first])


def _mean_points(scan: Scan, inverse: NDArray[np.int64], coords: NDArray[np.int64],
                 size: float) -> Points:
    within = _means(scan.xyz / size - coords[inverse], inverse)
    return ((coords + within) * size, None if scan.color is None else _means(scan.color, inverse),
            None if scan.segment is None else _majority(scan.segment, inverse))


def _means(values: NDArray[np.floating], inverse: NDArray[np.int64]) -> NDArray[np.float64]:
    """Average the rows of each voxel, whatever their order."""
    count = np.bincount(inverse)
    steps = np.rint(values.astype(np.float64) * FINE)
    return np.stack([np.bincount(inverse, column) / count for column in steps.T], 1) / FINE


def _majority(segment: NDArray[np.int64], inverse: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give each voxel the segment most of its points have, the smaller id of equals."""
    dense = _renumber(segment)
    pairs, votes = np.unique(inverse * (dense.max() + 1) + dense, return_counts=True)
    voxel, choice = np.divmod(pairs, dense.max() + 1)
    best = np.lexsort((choice, -votes, voxel))
    return choice[best[np.unique(voxel[best], return_index=True)[1]]]


def _renumber(segment: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the segments numbered 0..S-1, in the order of their ids."""
    return np.unique(segment, return_inverse=True)[1]


def _features(color: NDArray[np.floating] | None, count: int, voxelization: Voxelization,
              ) -> Tensor:
    if voxelization.color_mean is None or color is None:
        return torch.ones(count, 1)
    normal = (color - np.asarray(voxelization.color_mean)) / np.asarray(voxelization.color_std)
    return torch.from_numpy(normal.astype(np.float32))
