"""The shipped weights: small, with metadata of their training, and useful on real scans."""

from pathlib import Path

from mask3d_core.classes import load_classes
from mask3d_core.evaluation import Evaluation, Protocol
from mask3d_core.evaluation.ground_truth import make_truth
from mask3d_core.files import read_scan
from mask3d_core.scan import Scan
from mask3d_core.segmenter import load_segmenter
from mask3d_core.weights.checkpoint import load_weights
from mask3d_core.weights.shipped import MAX_CONTRAST, shipped_weights
import numpy as np
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


def test_the_contrast_is_limited_whatever_reads_the_file() -> None:
    assert load_weights(shipped_weights()).voxelization.max_contrast == MAX_CONTRAST
    assert load_segmenter(device='cpu').voxelization.max_contrast == MAX_CONTRAST


def test_objects_are_found_in_a_real_scan() -> None:
    scan = read_scan(OFFICE)

    found = load_segmenter(device='cpu').segment(scan)

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

    likely = [found.mask(index) for index in np.flatnonzero(found.score > 0.5)]
    assert max((mask & can).sum() / (mask | can).sum() for mask in likely) > 0.75


@pytest.mark.parametrize(('upright', 'least'), [(True, (0.35, 0.50)), (False, (0.35, 0.50))])
def test_objects_on_real_tables(
        upright: bool, least: tuple[float, float]) -> None:
    """Class-agnostic AP50 and AP25 are not far below those of docs/weights.md."""
    segmenter = load_segmenter(device='cpu')
    evaluation = Evaluation(segmenter.weights.classes, Protocol())
    for name in NAMES:
        path = find_shared(f'data/clouds/{name}.pcd')
        scan, label = read_scan(path), labels_of_each_point(path)
        scan = turned_upright(scan, label) if upright else Scan.from_points(scan.xyz, scan.color)
        thing = label >= 10
        truth = make_truth(np.where(thing, OBJECT_ID, -1), np.where(thing, label // 10, -1))
        evaluation.add(segmenter.segment(scan), truth)
    scores = evaluation.scores()
    print('AP, AP50, AP25:', np.round(100 * scores.agnostic, 1))
    assert scores.agnostic[1] >= least[0] and scores.agnostic[2] >= least[1]
