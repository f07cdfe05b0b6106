"""Files of predictions and ground truth: round trips, and messages for malformed files."""

from dataclasses import fields, replace
from pathlib import Path

from mask3d_core.classes import load_classes
from mask3d_core.data.labels import LabelledScan, write_labelled
from mask3d_core.errors import InputError
from mask3d_core.evaluation import Predictions
from mask3d_core.evaluation.export import export_scene
from mask3d_core.evaluation.ground_truth import make_truth, NOT_EVALUATED, read_scannet_truth, VOID
from mask3d_core.evaluation.overlaps import measure_overlaps, Overlaps
from mask3d_core.evaluation.predictions import read_predictions
from mask3d_core.evaluation.scene_files import (
    check_complete,
    find_predictions,
    find_truth,
    read_truth,
)
from mask3d_core.instances import Instances
from mask_rows import rows_of
import numpy as np
import pytest

MASKS = np.array([[1, 1, 1, 0, 0, 0, 0, 0, 0, 1], [1, 1, 1, 0, 0, 0, 0, 0, 0, 1],
                  [0] * 10, [0, 0, 0, 1, 1, 0, 0, 0, 0, 0]], bool)
FOUND = Predictions(np.packbits(MASKS, axis=1), 10, np.array([5, 7, 5, 39], np.int32),
                    np.array([0.9, 1 / 3, 0.2, 0.1]))
SCANNET = load_classes('scannet20')


def test_objects_are_pairs_of_label_and_instance() -> None:
    truth = make_truth([7, 7, 3, -1, 3, 7], [4, 4, 4, 0, 2, -1])
    assert truth.class_id.tolist() == [3, 3, 7]                # by class, then instance
    assert truth.object.tolist() == [2, 2, 1, VOID, 0, VOID]
    inside = make_truth([7, 7, 3], [4, 4, 4], [True, False, True])
    assert inside.object.tolist() == [1, NOT_EVALUATED, 0]


def test_labels_and_instances_of_different_lengths_are_refused() -> None:
    with pytest.raises(InputError, match=r'got shapes \[3\] and \[2\]'):
        make_truth([1, 2, 3], [1, 2])


def test_scannet_truth(tmp_path: Path) -> None:
    path = tmp_path / 'scene.txt'
    path.write_text('0\n3001\n3001\n999\n5002\n')
    truth = read_scannet_truth(path, SCANNET)
    assert truth.class_id.tolist() == [3, 5]
    assert truth.object.tolist() == [VOID, 0, 0, VOID, 1]


def test_class_0_is_1_in_the_files(tmp_path: Path) -> None:
    (tmp_path / 'area.txt').write_text('1001\n1002\n7001\n')
    truth = read_scannet_truth(tmp_path / 'area.txt', load_classes('s3dis'))
    assert truth.class_id.tolist() == [0, 0, 6] and truth.object.tolist() == [0, 1, 2]


@pytest.mark.parametrize('text', ['3001 x\n', '3001\n2.5\n', '-5\n', '9' * 30])
def test_malformed_scannet_truth_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / 'scene.txt'
    path.write_text(text)
    with pytest.raises(InputError, match='scene.txt: expected'):
        read_scannet_truth(path, SCANNET)


def test_a_submission_in_the_format_of_the_benchmark(tmp_path: Path) -> None:
    export_scene(tmp_path, 'scene0011_00', FOUND)
    lines = (tmp_path / 'scene0011_00.txt').read_text().splitlines()
    assert lines == ['predicted_masks/scene0011_00_000.txt 5 0.9',
                     'predicted_masks/scene0011_00_001.txt 7 0.333333333',
                     'predicted_masks/scene0011_00_002.txt 39 0.1']       # the empty one is not
    mask = (tmp_path / 'predicted_masks' / 'scene0011_00_002.txt').read_text()
    assert mask == '0\n0\n0\n1\n1\n0\n0\n0\n0\n0\n'
    again = read_predictions(tmp_path / 'scene0011_00.txt')
    np.testing.assert_array_equal(again.masks, FOUND.masks[[0, 1, 3]])
    assert again.num_points == 10
    assert again.class_id.tolist() == [5, 7, 39]
    np.testing.assert_allclose(again.score, [0.9, 1 / 3, 0.1])


