"""Average precision: the original's values, small exact cases, and invariants."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from mask3d_core.classes import ClassTable, load_classes
from mask3d_core.errors import InputError
from mask3d_core.evaluation import (
    Evaluation,
    find_protocol,
    make_truth,
    Predictions,
    Protocol,
    Scores,
    Truth,
)
from mask3d_core.evaluation.average_precision import Curve
from mask3d_core.evaluation.ground_truth import read_scannet_truth
import numpy as np
import pytest

CLASSES = ClassTable((1, 2, 3), ('chair', 'table', 'floor'), ((0, 0, 0),) * 3)
POINTS = 2000
CHAIR, TABLE, FLOOR = CLASSES.ids
Rows = tuple[int, int]


def truth_of(*objects: tuple[int, Rows]) -> Truth:
    """Make ground truth of (class, (first, last + 1)); other points are void."""
    label, instance = np.full(POINTS, -1), np.full(POINTS, -1)
    for number, (class_id, (first, last)) in enumerate(objects):
        label[first:last], instance[first:last] = class_id, number
    return make_truth(label, instance)


def predict(*found: tuple[int, Rows, float]) -> Predictions:
    """Make predictions of (class, (first, last + 1), score)."""
    masks = np.zeros((len(found), POINTS), bool)
    for row, (_, (first, last), _) in enumerate(found):
        masks[row, first:last] = True
    return Predictions(np.packbits(masks, axis=1), POINTS,
                       np.array([class_id for class_id, _, _ in found], np.int32),
                       np.array([score for _, _, score in found]))


def evaluate(*scans: tuple[Predictions, Truth], protocol: Protocol | None = None) -> Scores:
    evaluation = Evaluation(CLASSES, protocol or Protocol(background=('floor',)))
    for found, truth in scans:
        evaluation.add(found, truth)
    return evaluation.scores()


def test_masks_on_background_are_ignored_or_false() -> None:
    scan = (predict((CHAIR, (500, 900), 0.9), (CHAIR, (0, 200), 0.5)),
            truth_of((CHAIR, (0, 200)), (FLOOR, (400, 1000))))
    protocol = Protocol(background=('floor',))
    assert evaluate(scan).agnostic.tolist() == [1, 1, 1]
    strict = evaluate(scan, protocol=replace(protocol, count_background=True))
    np.testing.assert_allclose(strict.agnostic, evaluate(
        (scan[0], truth_of((CHAIR, (0, 200)), (TABLE, (1000, 1099)))), protocol=replace(
            protocol, count_background=True)).agnostic)
    assert (strict.agnostic < 0.8).all()


def test_the_original_evaluator(golden: Callable[[str], Any], tmp_path: Path) -> None:
    case = golden('evaluator_scannet')
    table = load_classes('scannet20')
    evaluation = Evaluation(table, find_protocol('scannet'))
    for scene in range(4):
        path = tmp_path / f'{scene}.txt'
        path.write_text('\n'.join(map(str, case[f'gt_{scene}'])))
        bits = np.unpackbits(case[f'masks_{scene}'], axis=0, count=6000)
        evaluation.add(Predictions(np.packbits(bits.T, axis=1), 6000, case[f'classes_{scene}'],
                                   case[f'scores_{scene}']), read_scannet_truth(path, table))
    scores = evaluation.scores()
    assert list(scores.classes.names) == list(case['class_names'])
    np.testing.assert_allclose(scores.ap, case['ap'], rtol=0, atol=1e-12)


def test_half_of_the_objects_found() -> None:
    truth = truth_of((CHAIR, (0, 200)), (CHAIR, (200, 400)))
    scores = evaluate((predict((CHAIR, (0, 200), 0.9)), truth))
    # Curve (recall, precision): (0.5, 1) and the artificial (0, 1). Central differences give
    # (0.5 - 0) / 2 to each.
    np.testing.assert_allclose(scores.ap[0], [0.5, 0.5, 0.5])


def test_a_false_positive_above_lowers_the_score_and_one_below_does_not() -> None:
    truth = truth_of((CHAIR, (0, 200)), (TABLE, (200, 400)))
    below = evaluate((predict((CHAIR, (0, 200), 0.9), (CHAIR, (200, 400), 0.1)), truth))
    above = evaluate((predict((CHAIR, (200, 400), 0.9), (CHAIR, (0, 200), 0.1)), truth))
    # below: recall 1 at precision 1/2 and 1, then (0, 1): steps 0, 1/2, 1/2.
    assert below.ap[0, 1] == pytest.approx(1.0)
    # above: (1, 1/2), (0, 0), (0, 1): steps 1/2, 1/2, 0.
    assert above.ap[0, 1] == pytest.approx(0.25)


def test_overlap_must_be_above_the_threshold() -> None:
    truth = truth_of((CHAIR, (0, 400)))
    assert evaluate((predict((CHAIR, (0, 200), 1.0)), truth)).ap[0, 1] == 0      # IoU 1/2
    assert evaluate((predict((CHAIR, (0, 201), 1.0)), truth)).ap[0, 1] == 1
    assert evaluate((predict((CHAIR, (0, 201), 1.0)), truth)).ap[0, 0] == pytest.approx(1 / 9)
    assert evaluate((predict((CHAIR, (0, 100), 1.0)), truth)).ap[0, 2] == 0      # IoU 1/4
    assert evaluate((predict((CHAIR, (0, 101), 1.0)), truth)).ap[0, 2] == 1


def test_a_second_prediction_of_an_object_is_false_with_the_lower_score() -> None:
    truth = truth_of((CHAIR, (0, 200)), (CHAIR, (200, 400)))
    first = [(CHAIR, (0, 200), 0.5), (CHAIR, (0, 190), 0.8), (CHAIR, (200, 400), 0.6)]
    curves = [evaluate((predict(*found), truth)).curves[0]
              for found in (first, [first[1], first[0], first[2]])]
    for curve in curves:       # whichever comes first: true 0.8, true 0.6, false 0.5
        assert curve is not None
        np.testing.assert_allclose(curve.precision, [2 / 3, 1, 1, 1])
        np.testing.assert_allclose(curve.recall, [1, 1, 0.5, 0])


def test_a_prediction_matches_one_object_only() -> None:
    truth = truth_of((CHAIR, (0, 200)), (CHAIR, (200, 400)))
    both = (CHAIR, (0, 400), 0.5)                            # IoU 1/2 with each
    assert evaluate((predict(both), truth)).ap[0, 2] == pytest.approx(0.5)
    # A duplicate of one object is a false positive there, but may match another object.
    scores = evaluate((predict((CHAIR, (0, 200), 0.9), both), truth))
    # Scores 0.5 (true and false), 0.9 (true): (1, 2/3), (1/2, 1), (0, 1).
    assert scores.ap[0, 2] == pytest.approx(2 / 3 * 0.25 + 0.5 + 0.25)


def test_exactly_the_smallest_region_counts() -> None:
    scores = evaluate((predict((CHAIR, (0, 100), 0.9)), truth_of((CHAIR, (0, 100)))))
    assert scores.objects[0] == 1
    assert scores.ap[0, 0] == 1


def test_predictions_on_void_points_do_not_count() -> None:
    truth = truth_of((CHAIR, (0, 200)), (FLOOR, (200, 800)))
    good = (CHAIR, (0, 200), 0.5)
    for rows in ((800, 1000), (200, 800)):         # nothing there, and a class not evaluated
        assert evaluate((predict((CHAIR, rows, 0.9), good), truth)).ap[0, 0] == 1
    mostly_void = (CHAIR, (800, 1000), 0.9), good
    assert evaluate((predict(*mostly_void), truth_of((CHAIR, (0, 200)), (TABLE, (800, 881))))
                    ).ap[0, 1] == 1                # 119 of 200 points are void: above 1/2
    assert evaluate((predict(*mostly_void), truth_of((CHAIR, (0, 200)), (TABLE, (800, 901))))
                    ).ap[0, 1] < 1
    half_void = evaluate((predict(*mostly_void), truth_of((CHAIR, (0, 200)), (TABLE, (800, 900)))))
    assert half_void.ap[0, 1] < 1                  # exactly 1/2 is not above 1/2
    assert half_void.ap[0, 2] == 1                 # but above 1/4


def test_small_objects_and_predictions_do_not_count() -> None:
    truth = truth_of((CHAIR, (0, 200)), (CHAIR, (200, 299)))
    good = (CHAIR, (0, 200), 0.5)
    scores = evaluate((predict((CHAIR, (200, 300), 0.9), (CHAIR, (500, 599), 0.8), good), truth))
    assert scores.objects[0] == 1
    assert scores.ap[0, 0] == 1
    smaller = Protocol(background=('floor',), min_region=10)
    assert evaluate((predict(good), truth), protocol=smaller).objects[0] == 2
    assert evaluate((predict(good), truth), protocol=smaller).ap[0, 1] == 0.5


def test_points_outside_are_ignored() -> None:
    label = np.where(np.arange(POINTS) < 600, CHAIR, -1)
    inside = np.arange(POINTS) < 400
    cut = evaluate((predict((CHAIR, (0, 300), 1.0)), make_truth(label, label, inside)))
    same = evaluate((predict((CHAIR, (0, 300), 1.0)), truth_of((CHAIR, (0, 400)))))
    np.testing.assert_array_equal(cut.ap, same.ap)
    reaching_out = predict((CHAIR, (100, 900), 1.0))           # IoU 3/4 inside, 1/3 with all
    assert evaluate((reaching_out, make_truth(label, label, inside))).ap[0, 1] == 1
    far = predict((CHAIR, (0, 300), 0.5), (CHAIR, (400, 2000), 1.0))
    np.testing.assert_array_equal(
        evaluate((far, make_truth(label, label, inside))).ap, same.ap)


def test_a_class_without_objects_is_nan_and_not_in_the_mean() -> None:
    scores = evaluate((predict((CHAIR, (0, 200), 1.0), (TABLE, (0, 200), 1.0)),
                       truth_of((CHAIR, (0, 200)), (TABLE, (200, 290)))))
    assert np.isnan(scores.ap[1]).all()
    assert scores.curves[1] is None
    np.testing.assert_array_equal(scores.mean_ap, [1, 1, 1])


def test_no_objects() -> None:
    scores = evaluate((predict((CHAIR, (0, 200), 1.0)), truth_of()))
    assert np.isnan(scores.mean_ap).all()
    assert np.isnan(scores.agnostic).all()


def test_no_predictions() -> None:
    truth = truth_of((CHAIR, (0, 200)), (TABLE, (200, 400)))
    empty = predict()
    for found in (empty, replace(empty, num_points=0), predict((CHAIR, (0, 0), 0.7))):
        scores = evaluate((found, truth))
        np.testing.assert_array_equal(scores.ap, 0)
        np.testing.assert_array_equal(scores.agnostic, 0)


def test_class_agnostic() -> None:
    truth = truth_of((CHAIR, (0, 200)), (TABLE, (200, 400)))
    # The wrong class does not matter, and a mask under two classes counts once.
    found = predict((TABLE, (0, 200), 0.9), (CHAIR, (0, 200), 0.8), (CHAIR, (200, 400), 0.7))
    np.testing.assert_allclose(evaluate((found, truth)).agnostic, 1)
    assert evaluate((found, truth)).mean_ap[0] < 1


def test_class_agnostic_counts_a_mask_as_often_as_its_class_does() -> None:
    truth = truth_of((CHAIR, (0, 200)), (CHAIR, (200, 400)))
    # The second prediction of the same mask is false; it stands above the second chair.
    found = [(CHAIR, (0, 200), 0.9), (CHAIR, (0, 200), 0.8), (CHAIR, (200, 400), 0.7)]
    scores = evaluate((predict(*found), truth))
    # Recall 1 at 2/3, then 1/2 at 1/2, 1/2 at 1, and (0, 1): steps 1/4, 1/4, 1/4, 1/4.
    assert scores.ap[0, 1] == pytest.approx(0.25 * (2 / 3 + 1 / 2 + 1 + 1))
    np.testing.assert_array_equal(scores.agnostic, scores.ap[0])
    # Under a second class the mask is the same query's: it adds nothing.
    again = evaluate((predict(*found, (TABLE, (0, 200), 0.75), (TABLE, (0, 200), 0.5)), truth))
    np.testing.assert_array_equal(again.agnostic, scores.agnostic)
    # Three times under a second class is once more than under the first.
    more = evaluate((predict(*found, *[(TABLE, (0, 200), 0.75)] * 3), truth))
    assert more.agnostic[1] < scores.agnostic[1]


def test_groups_are_means_over_their_classes() -> None:
    protocol = Protocol(('floor',), groups={'both': ('chair', 'table'), 'one': ('table', 'sofa')})
    truth = truth_of((CHAIR, (0, 200)), (TABLE, (200, 400)))
    scores = evaluate((predict((CHAIR, (0, 200), 0.9)), truth), protocol=protocol)
    np.testing.assert_array_equal(scores.groups['both'], 0.5)
    np.testing.assert_array_equal(scores.groups['one'], 0)


def test_merged_evaluations_equal_one() -> None:
    protocol = Protocol(confidence=0.5)
    truth = truth_of((CHAIR, (0, 200)), (TABLE, (200, 400)))
    scans = [(predict((CHAIR, (0, 200), 0.9), (TABLE, (0, 200), 0.7)), truth),
             (predict((TABLE, (200, 400), 0.6)), truth)]
    parts = [Evaluation(CLASSES, protocol) for _ in scans]
    for part, (found, objects) in zip(parts, scans):
        part.add(found, objects)
    merged = Evaluation(CLASSES, protocol)
    for part in parts:
        merged.merge(part)
    assert merged.scores().to_dict() == evaluate(*scans, protocol=protocol).to_dict()


def test_the_protocols() -> None:
    groups = find_protocol('scannet200').groups
    assert {name: len(names) for name, names in groups.items()} == {
        'head': 66, 'common': 68, 'tail': 66}
    assert Evaluation(load_classes('scannet200'), find_protocol('scannet200')
                      ).classes.ids[:5] == (2, 4, 5, 6, 7)
    assert find_protocol('stpls3d').min_region == 10
    assert find_protocol('s3dis').confidence == 0.8
    assert find_protocol('our_robot').min_region == 100


def test_the_area_of_a_curve() -> None:
    curve = Curve(np.array([0.5, 1.0, 1.0]), np.array([1.0, 0.5, 0.0]))
    # Steps: (1 - 0.5) / 2, (1 - 0) / 2, (0.5 - 0) / 2.
    assert curve.average_precision == pytest.approx(0.5 * 0.25 + 0.5 + 0.25)


def test_another_cloud_is_refused() -> None:
    found = replace(predict((CHAIR, (0, 200), 1.0)), num_points=POINTS - 1)
    with pytest.raises(InputError, match='expected predictions over the 2000 points'):
        evaluate((found, truth_of((CHAIR, (0, 200)))))


def test_background_only_is_refused() -> None:
    with pytest.raises(InputError, match='all are background: chair, table, floor'):
        Evaluation(CLASSES, Protocol(background=CLASSES.names))


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Predictions, Truth]:
    """Draw a scene of runs of points, and predictions that are runs as well."""
    cuts = sorted(draw(st.lists(st.integers(0, POINTS), max_size=8)))
    objects = [(draw(st.sampled_from(CLASSES.ids)), rows) for rows in zip(cuts, cuts[1:])]
    ends = st.sampled_from([0, POINTS, *cuts]).flatmap(
        lambda cut: st.integers(max(0, cut - 60), min(POINTS, cut + 60)))
    found = draw(st.lists(st.tuples(st.sampled_from(CLASSES.ids), st.tuples(ends, ends),
                                    st.integers(0, 6).map(lambda n: n / 6)), max_size=12))
    return predict(*found), truth_of(*objects)


def perfect(truth: Truth, score: Sequence[float]) -> Predictions:
    masks = [np.packbits(truth.object == row) for row in range(len(truth.class_id))]
    packed = np.array(masks, np.uint8).reshape(-1, POINTS // 8)
    return Predictions(packed, POINTS, truth.class_id.astype(np.int32),
                       np.array(score[:len(masks)]))


@settings(deadline=None, max_examples=40)
@given(st.lists(scenes(), min_size=1, max_size=3), st.lists(st.floats(0, 1), min_size=8,
                                                            max_size=8))
def test_perfect_predictions_score_one(drawn: list[tuple[Predictions, Truth]],
                                       score: list[float]) -> None:
    scores = evaluate(*[(perfect(truth, score), truth) for _, truth in drawn])
    present = scores.objects > 0
    np.testing.assert_allclose(scores.ap[present], 1)
    assert np.isnan(scores.ap[~present]).all()
    assert not present.any() or scores.agnostic == pytest.approx(1)


@settings(deadline=None, max_examples=40)
@given(st.lists(scenes(), min_size=2, max_size=4), st.randoms())
def test_the_order_of_scenes_does_not_matter(drawn: list[tuple[Predictions, Truth]],
                                             random: Any) -> None:
    shuffled = drawn.copy()
    random.shuffle(shuffled)
    once, again = evaluate(*drawn), evaluate(*shuffled)
    np.testing.assert_allclose(once.ap, again.ap, atol=1e-12)
    np.testing.assert_allclose(once.agnostic, again.agnostic, atol=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.lists(scenes(), min_size=1, max_size=3))
def test_scores_are_0_to_1_and_depend_on_the_order_of_scores_only(
        drawn: list[tuple[Predictions, Truth]]) -> None:
    once = evaluate(*drawn)
    known = once.ap[~np.isnan(once.ap)]
    assert ((known >= 0) & (known <= 1 + 1e-12)).all()
    squeezed = [(replace(found, score=found.score ** 3 / 2), truth) for found, truth in drawn]
    np.testing.assert_allclose(evaluate(*squeezed).ap, once.ap, atol=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.lists(scenes(), min_size=1, max_size=3))
def test_with_one_class_the_class_does_not_matter(
        drawn: list[tuple[Predictions, Truth]]) -> None:
    one = Evaluation(CLASSES.without(['table', 'floor']), Protocol())
    for found, truth in drawn:
        one.add(found, truth)
    scores = one.scores()
    np.testing.assert_array_equal(scores.agnostic, scores.ap[0])
