"""Results of `mask3d segment` are read as they were written."""

import json
from pathlib import Path

from mask3d_core.cli import main
from mask3d_core.data.labels import LabelledScan, write_labelled
from mask3d_core.errors import InputError
from mask3d_core.files.results import write_instances_npz, write_labelled_ply
from mask3d_core.viewer.results import read_result, result_file, result_folders
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
    assert result_folders(folder) == [folder] and result_file(folder).name == 'room.ply'
    scene, before = read_result(folder / 'room.ply'), small_scene().prediction
    assert scene.truth is None and scene.prediction is not None and before is not None
    found = scene.prediction.instances
    assert [found.name(index) for index in range(3)] == ['crate', 'bin', 'crate']
    assert np.allclose(found.score, [0.9, 0.8, 0.4])
    assert scene.prediction.ids is not None and scene.prediction.ids.tolist() == [1, 2, 3]
    assert all(np.array_equal(a, b) for a, b in zip(found.rows, before.instances.rows))
    assert scene.scan.color is not None


def test_results_of_several_scans_are_shown_together(folder: Path) -> None:
    """As `mask3d segment hall.ply kitchen.ply -o found` writes them: a folder for each scan."""
    found = folder / 'found'
    for name in ('kitchen', 'hall'):
        (found / name).mkdir(parents=True)
        (found / name / f'{name}.ply').write_bytes((folder / 'room.ply').read_bytes())
        (found / name / 'instances.npz').write_bytes((folder / 'instances.npz').read_bytes())
    assert result_folders(found) == [found / 'hall', found / 'kitchen']
    page = folder / 'page.html'
    assert main(['view', str(found), '--html', str(page)]) == 0
    about = page.read_text().split('id="scenes.json">')[1].split('</script>')[0]
    assert [scene['label'] for scene in json.loads(about)['scenes']] == ['hall', 'kitchen']


def test_a_folder_with_nothing_to_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['view', str(tmp_path)]) == 1
    assert ('expected a folder of `mask3d segment -o`, a data set, or a bag'
            in capsys.readouterr().err)


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
