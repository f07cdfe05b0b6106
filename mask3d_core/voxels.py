"""Voxelization: a scan on a grid, the input of the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
import math

from mask3d_core.device_cells import DeviceCells
from mask3d_core.errors import InputError, SingleVoxelError
from mask3d_core.geometry.point_groups import group_points
from mask3d_core.scan import Scan
from mask3d_core.sparse.grid import occupied_cells
from mask3d_core.sparse.threads import BLOCK_ROWS, map_blocks
from mask3d_core.voxel_box import VoxelBox
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

CPU = torch.device('cpu')
MAX_VOXEL_GROWTH = 1.3
"""Largest growth factor over the training voxel size; beyond it the model misses too much."""
GROWTH_STEPS = 20
"""Growth factors are multiples of 1 / GROWTH_STEPS."""
FIXED_POINT_SCALE = 2.0 ** 30
"""Fixed-point steps per voxel edge or unit of colour: in float64 their sums are exact."""
POINTS_PER_VOXEL = 4
"""
Mean number of points in a voxel above which a cloud is overlaid: points of a voxel and superpoint
are then treated as one with a weight. Fewer are not worth it.
"""


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
    grid : VoxelGrid or None
        The mean points of the voxels, on the CPU; None if those are not what the voxels have.

    """

    coords: Tensor
    features: Tensor
    centers: Tensor
    origin: NDArray[np.float64]
    inverse: Tensor
    segment: Tensor | None
    size: float
    grid: VoxelGrid | None = None

    def __len__(self) -> int:
        return len(self.coords)

    @property
    def are_overlaid(self) -> bool:
        """Whether they hold many points each, as of maps of points laid over each other."""
        return len(self.inverse) > POINTS_PER_VOXEL * len(self)

    def to(self, device: torch.device) -> Voxels:
        """Move to a device."""
        return replace(
            self, coords=self.coords.to(device), features=self.features.to(device),
            centers=self.centers.to(device), inverse=self.inverse.to(device),
            segment=None if self.segment is None else self.segment.to(device))


@dataclass(frozen=True)
class Voxelization:
    """
    How scans are voxelized for a model; stored in the weights file.

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
        A cloud that fills more gets voxels so much larger that a surface fills about this many,
        at most `MAX_VOXEL_GROWTH` times; 0: no limit.
    max_contrast : float
        RMS contrast, the standard deviation of the colours 0..1 of a scan's voxels, above which
        they are brought closer to their mean; 0: no limit.

    """

    size: float = 0.02
    color: str = 'mean'
    color_mean: tuple[float, float, float] | None = (0.5, 0.5, 0.5)
    color_std: tuple[float, float, float] | None = (0.28, 0.28, 0.28)
    max_voxels: int = 0
    max_contrast: float = 0.0


@dataclass(frozen=True, eq=False)
class VoxelGrid:
    """
    A cloud thinned to one point per occupied voxel, sorted by x, then y, then z.

    Attributes
    ----------
    coords : [V, 3] int64
        floor(position / voxel size).
    centers : [V, 3] float32
        Mean (or first) position of each voxel's points, metres, relative to `origin`.
    color : [V, 3] float or None
        Mean (or first) colour of each voxel's points, in 0..1; None if the cloud has none.
    origin : [3] float64
        Whole metres, in the frame of the cloud: keeps `centers` small enough for float32.
    inverse : [N] int64
        The voxel of each point of the cloud.
    size : float
        Edge of a voxel, metres.

    """

    coords: Tensor
    centers: Tensor
    color: NDArray[np.floating] | None
    origin: NDArray[np.float64]
    inverse: Tensor
    size: float

    def __len__(self) -> int:
        return len(self.coords)


def voxel_grid(scan: Scan, size: float) -> VoxelGrid:
    """
    Put the points of a scan on a grid and average the points of each voxel.

    Parameters
    ----------
    scan : Scan
    size : float
        Edge of a voxel, metres.

    Raises
    ------
    InputError
        For a cloud that spans more voxels than can be numbered, or one whose points all fall into
        one voxel.

    """
    return _fill_voxels(scan, size, *_fill(scan, size, CPU).occupied())


