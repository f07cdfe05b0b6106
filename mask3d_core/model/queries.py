"""Initial queries: their content and position before the first layer (paper, Sec. III-B)."""

from __future__ import annotations

from mask3d_core.model.config import ModelConfig
import torch
from torch import nn, Tensor


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
    axes = coords.float().t().contiguous()  # [3, V]
    chosen = torch.zeros(count, dtype=torch.int64, device=coords.device)
    distance = torch.full_like(axes[0], torch.inf)
    if weight is not None:
        chosen[0] = _first_largest(weight)
        weight = weight.square()  # distances below are squared, too
    for number in range(1, count):
        delta = axes - axes[:, chosen[number - 1], None]
        distance = torch.minimum(distance, delta.square_().sum(0))
        chosen[number] = _first_largest(distance if weight is None else distance * weight)
    return chosen


def _first_largest(values: Tensor) -> Tensor | int:
    """Return the row of the largest float32 value; numpy's argmax is ten times as fast."""
    if values.device.type != 'cpu':
        return values.argmax()
    return int(values.detach().numpy().argmax())


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
