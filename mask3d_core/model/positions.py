"""Fourier position encodings (Tancik et al., NeurIPS 2020), as the original computes them."""

from __future__ import annotations

import math

import torch
from torch import nn, Tensor


class FourierPositions(nn.Module):
    """Sines and cosines of random projections of positions."""

    gauss: Tensor

    def __init__(self, hidden_dim: int) -> None:
        super().__init__()
        self.register_buffer('gauss', torch.randn(3, hidden_dim // 2))

    def forward(self, positions: Tensor, lowest: Tensor, highest: Tensor) -> Tensor:
        """
        Encode positions relative to a bounding box.

        Parameters
        ----------
        positions : [V, 3]
            Metres.
        lowest, highest : [3]
            Corners of the box, which is normalised to 0..1, metres. An axis without extent is
            mapped to 0 (the original divides by zero there).

        Returns
        -------
        [V, D]

        """
        extent = highest - lowest
        unit = (positions - lowest) / extent.where(extent > 0, torch.ones_like(extent))
        projected = (2 * math.pi * unit) @ self.gauss
        return torch.cat([projected.sin(), projected.cos()], -1)