def test_instances_are_evaluated_and_exported_as_predictions(tmp_path: Path) -> None:
    boxes = np.zeros((len(MASKS), 3))
    instances = Instances(rows_of(MASKS), 10, FOUND.class_id, FOUND.score.astype(np.float32),
                          {}, {}, boxes, boxes, boxes, boxes, boxes, boxes[:, 0])
    predictions = replace(FOUND, score=instances.score)
    np.testing.assert_array_equal(instances.masks, predictions.masks)
    truth = make_truth([5, 5, 5, -1, 39, 39, 7, 7, 7, 7], [1, 1, 1, 0, 2, 2, 3, 3, 3, 3])
    overlaps = [measure_overlaps(made, truth, np.array([5, 7, 39]))
                for made in (instances, predictions)]
    for field in fields(Overlaps):
        np.testing.assert_array_equal(*(getattr(one, field.name) for one in overlaps))
    assert overlaps[0].intersection.tolist() == [[3, 1, 0], [3, 1, 0], [0, 0, 0], [0, 0, 1]]
    export_scene(tmp_path / 'a', 'scene', instances)
    export_scene(tmp_path / 'b', 'scene', predictions)
    files = [sorted(folder.rglob('*.txt')) for folder in (tmp_path / 'a', tmp_path / 'b')]
    assert len(files[0]) == 4
    for one, other in zip(*files, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_an_export_replaces_the_one_before(tmp_path: Path) -> None:
    export_scene(tmp_path, 'scene_1', FOUND)
    export_scene(tmp_path, 'scene', FOUND)
    export_scene(tmp_path, 'scene', replace(FOUND, masks=FOUND.masks[:1],
                                            class_id=FOUND.class_id[:1], score=FOUND.score[:1]))
    masks = {path.name for path in (tmp_path / 'predicted_masks').iterdir()}
    assert masks == {'scene_000.txt', *(f'scene_1_00{number}.txt' for number in range(3))}


def test_an_empty_submission(tmp_path: Path) -> None:
    export_scene(tmp_path, 'empty', replace(FOUND, masks=FOUND.masks[:0],
                                            class_id=FOUND.class_id[:0], score=FOUND.score[:0]))
    assert len(read_predictions(tmp_path / 'empty.txt').score) == 0


@pytest.mark.parametrize('name', ['', 'two words', 'sub/scene'])
def test_names_with_spaces_or_slashes_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match='without spaces and slashes'):
        export_scene(tmp_path, name, FOUND)


def test_malformed_submissions_are_named(tmp_path: Path) -> None:
    path = tmp_path / 'scene.txt'
    export_scene(tmp_path, 'scene', FOUND)
    good = path.read_text()
    (tmp_path / 'predicted_masks' / 'scene_001.txt').write_text('0\n1\n')
    with pytest.raises(InputError, match='scene.txt: line 2: .* has 2 points, .* have 10'):
        read_predictions(path)
    path.write_text(good + 'only_a_file\n')
    (tmp_path / 'predicted_masks' / 'scene_001.txt').write_text('0\n' * 10)
    with pytest.raises(InputError, match='scene.txt: line 4: expected a mask file'):
        read_predictions(path)
    (tmp_path / 'predicted_masks' / 'scene_000.txt').unlink()
    with pytest.raises(InputError, match='scene_000.txt: No such file'):
        read_predictions(path)


def write_npz(path: Path, found: Predictions, **changed: object) -> None:
    path.parent.mkdir(exist_ok=True)
    arrays = {'masks': found.masks, 'num_points': found.num_points, 'class_id': found.class_id,
              'score': found.score} | changed
    np.savez(path, **{key: np.asarray(value) for key, value in arrays.items()
                      if value is not None})


