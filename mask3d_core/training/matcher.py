"""Bipartite matching of queries and instances (Hungarian algorithm; Kuhn, 1955)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math
from typing import NamedTuple

from mask3d_core.errors import InputError
from mask3d_core.model import StepPrediction
from mask3d_core.sparse import product, product_over_rows
from mask3d_core.training.targets import IGNORED_CLASS, Targets
from scipy.optimize import linear_sum_assignment
import torch
from torch import Tensor

NON_FINITE_COST = 1e6
"""Replaces costs that are NaN or infinite; the loss is then not finite, which is reported."""

MIN_LOGIT = -70.
"""
Lower bound of mask logits where only their sigmoid or softplus matters, which is 0 there.

Far from its object a mask has logits of -200. Their exponentials are denormal numbers, which
processors compute ten times slower.
"""


@dataclass(frozen=True)
class LossWeights:
    """
    Weights of the loss terms, in the matching costs and in the loss (paper, eq. 4, 5).

    Attributes
    ----------
    classes, masks, dice : float
        Of the cross entropy of the classes, the binary cross entropy of the masks, and dice;
        0: not used.
    votes : float
        Of the vote loss (`training/vote_losses.py`), for models with votes. It is added once,
        the other terms at every refinement step; the matching does not use it.
    mask_iou : float
        Of the loss of predicted IoUs (`training/iou_loss.py`), for models with `mask_iou`, at
        the last step.

    """

    classes: float = 2.
    masks: float = 5.
    dice: float = 2.
    votes: float = 10.
    mask_iou: float = 1.

    def __post_init__(self) -> None:
        for name, weight in vars(self).items():
            if not 0 <= weight < math.inf:
                raise InputError(f'expected loss.{name} of 0 or more, got {weight!r}')
        if self.masks == self.dice == 0:
            raise InputError('loss.masks and loss.dice are both 0: masks would not be '
                             'trained, set one of them above 0')


class StackedPredictions(NamedTuple):
    """
    Predictions for one scan after each of L refinement steps, in float32 or float64.

    Mask logits are `mask_features @ embeddings.mT`; they are never stored.

    Attributes
    ----------
    class_logits : [L, Q, K + 1]
    embeddings : [L, Q, E]
    mask_features : [V, E] or [S, E]

    """

    class_logits: Tensor
    embeddings: Tensor
    mask_features: Tensor

    @classmethod
    def stack(cls, steps: Sequence[StepPrediction]) -> StackedPredictions:
        """Stack the predictions of one scan."""
        parts = (torch.stack([step.class_logits for step in steps]),
                 torch.stack([step.embeddings for step in steps]), steps[0].mask_features)
        return cls(*(part if part.dtype == torch.float64 else part.float() for part in parts))


@dataclass(frozen=True, eq=False)
class Match:
    """
    P matched pairs of query and instance, of one scan at one refinement step.

    Attributes
    ----------
    queries, targets : [P] int64
        Indices, on the CPU, ascending in the queries; P = min(Q, T).

    """

    queries: Tensor
    targets: Tensor


def match(predictions: StackedPredictions, targets: Targets, weights: LossWeights) -> list[Match]:
    """
    Match the queries of one scan with its instances, independently at every step.

    Returns
    -------
    L matches

    """
    costs = matching_costs(predictions, targets, weights).cpu().numpy()
    pairs = [linear_sum_assignment(cost) for cost in costs]
    return [Match(torch.from_numpy(rows), torch.from_numpy(columns)) for rows, columns in pairs]


@torch.no_grad()
def matching_costs(predictions: StackedPredictions, targets: Targets, weights: LossWeights,
                   ) -> Tensor:
    """
    Return the cost of assigning each query to each instance (paper, eq. 4).

    For an instance of an unknown class the class probability counts as 1 for every query.

    Returns
    -------
    [L, Q, T]

    """
    logits, embeddings, mask_features = predictions
    probability = logits.softmax(-1)[..., targets.class_row.clamp(min=0)]  # [L, Q, T]
    probability = probability.where(targets.class_row != IGNORED_CLASS,
                                    torch.ones_like(probability))
    entropy, dice = _mask_costs(mask_features, embeddings.flatten(0, 1), targets.masks)
    cost = (weights.masks * entropy.view_as(probability)
            + weights.dice * dice.view_as(probability) - weights.classes * probability)
    return cost.nan_to_num(NON_FINITE_COST, NON_FINITE_COST, NON_FINITE_COST)


def row_chunks(rows: int, columns: int, device: torch.device) -> list[slice]:
    """
    Split the rows of a [rows, columns] matrix of logits into chunks that fit the CPU's cache.

    The whole matrix is never in memory. On a GPU, larger chunks are faster.
    """
    size = 2 ** 25 if device.type == 'cuda' else 2 ** 18
    height = max(64, size // max(columns, 1))
    return [slice(start, start + height) for start in range(0, rows, height)]


def _mask_costs(features: Tensor, embeddings: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """
    Return binary cross entropy and dice loss of each embedding with each mask: [P, T] each.

    With logits x and a mask t, the cross entropy is the sum of softplus(x) - t x: the first term
    does not depend on the mask, the second is linear in the features.
    """
    members = masks.t().to(features.dtype).contiguous()  # [V, T]
    softplus = features.new_zeros(len(embeddings))
    extent = features.new_zeros(len(embeddings))              # sums of probabilities
    common = features.new_zeros(len(embeddings), len(masks))  # soft intersections
    for rows in row_chunks(len(features), len(embeddings), features.device):
        logits = product(features[rows], embeddings).clamp_(min=MIN_LOGIT)
        softplus += logits.sum(0)
        probabilities = logits.sigmoid_()
        softplus -= probabilities.log().sum(0)  # softplus(x) = x - log sigmoid(x), faster
        extent += probabilities.sum(0)
        common += product_over_rows(probabilities, members[rows])
    inside = embeddings @ product_over_rows(features, members)
    entropy = (softplus[:, None] - inside) / len(features)
    dice = 1 - (2 * common + 1) / (extent[:, None] + members.sum(0) + 1)
    return entropy, dice
