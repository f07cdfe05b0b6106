"""The loss of all refinement steps together (paper, eq. 5, 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mask3d_core.model import StepPrediction
from mask3d_core.training.mask_losses import MaskLosses
from mask3d_core.training.matcher import LossWeights, Match, match, Refinement
from mask3d_core.training.targets import IGNORED, Targets
import torch
from torch import Tensor
from torch.nn import functional

PAPER = LossWeights()
NO_OBJECT = 0.1
"""What a query without an instance weighs in the class loss, in which others weigh 1."""


@dataclass(frozen=True, eq=False)
class Loss:
    """
    What is to be made small.

    Attributes
    ----------
    total : [] float
        Weighted sum over all steps; has gradients.
    terms : dict of str to [] float
        The parts before they are weighted, without gradients: `class`, `mask` and `dice` of the
        final prediction, `class_0`, `mask_0`, `dice_0` and so on of the steps before it.

    """

    total: Tensor
    terms: dict[str, Tensor]


def compute_loss(steps: Sequence[Sequence[StepPrediction]], targets: Sequence[Targets],
                 weights: LossWeights = PAPER, class_share: float = 1.0) -> Loss:
    """
    Match every step of every scan with its instances and compare them.

    The class loss is a weighted mean over the queries of the batch; mask and dice losses are
    means over the pairs of a scan, summed over the scans, as in the original. A scan without
    instances only teaches its queries that there is nothing.

    Parameters
    ----------
    steps : L x B predictions
        Of `Mask3D.forward(..., every_step=True)`.
    targets : B targets
        On the device of the predictions.
    weights : LossWeights
    class_share : float
        What the class loss of these scans weighs in that of a larger batch, of which they are a
        part: the loss of the batch is then the sum over its parts.

    """
    with torch.autocast(steps[0][0].mask_features.device.type, enabled=False):
        scans = [Refinement.stack(scan) for scan in zip(*steps)]
        matches = [match(scan, target, weights) for scan, target in zip(scans, targets)]
        classes = _class_losses(scans, targets, matches)
        masks, dice = torch.stack([_mask_losses(scan, target, found) for scan, target, found
                                   in zip(scans, targets, matches)]).sum(0)
    classes = class_share * classes
    total = weights.classes * classes + weights.masks * masks + weights.dice * dice
    return Loss(total.sum(), _terms({'class': classes, 'mask': masks, 'dice': dice}))


def sample_voxels(steps: Sequence[Sequence[StepPrediction]], targets: Sequence[Targets],
                  count: int, generator: torch.Generator,
                  ) -> tuple[list[list[StepPrediction]], list[Targets]]:
    """
    Draw the voxels of each scan on which masks are compared (Cheng et al., Mask2Former, 2022).

    Parameters
    ----------
    steps, targets
        As for `compute_loss`.
    count : int
        Voxels (segments) of a scan; smaller scans stay whole.
    generator : torch.Generator
        On the CPU.

    """
    features, drawn = [], []
    for prediction, target in zip(steps[0], targets):
        rows = torch.randperm(len(prediction.mask_features), generator=generator)[:count]
        rows = rows.sort().values.to(prediction.mask_features.device)
        features.append(prediction.mask_features[rows])
        drawn.append(replace(target, masks=target.masks[:, rows]))
    return [[prediction._replace(mask_features=part) for prediction, part in zip(scans, features)]
            for scans in steps], drawn


def _terms(parts: dict[str, Tensor]) -> dict[str, Tensor]:
    """Name the parts of every step; the last step is the final prediction."""
    terms = {name: values.detach()[-1] for name, values in parts.items()}
    for name, values in parts.items():
        terms |= {f'{name}_{step}': value for step, value in enumerate(values.detach()[:-1])}
    return terms


def _class_losses(scans: list[Refinement], targets: Sequence[Targets],
                  matches: list[list[Match]]) -> Tensor:
    """Return the weighted mean cross entropy of each step: [L]."""
    logits = torch.cat([scan.class_logits for scan in scans], 1)  # [L, B Q, K + 1]
    wanted = torch.cat([_wanted_classes(scan.class_logits, target, found)
                        for scan, target, found in zip(scans, targets, matches)], 1)
    weight = logits.new_ones(logits.shape[-1])
    weight[-1] = NO_OBJECT
    losses = functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), weight,
                                      ignore_index=IGNORED, reduction='none')
    counted = weight[wanted.clamp(min=0)] * (wanted != IGNORED)
    smallest = torch.finfo(logits.dtype).tiny  # all queries ignored: no loss
    return losses.view_as(wanted).sum(1) / counted.sum(1).clamp(min=smallest)


def _wanted_classes(class_logits: Tensor, targets: Targets, matches: list[Match]) -> Tensor:
    """Return what each query of a scan should say at each step: [L, Q]."""
    steps, queries, width = class_logits.shape
    class_row = targets.class_row.cpu()
    wanted = torch.full((steps, queries), width - 1)
    for row, found in zip(wanted, matches):
        row[found.queries] = class_row[found.targets]
    return wanted.to(class_logits.device)


def _mask_losses(scan: Refinement, targets: Targets, matches: list[Match]) -> Tensor:
    """Return mean cross entropy and mean dice loss over the pairs of each step: [2, L]."""
    _, embeddings, features = scan
    if not len(targets):
        return features.new_zeros(2, len(matches))
    queries = torch.stack([found.queries for found in matches]).to(features.device)
    answered = torch.stack([found.targets for found in matches]).to(features.device)  # [L, P]
    chosen = embeddings.gather(1, queries[..., None].expand(-1, -1, embeddings.shape[2]))
    members = targets.masks.t().to(features.dtype)  # [V, T]
    losses = MaskLosses.apply(features, chosen.flatten(0, 1), members, answered.flatten())
    return torch.stack([part.view_as(answered).mean(1) for part in losses])