def voxelize(scan: Scan, voxelization: Voxelization, device: torch.device = CPU) -> Voxels:
    """
    Turn a scan into the input of a model, on a coarser grid where it fills too many voxels.

    The grid is aligned with the origin of the cloud's frame, so a cloud that moves by whole
    voxels keeps its voxels. A GPU as the device computes them, with the same bits; they are on
    the CPU then, too.

    Raises
    ------
    InputError
        As `voxel_grid`, and for a cloud without colour when the model needs it.

    """
    if voxelization.color_mean is not None and scan.color is None:
        fault = 'no colour' if scan.only_color is None else 'the same colour everywhere'
        raise InputError(f'the cloud has {fault}, but these weights need it: publish a cloud '
                         'with an rgb field, or use weights trained without colour')
    size = voxelization.size
    filled = _fill(scan, size, device)
    if 0 < voxelization.max_voxels < len(filled):
        size *= _growth(len(filled), voxelization.max_voxels)
        filled = _fill(scan, size, device)
    coords, inverse = filled.occupied()
    first = first_points(inverse.numpy(), len(coords)) if voxelization.color == 'first' else None
    grid = _fill_voxels(scan, size, coords, inverse, first,
                        filled if isinstance(filled, DeviceCells) else None)
    return Voxels(grid.coords, _features(grid.color, len(grid), voxelization), grid.centers,
                  grid.origin, grid.inverse, _voxel_segments(scan, grid, first), size,
                  grid if first is None else None)


@dataclass(frozen=True, eq=False)
class _SortedCells:
    """The cells of points that are too far apart for a `VoxelBox`."""

    coords: Tensor
    inverse: Tensor

    def __len__(self) -> int:
        return len(self.coords)

    def occupied(self) -> tuple[Tensor, Tensor]:
        return self.coords, self.inverse


def _fill(scan: Scan, size: float, device: torch.device) -> VoxelBox | _SortedCells | DeviceCells:
    """Put the points of a scan into voxels of a size."""
    if device.type != 'cpu':
        return DeviceCells.of(scan, size, device)
    box = VoxelBox.around(scan.xyz, size)
    return box if box is not None else _SortedCells(*occupied_cells(
        torch.from_numpy(np.floor(scan.xyz / scan.xyz.dtype.type(size))).long()))


def _growth(count: int, max_voxels: int) -> float:
    """
    Return the growth factor of the voxel size that brings `count` voxels down to `max_voxels`.

    The number of voxels on a surface falls with the square of their size. The factor is rounded
    up to a step, so that a growing map keeps its voxel size for a while.
    """
    factor = math.sqrt(count / max_voxels)
    return min(math.ceil(factor * GROWTH_STEPS) / GROWTH_STEPS, MAX_VOXEL_GROWTH)


def batch_coords(scans: Sequence[Voxels]) -> Tensor:
    """Stack the voxels of several scans: [V, 4] int64 of scan, x, y, z."""
    return torch.cat([torch.cat([torch.full_like(scan.coords[:, :1], number), scan.coords], 1)
                      for number, scan in enumerate(scans)])


def first_points(inverse: NDArray[np.int64], num_voxels: int) -> NDArray[np.int64]:
    """Return the first point of each voxel: [V] rows of the cloud."""
    first = np.empty(num_voxels, np.int64)
    first[inverse[::-1]] = np.arange(len(inverse))[::-1]  # backwards: the first point is kept
    return first


