"""Score the regions of a prediction, and choose the best (paper, Sec. III, eq. 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mask3d_core.errors import InputError
from mask3d_core.extraction.regions import Regions
import numpy as np
from numpy.typing import NDArray

CLASS_EXPONENT: Final = 0.5
"""
Of the class probability in the ranking by objectness. With 0 a mask of a query that found nothing,
whose class is arbitrary, often replaces its duplicate; with more background ranks too high
(docs/log/weights.md).
"""
CANDIDATES_PER_INSTANCE = 5
"""
Masks among which duplicates are removed, for each of the top k instances. Of a broken prediction
there may be thousands of masks, and each is compared with each.
"""


@dataclass(frozen=True, eq=False)
class Candidates:
    """
    Scored pairs of a region and a class, best score first.

    Attributes
    ----------
    region : [I] int64
    row : [I] int64
        Row of the class table.
    score : [I] float64

    """

    region: NDArray[np.int64]
    row: NDArray[np.int64]
    score: NDArray[np.float64]

    def __getitem__(self, chosen: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Candidates:
        return Candidates(self.region[chosen], self.row[chosen], self.score[chosen])


def rank(regions: Regions, probability: NDArray[np.float32],
         objectness: NDArray[np.float32] | None, mask_iou: NDArray[np.float64] | None,
         top_k: int, all_classes: bool) -> Candidates:
    """
    Take the best pairs of region and class, and sort them by score.

    Without objectness the score is eq. 7, and the best are those with the highest class
    probabilities; with it, those with the highest scores.

    Parameters
    ----------
    regions : Regions
        R of them.
    probability : [Q, K]
        Class probabilities of the queries, without "no object".
    objectness : [V] or None
        Probability that a voxel belongs to an object, if regions are ranked by it.
    mask_iou : [R] or None
        Predicted IoU of the query of each region.
    top_k : int
        As in `ExtractSettings`. Without `all_classes` duplicates are still among the candidates:
        `CANDIDATES_PER_INSTANCE` times as many are taken.
    all_classes : bool
        Pair each region with each class, not only with the likeliest.

    Raises
    ------
    InputError
        If a class probability is not finite.

    """
    probability = probability[regions.query]                    # [R, K]
    if not np.isfinite(probability).all():
        raise InputError('the network predicted NaN: the weights are broken, or the precision '
                         'is too low for them; try float32')
    count = len(probability) if top_k == -1 else top_k
    if all_classes:
        region = np.repeat(np.arange(len(probability)), probability.shape[1])
        row = np.tile(np.arange(probability.shape[1]), len(probability))
    else:
        region, row = np.arange(len(probability)), probability.argmax(axis=1)
        count *= CANDIDATES_PER_INSTANCE
    if objectness is None:
        top = _largest(probability[region, row], count)
        region, row = region[top], row[top]
        score = probability[region, row] * regions.confidence[region]
    else:
        evidence = regions.confidence * _mean_objectness(regions, objectness)
        score = objectness_score(evidence, probability.max(axis=1, initial=0), mask_iou)
        top = _largest(score, count)
        region, row, score = region[top], row[top], score[top]
    return Candidates(region, row, score)[np.argsort(-score, kind='stable')]


def objectness_score(evidence: NDArray[np.float64], likeliest: NDArray[np.floating],
             mask_iou: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """
    Return the scores of the ranking by objectness, each factor in 0..1.

    Parameters
    ----------
    evidence : array
        Mean mask probability times mean objectness.
    likeliest : array
        Probability of the likeliest class.
    mask_iou : array or None
        If the model predicts it.

    """
    score: NDArray[np.float64] = evidence ** 2 * likeliest ** CLASS_EXPONENT
    if mask_iou is not None:
        score = np.sqrt(mask_iou * score)
    return score


def _mean_objectness(regions: Regions, objectness: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean objectness of the voxels of each region: [R]."""
    return np.array([objectness[voxels].sum(dtype=np.float64) / max(len(voxels), 1)
                     for voxels in regions.voxels])


def _largest(values: NDArray[np.floating], count: int) -> NDArray[np.int64]:
    """Return the indices of the largest values, descending, equal ones by index."""
    if count < len(values):
        smallest = np.partition(values, len(values) - count)[len(values) - count]
        largest = np.flatnonzero(values >= smallest)
    else:
        largest = np.arange(len(values))
    return largest[np.argsort(-values[largest], kind='stable')][:count]
