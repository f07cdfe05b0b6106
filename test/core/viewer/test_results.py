"""Results of `mask3d segment` are read as they were written."""

from pathlib import Path

from mask3d_core.data.labels import LabelledScan, write_labelled
from mask3d_core.errors import InputError
from mask3d_core.files.results import write_instances_npz, write_labelled_ply
from mask3d_core.viewer.results import is_result_folder, read_result, result_file
import numpy as np
import pytest
from small_scene import small_scene
from toy_rooms import make_room


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the result of a small scene."""
    scene = small_scene()
    assert scene.prediction is not None
    write_labelled_ply(tmp_path / 'room.ply', scene.scan, scene.prediction.instances)
    write_instances_npz(tmp_path / 'instances.npz', scene.prediction.instances)
    return tmp_path


def test_a_result_has_its_instances_classes_and_colours(folder: Path) -> None:
    assert is_result_folder(folder) and result_file(folder).name == 'room.ply'
    scene, before = read_result(folder / 'room.ply'), small_scene().prediction
    assert scene.truth is None and scene.prediction is not None and before is not None
    found = scene.prediction.instances
    assert [found.name(index) for index in range(3)] == ['crate', 'bin', 'crate']
    assert np.allclose(found.score, [0.9, 0.8, 0.4])
    assert scene.prediction.ids is not None and scene.prediction.ids.tolist() == [1, 2, 3]
    assert all(np.array_equal(a, b) for a, b in zip(found.rows, before.instances.rows))
    assert scene.scan.color is not None


def test_labels_without_scores_are_truth(tmp_path: Path) -> None:
    room = make_room(0)
    write_labelled(tmp_path / 'room.ply', LabelledScan(room.scan, room.label, room.instance, 'r'))
    scene = read_result(tmp_path / 'room.ply')
    assert scene.prediction is None and scene.truth is not None
    assert len(scene.truth.instances) == 4
    assert scene.truth.instances.class_names[2] == 'class 2'


def test_a_folder_needs_one_result(folder: Path) -> None:
    (folder / 'copy.ply').write_bytes((folder / 'room.ply').read_bytes())
    with pytest.raises(InputError, match=r'expected one \.ply .* got copy\.ply, room\.ply'):
        result_file(folder)
