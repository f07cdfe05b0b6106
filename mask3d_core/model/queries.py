"""The queries: where they start and what they know before the first layer (paper, Sec. III-B)."""

from __future__ import annotations

from mask3d_core.model.config import ModelConfig
import torch
from torch import nn, Tensor


def farthest_points(coords: Tensor, count: int, weight: Tensor | None = None) -> Tensor:
    """
    Choose points far from each other, beginning with row 0, or the heaviest.

    Each next point is the one farthest from all chosen ones, the first of equals. With fewer
    points than asked for, points repeat.

    Parameters
    ----------
    coords : [V, 3]
        Distances are exact for integers, up to 4096 along an axis.
    count : int
    weight : [V], optional
        What the distance of a point is multiplied by.

    Returns
    -------
    [count] int64 rows

    """
    axes = coords.float().t().contiguous()  # [3, V]
    chosen = torch.zeros(count, dtype=torch.int64, device=coords.device)
    distance = torch.full_like(axes[0], torch.inf)
    if weight is not None:
        chosen[0] = _first_largest(weight)
        weight = weight.square()
    for number in range(1, count):
        delta = axes - axes[:, chosen[number - 1], None]
        distance = torch.minimum(distance, delta.square_().sum(0))
        chosen[number] = _first_largest(distance if weight is None else distance * weight)
    return chosen


def _first_largest(values: Tensor) -> Tensor | int:
    """Return the row of the largest of some float32; numpy is ten times as fast as torch."""
    if values.device.type != 'cpu':
        return values.argmax()
    return int(values.detach().numpy().argmax())


class Queries(nn.Module):
    """
    Initial content and position of the queries.

    Sampled ones start at farthest voxels, with zeros or the voxel's features as content; learned
    ones know both from training, and nothing of the scan.
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
        Make the queries that sit at sampled voxels.

        Parameters
        ----------
        encodings : [..., Q, D]
            Position encodings of the sampled voxels.
        features : [..., Q, C]
            Their finest features.

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
