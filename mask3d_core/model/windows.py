"""Windows: mask logits depend on the votes of the voxels, too. Not in the paper."""

from __future__ import annotations

import math

import torch
from torch import nn, Tensor

WINDOW_DIM = 8
"""Coefficients of a window; their product with `window_features` is added to a mask logit."""
INITIAL_RADIUS = 0.3
"""Metres: where the windows of untrained queries fall to 0."""
INITIAL_PEAK = 2.0
"""Logit in the center of such a window."""
MIN_WIDTH, MAX_WIDTH = 0.02, 20.0
"""Metres: bounds of the distance from the center at which a window has lost one logit."""


def window_features(centers: Tensor) -> Tensor:
    """Return the monomials 1, x, y, z, xx, yy, zz, xy of votes: [V, 3] metres -> [V, 8]."""
    x, y, z = centers.unbind(1)
    return torch.stack([torch.ones_like(x), x, y, z, x * x, y * y, z * z, x * y], 1)


class Windows(nn.Module):
    """
    Gaussian windows of queries, as in the attention of SMCA (Gao et al., ICCV 2021).

    A query predicts where the votes for its object are relative to the vote it started at, their
    extent along each axis, and their rotation about z. Voxels that vote elsewhere are not in its
    mask. Without windows a query must learn to separate its object from all others by features
    that hold no position, which takes a hundred times the training.

    The exponent of a Gaussian is a quadratic polynomial of the vote. So mask logits stay products
    of two factors, and pooling one factor over voxels stays accurate enough for attention.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.head = nn.Linear(width, WINDOW_DIM)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        with torch.no_grad():
            self.head.bias[3:6] = math.log(INITIAL_PEAK / INITIAL_RADIUS ** 2)
            self.head.bias[7] = INITIAL_PEAK

    def forward(self, queries: Tensor, seeds: Tensor) -> Tensor:
        """
        Predict the windows of the queries.

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
        shift, log_precision, correlation, peak = self.head(queries).split((3, 3, 1, 1), -1)
        cx, cy, cz = (seeds + shift).split(1, -1)               # [..., Q, 1] each, as all below
        # One logit is lost where sx (x - cx)^2 = 1, at a width of 1 / sqrt(sx) = exp(-log sx / 2).
        log_precision = log_precision.clamp(-2 * math.log(MAX_WIDTH), -2 * math.log(MIN_WIDTH))
        sx, sy, sz = log_precision.exp().split(1, -1)
        # The quadratic form below is positive definite, so that the window is bounded, only if
        # |sxy| < sqrt(sx sy): tanh keeps it so.
        sxy = correlation.tanh() * (sx * sy).sqrt()
        # With dx = x - cx etc. the window is
        # peak - sx dx^2 - sy dy^2 - sz dz^2 - 2 sxy dx dy,
        # linear in the monomials of `window_features`: returned are their coefficients.
        constant = peak - (sx * cx * cx + sy * cy * cy + sz * cz * cz + 2 * sxy * cx * cy)
        return torch.cat([
            constant, 2 * (sx * cx + sxy * cy), 2 * (sy * cy + sxy * cx), 2 * sz * cz,
            -sx, -sy, -sz, -2 * sxy], -1)
