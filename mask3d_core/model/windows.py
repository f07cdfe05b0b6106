"""Windows: a query's mask depends on what a voxel votes for, too. Ours, not the paper's."""

from __future__ import annotations

import math

import torch
from torch import nn, Tensor

NUMBERS = 8
"""Of a window, and of a place: their product is what the window adds to a mask logit."""
RADIUS = 0.3
"""Metres: where the windows of untrained queries end."""
OPENING = 2.0
"""Logit in the middle of such a window."""
NARROWEST, WIDEST = 0.02, 20.0
"""Metres: bounds of the distance at which a window has lost one logit."""


def window_features(centers: Tensor) -> Tensor:
    """Return what windows are linear in: [V, 3] metres -> [V, 8]: 1, x, y, z, xx, yy, zz, xy."""
    x, y, z = centers.unbind(1)
    return torch.stack([torch.ones_like(x), x, y, z, x * x, y * y, z * z, x * y], 1)


class Windows(nn.Module):
    """
    Gaussian windows of queries, as SMCA (Gao et al., ICCV 2021) has them in its attention.

    A query says where the votes for its object lie relative to the vote it started at, how far
    they reach along each axis, and how they are turned around z; voxels that vote elsewhere are
    not in its mask. Without windows a query first has to find out how to tell its object from
    all others by features that do not know where they are, which takes a hundred times the
    training.

    A window is a polynomial of the vote, so masks stay products of two factors, and pooling
    them over voxels stays exact enough for attention.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.head = nn.Linear(width, NUMBERS)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        with torch.no_grad():
            self.head.bias[3:6] = math.log(OPENING / RADIUS ** 2)
            self.head.bias[7] = OPENING

    def forward(self, queries: Tensor, seeds: Tensor) -> Tensor:
        """
        Read the windows off the queries.

        Parameters
        ----------
        queries : [..., Q, D]
        seeds : [..., Q, 3]
            Votes of the voxels the queries started at, in the frame of `window_features`, metres.

        Returns
        -------
        [..., Q, 8]
            Coefficients of `window_features`.

        """
        shift, steepness, lean, opening = self.head(queries).split((3, 3, 1, 1), -1)
        cx, cy, cz = (seeds + shift).split(1, -1)
        steepness = steepness.clamp(-2 * math.log(WIDEST), -2 * math.log(NARROWEST))
        sx, sy, sz = steepness.exp().split(1, -1)
        across = lean.tanh() * (sx * sy).sqrt()  # below what would open the ellipse
        inside = opening - (sx * cx * cx + sy * cy * cy + sz * cz * cz + 2 * across * cx * cy)
        return torch.cat([
            inside, 2 * (sx * cx + across * cy), 2 * (sy * cy + across * cx), 2 * sz * cz,
            -sx, -sy, -sz, -2 * across], -1)
