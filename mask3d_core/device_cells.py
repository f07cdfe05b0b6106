"""Occupied voxels of a cloud and the means of their points, computed on a GPU."""

from __future__ import annotations

from dataclasses import dataclass

from mask3d_core.device import to_host
from mask3d_core.scan import Scan
from mask3d_core.sparse.grid import occupied_cells
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class DeviceCells:
    """
    The voxels of the points of a scan, on a GPU.

    All results are those of the CPU to the bit: operations are the same, and sums are of integers.

    Attributes
    ----------
    xyz : [N, 3] float
        The points.
    edge : [1] float
        Edge of a voxel; a tensor, as CUDA divides by a Python number with another rounding.
    coords : [V, 3] int64
        Occupied voxels, sorted by x, then y, then z.
    inverse : [N] int64
        Voxel of each point.

    """

    xyz: Tensor
    edge: Tensor
    coords: Tensor
    inverse: Tensor

    def __len__(self) -> int:
        return len(self.coords)

    @classmethod
    def of(cls, scan: Scan, size: float, device: torch.device) -> DeviceCells:
        """Put the points of a scan into voxels with an edge of `size` metres."""
        xyz = torch.from_numpy(scan.xyz).to(device)
        edge = torch.full((1,), size, dtype=xyz.dtype).to(device)
        return cls(xyz, edge, *occupied_cells((xyz / edge).floor().long()))

    def occupied(self) -> tuple[Tensor, Tensor]:
        """Return voxels and inverse, on the CPU."""
        coords, inverse = to_host(self.coords, self.inverse)
        return torch.from_numpy(coords), torch.from_numpy(inverse)

    def means(self, color: NDArray[np.floating] | None, scale: float,
              ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """
        Average the points of each voxel, in fixed-point numbers with `scale` steps per unit.

        Parameters
        ----------
        color : [N, 3] or None
        scale : float
            A power of two.

        Returns
        -------
        places, color
            [V, 3]: mean position in voxels, and mean colour; on the CPU.

        """
        local = self.xyz / self.edge
        values = [local.double() - local.floor()]
        if color is not None:
            values.append(torch.from_numpy(color).to(self.xyz.device).double())
        fixed = (torch.cat(values, 1) * scale).round()
        sums = fixed.new_zeros(len(self), fixed.shape[1]).index_add_(0, self.inverse, fixed)
        count = torch.zeros_like(sums[:, :1]).index_add_(
            0, self.inverse, torch.ones_like(fixed[:, :1]))
        means = sums / count / scale
        (host,) = to_host(torch.cat([self.coords + means[:, :3], means[:, 3:]], 1))
        return host[:, :3], None if color is None else np.ascontiguousarray(host[:, 3:])
