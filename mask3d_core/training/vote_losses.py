"""What voxels learn about the object they belong to; for models that vote, not in the paper."""

from __future__ import annotations

from collections.abc import Sequence

from mask3d_core.model.votes import Votes
from mask3d_core.training.targets import IGNORED, Targets
import torch
from torch import Tensor
from torch.nn import functional

PER_METRE = 8.0
"""What a metre between a vote and the middle of the object costs, in units of cross entropy."""


def vote_loss(votes: Sequence[Votes | None], targets: Sequence[Targets]) -> Tensor:
    """
    Compare the votes of each scan with its instances.

    Cross entropy of the classes of all voxels, and the distance between the votes of an
    instance's voxels and its middle, the mean of the voxels that are seen. A voxel weighs the
    less the more of them its instance has (the inverse of the square root), so that a room is
    not all walls; a scan weighs 1.

    Parameters
    ----------
    votes : B votes
        None, of a model without: no loss.
    targets : B targets
        On the voxels.

    Returns
    -------
    [] float, with gradients

    """
    device = targets[0].masks.device
    total = torch.zeros((), device=device)
    with torch.autocast(device.type, enabled=False):
        for said, target in zip(votes, targets):
            if said is not None:
                total = total + _scan_loss(said, target)
    return total


def _scan_loss(votes: Votes, targets: Targets) -> Tensor:
    member = targets.masks.to(votes.centers.dtype)              # [T, V]
    sizes = member.sum(1)
    none = member.sum(0) == 0
    owner = member.argmax(0) if len(member) else torch.zeros_like(none, dtype=torch.int64)
    weight = none.sum().clamp(min=1).rsqrt().expand(len(none))
    wanted = torch.full_like(owner, votes.class_logits.shape[1] - 1)
    if len(member):
        weight = weight.where(none, sizes.clamp(min=1).rsqrt()[owner])
        wanted = wanted.where(none, targets.class_row[owner])
    losses = functional.cross_entropy(votes.class_logits, wanted, ignore_index=IGNORED,
                                      reduction='none')
    known = weight * (wanted != IGNORED)
    classes = (known * losses).sum() / known.sum().clamp(min=1e-6)
    if not len(member):
        return classes + 0 * votes.centers.sum()
    middles = (member @ votes.positions) / sizes.clamp(min=1)[:, None]
    distance = (votes.centers - middles[owner]).norm(dim=1)
    weight = weight * ~none
    return classes + PER_METRE * (weight * distance).sum() / weight.sum().clamp(min=1e-6)
