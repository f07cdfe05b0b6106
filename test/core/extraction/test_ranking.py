"""The score that ranks instances: by objectness with votes, eq. 7 elsewhere."""

from dataclasses import replace
from typing import Any

from hand_made_voxels import CLASSES, PLAIN, voxels_of
from mask3d_core.errors import InputError
from mask3d_core.extraction.postprocess import extract, ExtractSettings
from mask3d_core.model import Prediction
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import ArrayLike
import pytest
import torch


def ranked(objectness: list[float] | None, class_logits: ArrayLike = ((5, 0, 0), (0, 4, 0)),
           mask_iou: list[float] | None = None, **settings: Any) -> list[tuple[int, float]]:
    """Extract two masks of two voxels each from four voxels; return their classes and scores."""
    scan = Scan.from_points(np.arange(24.).reshape(8, 3))
    prediction = Prediction(
        torch.tensor(np.array(class_logits), dtype=torch.float32),
        torch.tensor([[4., -4], [4, -4], [-4, 4], [-4, 4]]),
        *(None if one is None else torch.tensor(one) for one in (objectness, mask_iou)))
    found = extract(prediction, voxels_of(scan.xyz[::2], np.arange(8) // 2), scan, CLASSES,
                    replace(PLAIN, **settings))
    return list(zip(found.class_id.tolist(), found.score.tolist()))


def test_the_score_has_the_objectness_in_the_mask() -> None:
    found = ranked([.1, .3, .6, 1.])
    mask = 1 / (1 + np.exp(-4))
    best = [np.exp(max(logits)) / np.exp(logits).sum() for logits in ((5, 0, 0), (0, 4, 0))]
    assert [class_id for class_id, _ in found] == [20, 10]
    expected = [(.8 * mask) ** 2 * best[1] ** .5, (.2 * mask) ** 2 * best[0] ** .5]
    np.testing.assert_allclose([score for _, score in found], expected, rtol=1e-5)


def test_the_score_has_the_predicted_iou_of_the_query() -> None:
    objectness = [.5, .5, .6, .6]
    before, after = (dict(ranked(objectness, mask_iou=one)) for one in (None, [.9, .25]))
    assert after == pytest.approx({10: (.9 * before[10]) ** .5, 20: (.25 * before[20]) ** .5})
    assert ranked(objectness, mask_iou=[.9, .25], ranking='class') == ranked(None)
    assert ranked(objectness, mask_iou=[.9, .25], score_threshold=.4) == [
        pair for pair in ranked(objectness, mask_iou=[.9, .25]) if pair[1] >= .4]


def test_eq_7_without_votes_and_where_it_is_wanted() -> None:
    by_class = ranked(None)
    assert [class_id for class_id, _ in by_class] == [10, 20]
    assert ranked([.1, .3, .6, 1.], ranking='class') == by_class
    assert ranked([.1, .3, .6, 1.], all_classes=True, top_k=2) == ranked(
        None, all_classes=True, top_k=2)


def test_a_query_that_found_nothing_ranks_low_whatever_its_mask() -> None:
    assert [name for name, _ in ranked([.9, .9, .8, .8], ((0, 0, 9), (0, 4, 0)))] == [20, 10]


@pytest.mark.parametrize('threshold', [.1, .3, .5, .7])
def test_a_threshold_drops_the_lowest_scores_of_any_ranking(threshold: float) -> None:
    random = np.random.default_rng(3)
    scan = Scan.from_points(random.normal(size=(300, 3)))
    prediction = Prediction(*(torch.from_numpy(random.normal(size=size)) for size in (
        (20, 3), (300, 20))), torch.from_numpy(random.random(300)),
        torch.from_numpy(random.random(20)))
    for ranking in ('objectness', 'class'):
        settings = replace(PLAIN, ranking=ranking)
        found = extract(prediction, voxels_of(scan.xyz, np.arange(300)), scan, CLASSES, settings)
        likely = extract(prediction, voxels_of(scan.xyz, np.arange(300)), scan, CLASSES,
                         replace(settings, score_threshold=threshold))
        assert likely.score.tolist() == found.score[found.score >= np.float32(threshold)].tolist()


def test_an_unknown_ranking_is_named() -> None:
    with pytest.raises(InputError, match='ranking of objectness or class, got size'):
        ExtractSettings(ranking='size')
