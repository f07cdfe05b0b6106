"""Scenes of scans, data sets and bags, and the command that shows them."""

from pathlib import Path

from command_line import mask3d, scan_file, weights_file
from growing_bag import TOPIC, write_growing_bag
from mask3d_core.data.dataset import Dataset
from mask3d_core.errors import InputError
from mask3d_core.evaluation.predictions import Predictions
from mask3d_core.extraction.postprocess import ExtractSettings
from mask3d_core.files import read_scan
from mask3d_core.files.results import write_instances_npz
from mask3d_core.scan import Scan
from mask3d_core.segmenter import load_segmenter
from mask3d_core.viewer.scene import UNLABELLED
from mask3d_core.viewer.sources import (
    bag_sources,
    dataset_sources,
    Predictor,
    Recording,
    shown_predictions,
)
import numpy as np
import pytest
from small_scene import small_scene
from toy_rooms import make_room, write_dataset

__all__ = ['scan_file', 'weights_file']


@pytest.fixture
def predictor(weights_file: Path) -> Predictor:
    """Return a predictor with a small untrained network."""
    return Predictor(load_segmenter(weights_file), ExtractSettings(score_threshold=0.0))


def test_a_scan_has_heatmaps_features_and_superpoints(predictor: Predictor, scan_file: Path,
                                                      ) -> None:
    scene = predictor.scene('room', read_scan(scan_file))
    assert scene.prediction is not None and scene.inspection is not None
    assert scene.scan.segment is not None and scene.notes == ()


def test_a_map_that_is_cut_has_a_note_instead(predictor: Predictor, scan_file: Path) -> None:
    segmenter = predictor.segmenter
    weights = segmenter.weights.with_tiles(1.5, 0.2)
    segmenter.weights = weights
    scene = predictor.scene('room', read_scan(scan_file))
    assert scene.inspection is None
    assert scene.notes == ('Heatmaps and features are not shown: the map is cut into tiles.',)


def test_a_data_set_shows_its_truth(tmp_path: Path) -> None:
    room = make_room(0)
    room.label[room.instance == 1] = -1
    dataset = Dataset.open(write_dataset(tmp_path / 'data', [room, make_room(1)]))
    [source] = dataset_sources(dataset, ['room0'])
    scene = source.load()
    assert scene.prediction is None and scene.truth is not None
    truth = scene.truth.instances
    assert [truth.name(index) for index in range(4)] == [UNLABELLED, 'crate', 'crate', 'bin']
    assert [len(rows) for rows in truth.rows] == [250] * 4


def test_stored_predictions_are_compared_with_the_truth(tmp_path: Path) -> None:
    scene = small_scene()
    assert scene.prediction is not None
    dataset = Dataset.open(write_dataset(tmp_path / 'data', [make_room(0, 'room0', boxes=3)]))
    write_instances_npz(tmp_path / 'room0.npz', scene.prediction.instances)
    [source] = dataset_sources(dataset, ['room0'], stored={'room0': tmp_path / 'room0.npz'})
    shown = source.load()
    assert shown.prediction is not None and shown.truth is not None
    assert list(shown.prediction.status) == ['right', 'right', '']
    assert list(shown.truth.status) == ['right', 'wrong', 'right']


def test_a_mask_of_several_classes_is_shown_once() -> None:
    masks = np.packbits(np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [0, 0, 1]], np.uint8), axis=1)
    found = Predictions(masks, 3, np.array([1, 2, 3, 4], np.int32), np.array([0.5, 0.8, 0.6, 0.1]))
    assert [(rows.tolist(), class_id) for rows, class_id, _ in shown_predictions(found, 0.2)] == [
        ([0, 1], 2), ([2], 3)]


def growing_scans() -> list[Scan]:
    """Return parts of a room, each larger than the one before."""
    scan = make_room(0).scan
    return [scan.take(np.flatnonzero(scan.xyz[:, 0] < edge)) for edge in (0.9, 1.4, 1.9, 3.0)]


def test_a_bag_is_a_time_line_that_keeps_ids(predictor: Predictor, tmp_path: Path) -> None:
    bag = write_growing_bag(tmp_path / 'bag', growing_scans())
    done: list[tuple[int, int]] = []
    sources = bag_sources(Recording(bag), 3, predictor,
                          lambda *progress: done.append(progress[:2]))
    assert [one.stamp for one in sources] == [0.0, 2.0, 6.0]
    assert done == [(1, 3), (2, 3), (3, 3)]
    scenes = [one.load() for one in sources]
    assert [len(scene.scan) for scene in scenes] == [
        len(scan) for scan in (growing_scans()[place] for place in (0, 1, 3))]
    layers = [scene.prediction for scene in scenes]
    assert all(layer is not None and layer.ids is not None and len(layer.ids) == len(
        layer.instances) for layer in layers)


def test_an_unknown_topic_of_a_bag(tmp_path: Path) -> None:
    bag = write_growing_bag(tmp_path / 'bag', growing_scans()[:1])
    with pytest.raises(InputError, match='no PointCloud2 topic'):
        bag_sources(Recording(bag, '/other'), 3, None, lambda *_: None)
    assert len(bag_sources(Recording(bag, TOPIC), 3, None, lambda *_: None)) == 1


def test_the_command_writes_pages_of_everything(weights_file: Path, scan_file: Path,
                                                tmp_path: Path) -> None:
    data = write_dataset(tmp_path / 'data', [make_room(seed) for seed in (0, 1)])
    bag = write_growing_bag(tmp_path / 'bag', growing_scans()[:2])
    done = mask3d('segment', scan_file, '-o', tmp_path / 'found', '--weights', weights_file,
                  '--score-threshold', '0')
    assert done.returncode == 0, done.stderr
    page = tmp_path / 'page.html'
    for words in ((scan_file, '--weights', weights_file), (scan_file, '--no-segment'),
                  (tmp_path / 'found',), (tmp_path / 'found' / 'room.ply',),
                  (data, '--scans', '1'), (data, '--scans', 'room1'), (bag, '--no-segment'),
                  (bag, '--no-segment', '--cloud', '0', '--unit', 'cm')):
        page.unlink(missing_ok=True)
        done = mask3d('view', *words, '--html', page)
        assert done.returncode == 0, done.stderr
        assert 'open it in a browser' in done.stdout and page.stat().st_size < 15e6


@pytest.mark.parametrize(('words', 'status', 'message'), [
    (('nowhere.ply',), 1, 'no such file'), (('{scan}', '--split', 'train'), 2, 'goes with a data'),
    (('{data}', '--scans', 'other'), 1, "no scan 'other'"),
    (('{data}', '--weights', 'w', '--predictions', 'p'), 2, 'either --weights or')])
def test_what_cannot_be_shown(words: tuple[str, ...], status: int, message: str, scan_file: Path,
                              tmp_path: Path) -> None:
    data = write_dataset(tmp_path / 'data', [make_room(0)])
    done = mask3d('view', *(word.format(scan=scan_file, data=data) for word in words),
                  '--html', tmp_path / 'page.html')
    assert done.returncode == status and message in done.stderr

