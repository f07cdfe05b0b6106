"""Loss of the votes: every voxel predicts its object's center and class; not in the paper."""

from __future__ import annotations

from collections.abc import Sequence

from mask3d_core.model.votes import Votes
from mask3d_core.training.targets import IGNORED_CLASS, Targets
import torch
from torch import Tensor
from torch.nn import functional

CENTER_LOSS_PER_METER = 8.0
"""Weight of the distance in metres between vote and center, relative to the cross entropy."""


def vote_loss(votes: Sequence[Votes | None], targets: Sequence[Targets]) -> Tensor:
    """
    Compute the vote loss, summed over the scans of a batch.

    It is the cross entropy of the classes of all voxels, plus the distance between the votes of
    an instance's voxels and its center, the mean of its visible voxels. Both are weighted means:
    a voxel of an instance of n voxels has the weight 1 / sqrt(n), so that walls do not dominate.
    Voxels without an instance count as one more instance, of the class "no object".

    Parameters
    ----------
    votes : B votes
        None for a model without votes: no loss.
    targets : B targets
        With masks over voxels.

    Returns
    -------
    [] float, with gradients

    """
    device = targets[0].masks.device
    total = torch.zeros((), device=device)
    with torch.autocast(device.type, enabled=False):
        for scan_votes, target in zip(votes, targets):
            if scan_votes is not None:
                total = total + _scan_loss(scan_votes, target)
    return total


def _scan_loss(votes: Votes, targets: Targets) -> Tensor:
    member = targets.masks.to(votes.centers.dtype)              # [T, V]
    sizes = member.sum(1)
    no_object = member.sum(0) == 0                              # [V]
    owner = member.argmax(0) if len(member) else torch.zeros_like(no_object, dtype=torch.int64)
    weight = no_object.sum().clamp(min=1).rsqrt().expand(len(no_object))
    class_row = torch.full_like(owner, votes.class_logits.shape[1] - 1)
    if len(member):
        weight = weight.where(no_object, sizes.clamp(min=1).rsqrt()[owner])
        class_row = class_row.where(no_object, targets.class_row[owner])
    losses = functional.cross_entropy(votes.class_logits, class_row, ignore_index=IGNORED_CLASS,
                                      reduction='none')
    known = weight * (class_row != IGNORED_CLASS)
    classes = (known * losses).sum() / known.sum().clamp(min=1e-6)
    if not len(member):
        return classes + 0 * votes.centers.sum()  # DDP needs a gradient for every weight
    centers = (member @ votes.positions) / sizes.clamp(min=1)[:, None]
    distance = (votes.centers - centers[owner]).norm(dim=1)
    weight = weight * ~no_object
    total = CENTER_LOSS_PER_METER * (weight * distance).sum()
    return classes + total / weight.sum().clamp(min=1e-6)
