"""The shipped weights: small, with metadata of their training, and useful on real scans."""

from pathlib import Path

from mask3d_core.classes import load_classes
from mask3d_core.evaluation import Evaluation, Protocol
from mask3d_core.evaluation.ground_truth import make_truth
from mask3d_core.extraction.postprocess import ExtractSettings
from mask3d_core.files import read_scan
from mask3d_core.scan import Scan
from mask3d_core.segmenter import load_segmenter, Segmenter
from mask3d_core.weights.checkpoint import load_weights
from mask3d_core.weights.shipped import SCORE_THRESHOLD, shipped_weights
import numpy as np
from numpy.typing import ArrayLike, NDArray
import pytest
from shared import find_shared
from table_tops import can_on_a_floor, labels_of_each_point, NAMES, turned_upright

MAX_BYTES = 12e6
"""Size of the file in the repository."""
OBJECT_ID = 40
"""Id of the class "object"."""
OFFICE = Path(__file__).parents[3] / 'demo' / 'office.ply'


def test_the_file_is_small_and_has_training_metadata() -> None:
    weights = load_weights(shipped_weights())

    assert shipped_weights().stat().st_size <= MAX_BYTES
    assert weights.licence == 'Apache-2.0'
    assert weights.classes == load_classes('rooms').without(['wall', 'floor'])
    assert {'command', 'seed', 'scores'} <= set(weights.trained)
    assert weights.max_contrast > 0, 'as in docs/weights.md'


def test_objects_are_found_in_a_real_scan() -> None:
    scan = read_scan(OFFICE)

    found = load_segmenter(device='cpu').segment(scan, ExtractSettings(SCORE_THRESHOLD))

    assert len(found) >= 3
    assert found.score.max() > 0.5
    covered = found.point_instance() >= 0
    assert 0.05 < covered.mean() < 0.95
    assert np.all(np.diff(found.score) <= 0)


@pytest.mark.parametrize('upright', [True, False])
def test_a_can_on_a_real_floor_is_found(upright: bool) -> None:
    pytest.importorskip('rosbags', reason='needs the extra bags')
    scan, label = can_on_a_floor()
    scan = (turned_upright(scan, np.where(label == 1, 1, 0)) if upright
            else Scan.from_points(scan.xyz, scan.color))
    can = label == 20

    found = load_segmenter(device='cpu').segment(scan)

    shown = [found.mask(index) for index in np.flatnonzero(found.score >= SCORE_THRESHOLD)]
    assert max((mask & can).sum() / (mask | can).sum() for mask in shown) > 0.75


@pytest.mark.parametrize('upright', [True, False])
def test_objects_on_real_tables(upright: bool) -> None:
    """Class-agnostic AP50 and AP25 are not far below those of docs/weights.md."""
    scores = scores_on_tables(load_segmenter(device='cpu'), upright)
    print('AP, AP50, AP25:', np.round(100 * scores, 1))
    assert scores[1] >= 0.35 and scores[2] >= 0.50


@pytest.mark.slow
@pytest.mark.parametrize(('upright', 'least'), [(True, 0.35), (False, 0.20)])
def test_objects_on_real_tables_in_other_positions(upright: bool, least: float) -> None:
    """The mean AP50 of 8 positions is not far below that of docs/weights.md."""
    segmenter, rng = load_segmenter(device='cpu'), np.random.default_rng(0)
    scores = []
    for _ in range(8):
        angle = rng.uniform(-np.pi, np.pi) if upright else rng.uniform(-0.1, 0.1)
        scores.append(scores_on_tables(segmenter, upright, angle, rng.uniform(-1, 1, 3)))
    mean, deviation = np.mean(scores, axis=0), np.std(scores, axis=0)
    print('AP, AP50, AP25:', np.round(100 * mean, 1), '+-', np.round(100 * deviation, 1))
    assert mean[1] >= least


def scores_on_tables(segmenter: Segmenter, upright: bool, angle: float = 0.0,
                     shift: ArrayLike = (0, 0, 0)) -> NDArray[np.float64]:
    """Return AP, AP50 and AP25 on scans turned about z, radians, and moved by `shift` metres."""
    evaluation = Evaluation(segmenter.weights.classes, Protocol())
    cos, sin = np.cos(angle), np.sin(angle)
    for name in NAMES:
        path = find_shared(f'data/clouds/{name}.pcd')
        scan, label = read_scan(path), labels_of_each_point(path)
        scan = turned_upright(scan, label) if upright else Scan.from_points(scan.xyz, scan.color)
        turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
        xyz = (scan.xyz @ turn + shift).astype(np.float32)
        thing = label >= 10
        truth = make_truth(np.where(thing, OBJECT_ID, -1), np.where(thing, label // 10, -1))
        evaluation.add(segmenter.segment(Scan.from_points(xyz, scan.color)), truth)
    return np.asarray(evaluation.scores().agnostic)
