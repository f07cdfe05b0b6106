"""Which query answers for which instance: the cheapest assignment (Kuhn, 1955)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math
from typing import NamedTuple

from mask3d_core.errors import InputError
from mask3d_core.model import StepPrediction
from mask3d_core.sparse import product, product_over_rows
from mask3d_core.training.targets import IGNORED, Targets
from scipy.optimize import linear_sum_assignment
import torch
from torch import Tensor

HOPELESS = 1e6
"""Cost that stands for a broken number: the loss will be as broken, and says so."""

LOWEST = -70.
"""
Logits count as this at least where only their sigmoid or softplus matters, which is 0 there: far
from its object a window has logits of -200, whose exponential is too small for a normal number,
and processors take ten times as long for those.
"""


@dataclass(frozen=True)
class LossWeights:
    """
    What each part weighs, in the matching and in the loss (paper, eq. 4, 5).

    Attributes
    ----------
    classes, masks, dice : float
        Of cross entropy of the classes, binary cross entropy of the masks, and dice; 0: left out.
    votes : float
        Of what voxels vote (`training/vote_losses.py`), once, where the others count at each of
        the steps; only of models that vote, and not in the matching.

    """

    classes: float = 2.
    masks: float = 5.
    dice: float = 2.
    votes: float = 10.

    def __post_init__(self) -> None:
        for name, weight in vars(self).items():
            if not 0 <= weight < math.inf:
                raise InputError(f'expected loss.{name} of 0 or more, got {weight!r}')
        if self.masks == self.dice == 0:
            raise InputError('loss.masks and loss.dice are both 0: nothing would teach masks, '
                             'set one of them above 0')


class Refinement(NamedTuple):
    """
    What the queries of one scan say, step by step, in float32 at least.

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
    def stack(cls, steps: Sequence[StepPrediction]) -> Refinement:
        """Stack the steps of one scan."""
        parts = (torch.stack([step.class_logits for step in steps]),
                 torch.stack([step.embeddings for step in steps]), steps[0].mask_features)
        return cls(*(part if part.dtype == torch.float64 else part.float() for part in parts))


@dataclass(frozen=True, eq=False)
class Match:
    """
    The pairs of one scan at one refinement step.

    Attributes
    ----------
    queries, targets : [P] int64
        On the CPU, ascending in the queries; P = min(Q, T).

    """

    queries: Tensor
    targets: Tensor


def match(refinement: Refinement, targets: Targets, weights: LossWeights) -> list[Match]:
    """
    Match the queries of one scan with its instances, at every step by itself.

    Returns
    -------
    L matches

    """
    costs = matching_costs(refinement, targets, weights).cpu().numpy()
    pairs = [linear_sum_assignment(cost) for cost in costs]
    return [Match(torch.from_numpy(rows), torch.from_numpy(columns)) for rows, columns in pairs]


@torch.no_grad()
def matching_costs(refinement: Refinement, targets: Targets, weights: LossWeights) -> Tensor:
    """
    Return what it costs that a query answers for an instance (paper, eq. 4).

    An instance of an unknown class costs as if every query were sure of its class.

    Returns
    -------
    [L, Q, T]

    """
    logits, embeddings, mask_features = refinement
    likely = logits.softmax(-1)[..., targets.class_row.clamp(min=0)]
    likely = likely.where(targets.class_row != IGNORED, torch.ones_like(likely))
    entropy, dice = _mask_costs(mask_features, embeddings.flatten(0, 1), targets.masks)
    cost = (weights.masks * entropy.view_as(likely) + weights.dice * dice.view_as(likely)
            - weights.classes * likely)
    return cost.nan_to_num(HOPELESS, HOPELESS, HOPELESS)


def row_pieces(rows: int, columns: int, device: torch.device) -> list[slice]:
    """
    Return where to cut [rows, columns] logits so that a piece stays in the cache.

    The logits of all steps are never in memory together. A GPU wants larger pieces.
    """
    size = 2 ** 25 if device.type == 'cuda' else 2 ** 18
    height = max(64, size // max(columns, 1))
    return [slice(start, start + height) for start in range(0, rows, height)]


def _mask_costs(features: Tensor, embeddings: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """
    Return binary cross entropy and dice of every embedding with every mask: [P, T] each.

    With x the logits and t a mask, the cross entropy is the sum of softplus(x) - t x: the first
    does not depend on the mask, the second is linear in the features.
    """
    members = masks.t().to(features.dtype).contiguous()  # [V, T]
    softplus = features.new_zeros(len(embeddings))
    extent = features.new_zeros(len(embeddings))
    common = features.new_zeros(len(embeddings), len(masks))
    for rows in row_pieces(len(features), len(embeddings), features.device):
        logits = product(features[rows], embeddings).clamp_(min=LOWEST)
        softplus += logits.sum(0)
        probabilities = logits.sigmoid_()
        softplus -= probabilities.log().sum(0)  # softplus(x) = x - log sigmoid(x), sooner
        extent += probabilities.sum(0)
        common += product_over_rows(probabilities, members[rows])
    inside = embeddings @ product_over_rows(features, members)
    entropy = (softplus[:, None] - inside) / len(features)
    dice = 1 - (2 * common + 1) / (extent[:, None] + members.sum(0) + 1)
    return entropy, dice
