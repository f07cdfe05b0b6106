"""Overlaps of predictions and ground-truth objects of one scan, the input of AP."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from mask3d_core.errors import InputError
from mask3d_core.evaluation.ground_truth import Truth
from mask3d_core.evaluation.predictions import PredictionsLike
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Overlaps:
    """
    Sizes and intersections of P predictions and T objects of evaluated classes, in points.

    Attributes
    ----------
    truth_class, truth_size : [T] int64
        Of each object.
    class_id, size, void : [P] int64
        Of each prediction; `void` counts its points outside all objects of evaluated classes.
    score : [P] float64
    mask : [P] int64
        Index of the distinct mask: equal for predictions with the same mask.
    intersection : [P, T] int32

    """

    truth_class: NDArray[np.int64]
    truth_size: NDArray[np.int64]
    class_id: NDArray[np.int64]
    score: NDArray[np.float64]
    size: NDArray[np.int64]
    void: NDArray[np.int64]
    mask: NDArray[np.int64]
    intersection: NDArray[np.int32]


def measure_overlaps(predictions: PredictionsLike, truth: Truth, class_ids: NDArray[np.int64],
                     ) -> Overlaps:
    """
    Count the points in the intersections of predictions and objects.

    A mask may be listed under many classes; each distinct mask is counted only once.

    Raises
    ------
    InputError
        If predictions and truth are of different clouds.

    """
    objects, owner = evaluated_objects(predictions, truth, class_ids)
    listed = np.flatnonzero(np.isin(predictions.class_id, class_ids))
    rows: dict[bytes, int] = {}
    counts: list[NDArray[np.int64]] = []
    mask = np.zeros(len(listed), np.int64)
    for place, index in enumerate(listed):
        points = predictions.points(int(index))
        row = rows.setdefault(points.tobytes(), len(counts))
        if row == len(counts):
            counts.append(np.bincount(owner[points], minlength=len(objects) + 2))
        mask[place] = row
    table = np.array(counts, np.int32).reshape(-1, len(objects) + 2)[mask, :-1]
    return Overlaps(
        truth.class_id[objects], np.bincount(owner, minlength=len(objects) + 2)[:-2],
        predictions.class_id[listed].astype(np.int64),
        predictions.score[listed].astype(np.float64),
        table.sum(axis=1, dtype=np.int64), table[:, -1].astype(np.int64), mask,
        np.ascontiguousarray(table[:, :-1]))


def evaluated_objects(predictions: PredictionsLike, truth: Truth, class_ids: NDArray[np.int64],
                      ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """
    Return the rows [T] of the evaluated objects, and the object of each point [N].

    The latter is an index into the former, T for a void point, T + 1 for a point that is not
    evaluated.
    """
    if predictions.num_points != len(truth.object) and len(predictions.score):
        raise InputError(f'expected predictions over the {len(truth.object)} points of the ground '
                         f'truth, got {predictions.num_points} points: they are of another cloud')
    objects = np.flatnonzero(np.isin(truth.class_id, class_ids))
    place = np.full(len(truth.class_id) + 2, len(objects), np.int64)
    place[objects] = np.arange(len(objects))
    place[-2] = len(objects) + 1  # NOT_EVALUATED is -2; VOID is -1, the last element
    return objects, place[truth.object]


def merge_classes(overlaps: Overlaps) -> Overlaps:
    """
    Set all classes to 0, for class-agnostic scores.

    A mask that is listed under several classes counts once, with its best score. One that is
    listed several times under the same class counts as often, so that with a single class the
    class-agnostic scores equal the scores of that class.
    """
    occurrences: Counter[tuple[int, int]] = Counter()
    best: dict[tuple[int, int], int] = {}
    for row in np.argsort(-overlaps.score, kind='stable').tolist():
        mask, class_id = int(overlaps.mask[row]), int(overlaps.class_id[row])
        best.setdefault((mask, occurrences[mask, class_id]), row)
        occurrences[mask, class_id] += 1
    kept = np.sort(np.array(list(best.values()), np.int64))
    return replace(
        overlaps, truth_class=np.zeros_like(overlaps.truth_class),
        class_id=np.zeros(len(kept), np.int64), score=overlaps.score[kept],
        size=overlaps.size[kept], void=overlaps.void[kept], mask=overlaps.mask[kept],
        intersection=overlaps.intersection[kept])