def test_predictions_as_segment_writes_them(tmp_path: Path) -> None:
    write_npz(tmp_path / 'found.npz', FOUND)
    again = read_predictions(tmp_path / 'found.npz')
    np.testing.assert_array_equal(again.masks, FOUND.masks)
    assert again.num_points == 10


@pytest.mark.parametrize(('changed', 'sentence'), [
    ({'score': None}, "without 'score'"),
    ({'num_points': 17}, 'expected 4 packed masks and classes over 17 points'),
    ({'class_id': np.zeros(3, int)}, '3 classes'),
    ({'class_id': np.zeros(4)}, 'class ids as integers and scores as numbers, got uint8, float64'),
    ({'masks': np.zeros((4, 2))}, 'expected masks as packed bytes'),
    ({'score': np.array(['a', 'b', 'c', 'd'])}, 'scores as numbers'),
    ({'score': np.array([1, 0.5, np.nan, 0.1])}, 'expected finite scores, got nan'),
])
def test_malformed_predictions_are_named(changed: dict[str, object], sentence: str,
                                      tmp_path: Path) -> None:
    write_npz(tmp_path / 'found.npz', FOUND, **changed)
    with pytest.raises(InputError, match=f'found.npz: .*{sentence}'):
        read_predictions(tmp_path / 'found.npz')


def test_a_file_that_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / 'found.npz').write_bytes(b'no archive')
    with pytest.raises(InputError, match='found.npz: not a readable .npz archive'):
        read_predictions(tmp_path / 'found.npz')
    np.save(tmp_path / 'array.npy', np.zeros(3))
    (tmp_path / 'array.npy').rename(tmp_path / 'array.npz')
    with pytest.raises(InputError, match='array.npz: '):
        read_predictions(tmp_path / 'array.npz')


def test_predictions_are_found_in_every_layout(tmp_path: Path) -> None:
    write_npz(tmp_path / 'a' / 'instances.npz', FOUND)
    write_npz(tmp_path / 'b.npz', FOUND)
    export_scene(tmp_path, 'c', FOUND)
    found = find_predictions(tmp_path)
    assert sorted(found) == ['a', 'b', 'c']
    check_complete(['a', 'c'], found)
    with pytest.raises(InputError, match='no predictions for 1 of 2 scenes, the first is d'):
        check_complete(['a', 'd'], found)
    write_npz(tmp_path / 'a.npz', FOUND)
    with pytest.raises(InputError, match='a.npz and instances.npz are of one scene'):
        find_predictions(tmp_path)


def test_folders_without_scenes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='found none'):
        find_predictions(tmp_path)
    with pytest.raises(InputError, match='found none'):
        find_truth(tmp_path)
    with pytest.raises(InputError, match='expected a folder'):
        find_truth(tmp_path / 'none')


def test_labelled_scans_are_ground_truth_over_the_rows_of_the_file(tmp_path: Path) -> None:
    xyz = np.arange(30, dtype=np.float32).reshape(10, 3)
    xyz[4] = np.nan
    label, instance = np.repeat([7, 3], 5), np.repeat([0, 1], 5)
    np.savez(tmp_path / 'scene.npz', xyz=xyz, label=label, instance=instance)
    truth = read_truth(find_truth(tmp_path)['scene'], SCANNET)
    assert truth.object.tolist() == [1, 1, 1, 1, NOT_EVALUATED, 0, 0, 0, 0, 0]
    assert truth.class_id.tolist() == [3, 7]
    (tmp_path / 'scene.npz').unlink()
    finite = LabelledScan.from_columns(
        {'xyz': np.arange(30, dtype=np.float32).reshape(10, 3), 'label': label,
         'instance': instance}, 'scene')
    write_labelled(tmp_path / 'scene.ply', finite)
    truth = read_truth(find_truth(tmp_path)['scene'], SCANNET)
    assert truth.object.tolist() == [1] * 5 + [0] * 5
