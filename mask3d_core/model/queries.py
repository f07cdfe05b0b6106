"""Initial queries: their content and position before the first layer (paper, Sec. III-B)."""

from __future__ import annotations

from mask3d_core.model.config import ModelConfig
from mask3d_core.sparse.fused_conv import on_device, runs_fused
from mask3d_core.stop import until_stopped
import numpy as np
from numpy.typing import NDArray
import torch
from torch import nn, Tensor

POINTS_PER_BLOCK = 1024
"""Points that a program of the fused kernel looks at together."""


def farthest_points(coords: Tensor, count: int, weight: Tensor | None = None) -> Tensor:
    """
    Farthest point sampling, starting at row 0, or at the largest weight.

    Each next point is the one with the largest distance to all chosen ones, the first of equals.
    Points repeat if there are fewer than `count`.

    Parameters
    ----------
    coords : [V, 3]
        Distances are exact for integers, up to 4096 along an axis.
    count : int
    weight : [V], optional
        Factor of each point's distance.

    Returns
    -------
    [count] int64 rows

    """
    axes = coords.detach().float().t().contiguous()  # [3, V]
    weight = None if weight is None else weight.detach()
    if axes.device.type == 'cpu' and not runs_fused(axes):
        return torch.from_numpy(_farthest_on_cpu(
            axes.numpy(), count, None if weight is None else weight.numpy()))
    choose = _farthest_fused if runs_fused(axes) else _farthest_on_gpu
    return choose(axes, count, weight)


def _farthest_on_cpu(axes: NDArray[np.float32], count: int, weight: NDArray[np.float32] | None,
                     ) -> NDArray[np.int64]:
    """
    Choose points as `farthest_points` says: [3, V], [V] -> [count].

    In numpy, which takes a third of the time of torch on one thread, and has no threads to wait
    for: with torch, half the barriers of the decoder were in this loop.
    """
    chosen = np.zeros(count, np.int64)
    distance = np.full(axes.shape[1], np.inf, np.float32)
    delta, squared = np.empty_like(axes), np.empty_like(distance)
    if weight is not None:
        chosen[0] = weight.argmax()
        weight = np.square(weight)  # distances below are squared, too
    for number in until_stopped(range(1, count)):
        np.subtract(axes, axes[:, chosen[number - 1], None], out=delta)
        np.square(delta, out=delta)
        np.add(delta[0], delta[1], out=squared)
        np.minimum(distance, np.add(squared, delta[2], out=squared), out=distance)
        weighted = distance if weight is None else np.multiply(distance, weight, out=squared)
        chosen[number] = weighted.argmax()
    return chosen


def _farthest_on_gpu(axes: Tensor, count: int, weight: Tensor | None) -> Tensor:
    """Choose points as `farthest_points` says: [3, V], [V] -> [count]."""
    chosen = torch.zeros(count, dtype=torch.int64, device=axes.device)
    distance = torch.full_like(axes[0], torch.inf)
    if weight is not None:
        chosen[0] = weight.argmax()
        weight = weight.square()  # distances below are squared, too
    for number in until_stopped(range(1, count)):
        delta = axes - axes.index_select(1, chosen[number - 1:number])
        distance = torch.minimum(distance, delta.square_().sum(0))
        chosen[number] = (distance if weight is None else distance * weight).argmax()
    return chosen


def _farthest_fused(axes: Tensor, count: int, weight: Tensor | None) -> Tensor:
    """Choose points as `farthest_points` says: [3, V], [V] -> [count]."""
    from mask3d_core.model.farthest_kernel import farthest_step, PARTS

    chosen = torch.zeros(count, dtype=torch.int64, device=axes.device)
    distance = torch.full_like(axes[0], torch.inf)
    best = axes.new_empty(2, PARTS)
    place = torch.empty_like(best, dtype=torch.int32)
    if weight is not None:
        chosen[0] = weight.argmax()
        weight = weight.square()  # distances below are squared, too
    with on_device(axes):
        for number in until_stopped(range(1, count + 1)):
            # rounding each product, as on a CPU; the last step only takes the best candidate
            farthest_step[(PARTS if number < count else 1,)](
                axes, axes if weight is None else weight, distance, best, place, chosen,
                axes.shape[1], number, WEIGHTED=weight is not None, PARTS=PARTS,
                BLOCK=POINTS_PER_BLOCK, enable_fp_fusion=False)
    return chosen


class Queries(nn.Module):
    """
    Initial content and position of the queries.

    'fps_zero' and 'fps_feature' sample voxels; their content is zero or projected from the
    voxel's features. 'learned' queries are parameters and do not depend on the scan.
    """

    def __init__(self, config: ModelConfig, feature_dim: int) -> None:
        super().__init__()
        self.kind = config.queries
        width = config.hidden_dim
        if self.kind == 'learned':
            self.content = nn.Parameter(torch.randn(config.num_queries, width))
            self.position = nn.Parameter(torch.randn(config.num_queries, width))
            return
        self.projection = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        if self.kind == 'fps_feature':
            self.feature_projection = nn.Sequential(
                nn.Linear(feature_dim, width), nn.ReLU(), nn.Linear(width, width))

    def forward(self, encodings: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """
        Initialize the queries of sampled voxels.

        Parameters
        ----------
        encodings : [..., Q, D]
            Position encodings of the sampled voxels.
        features : [..., Q, C]
            Their features of the finest level.

        Returns
        -------
        content, position : [..., Q, D]

        """
        if self.kind == 'learned':
            shape = *encodings.shape[:-2], *self.content.shape
            return self.content.expand(shape), self.position.expand(shape)
        position = self.projection(encodings)
        if self.kind == 'fps_feature':
            return self.feature_projection(features), position
        return torch.zeros_like(position), position
