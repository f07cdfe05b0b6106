"""Post-processing: the original's results, and our additions."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hand_made_voxels import CLASSES, PLAIN, voxels_of
from mask3d_core.classes import load_classes
from mask3d_core.errors import InputError
from mask3d_core.extraction import regions
from mask3d_core.extraction.measures import measure_masks
from mask3d_core.extraction.postprocess import extract, ExtractSettings
from mask3d_core.extraction.regions import find_regions
from mask3d_core.instances import Instances
from mask3d_core.model import Prediction
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import ArrayLike, NDArray
import pytest
import torch

Golden = Callable[[str], Any]
ORIGINAL = ExtractSettings(dbscan_eps=0, min_points=0, overlap_threshold=None, all_classes=True,
                           superpoints=False)


def masks_of(instances: Instances) -> NDArray[np.bool_]:
    """Return all masks: [I, N] bool."""
    return np.array([instances.mask(index) for index in range(len(instances))])


GOLDEN = {
    'post_points': ORIGINAL,
    'post_points_top50': replace(ORIGINAL, top_k=50),
    'post_points_dbscan': replace(ORIGINAL, dbscan_eps=0.05, top_k=60),
    'post_points_dbscan_min5_filter': replace(
        ORIGINAL, dbscan_eps=0.03, dbscan_min_points=5, top_k=-1, score_threshold=0.2,
        cover_threshold=0.8),
    'post_segments': ORIGINAL,
    'post_segments_dbscan': replace(ORIGINAL, dbscan_eps=0.05, top_k=40),
}


@pytest.mark.parametrize('case', GOLDEN)
def test_equals_the_original(case: str, golden: Golden) -> None:
    data = golden(case)
    on_segments = 'segments' in case
    scan = Scan.from_points(data['points'], segment=data['seg_full'])
    instances = extract(
        Prediction(torch.from_numpy(data['logits']), torch.from_numpy(data['masks'])),
        voxels_of(data['raw'], data['inverse'], data['seg_low'] if on_segments else None), scan,
        load_classes('scannet20').without(['wall', 'floor']), GOLDEN[case])

    scores = data['pred_scores']
    np.testing.assert_allclose(instances.score, scores, rtol=0, atol=3e-7)
    masks = np.unpackbits(data['pred_masks'], axis=0, count=len(scan)).T.astype(bool)
    # the original does not define the order of equal scores: compare them as sets
    for score in np.unique(scores):
        equal = np.flatnonzero(scores == score)
        found = {(int(instances.class_id[i]), instances.mask(i).tobytes()) for i in equal}
        assert found == {(int(data['pred_classes'][i]), masks[i].tobytes()) for i in equal}
    different = scores != np.roll(scores, 1)
    assert np.count_nonzero(different) > len(scores) / 2
    np.testing.assert_array_equal(masks_of(instances), masks)


def small(mask_logits: ArrayLike, class_logits: ArrayLike, settings: ExtractSettings = PLAIN,
          ) -> Instances:
    """Extract from ten points, two metres apart in x, two in each of five voxels; two classes."""
    x = np.arange(10) * 2.0
    scan = Scan.from_points(np.stack([x, x * 0, x * 0], axis=1))
    centers = scan.xyz.reshape(5, 2, 3).mean(axis=1)
    prediction = Prediction(torch.tensor(class_logits, dtype=torch.float32),
                            torch.tensor(mask_logits, dtype=torch.float32).t())
    return extract(prediction, voxels_of(centers, np.arange(10) // 2), scan, CLASSES, settings)


def on_superpoints(mask_logits: ArrayLike, segment: ArrayLike, **settings: bool,
                   ) -> list[list[int]]:
    """Extract from ten points, two in each of five voxels, that lie on superpoints."""
    x = np.arange(10) * 2.0
    scan = Scan.from_points(np.stack([x, x * 0, x * 0], axis=1), segment=np.asarray(segment))
    prediction = Prediction(torch.tensor([CHAIR]), torch.tensor([mask_logits]).t())
    found = extract(prediction, voxels_of(scan.xyz[::2], np.arange(10) // 2), scan, CLASSES,
                    replace(PLAIN, **settings))
    return [found.points(index).tolist() for index in range(len(found))]


CHAIR, TABLE, NOTHING = [5., 0, 0], [0., 4, 0], [0., 0, 9]


def test_score_is_class_probability_times_mean_mask_probability() -> None:
    logits = [2., 1, -1, -1, -50]
    instances = small([logits], [CHAIR])
    mask = (1 / (1 + np.exp(-2)) + 1 / (1 + np.exp(-1))) / 2
    assert instances.score[0] == pytest.approx(np.exp(5) / (np.exp(5) + 2) * mask, abs=1e-6)
    assert instances.points(0).tolist() == [0, 1, 2, 3]
    assert (instances.class_id.tolist(), instances.name(0)) == ([10], 'chair')
    assert instances.class_colors == {10: (255, 0, 0), 20: (0, 0, 255)}
    assert instances.num_points == 10


def test_an_early_score_threshold_gives_the_same_instances() -> None:
    random = np.random.default_rng(0)
    masks, classes = random.normal(0, 3, (40, 5)), random.normal(0, 2, (40, 3))
    for more in ({}, {'top_k': 9}, {'all_classes': True, 'top_k': -1}, {'all_classes': True},
                 {'overlap_threshold': 0.3}, {'cover_threshold': 0.3}, {'dbscan_eps': 1.0}):
        everything = small(masks, classes, replace(PLAIN, **more))
        likely = small(masks, classes, replace(PLAIN, score_threshold=0.4, **more))
        count = int((everything.score >= 0.4).sum())
        assert 0 < len(likely) == count <= len(everything)
        np.testing.assert_array_equal(likely.masks, everything.masks[:count])
        np.testing.assert_array_equal(likely.class_id, everything.class_id[:count])
    for least in (0, 1):
        assert not len(small(masks, classes, replace(PLAIN, score_threshold=1.0,
                                                     min_points=least)))


def test_a_mask_consists_of_whole_superpoints() -> None:
    mask = [1., 1, 1, -1, -1]                           # points 0 to 5
    surfaces = [7, 7, 7, 7, 9, 9, 9, 2, 2, 2]           # 0-3, 4-6 and 7-9
    assert on_superpoints(mask, surfaces) == [[0, 1, 2, 3, 4, 5, 6]]
    assert on_superpoints(mask, surfaces, superpoints=False) == [[0, 1, 2, 3, 4, 5]]


def test_a_mask_within_a_larger_superpoint_stays_as_it_is() -> None:
    assert on_superpoints([-1., -1, 1, -1, -1], [3] * 10) == [[4, 5]]
    half = on_superpoints([1., -1, -1, -1, -1], [1, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    assert half == [[0]], 'a mask that keeps half of its points may lose the rest'


def test_best_score_first_and_equal_ones_by_query() -> None:
    masks = [[1., -1, -1, -1, -1], [-1, 1, -1, -1, -1], [-1, -1, 9, -1, -1]]
    instances = small(masks, [TABLE, TABLE, CHAIR])
    assert [instances.points(i)[0] for i in range(3)] == [4, 0, 2]
    assert instances.score[1] == instances.score[2]


def test_a_mask_has_one_class_unless_all_are_asked_for() -> None:
    masks = [[1., -1, -1, -1, -1]]
    assert small(masks, [CHAIR]).class_id.tolist() == [10]
    every = small(masks, [CHAIR], replace(PLAIN, all_classes=True))
    assert every.class_id.tolist() == [10, 20]
    assert masks_of(every).all(axis=0).sum() == 2


def test_top_k_keeps_the_likeliest() -> None:
    masks = np.eye(5)[:3] * 2 - 1
    classes = [TABLE, CHAIR, NOTHING]
    assert small(masks, classes, replace(PLAIN, top_k=1)).points(0).tolist() == [2, 3]
    assert len(small(masks, classes, replace(PLAIN, top_k=2))) == 2
    assert len(small(masks, classes, replace(PLAIN, top_k=-1))) == 3
    assert len(small(masks, classes, replace(PLAIN, top_k=1000, all_classes=True))) == 6


def test_duplicates_do_not_count_for_top_k() -> None:
    masks = [[9., 9, -1, -1, -1]] * 3 + [[-1., -1, -1, 9, -1]]
    classes = [[9., 0, 0], [8., 0, 0], [7., 0, 0], CHAIR]
    settings = replace(PLAIN, overlap_threshold=0.5, top_k=2)
    found = small(masks, classes, settings)
    assert [found.points(index).tolist() for index in range(len(found))] == [[0, 1, 2, 3], [6, 7]]
    original = small(masks, classes, replace(settings, all_classes=True))
    assert [original.points(index).tolist() for index in range(len(original))] == [[0, 1, 2, 3]]


def test_empty_masks_are_dropped_unless_asked_for() -> None:
    masks = [[-1.] * 5, [1., -1, -1, -1, -1]]
    assert len(small(masks, [CHAIR, CHAIR])) == 1
    both = small(masks, [CHAIR, CHAIR], replace(PLAIN, min_points=0))
    assert both.score[1] == 0
    assert np.isnan(both.centroid[1]).all()


def test_small_masks_and_low_scores_are_dropped() -> None:
    masks = [[9., 9, 9, -1, -1], [-1, -1, -1, 9, -1]]
    assert small(masks, [TABLE, CHAIR], replace(PLAIN, min_points=2)).class_id.tolist() == [10, 20]
    assert small(masks, [TABLE, CHAIR], replace(PLAIN, min_points=3)).class_id.tolist() == [20]
    assert small(masks, [CHAIR, NOTHING],
                 replace(PLAIN, score_threshold=0.5)).class_id.tolist() == [10]


def test_instances_are_filtered_by_class() -> None:
    masks = [[9., 9, -1, -1, -1], [-1, -1, -1, 9, -1]]
    settings = replace(PLAIN, classes=('table',))
    assert small(masks, [TABLE, CHAIR], settings).points(0).tolist() == [0, 1, 2, 3]
    assert len(small(masks, [CHAIR, CHAIR], settings)) == 0
    with pytest.raises(InputError, match="unknown class 'sofa'; there are: chair, table"):
        small(masks, [CHAIR, CHAIR], replace(PLAIN, classes=('sofa',)))


def test_duplicates_are_suppressed() -> None:
    masks = [[9., 9, -1, -1, -1],     # best: 4 points
             [-1., 9, 9, -1, -1],     # 2 of 6 points in common
             [9., 9, 9, -1, -1],      # 4 of 6 in common with either
             [-1., -1, 9, 9, 9]]      # 2 of 6 in common with the last but one, which is dropped
    classes = [[9., 0, 0], [5., 0, 0], [4., 1, 0], [0, 3., 0]]

    def kept(**settings: Any) -> list[list[int]]:
        found = small(masks, classes, replace(PLAIN, **settings))
        return [found.points(index).tolist() for index in range(len(found))]

    best, second, last = [0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7, 8, 9]
    assert kept(overlap_threshold=0.5) == [best, second, last]
    assert kept(overlap_threshold=0.7) == [best, second, [0, 1, 2, 3, 4, 5], last]
    assert kept(overlap_threshold=0.3) == [best, last]
    duplicates = small(masks[:3:2], [[9., 0, 0], [0, 4., 0]], replace(
        PLAIN, overlap_threshold=0.5, all_classes=True, top_k=2))
    assert duplicates.class_id.tolist() == [10, 20]      # of another class: no duplicate
    duplicates = small(masks[:3:2], [[9., 0, 0], [4., 0, 0]], replace(
        PLAIN, overlap_threshold=0.5, all_classes=True, top_k=2))
    assert duplicates.class_id.tolist() == [10]
    assert kept(overlap_threshold=0.3, cover_threshold=0.9) == [best, last]


def test_masks_that_cover_a_better_one_are_dropped() -> None:
    masks = [[9., 9, -1, -1, -1],     # best
             [9., 9, 9, -1, -1],      # covers it whole
             [9., -1, -1, 9, 9],     # covers half
             [9., -1, -1, -1, -1]]    # lies inside: covers half
    classes = [[9., 0, 0], [5., 0, 0], [4., 0, 0], [3., 0, 0]]
    kept = small(masks, classes, replace(PLAIN, cover_threshold=0.5))
    assert [kept.points(i).tolist() for i in range(len(kept))] == [
        [0, 1, 2, 3], [0, 1, 6, 7, 8, 9], [0, 1]]
    assert len(small(masks, classes, replace(PLAIN, cover_threshold=0.4))) == 1
    assert len(small(masks, classes, PLAIN)) == 4


def test_clusters_become_instances_with_their_own_scores() -> None:
    instances = small([[1., 1, -1, -1, 3]], [CHAIR], replace(PLAIN, dbscan_eps=4.0))
    assert [instances.points(i).tolist() for i in range(2)] == [[8, 9], [0, 1, 2, 3]]
    likely = np.exp(5) / (np.exp(5) + 2)
    np.testing.assert_allclose(instances.score, likely / (1 + np.exp([-3, -1])), atol=1e-5)
    assert instances.seconds['clustering'] > 0
    assert instances.seconds['instances'] > 0


def test_noise_is_dropped() -> None:
    settings = replace(PLAIN, dbscan_eps=4.0, dbscan_min_points=2)
    instances = small([[1., 1, -1, -1, 3]], [CHAIR], settings)
    assert [instances.points(i).tolist() for i in range(len(instances))] == [[0, 1, 2, 3]]
    assert len(small([[1., -1, -1, -1, 3]], [CHAIR], settings)) == 0


def test_segments_are_assigned_by_majority() -> None:
    x = np.arange(10, dtype=np.float64)
    scan = Scan.from_points(np.stack([x, x, x], axis=1),
                            segment=np.array([7, 7, 7, -3, -3, -3, -3, 99, 99, 99]))
    inverse = np.array([0, 0, 1, 1, 2, 2, 2, 2, 3, 3])
    voxels = voxels_of(scan.xyz[[0, 2, 4, 8]], inverse, np.array([0, 0, 1, 2]))
    prediction = Prediction(torch.tensor([CHAIR, TABLE]),
                            torch.tensor([[4., -4], [-4, 4], [-4, -4]]))
    instances = extract(prediction, voxels, scan, CLASSES, PLAIN)
    # voxels 0, 1 hold points 0..3: all of segment 7, a quarter of -3
    assert instances.points(0).tolist() == [0, 1, 2]
    # voxel 2 holds points 4..7: three quarters of -3, a third of 99
    assert instances.points(1).tolist() == [3, 4, 5, 6]


def test_half_of_a_segment_is_no_majority() -> None:
    scan = Scan.from_points(np.random.default_rng(0).normal(size=(8, 3)),
                            segment=np.repeat([0, 1], 4))
    voxels = voxels_of(scan.xyz[:2], np.array([0, 0, 1, 1, 1, 1, 1, 1]), np.array([0, 1]))
    prediction = Prediction(torch.tensor([CHAIR]), torch.tensor([[4.], [-4]]))
    assert len(extract(prediction, voxels, scan, CLASSES, PLAIN)) == 0


def test_shape_of_an_instance_and_rows_of_the_input_cloud() -> None:
    xyz = np.random.default_rng(0).uniform(-1, 1, (40, 3)) * (2, 1, 0.5) + (100, 50, 3)
    cloud = np.insert(xyz, [0, 5, 20], np.nan, axis=0)
    scan = Scan.from_points(cloud)
    inside = np.arange(40) < 25
    voxels = voxels_of(scan.xyz, np.arange(40))
    prediction = Prediction(torch.tensor([CHAIR]),
                            torch.from_numpy(np.where(inside, 5, -5)[:, None]).float())
    found = extract(prediction, voxels, scan, CLASSES, PLAIN)
    assert found.num_points == 43
    chosen = xyz[inside]
    np.testing.assert_array_equal(cloud[found.points(0)], chosen)
    np.testing.assert_allclose(found.centroid[0], chosen.mean(axis=0))
    np.testing.assert_allclose(found.box_center[0], (chosen.min(axis=0) + chosen.max(axis=0)) / 2)
    np.testing.assert_allclose(found.box_size[0], np.ptp(chosen, axis=0))
    assert found.upright_size[0, :2].prod() <= found.box_size[0, :2].prod()
    assert found.upright_size[0, 2] == found.box_size[0, 2]
    cos, sin = np.cos(found.upright_yaw[0]), np.sin(found.upright_yaw[0])
    local = (chosen - found.upright_center[0]) @ np.array([[cos, -sin, 0], [sin, cos, 0],
                                                           [0, 0, 1]])
    np.testing.assert_allclose(np.abs(local).max(axis=0), found.upright_size[0] / 2)


def test_repeated_and_half_precision_results_are_equal() -> None:
    random = np.random.default_rng(0)
    scan = Scan.from_points(random.uniform(-2, 2, (3000, 3)))
    voxels = voxels_of(scan.xyz[:1000], np.arange(3000) % 1000)
    prediction = Prediction(torch.from_numpy(random.normal(size=(20, 3))).half(),
                            torch.from_numpy(random.normal(size=(1000, 20))).half())
    first, second = (extract(prediction, voxels, scan, CLASSES) for _ in range(2))
    exact = extract(Prediction(prediction.class_logits.float(), prediction.mask_logits.float()),
                    voxels, scan, CLASSES)
    for other in (second, exact):
        np.testing.assert_array_equal(first.masks, other.masks)
        np.testing.assert_array_equal(first.score, other.score)
        np.testing.assert_array_equal(first.class_id, other.class_id)


def test_no_instances() -> None:
    for settings in (PLAIN, ExtractSettings(), replace(PLAIN, cover_threshold=0.5)):
        instances = small([[-1.] * 5], [CHAIR], settings)
        assert len(instances) == 0
        assert instances.masks.shape == (0, 2)
        assert instances.centroid.shape == (0, 3)
        assert (instances.point_instance() == -1).all()


def test_masks_are_thresholded_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.randn(1000, 7, generator=torch.Generator().manual_seed(3))
    whole = find_regions(logits, None)
    monkeypatch.setattr(regions, 'ROWS_PER_BLOCK', 64)
    parts = find_regions(logits, None)
    assert [rows.tolist() for rows in parts.voxels] == [rows.tolist() for rows in whole.voxels]
    np.testing.assert_allclose(parts.confidence, whole.confidence, rtol=1e-6)
    logits[700, 3] = torch.nan
    with pytest.raises(InputError, match='NaN'):
        find_regions(logits, None)


@pytest.mark.parametrize('where', ['class', 'mask'])
def test_nan_is_an_error(where: str) -> None:
    classes, masks = [CHAIR], [[1.] * 5]
    (classes if where == 'class' else masks)[0][1] = float('nan')
    with pytest.raises(InputError, match='NaN: the weights are broken'):
        small(masks, [list(classes[0])])


@pytest.mark.parametrize(('wrong', 'message'), [
    ({'score_threshold': 2}, 'score_threshold in 0..1, got 2'),
    ({'top_k': 0}, 'top_k above 0, or -1 for all, got 0'),
    ({'min_points': -1}, 'min_points of 0 or more, got -1'),
    ({'dbscan_eps': -0.5}, 'dbscan_eps in metres'),
    ({'dbscan_eps': float('nan')}, 'dbscan_eps in metres'),
    ({'dbscan_min_points': 0}, 'dbscan_min_points above 0'),
    ({'cover_threshold': -0.1}, 'cover_threshold in 0..1, got -0.1'),
    ({'overlap_threshold': 1.5}, 'overlap_threshold in 0..1, got 1.5')])
def test_invalid_settings_are_errors(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ExtractSettings(**wrong)


def test_measures_of_masks_refer_to_the_input_cloud() -> None:
    xyz = np.zeros((11, 3))
    xyz[:, 0] = np.arange(11)
    xyz[[0, 4], 2] = np.nan
    scan = Scan.from_points(xyz)                                     # rows 1 2 3 5 6 7 8 9 10
    found = measure_masks([np.array([0, 1, 3]), np.empty(0, np.int64), np.arange(9)], scan,
                          CLASSES)
    assert [found.points(index).tolist() for index in range(3)] == [
        [1, 2, 5], [], [1, 2, 3, 5, 6, 7, 8, 9, 10]]
    assert {rows.dtype for rows in found.rows} == {np.dtype(np.int32)} and found.num_points == 11
    np.testing.assert_allclose(found.centroid[0], [8 / 3, 0, 0])
    np.testing.assert_allclose(found.box_center[0], [3, 0, 0])
    np.testing.assert_allclose(found.upright_size[2], [9, 0, 0])
    assert np.isnan(found.centroid[1]).all() and np.isnan(found.upright_yaw[1])
    assert not found.score.any() and not found.class_id.any()        # for the caller to replace
    assert found.class_names == {10: 'chair', 20: 'table'}
    assert len(measure_masks([], scan, CLASSES)) == 0
