"""How predictions and objects of one scan overlap: all that average precision needs of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from mask3d_core.errors import InputError
from mask3d_core.evaluation.ground_truth import Truth
from mask3d_core.evaluation.predictions import Found
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Overlaps:
    """
    P predictions and T objects of the classes that are evaluated, in points.

    Attributes
    ----------
    truth_class, truth_size : [T] int64
        Of each object.
    class_id, size, void : [P] int64
        Of each prediction; `void` is its points outside all objects of evaluated classes.
    score : [P] float64
    mask : [P] int64
        Equal for predictions that share a mask.
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


def measure_overlaps(found: Found, truth: Truth, class_ids: NDArray[np.int64]) -> Overlaps:
    """
    Count the points that predictions and objects share.

    Each distinct mask is counted once, over its own points: a mask may be listed under many
    classes.

    Raises
    ------
    InputError
        If predictions and truth are of different clouds.

    """
    objects, owner = evaluated_objects(found, truth, class_ids)
    listed = np.flatnonzero(np.isin(found.class_id, class_ids))
    rows: dict[bytes, int] = {}
    counts: list[NDArray[np.int64]] = []
    mask = np.zeros(len(listed), np.int64)
    for place, index in enumerate(listed):
        packed = found.masks[index]
        row = rows.setdefault(packed.tobytes(), len(counts))
        if row == len(counts):
            inside = np.unpackbits(packed, count=found.num_points).view(bool)
            counts.append(np.bincount(owner[inside], minlength=len(objects) + 2))
        mask[place] = row
    table = np.array(counts, np.int32).reshape(-1, len(objects) + 2)[mask, :-1]
    return Overlaps(
        truth.class_id[objects], np.bincount(owner, minlength=len(objects) + 2)[:-2],
        found.class_id[listed].astype(np.int64), found.score[listed].astype(np.float64),
        table.sum(axis=1, dtype=np.int64), table[:, -1].astype(np.int64), mask,
        np.ascontiguousarray(table[:, :-1]))


def evaluated_objects(found: Found, truth: Truth, class_ids: NDArray[np.int64],
                      ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """
    Return the T rows of the objects that are evaluated, and for each point one of them.

    The latter is the place in the former, T for a void point, T + 1 for one outside: [N].
    """
    if found.num_points != len(truth.object) and len(found.score):
        raise InputError(f'expected predictions over the {len(truth.object)} points of the ground '
                         f'truth, got {found.num_points} points: they are of another cloud')
    objects = np.flatnonzero(np.isin(truth.class_id, class_ids))
    place = np.full(len(truth.class_id) + 2, len(objects), np.int64)
    place[objects] = np.arange(len(objects))
    place[-2] = len(objects) + 1                     # where OUTSIDE (-2) and VOID (-1) index
    return objects, place[truth.object]


def without_classes(overlaps: Overlaps) -> Overlaps:
    """
    Return the same as if all had one class, 0, for class-agnostic scores.

    A mask that occurs under several classes counts once, with its best score. One that occurs
    several times under the same class counts as often, as in the scores by class: where there is
    one class only, both are the same.
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
