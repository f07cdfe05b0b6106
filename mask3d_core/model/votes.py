"""Votes: every voxel says where the middle of its object is. Ours, not the paper's."""

from __future__ import annotations

from typing import NamedTuple

from mask3d_core.model.queries import farthest_points
import torch
from torch import nn, Tensor

HIDDEN = 64
"""Width of the hidden layer."""
NO_OBJECT = 0.7
"""Probability of the last class from which on no query starts at a voxel."""
CELL = 0.05
"""Metres: edge of the cells in which votes are counted."""


class Votes(NamedTuple):
    """
    What the voxels of one scan say.

    Attributes
    ----------
    places : [V, 3]
        Of the voxels, metres from the middle of the scan.
    centers : [V, 3]
        Of the objects they belong to, in the same frame.
    class_logits : [V, K + 1]
        Of these objects; the last class is "no object".

    """

    places: Tensor
    centers: Tensor
    class_logits: Tensor


class VoteHead(nn.Module):
    """
    Votes of voxels for the middle of their object (Qi et al., Deep Hough Voting, ICCV 2019).

    Every voxel of an object teaches this, where a query teaches one mask: the U-Net learns from
    it what objects are many times sooner than from masks alone. Queries then start where votes
    gather (`choose_seeds`), and their windows are around votes instead of voxels.
    """

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(channels, HIDDEN)
        self.shift = nn.Linear(HIDDEN, 3)
        self.classes = nn.Linear(HIDDEN, num_classes + 1)
        for parameter in self.shift.parameters():  # untrained votes are for the voxel itself
            nn.init.zeros_(parameter)

    def forward(self, features: Tensor, places: Tensor) -> Votes:
        """Let voxels vote: finest features [V, C], and where they are [V, 3], metres."""
        hidden = self.hidden(features).relu_()
        return Votes(places, places + self.shift(hidden), self.classes(hidden))


@torch.no_grad()
def choose_seeds(votes: Votes, count: int) -> Tensor:
    """
    Choose voxels of objects whose votes lie far from each other, and among many others.

    Farthest point sampling over the votes, in which a distance counts as often as there are votes
    in the same cell: votes that nobody shares come last.

    Returns
    -------
    [count] int64 rows

    """
    rows = torch.nonzero(votes.class_logits.softmax(1)[:, -1] < NO_OBJECT)[:, 0]
    if not len(rows):
        rows = torch.arange(len(votes.places), device=votes.places.device)
    centers = votes.centers[rows]
    _, cell, together = torch.unique(torch.floor(centers / CELL).long(), dim=0,
                                     return_inverse=True, return_counts=True)
    return rows[farthest_points(centers, count, together[cell].float())]