def _fill_voxels(scan: Scan, size: float, coords: Tensor, inverse: Tensor,
                 first: NDArray[np.int64] | None = None, cells: DeviceCells | None = None,
                 ) -> VoxelGrid:
    """Give each voxel the position and colour of its `first` point, or the mean of its points."""
    if len(coords) == 1:
        raise SingleVoxelError(f'all {len(scan)} points fall into one voxel of {size:g} m: '
                               'expected a cloud in metres; check its scale')
    xyz: NDArray[np.floating]
    color: NDArray[np.floating] | None
    if first is not None:
        xyz, color = scan.xyz[first], None if scan.color is None else scan.color[first]
    elif cells is not None:
        places, color = cells.means(scan.color, FIXED_POINT_SCALE)
        xyz = places * size
    else:
        count = np.bincount(inverse.numpy())
        xyz = _mean_positions(scan.xyz, size, coords.numpy(), inverse.numpy(), count)
        color = None if scan.color is None else _means(scan.color, inverse.numpy(), count)
    origin = np.floor(xyz.min(0).astype(np.float64))
    return VoxelGrid(coords, torch.from_numpy((xyz - origin).astype(np.float32)), color, origin,
                     inverse, size)


def _mean_positions(xyz: NDArray[np.floating], size: float, coords: NDArray[np.int64],
                    inverse: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.float64]:
    """Average within each voxel, where the numbers are small: far from the origin none is lost."""
    def within(positions: NDArray[np.floating]) -> NDArray[np.float64]:
        local = positions / xyz.dtype.type(size)
        return local.astype(np.float64) - np.floor(local)

    return (coords + _means(xyz, inverse, count, within)) * size


def _means(values: NDArray[np.floating], inverse: NDArray[np.int64], count: NDArray[np.int64],
           prepare: Callable[[NDArray[np.floating]], NDArray[np.float64]] | None = None,
           ) -> NDArray[np.float64]:
    """Average the rows [N, 3] of each voxel, once prepared, to the bit whatever their order."""
    def add_up(rows: slice) -> NDArray[np.float64]:
        sums = np.empty((3, len(count)))
        for total, column in zip(sums, values[rows].T):
            fixed = column.astype(np.float64) if prepare is None else prepare(column)
            fixed *= FIXED_POINT_SCALE
            np.rint(fixed, out=fixed)
            total[:] = np.bincount(inverse[rows], fixed, minlength=len(count))
        return sums

    # exact sums: that of a cloud with few points in each voxel is computed at once
    sums = sum(map_blocks(add_up, len(values), max(BLOCK_ROWS, POINTS_PER_VOXEL * len(count))))
    return np.ascontiguousarray((sums / count).T) / FIXED_POINT_SCALE


def _voxel_segments(scan: Scan, grid: VoxelGrid, first: NDArray[np.int64] | None) -> Tensor | None:
    """Return the segment of each voxel, that of its `first` point or of most of them: [V]."""
    if scan.segment is None:
        return None
    segment = (_majority(scan.segment, grid.inverse.numpy()) if first is None
               else scan.segment[first])
    return torch.from_numpy(_renumber(segment))


def _majority(segment: NDArray[np.int64], inverse: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give each voxel the segment most of its points have, the smallest id of equals."""
    groups = group_points(inverse, segment)
    assert groups.segment is not None
    best = np.lexsort((groups.segment, -groups.weight, groups.voxel))
    return groups.segment[best[np.unique(groups.voxel[best], return_index=True)[1]]]


def _renumber(segment: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the segments numbered 0..S-1, in the order of their ids."""
    return np.unique(segment, return_inverse=True)[1]


def _features(color: NDArray[np.floating] | None, count: int, voxelization: Voxelization,
              ) -> Tensor:
    """Return the input features [V, C]: normalised colour, or ones."""
    if voxelization.color_mean is None or color is None:
        return torch.ones(count, 1)
    if voxelization.max_contrast:
        color = limit_contrast(color, voxelization.max_contrast)
    normal = (color - np.asarray(voxelization.color_mean)) / np.asarray(voxelization.color_std)
    return torch.from_numpy(normal.astype(np.float32))


def limit_contrast(color: NDArray[np.floating], limit: float) -> NDArray[np.floating]:
    """
    Bring colours closer to their mean if their RMS contrast is above a limit.

    Parameters
    ----------
    color : [V, 3]
    limit : float
        Root mean square of the differences from the mean colour, above 0.

    """
    mean = color.mean(axis=0)
    contrast = float(np.sqrt(np.square(color - mean).mean()))
    if contrast <= limit:
        return color
    limited: NDArray[np.floating] = mean + limit / contrast * (color - mean)
    return limited
