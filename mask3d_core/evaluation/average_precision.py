"""
Average precision of instances, exactly as ScanNet's evaluator defines it.

(ScanNet, `evaluate_semantic_instance`.) It differs from the usual definition: each object is
matched greedily with predictions in their order, a second prediction of an object is a false
positive with the lower of the two scores, predictions on void points or small objects are ignored,
and the area under the curve is integrated with central differences of the recall.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mask3d_core.data.protocol import MIN_REGION
from mask3d_core.evaluation.overlaps import Overlaps
import numpy as np
from numpy.typing import NDArray

IOU_THRESHOLDS: NDArray[np.float64] = np.append(np.arange(0.5, 0.95, 0.05), 0.25)
"""A prediction matches an object if their IoU is above the threshold."""


@dataclass(frozen=True, eq=False)
class Curve:
    """
    Precision-recall curve of one class at one IoU threshold.

    Attributes
    ----------
    precision, recall : [n + 1] float64
        At the n distinct scores, ascending, and at an additional last point (1, 0).

    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]

    @property
    def average_precision(self) -> float:
        """Return the area under the curve, with central differences of the recall as steps."""
        padded = np.concatenate([self.recall[:1], self.recall, [0.0]])
        return float(self.precision @ (0.5 * padded[:-2] - 0.5 * padded[2:]))


@dataclass(frozen=True, eq=False)
class _Pairs:
    """
    Predictions [P] and objects [T] of one class in one scan.

    Attributes
    ----------
    iou : [P, T] float64
        Intersection over union.
    large : [T] bool
        Whether the object is large enough to be evaluated.
    ignored : [P] float64
        Fraction of each prediction on void points and on small objects of its class.
    score : [P] float64

    """

    iou: NDArray[np.float64]
    large: NDArray[np.bool_]
    ignored: NDArray[np.float64]
    score: NDArray[np.float64]


def measure_curves(scans: Sequence[Overlaps], class_id: int, min_region: int = MIN_REGION,
                   thresholds: NDArray[np.float64] = IOU_THRESHOLDS) -> list[Curve]:
    """Return the curve of a class at each threshold; no curve if the class has no objects."""
    pairs = [_pair(scan, class_id, min_region) for scan in scans]
    present = [pair for pair in pairs if pair is not None]
    if not any(pair.large.any() for pair in present):
        return []
    return [_curve([_match(pair, float(threshold)) for pair in present])
            for threshold in thresholds]


def average_precisions(curves: Sequence[Curve]) -> NDArray[np.float64]:
    """Return the average precision at each of `IOU_THRESHOLDS`; NaN without curves."""
    return np.array([curve.average_precision for curve in curves]
                    or np.full(len(IOU_THRESHOLDS), np.nan))


def summarize(average_precision: NDArray[np.float64]) -> NDArray[np.float64]:
    """Summarize values at `IOU_THRESHOLDS` as AP, AP50 and AP25: [..., 10] -> [..., 3]."""
    return np.stack([average_precision[..., :-1].mean(axis=-1), average_precision[..., 0],
                     average_precision[..., -1]], axis=-1)


def _pair(scan: Overlaps, class_id: int, min_region: int) -> _Pairs | None:
    predictions = np.flatnonzero((scan.class_id == class_id) & (scan.size >= min_region))
    objects = np.flatnonzero(scan.truth_class == class_id)
    if not len(predictions) and not len(objects):
        return None
    shared = scan.intersection[np.ix_(predictions, objects)].astype(np.int64)  # [P, T] points
    size, truth_size = scan.size[predictions], scan.truth_size[objects]
    large = truth_size >= min_region
    ignored = (scan.void[predictions] + shared[:, ~large].sum(axis=1)) / np.maximum(size, 1)
    iou = shared / np.maximum(size[:, None] + truth_size - shared, 1)
    return _Pairs(iou, large, ignored, scan.score[predictions])


def _match(pairs: _Pairs, threshold: float) -> tuple[list[float], list[float], int]:
    """Return scores of true and of false positives, and the number of false negatives."""
    over = pairs.iou > threshold
    taken = np.zeros(len(over), bool)
    true: list[float] = []
    false = pairs.score[~over.any(axis=1) & (pairs.ignored <= threshold)].tolist()
    for column in over.T[pairs.large]:
        best = None
        for index in np.flatnonzero(column):
            score = float(pairs.score[index])
            if taken[index]:
                continue
            if best is None:
                best, taken[index] = score, True
            else:  # a duplicate; not taken, as in ScanNet's evaluator: may match another object
                false.append(min(best, score))
                best = max(best, score)
        if best is not None:
            true.append(best)
    return true, false, int(np.count_nonzero(pairs.large)) - len(true)


def _curve(matches: Sequence[tuple[list[float], list[float], int]]) -> Curve:
    hits = np.array([score for true, _, _ in matches for score in true])
    misses = np.array([score for _, false, _ in matches for score in false])
    truths = len(hits) + sum(missed for _, _, missed in matches)
    scores = np.unique(np.concatenate([hits, misses]))
    true = len(hits) - np.searchsorted(np.sort(hits), scores)
    false = len(misses) - np.searchsorted(np.sort(misses), scores)
    return Curve(np.append(true / (true + false), 1.0), np.append(true / truths, 0.0))
