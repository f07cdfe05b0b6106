"""Votes: every voxel says where the middle of its object is. Ours, not the paper's."""

from __future__ import annotations

from typing import NamedTuple

from mask3d_core.model.queries import farthest_points
import torch
from torch import nn, Tensor

HIDDEN = 64
"""Width of the hidden layer."""
SMALLEST = 0.05
"""Metres from the middle to the voxels of the smallest objects."""


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
    it what objects are many times sooner than from masks alone. Queries then start at objects
    (`choose_seeds`), and their windows are around votes instead of voxels.
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
    Choose voxels of objects, each in another one as far as there are enough.

    Farthest point sampling in which a distance counts in sizes of the object, which is as large as
    the shift of its votes is long: two cups stand as far apart as two beds. It counts the less the
    likelier a voxel belongs to none.

    Returns
    -------
    [count] int64 rows

    """
    shift = torch.linalg.vector_norm(votes.centers - votes.places, dim=1)
    objectness = 1 - votes.class_logits.softmax(1)[:, -1]
    return farthest_points(votes.places, count, objectness.square() / (SMALLEST + shift))
