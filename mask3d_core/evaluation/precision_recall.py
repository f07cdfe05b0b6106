"""Precision and recall of confident instances, as S3DIS is evaluated (paper, Table III)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mask3d_core.evaluation.ground_truth import Truth
from mask3d_core.evaluation.overlaps import evaluated_objects
from mask3d_core.evaluation.predictions import Found
import numpy as np
from numpy.typing import NDArray

IOU = 0.5


@dataclass(frozen=True, eq=False)
class Counts:
    """
    What one scan adds, by class: [K] each.

    Attributes
    ----------
    true, false : [K] int64
        Predictions that cover an object of their class with an IoU of at least 0.5, and others.
    objects : [K] int64
        Objects to find.

    """

    true: NDArray[np.int64]
    false: NDArray[np.int64]
    objects: NDArray[np.int64]


def count_painted(found: Found, truth: Truth, class_ids: NDArray[np.int64], confidence: float,
                  leftovers: int | None = None) -> Counts:
    """
    Paint masks over the scan, the best last, and count which of them hit an object.

    Parameters
    ----------
    found, truth
        Of the same cloud.
    class_ids : [K] int64
    confidence : float
        Lowest score that is painted; the paper takes 0.8.
    leftovers : int, optional
        Class of one more prediction, made of the points no mask covers. The original has it with
        its class 0 (ceiling) for want of a mark for such points; by default there is none.

    """
    objects, owner = evaluated_objects(found, truth, class_ids)
    chosen = np.flatnonzero(np.isin(found.class_id, class_ids) & (found.score >= confidence))
    chosen = chosen[np.argsort(-found.score[chosen], kind='stable')]
    painted = np.zeros(len(owner), np.int64)                    # 0: no mask
    for place in reversed(range(len(chosen))):
        mask = np.unpackbits(found.masks[chosen[place]], count=found.num_points).view(bool)
        painted[mask] = place + 1
    class_of = np.append(-1 if leftovers is None else leftovers, found.class_id[chosen])
    shape = (len(chosen) + 1, len(objects) + 2)
    shared = np.bincount(painted * shape[1] + owner, minlength=shape[0] * shape[1]).reshape(shape)
    size, truth_size = shared[:, :-1].sum(axis=1), shared[:, :-2].sum(axis=0)
    shared = shared[:, :-2]
    truth_class = truth.class_id[objects]
    iou = shared / np.maximum(size[:, None] + truth_size - shared, 1)
    iou[class_of[:, None] != truth_class] = 0
    hit = iou.max(axis=1, initial=0) >= IOU
    return Counts(_by_class(class_of[hit & (size > 0)], class_ids),
                  _by_class(class_of[~hit & (size > 0)], class_ids),
                  _by_class(truth_class[truth_size > 0], class_ids))


def precision_recall(counts: Sequence[Counts]) -> NDArray[np.float64]:
    """
    Return precision and recall of each class over all scans: [K, 2].

    NaN for a class without objects; a precision of 0 for one with objects that was never found.
    """
    true = sum((count.true for count in counts), np.int64(0))
    false = sum((count.false for count in counts), np.int64(0))
    objects = sum((count.objects for count in counts), np.int64(0))
    rates = np.stack([true / np.maximum(true + false, 1), true / np.maximum(objects, 1)], axis=1)
    rates[objects == 0] = np.nan
    return rates


def _by_class(ids: NDArray[np.int64], class_ids: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.array([np.count_nonzero(ids == class_id) for class_id in class_ids], np.int64)
