"""Loss of the predicted intersection over union of masks and objects; not in the paper."""

from __future__ import annotations

from collections.abc import Sequence

from mask3d_core.model import StepPrediction
from mask3d_core.training.targets import Targets
import torch
from torch import Tensor
from torch.nn import functional


def iou_loss(last: Sequence[StepPrediction], targets: Sequence[Targets]) -> Tensor:
    """
    Compute the binary cross entropy of predicted and actual IoU, summed over the scans.

    The target of a query is the largest intersection over union of its mask and any instance:
    0 for masks on the background. All queries count the same, so that those that found nothing
    learn it.

    Parameters
    ----------
    last : B predictions
        Of the last refinement step.
    targets : B targets
        Their masks are over the same voxels, or segments, as the mask features.

    Returns
    -------
    [] float
        With gradients; 0 for a model that does not predict it.

    """
    device = targets[0].masks.device
    total = torch.zeros((), device=device)
    with torch.autocast(device.type, enabled=False):
        for prediction, target in zip(last, targets):
            if prediction.iou_logits is not None:
                logits = prediction.iou_logits.float()
                total = total + functional.binary_cross_entropy_with_logits(
                    logits, actual_iou(prediction, target).to(logits.dtype))
    return total


@torch.no_grad()
def actual_iou(prediction: StepPrediction, targets: Targets) -> Tensor:
    """Return the largest IoU of the mask of each query and an instance: [Q]."""
    masks = (prediction.mask_logits > 0).float()                # [V, Q]
    if not len(targets):
        return masks.new_zeros(masks.shape[1])
    instances = targets.masks.float()                           # [T, V]
    common = instances @ masks                                  # [T, Q]
    union = instances.sum(1)[:, None] + masks.sum(0) - common
    return (common / union.clamp(min=1)).amax(0)
