"""Precision and recall of confident instances (S3DIS): small exact cases."""

from mask3d_core.classes import ClassTable
from mask3d_core.errors import InputError
from mask3d_core.evaluation import Evaluation, make_truth, Predictions, Protocol, Scores
import numpy as np
import pytest

CLASSES = ClassTable((0, 1, 2), ('ceiling', 'chair', 'table'), ((0, 0, 0),) * 3)
CEILING, CHAIR, TABLE = CLASSES.ids
LABEL = np.repeat([CEILING, CHAIR, CHAIR, TABLE], 100)
INSTANCE = np.repeat([0, 1, 2, 3], 100)


def evaluate(*found: tuple[int, int, int, float], leftovers: str | None = None) -> Scores:
    """Evaluate predictions of (class, first point, last + 1, score)."""
    masks = np.zeros((len(found), len(LABEL)), bool)
    for row, (_, first, last, _) in enumerate(found):
        masks[row, first:last] = True
    evaluation = Evaluation(CLASSES, Protocol(confidence=0.8), leftovers)
    evaluation.add(Predictions(np.packbits(masks, axis=1), len(LABEL),
                               np.array([f[0] for f in found], np.int32),
                               np.array([f[3] for f in found])), make_truth(LABEL, INSTANCE))
    return evaluation.scores()


def rates(scores: Scores) -> np.ndarray:
    assert scores.rates is not None
    return scores.rates


def test_half_of_the_chairs() -> None:
    scores = evaluate((CHAIR, 100, 200, 0.9), (CHAIR, 0, 100, 0.8))
    np.testing.assert_array_equal(rates(scores), [[0, 0], [0.5, 0.5], [0, 0]])
    np.testing.assert_allclose(scores.mean_rates, [1 / 6, 1 / 6])


def test_an_overlap_of_one_half_is_enough() -> None:
    assert rates(evaluate((CHAIR, 100, 150, 0.9)))[1].tolist() == [1, 0.5]
    assert rates(evaluate((CHAIR, 100, 149, 0.9)))[1].tolist() == [0, 0]


def test_predictions_below_the_confidence_are_ignored() -> None:
    assert rates(evaluate((CHAIR, 100, 200, 0.8), (CHAIR, 0, 100, 0.79)))[1].tolist() == [1, 0.5]


def test_points_belong_to_the_most_confident_mask_in_any_order() -> None:
    low, high = (CHAIR, 100, 300, 0.85), (CHAIR, 100, 200, 0.95)
    for found in ((low, high), (high, low)):  # what the better one leaves is the second chair
        assert rates(evaluate(*found))[1].tolist() == [1, 1]


def test_a_mask_without_points_left_is_no_prediction() -> None:
    scores = evaluate((CHAIR, 100, 200, 0.95), (TABLE, 100, 200, 0.85), (TABLE, 300, 400, 0.82))
    np.testing.assert_array_equal(rates(scores)[1:], [[1, 0.5], [1, 1]])


def test_leftovers_count_as_the_original_counts_them() -> None:
    found = (CHAIR, 100, 200, 0.9), (CHAIR, 200, 300, 0.9), (TABLE, 300, 400, 0.9)
    assert rates(evaluate(*found))[0].tolist() == [0, 0]
    assert rates(evaluate(*found, leftovers='ceiling'))[0].tolist() == [1, 1]
    everything = (CEILING, 0, 100, 0.9), *found
    np.testing.assert_array_equal(rates(evaluate(*everything, leftovers='ceiling')), 1)


def test_leftovers_need_a_class_that_exists() -> None:
    with pytest.raises(InputError, match="unknown class 'celling'"):
        evaluate(leftovers='celling')


def test_a_class_without_objects_is_nan() -> None:
    evaluation = Evaluation(CLASSES, Protocol(confidence=0.8))
    evaluation.add(Predictions(np.packbits(np.ones((1, 400), bool), axis=1), 400,
                               np.array([TABLE], np.int32), np.array([1.0])),
                   make_truth(np.full(400, CHAIR), np.zeros(400, int)))
    scores = evaluation.scores()
    assert np.isnan(rates(scores)).all(axis=1).tolist() == [True, False, True]
    np.testing.assert_array_equal(scores.mean_rates, 0)


def test_not_reported_without_a_confidence() -> None:
    evaluation = Evaluation(CLASSES, Protocol())
    assert evaluation.scores().rates is None
    assert evaluation.scores().mean_rates is None
