"""What was missed and what was false, on hand-made masks of 40 points."""

from collections.abc import Sequence

from mask3d_core.evaluation.ground_truth import make_truth
from mask3d_core.evaluation.mistakes import find_mistakes, IGNORED, Mistakes, RIGHT, WRONG
from mask3d_core.evaluation.predictions import Predictions
import numpy as np

NAMES = {1: 'chair', 2: 'table'}
LABEL = np.repeat([1, 2, 1, -1], 10)
INSTANCE = np.repeat([0, 1, 2, -1], 10)
"""A chair of points 0-9, a table of 10-19, a chair of 20-29, and nothing. Objects: both chairs,
then the table."""


def mistakes(*predicted: tuple[Sequence[int], int], min_region: int = 1) -> Mistakes:
    """Return the mistakes of masks with their classes, best score first."""
    masks = np.zeros((len(predicted), 40), np.uint8)
    for mask, (points, _) in zip(masks, predicted):
        mask[points] = 1
    found = Predictions(np.packbits(masks, axis=1), 40,
                        np.array([class_id for _, class_id in predicted], np.int32),
                        np.linspace(0.9, 0.5, len(predicted)))
    return find_mistakes(found, make_truth(LABEL, INSTANCE), [1, 2], NAMES, min_region)


def test_all_is_right() -> None:
    one = mistakes((range(10), 1), (range(10, 20), 2), (range(20, 30), 1))
    assert one.status == one.object_status == [RIGHT] * 3
    assert one.note[0] == 'right, IoU 1.00' and one.object_note[0] == 'found, IoU 1.00'
    assert (one.found, one.missed, one.false, one.f1) == (3, 0, 0, 1.0)


def test_nothing_is_predicted() -> None:
    one = mistakes()
    assert one.object_status == [WRONG] * 3 and one.object_note == ['missed'] * 3
    assert one.f1 == 0


def test_a_wrong_class_is_named_on_both_sides() -> None:
    one = mistakes((range(10, 20), 1))
    assert one.note == ['false: is a table, IoU 1.00']
    assert one.object_note[2] == 'missed: predicted as chair, IoU 1.00'


def test_a_poor_mask_and_a_duplicate() -> None:
    one = mistakes((range(10), 1), (range(9), 1), (range(20, 24), 1))
    assert one.note[1:] == ['false: a duplicate', 'false: poor mask of a chair, IoU 0.40']
    assert one.object_note[1] == 'missed: poor mask, IoU 0.40'
    assert (one.found, one.missed, one.false) == (1, 2, 2)
    assert one.f1 == 2 / 6


def test_what_is_mostly_on_no_object_is_not_evaluated() -> None:
    one = mistakes((range(29, 40), 1))
    assert one.status == [IGNORED] and one.note == ['not evaluated: mostly on no object']


def test_small_objects_and_predictions_are_not_evaluated() -> None:
    one = mistakes((range(10), 1), min_region=11)
    assert one.status == [IGNORED] and one.object_status == [IGNORED] * 3
    assert one.object_note == ['small: not evaluated'] * 3
    assert one.f1 == 1


def test_a_prediction_on_two_halves_is_no_such_object() -> None:
    one = mistakes(([0, 10, 20], 2))
    assert one.note == ['false: no such object']
