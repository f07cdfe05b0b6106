"""What was missed and what was false in each scan, for a person who wants to see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mask3d_core.data.protocol import MIN_REGION
from mask3d_core.evaluation.ground_truth import Truth
from mask3d_core.evaluation.overlaps import evaluated_objects
from mask3d_core.evaluation.predictions import PredictionsLike
import numpy as np
from numpy.typing import NDArray

MATCH_IOU = 0.5
"""A prediction is right if its IoU with an object of its class is above this, as for AP50."""
PARTIAL_IOU = 0.1
"""An overlap from which on a prediction is a poor mask of an object, and not just false."""
RIGHT, WRONG, IGNORED = 'right', 'wrong', ''


@dataclass(frozen=True, eq=False)
class Mistakes:
    """
    How the predictions of a scan compare with its objects.

    Attributes
    ----------
    object_status, object_note : T strings
        Of every object of the truth: `RIGHT`, `WRONG`, or `IGNORED` if it is not evaluated; and a
        few words.
    status, note : P strings
        Of every prediction.

    """

    object_status: list[str]
    object_note: list[str]
    status: list[str]
    note: list[str]

    @property
    def missed(self) -> int:
        """Number of evaluated objects that no prediction matches."""
        return self.object_status.count(WRONG)

    @property
    def false(self) -> int:
        """Number of evaluated predictions that match no object."""
        return self.status.count(WRONG)

    @property
    def found(self) -> int:
        """Number of objects that a prediction matches."""
        return self.object_status.count(RIGHT)

    @property
    def f1(self) -> float:
        """Twice the matches over the number of objects and predictions; 1 without either."""
        return 2 * self.found / max(2 * self.found + self.missed + self.false, 1e-9) if (
            self.found + self.missed + self.false) else 1.0


def find_mistakes(predictions: PredictionsLike, truth: Truth, class_ids: Sequence[int],
                  names: dict[int, str], min_region: int = MIN_REGION) -> Mistakes:
    """
    Match the predictions of a scan with its objects, best score first, each object once.

    Parameters
    ----------
    predictions : Instances or Predictions
        Best score first.
    truth : Truth
    class_ids : integers
        The evaluated classes.
    names : mapping of int to str
        Of the classes.
    min_region : int
        Objects and predictions with fewer points are not evaluated.

    """
    count = len(predictions.score)
    evaluated, owner = evaluated_objects(predictions, truth, np.asarray(class_ids, np.int64))
    sizes = np.bincount(owner, minlength=len(evaluated) + 2)
    shared = np.zeros((count, len(evaluated) + 2), np.int64)
    for index in range(count):
        shared[index] = np.bincount(owner[predictions.points(index)],
                                    minlength=len(evaluated) + 2)
    covered = shared[:, :-1].sum(axis=1)                                  # evaluated points
    union = covered[:, None] + sizes[:-2] - shared[:, :-2]
    iou = shared[:, :-2] / np.maximum(union, 1)
    comparison = _Comparison(iou, predictions.class_id.astype(np.int64),
                             truth.class_id[evaluated], names)
    large = sizes[:-2] >= min_region
    listed = np.isin(predictions.class_id, class_ids) & (covered >= min_region)
    unclear = shared[:, -2] + shared[:, :-2][:, ~large].sum(axis=1) > 0.5 * np.maximum(covered, 1)
    match = comparison.match(listed, large)
    status, note = comparison.judge_predictions(match, listed, unclear)
    object_status, object_note = [IGNORED] * len(truth.class_id), [''] * len(truth.class_id)
    for place, row in enumerate(evaluated.tolist()):
        if large[place]:
            object_status[row], object_note[row] = comparison.judge_object(place, match, listed)
        else:
            object_note[row] = 'small: not evaluated'
    return Mistakes(object_status, object_note, status, note)


@dataclass(frozen=True, eq=False)
class _Comparison:
    """
    Overlaps of predictions and objects.

    Attributes
    ----------
    iou : [P, T] float64
    class_id : [P] int64
    object_class : [T] int64
    names : mapping of int to str

    """

    iou: NDArray[np.float64]
    class_id: NDArray[np.int64]
    object_class: NDArray[np.int64]
    names: dict[int, str]

    def match(self, listed: NDArray[np.bool_], large: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the object of each prediction, -1 for none, -2 for a duplicate."""
        match = np.full(len(self.iou), -1, np.int64)
        taken = np.zeros(len(large), np.bool_)
        for index in np.flatnonzero(listed).tolist():
            over = ((self.iou[index] > MATCH_IOU) & large
                    & (self.object_class == self.class_id[index]))
            if (over & ~taken).any():
                match[index] = int(np.flatnonzero(over & ~taken)[0])
                taken[match[index]] = True
            elif over.any():
                match[index] = -2
        return match

    def judge_predictions(self, match: NDArray[np.int64], listed: NDArray[np.bool_],
                          unclear: NDArray[np.bool_]) -> tuple[list[str], list[str]]:
        """Return status and note of each prediction."""
        status, note = [], []
        for index, row in enumerate(match.tolist()):
            best = int(self.iou[index].argmax()) if self.iou.shape[1] else -1
            overlap = float(self.iou[index, best]) if best >= 0 else 0.0
            if row >= 0:
                status.append(RIGHT)
                note.append(f'right, IoU {self.iou[index, row]:.2f}')
            elif not listed[index] or (row == -1 and unclear[index]):
                status.append(IGNORED)
                note.append('not evaluated: ' + ('mostly on no object' if listed[index] else
                                                 'small, or of a class without evaluation'))
            else:
                status.append(WRONG)
                note.append('false: ' + ('a duplicate' if row == -2 else
                                         self._describe(best, overlap, self.class_id[index])))
        return status, note

    def _describe(self, place: int, overlap: float, class_id: int) -> str:
        """Describe what a false prediction is on."""
        if overlap <= PARTIAL_IOU:
            return 'no such object'
        name = self.names.get(int(self.object_class[place]), 'object')
        kind = 'part of a' if overlap <= MATCH_IOU else 'is a'
        same = self.object_class[place] == class_id
        return (f'poor mask of a {name}' if same else f'{kind} {name}') + f', IoU {overlap:.2f}'

    def judge_object(self, place: int, match: NDArray[np.int64], listed: NDArray[np.bool_],
                     ) -> tuple[str, str]:
        """Return status and note of an evaluated object."""
        matched = np.flatnonzero(match == place)
        if len(matched):
            return RIGHT, f'found, IoU {self.iou[matched[0], place]:.2f}'
        overlap = np.where(listed, self.iou[:, place], 0)
        best = int(overlap.argmax()) if len(overlap) else -1
        if best < 0 or overlap[best] <= PARTIAL_IOU:
            return WRONG, 'missed'
        name = self.names.get(int(self.class_id[best]), 'object')
        same = self.class_id[best] == self.object_class[place]
        text = 'poor mask' if same else f'predicted as {name}'
        return WRONG, f'missed: {text}, IoU {overlap[best]:.2f}'
