"""Votes: each voxel predicts the center of its object. Not in the paper."""

from __future__ import annotations

from typing import NamedTuple

from mask3d_core.model.queries import farthest_points
import torch
from torch import nn, Tensor

VOTE_HIDDEN_DIM = 64
"""Channels of the hidden layer of the vote head."""
MIN_OBJECT_RADIUS = 0.05
"""Metres, added to the length of a vote: the typical radius of the smallest objects."""


class Votes(NamedTuple):
    """
    What the voxels of one scan predict.

    Attributes
    ----------
    positions : [V, 3]
        Of the voxels, metres, relative to the mean of the scan's voxels.
    centers : [V, 3]
        Of the objects they belong to, in the same frame.
    class_logits : [V, K + 1]
        Of these objects; the last class is "no object".

    """

    positions: Tensor
    centers: Tensor
    class_logits: Tensor

    @property
    def objectness(self) -> Tensor:
        """Probability that each voxel belongs to an object: [V]."""
        return 1 - self.class_logits.softmax(1)[:, -1]


class VoteHead(nn.Module):
    """
    Votes of voxels for the center of their object (Qi et al., Deep Hough Voting, ICCV 2019).

    Every voxel of an object contributes to this loss, but only one query to its mask loss: with
    votes the U-Net learns what objects are many times sooner than from masks alone. Queries start
    at voxels of likely objects (`choose_seeds`), and their windows are around votes.
    """

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(channels, VOTE_HIDDEN_DIM)
        self.shift = nn.Linear(VOTE_HIDDEN_DIM, 3)
        self.classes = nn.Linear(VOTE_HIDDEN_DIM, num_classes + 1)
        for parameter in self.shift.parameters():  # an untrained vote is the voxel itself
            nn.init.zeros_(parameter)

    def forward(self, features: Tensor, positions: Tensor) -> Votes:
        """Compute the votes of voxels: finest features [V, C], positions [V, 3], metres."""
        hidden = self.hidden(features).relu_()
        return Votes(positions, positions + self.shift(hidden), self.classes(hidden))


@torch.no_grad()
def choose_seeds(votes: Votes, count: int) -> Tensor:
    """
    Choose the voxels queries start at: one of each object, as long as there are enough queries.

    Farthest point sampling with distances divided by the size of the object, estimated from the
    length of its votes: two cups are then as far apart as two beds. Distances are also multiplied
    by the squared probability that the voxel belongs to an object.

    Returns
    -------
    [count] int64 rows

    """
    shift = torch.linalg.vector_norm(votes.centers - votes.positions, dim=1)
    return farthest_points(votes.positions, count,
                           votes.objectness.square() / (MIN_OBJECT_RADIUS + shift))
