"""Precision and recall of confident instances, for S3DIS (paper, Table III)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mask3d_core.evaluation.ground_truth import Truth
from mask3d_core.evaluation.overlaps import evaluated_objects
from mask3d_core.evaluation.predictions import PredictionsLike
import numpy as np
from numpy.typing import NDArray

MIN_TRUE_POSITIVE_IOU = 0.5


@dataclass(frozen=True, eq=False)
class Counts:
    """
    True positives, false positives and objects of one scan, per class: [K] each.

    Attributes
    ----------
    true, false : [K] int64
        Predictions with an IoU of at least 0.5 with an object of their class, and all others.
    objects : [K] int64
        Ground-truth objects.

    """

    true: NDArray[np.int64]
    false: NDArray[np.int64]
    objects: NDArray[np.int64]


def count_predictions(predictions: PredictionsLike, truth: Truth, class_ids: NDArray[np.int64],
                      confidence: float, leftovers: int | None = None) -> Counts:
    """
    Count true and false positives, after assigning each point to its most confident mask.

    Parameters
    ----------
    predictions, truth
        Of the same cloud.
    class_ids : [K] int64
    confidence : float
        Predictions with lower scores are ignored; 0.8 in the paper.
    leftovers : int, optional
        Class of an additional prediction that consists of the points outside all masks. The
        original has one of its class 0 (ceiling), because it does not mark such points.

    """
    objects, owner = evaluated_objects(predictions, truth, class_ids)
    chosen = np.flatnonzero(np.isin(predictions.class_id, class_ids)
                            & (predictions.score >= confidence))
    chosen = chosen[np.argsort(-predictions.score[chosen], kind='stable')]
    mask_of = np.zeros(len(owner), np.int64)  # 0: no mask
    for place in reversed(range(len(chosen))):  # the best mask last: it overwrites the others
        mask_of[predictions.points(int(chosen[place]))] = place + 1
    class_of = np.append(-1 if leftovers is None else leftovers, predictions.class_id[chosen])
    shape = (len(chosen) + 1, len(objects) + 2)
    # [1 + P, T + 2] points: rows by mask (0: none), columns by object (T: void, T + 1: outside)
    shared = np.bincount(mask_of * shape[1] + owner, minlength=shape[0] * shape[1]).reshape(shape)
    size, truth_size = shared[:, :-1].sum(axis=1), shared[:, :-2].sum(axis=0)
    shared = shared[:, :-2]
    truth_class = truth.class_id[objects]
    iou = shared / np.maximum(size[:, None] + truth_size - shared, 1)
    iou[class_of[:, None] != truth_class] = 0
    hit = iou.max(axis=1, initial=0) >= MIN_TRUE_POSITIVE_IOU
    return Counts(_by_class(class_of[hit & (size > 0)], class_ids),
                  _by_class(class_of[~hit & (size > 0)], class_ids),
                  _by_class(truth_class[truth_size > 0], class_ids))


def precision_recall(counts: Sequence[Counts]) -> NDArray[np.float64]:
    """
    Return precision and recall of each class over all scans: [K, 2].

    NaN for a class without objects; precision 0 for a class with objects but no predictions.
    """
    true = sum((count.true for count in counts), np.int64(0))
    false = sum((count.false for count in counts), np.int64(0))
    objects = sum((count.objects for count in counts), np.int64(0))
    rates = np.stack([true / np.maximum(true + false, 1), true / np.maximum(objects, 1)], axis=1)
    rates[objects == 0] = np.nan
    return rates


def _by_class(ids: NDArray[np.int64], class_ids: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.array([np.count_nonzero(ids == class_id) for class_id in class_ids], np.int64)
