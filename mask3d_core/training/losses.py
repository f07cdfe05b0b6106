"""The criterion: matching and loss over all refinement steps (paper, eq. 5, 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mask3d_core.model import StepPrediction
from mask3d_core.training.mask_losses import MaskLosses
from mask3d_core.training.matcher import LossWeights, Match, match, StackedPredictions
from mask3d_core.training.targets import IGNORED_CLASS, Targets
import torch
from torch import Tensor
from torch.nn import functional

PAPER_WEIGHTS = LossWeights()
NO_OBJECT_WEIGHT = 0.1
"""Weight of unmatched queries in the class loss (DETR's `eos_coef`); matched ones have 1."""


@dataclass(frozen=True, eq=False)
class Loss:
    """
    The training loss.

    Attributes
    ----------
    total : [] float
        Weighted sum over all steps; has gradients.
    terms : dict of str to [] float
        The unweighted terms, without gradients: `class`, `mask` and `dice` of the final
        prediction, and `class_0`, `mask_0`, `dice_0` etc. of the steps before (DETR's auxiliary
        losses).

    """

    total: Tensor
    terms: dict[str, Tensor]


def compute_loss(steps: Sequence[Sequence[StepPrediction]], targets: Sequence[Targets],
                 weights: LossWeights = PAPER_WEIGHTS, class_loss_share: float = 1.0) -> Loss:
    """
    Match queries and instances at every step of every scan, and compute the losses.

    The class loss is a weighted mean over the queries of the batch. Mask and dice losses are
    means over the matched pairs of a scan, summed over the scans, as in the original. In a scan
    without instances all queries are trained to predict "no object".

    Parameters
    ----------
    steps : L x B predictions
        Result of `Mask3D.forward(..., every_step=True)`.
    targets : B targets
        On the device of the predictions.
    weights : LossWeights
    class_loss_share : float
        Weight of these scans' class loss within a larger batch that is split: the loss of the
        batch is then the sum of the losses of its parts.

    """
    with torch.autocast(steps[0][0].mask_features.device.type, enabled=False):
        scans = [StackedPredictions.stack(scan) for scan in zip(*steps)]
        matches = [match(scan, target, weights) for scan, target in zip(scans, targets)]
        classes = _class_losses(scans, targets, matches)
        masks, dice = torch.stack([_mask_losses(scan, target, pairs) for scan, target, pairs
                                   in zip(scans, targets, matches)]).sum(0)
    classes = class_loss_share * classes
    total = weights.classes * classes + weights.masks * masks + weights.dice * dice
    return Loss(total.sum(), _terms({'class': classes, 'mask': masks, 'dice': dice}))


def sample_voxels(steps: Sequence[Sequence[StepPrediction]], targets: Sequence[Targets],
                  count: int, generator: torch.Generator,
                  ) -> tuple[list[list[StepPrediction]], list[Targets]]:
    """
    Sample the voxels of each scan for the mask losses (Cheng et al., Mask2Former, 2022).

    Parameters
    ----------
    steps, targets
        As for `compute_loss`.
    count : int
        Voxels (segments) per scan; of smaller scans all are used.
    generator : torch.Generator
        A CPU generator.

    """
    features, sampled = [], []
    for prediction, target in zip(steps[0], targets):
        rows = torch.randperm(len(prediction.mask_features), generator=generator)[:count]
        rows = rows.sort().values.to(prediction.mask_features.device)
        features.append(prediction.mask_features[rows])
        sampled.append(replace(target, masks=target.masks[:, rows]))
    return [[prediction._replace(mask_features=part) for prediction, part in zip(scans, features)]
            for scans in steps], sampled


def _terms(parts: dict[str, Tensor]) -> dict[str, Tensor]:
    """Name the terms of every step; the last step is the final prediction."""
    terms = {name: values.detach()[-1] for name, values in parts.items()}
    for name, values in parts.items():
        terms |= {f'{name}_{step}': value for step, value in enumerate(values.detach()[:-1])}
    return terms


def _class_losses(scans: list[StackedPredictions], targets: Sequence[Targets],
                  matches: list[list[Match]]) -> Tensor:
    """Return the weighted mean cross entropy of each step: [L]."""
    logits = torch.cat([scan.class_logits for scan in scans], 1)  # [L, B Q, K + 1]
    labels = torch.cat([_query_labels(scan.class_logits, target, pairs)
                        for scan, target, pairs in zip(scans, targets, matches)], 1)  # [L, B Q]
    weight = logits.new_ones(logits.shape[-1])
    weight[-1] = NO_OBJECT_WEIGHT
    losses = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), weight,
                                      ignore_index=IGNORED_CLASS, reduction='none')
    weights = weight[labels.clamp(min=0)] * (labels != IGNORED_CLASS)
    smallest = torch.finfo(logits.dtype).tiny  # all queries ignored: no loss
    return losses.view_as(labels).sum(1) / weights.sum(1).clamp(min=smallest)


def _query_labels(class_logits: Tensor, targets: Targets, matches: list[Match]) -> Tensor:
    """Return the target class of each query of a scan at each step: [L, Q]."""
    steps, queries, width = class_logits.shape
    class_row = targets.class_row.cpu()
    labels = torch.full((steps, queries), width - 1)  # "no object"
    for row, pairs in zip(labels, matches):
        row[pairs.queries] = class_row[pairs.targets]
    return labels.to(class_logits.device)


def _mask_losses(scan: StackedPredictions, targets: Targets, matches: list[Match]) -> Tensor:
    """Return binary cross entropy and dice loss, means over the pairs of each step: [2, L]."""
    _, embeddings, features = scan
    if not len(targets):
        return features.new_zeros(2, len(matches))
    queries = torch.stack([pairs.queries for pairs in matches]).to(features.device)
    matched = torch.stack([pairs.targets for pairs in matches]).to(features.device)  # [L, P]
    chosen = embeddings.gather(1, queries[..., None].expand(-1, -1, embeddings.shape[2]))
    members = targets.masks.t().to(features.dtype)  # [V, T]
    losses = MaskLosses.apply(features, chosen.flatten(0, 1), members, matched.flatten())
    return torch.stack([part.view_as(matched).mean(1) for part in losses])
