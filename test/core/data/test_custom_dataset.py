"""One's own scans: out of a bag, labelled, into a data set; and how preparing goes on."""

from __future__ import annotations

import json
from pathlib import Path

from labelled_folder import labelled, plys, run, TABLE
from mask3d_core.classes import ClassTable
from mask3d_core.cli import main
from mask3d_core.data.custom_dataset import folder_sources
from mask3d_core.data.dataset import Dataset
from mask3d_core.data.labels import LabelledScan, read_labelled, write_labelled
from mask3d_core.data.prepare import prepare
from mask3d_core.data.readers.raw_scan import natural_sort_key, RawSource
from mask3d_core.errors import InputError
from mask3d_core.files import read_scan
from mask3d_core.files.class_table import read_class_table
from mask3d_core.files.ply import ply_bytes
from mask3d_core.superpoints.superpoints import find_superpoints, group_mesh
import numpy as np
import pytest
from shared import find_shared

__all__ = ['plys']  # a fixture


def test_from_labelled_files_to_a_data_set(plys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(plys, '--background', 'pallet', '--validation', 'hall_3',
               '--voxel-size', '.05') == 0

    assert 'validation      1 scans' in capsys.readouterr().out
    data = Dataset.open(plys.parent / 'out')
    assert data.name == 'out' and data.voxel_size == 0.05
    assert data.classes.names == ('pallet', 'forklift') and data.objects.names == ('forklift',)
    assert data.split('validation') == ['hall_3']
    assert data.split('train') == ['hall_0', 'hall_1', 'hall_2', 'hall_4']
    with pytest.raises(InputError, match="the split 'test' has no scans"):
        data.split('test')
    scan = data.read('hall_2')
    np.testing.assert_array_equal(scan.scan.xyz, labelled(2).scan.xyz)
    np.testing.assert_array_equal(scan.scan.color, labelled(2).scan.color)
    np.testing.assert_array_equal(scan.label, labelled(2).label)


def test_what_is_done_is_not_done_again_but_what_changed_is(
        plys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(plys)
    scans = plys.parent / 'out' / 'scans'
    before = {path.name: path.stat().st_mtime_ns for path in scans.iterdir()}
    (scans / 'hall_0.npz').unlink()
    write_labelled(plys / 'hall_4.ply', labelled(4, label=4))
    (plys.parent / 'out' / 'facts' / 'hall_2.json').write_text('{"state": [')

    assert run(plys) == 0

    after = {path.name: path.stat().st_mtime_ns for path in scans.iterdir()}
    assert {name for name in before if before[name] == after[name]} == {'hall_1.npz', 'hall_3.npz'}
    assert (Dataset.open(plys.parent / 'out').read('hall_4').label[25:] == 4).all()
    assert capsys.readouterr().err.count('50 points') == 10


def test_a_stop_in_between_leaves_whole_files_and_is_made_up_for(plys: Path) -> None:
    out, classes = plys.parent / 'out', read_class_table(str(plys.parent / 'table.tsv'))
    sources = folder_sources(plys, classes, 0.2)

    def stop_after_two(line: str, wrong: bool) -> None:
        if line.startswith('[2/'):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(Dataset(out, 'ours', classes), sources, 1, stop_after_two)
    assert not (out / 'dataset.json').exists()
    for path in (out / 'scans').iterdir():
        assert len(read_labelled(path)) == 50
    lines: list[str] = []
    data = prepare(Dataset(out, 'ours', classes), sources, 1,
                   lambda line, wrong: lines.append(line))
    assert len(data.scans) == 5
    # what was there says nothing about how long the rest will take
    assert ['left' in line for line in lines] == [False, False, True, True, False]
    assert not [path for path in out.rglob('*') if path.name.startswith('.')]


def test_several_processes_give_the_same(plys: Path) -> None:
    run(plys)
    out = plys.parent / 'out'
    alone = (out / 'dataset.json').read_text(), [(out / 'scans' / f'hall_{i}.npz').read_bytes()
                                                 for i in range(5)]
    (out / 'scans' / 'hall_1.npz').unlink()
    (out / 'scans' / 'hall_4.npz').unlink()
    assert run(plys, '--workers', '2') == 0
    assert ((out / 'dataset.json').read_text(), [(out / 'scans' / f'hall_{i}.npz').read_bytes()
                                                 for i in range(5)]) == alone


def test_what_is_wrong_is_named_and_the_rest_is_there(
        plys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut = (plys / 'hall_0.ply').read_bytes()
    (plys / 'hall_0.ply').write_bytes(cut[:-5])
    write_labelled(plys / 'hall_1.ply', labelled(1, label=7))
    write_labelled(plys / 'hall_2.npz', labelled(2))
    (plys / 'hall_2.ply').unlink()
    nothing = labelled(3)
    write_labelled(plys / 'hall_3.ply', LabelledScan(
        nothing.scan, np.full(50, -1, np.int32), np.full(50, -1, np.int32), 'a'))

    assert run(plys) == 1

    said = capsys.readouterr().err
    assert 'hall_0.ply: element vertex: expected' in said
    assert 'hall_1.ply: label 7 (25 points) is not in the class table' in said
    assert 'hall_3.ply: nothing is labelled' in said
    assert '3 of 5 could not be prepared' in said
    assert set(Dataset.open(plys.parent / 'out').scans) == {'hall_2', 'hall_4'}


def test_where_nothing_can_be_prepared_what_was_there_stays(
        plys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(plys)
    before = (plys.parent / 'out' / 'dataset.json').read_bytes()
    (plys.parent / 'table.tsv').write_text('id\tname\n9\tboat\n')
    assert run(plys) == 1
    assert 'none of 5 could be prepared' in capsys.readouterr().err
    assert (plys.parent / 'out' / 'dataset.json').read_bytes() == before


def test_what_is_read_is_not_written_over(plys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scans = plys.parent / 'out' / 'scans'
    scans.mkdir(parents=True)
    write_labelled(scans / 'hall.npz', labelled(0))
    before = (scans / 'hall.npz').read_bytes()
    assert main(['prepare', 'folder', str(scans), str(scans.parent), '--classes',
                 str(plys.parent / 'table.tsv'), '--workers', '1']) == 1
    assert 'hall.npz is read, and would be overwritten' in capsys.readouterr().err
    assert (scans / 'hall.npz').read_bytes() == before


def test_unknown_objects_are_kept_without_a_class(plys: Path) -> None:
    for label in (0, -1):
        write_labelled(plys / 'hall_0.ply', labelled(0, label=label))
        run(plys)
        scan = Dataset.open(plys.parent / 'out').read('hall_0')
        assert set(scan.label) == {-1} and scan.instance.tolist() == [-1] * 25 + [3] * 25


def test_a_scan_far_from_the_origin_is_moved_closer(plys: Path) -> None:
    rng = np.random.default_rng(0)
    xyz = rng.uniform(0, 3, (50, 3)) + [48000.25, -9000, 5]
    columns = {'xyz': xyz, 'label': np.ones(50, int), 'instance': np.ones(50, int)}
    write_labelled(plys / 'hall_0.ply', LabelledScan.from_columns(columns, 'a'))
    run(plys, '--mixed-colour')
    scan = Dataset.open(plys.parent / 'out').read('hall_0')
    np.testing.assert_allclose(scan.scan.xyz, xyz - [48000, -9000, 5], atol=1e-5)


def test_superpoints_are_stored_and_the_option_is_part_of_what_is_done(
        plys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(plys) == 0
    assert not Dataset.open(plys.parent / 'out').on_segments
    assert run(plys, '--superpoints', '--voxel-size', '0.5') == 0
    data = Dataset.open(plys.parent / 'out')
    assert data.on_segments
    scan = data.read('hall_1')
    np.testing.assert_array_equal(scan.scan.segment, find_superpoints(scan.scan, 0.5))
    before = data.path('hall_1').stat().st_mtime_ns
    assert run(plys, '--superpoints', '--voxel-size', '0.5') == 0
    assert data.path('hall_1').stat().st_mtime_ns == before
    monkeypatch.setattr('mask3d_core.data.prepare.SUPERPOINT_VERSION', -1)
    assert run(plys, '--superpoints', '--voxel-size', '0.5') == 0
    assert data.path('hall_1').stat().st_mtime_ns > before
    assert run(plys, '--superpoints', '--voxel-size', '0.3') == 0
    np.testing.assert_array_equal(data.read('hall_1').scan.segment,
                                  find_superpoints(scan.scan, 0.3))
    assert run(plys) == 0
    assert not Dataset.open(plys.parent / 'out').on_segments


def test_boxes_of_labelcloud_are_the_instances(plys: Path, capsys: pytest.CaptureFixture[str],
                                               ) -> None:
    def box(name: str, center: float, size: float) -> dict:
        return {'name': name, 'centroid': dict.fromkeys('xyz', center),
                'dimensions': dict.fromkeys(('length', 'width', 'height'), size),
                'rotations': dict.fromkeys('xyz', 0)}

    def write(*boxes: dict) -> None:
        (plys / 'hall_0.json').write_text(json.dumps({'objects': boxes}))

    write(box('forklift', 1.5, 1.5), box('pallet', 1.5, 2.5), box('pallet', 90, 1))
    assert run(plys) == 0
    assert ('hall_0  50 points; labelled by the 3 boxes of hall_0.json, 1 of them without points'
            in capsys.readouterr().err)
    away = np.abs(labelled(0).scan.xyz - 1.5).max(1)
    expected = np.where(away <= .75, 0, np.where(away <= 1.25, 1, -1))
    scan = Dataset.open(plys.parent / 'out').read('hall_0')
    np.testing.assert_array_equal(scan.instance, expected)
    np.testing.assert_array_equal(scan.label, np.array([4, 1, -1])[expected])
    write(box('pallet', 1.5, 9))
    assert run(plys) == 0
    assert set(Dataset.open(plys.parent / 'out').read('hall_0').label) == {1}
    write(box('crate', 1.5, 9))
    assert run(plys) == 1
    assert "hall_0.json: 'crate' is not in the class table" in capsys.readouterr().err


def folded_sheet(path: Path, faces: np.ndarray) -> np.ndarray:
    """Write a labelled sheet of 20 x 10 vertices, folded after 10; return the vertices."""
    x, y = (axis.reshape(-1) * 0.1 for axis in np.mgrid[:20, :10])
    points = np.zeros(200, [('x', 'f4'), ('y', 'f4'), ('z', 'f4'), ('label', 'i4'),
                            ('instance', 'i4')])
    points['x'], points['y'], points['z'] = np.minimum(x, 1), y, np.maximum(x - 1, 0)
    points['label'] = points['instance'] = 1
    content = ply_bytes(points).replace(b'end_header\n', (
        f'element face {len(faces)}\nproperty list uchar int vertex_indices\n'
        'end_header\n').encode(), 1)
    rows = np.zeros(len(faces), [('length', 'u1'), ('corner', '<i4', 3)])
    rows['length'], rows['corner'] = 3, faces
    path.write_bytes(content + rows.tobytes())
    return np.stack([points[axis] for axis in 'xyz'], 1)


def test_boxes_are_read_again_when_classes_swap_their_names(plys: Path) -> None:
    box = {'name': 'pallet', 'centroid': {'x': 1.5, 'y': 1.5, 'z': 1.5},
           'dimensions': {'length': 2, 'width': 2, 'height': 2},
           'rotations': {'x': 0, 'y': 0, 'z': 0}}
    (plys / 'hall_0.json').write_text(json.dumps({'objects': [box]}))
    for table, pallet in ((TABLE, 1), ('id\tname\n1\tforklift\n4\tpallet\n', 4)):
        (plys.parent / 'table.tsv').write_text(table)
        assert run(plys) == 0
        data = Dataset.open(plys.parent / 'out')
        assert set(data.read('hall_0').label.tolist()) == {-1, pallet}


def test_superpoints_of_a_mesh_are_those_of_its_faces(
        plys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = np.add.outer(np.arange(19) * 10, np.arange(9)).reshape(-1)
    faces = np.concatenate([np.stack([a, a + 10, a + 1], 1), np.stack([a + 1, a + 10, a + 11], 1)])
    xyz = folded_sheet(plys / 'hall_0.ply', faces)
    folded_sheet(plys / 'hall_1.ply', faces[:5])
    folded_sheet(plys / 'hall_2.ply', np.full((1, 3), 200))

    assert run(plys, '--superpoints', '--mixed-colour') == 1

    said = capsys.readouterr().err
    expected = group_mesh(xyz, faces)
    segment = Dataset.open(plys.parent / 'out').read('hall_0').scan.segment
    np.testing.assert_array_equal(segment, expected)
    assert f'hall_0  200 points; {expected.max() + 1} superpoints made from the mesh' in said
    assert 'hall_1  200 points; the faces do not connect the points: superpoints' in said
    assert 'hall_2  FAILED' in said and 'expected faces of vertices 0..199, got 200..200' in said


def test_another_data_set_is_not_overwritten(plys: Path, capsys: pytest.CaptureFixture[str],
                                             ) -> None:
    run(plys, '--name', 'first')
    assert run(plys, '--name', 'second') == 1
    assert "holds the data set 'first': give another folder" in capsys.readouterr().err


def test_validation_scans_are_chosen_by_name(plys: Path) -> None:
    classes = ClassTable((1,), ('a',), ((1, 2, 3),))

    def chosen(part: float) -> set[str]:
        return {source.name for source in folder_sources(plys, classes, part)
                if source.split == 'validation'}

    assert chosen(0.0) == set()
    assert len(chosen(0.01)) == 1 and len(chosen(0.99)) == 4
    for number in range(5, 100):
        (plys / f'hall_{number}.npz').touch()
    before = chosen(0.3)
    assert 18 < len(before) < 42
    (plys / 'new.npz').touch()
    assert chosen(0.3) - {'new'} == before
    with pytest.raises(InputError, match="no scan 'attic' for validation, there are: hall_0"):
        folder_sources(plys, classes, ('attic',))
    (plys / 'hall_3.npz').touch()
    with pytest.raises(InputError, match="two scans are called 'hall_3'"):
        folder_sources(plys, classes, 0.2)


def test_folder_without_scans(tmp_path: Path) -> None:
    (tmp_path / 'table.tsv').write_text(TABLE)
    (tmp_path / 'plys').mkdir()
    with pytest.raises(InputError, match='expected labelled scans'):
        folder_sources(tmp_path / 'plys', read_class_table(str(tmp_path / 'table.tsv')), 0.2)


def test_names_are_sorted_as_people_count() -> None:
    names = ['room_10', 'room_9', 'hall', 'room_1b', 'room_1']
    assert sorted(names, key=natural_sort_key) == [
        'hall', 'room_1', 'room_1b', 'room_9', 'room_10']


def test_a_bag_becomes_a_file_to_label(tmp_path: Path,
                                       capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip('rosbags')
    bag = find_shared('data/bags/kinect_tabletop_ros2_mcap_zstd')
    arguments = ['prepare', 'bag', str(bag), '--topic', '/camera/depth_registered/points',
                 str(tmp_path / 'plys'), '--name', 'table']

    assert main(arguments) == 0

    scan, template = read_scan(bag), read_labelled(tmp_path / 'plys' / 'table.ply')
    np.testing.assert_array_equal(template.scan.xyz, scan.xyz)
    np.testing.assert_array_equal(template.scan.color, scan.color)
    assert (template.label == -1).all() and (template.instance == -1).all()
    assert main(arguments) == 1
    assert 'exists and may hold labels' in capsys.readouterr().err


def test_a_killed_worker_is_an_error_and_not_a_wait(tmp_path: Path) -> None:
    sources = [RawSource(f'{number}', 'train', (), _Die()) for number in range(2)]
    data = Dataset(tmp_path, 'a', ClassTable((1,), ('a',), ((1, 2, 3),)))
    with pytest.raises(InputError, match='a worker was killed'):
        prepare(data, sources, 2, lambda line, wrong: None)


class _Die:
    """Does to the process what the kernel does when memory is short."""

    def __call__(self) -> list:
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)
        return []


def test_facts_and_description_are_readable(plys: Path) -> None:
    run(plys)
    content = json.loads((plys.parent / 'out' / 'dataset.json').read_text())
    assert set(content) == {
        'name', 'classes', 'background', 'color_mean', 'color_std', 'voxel_size', 'on_segments',
        'min_region_size', 'upright', 'splits', 'folds', 'scans'}
    assert content['scans']['hall_0']['points'] == 50
