"""ScanNet in the layout of its download, to a data set."""

from __future__ import annotations

import json
from pathlib import Path

from mask3d_core.cli import main
from mask3d_core.data.dataset import Dataset
from mask3d_core.data.readers.scannet import read_scannet_scan, scannet_sources
from mask3d_core.errors import InputError
from mask3d_core.superpoints.superpoints import group_mesh
import numpy as np
import pytest

POINTS = 40
SEGMENT = np.repeat([7, 3, 900, 12], 10)
XYZ = np.random.default_rng(0).uniform(-2, 3, (POINTS, 3)).astype(np.float32)
FACES = np.array([[row, row + 1, row + 2] for row in range(30)])
RGB = np.random.default_rng(1).integers(0, 256, (POINTS, 3), dtype=np.uint8)
GROUPS = [{'id': 0, 'objectId': 0, 'segments': [3], 'label': 'chair'},
          {'id': 4, 'objectId': 4, 'segments': [900], 'label': 'laptop'}]
NYU40 = np.array([0] * 10 + [5] * 10 + [40] * 10 + [1] * 10)
"""Of segments 7: none, 3: a chair, 900: a laptop, which is no class of ScanNet's 20, 12: wall."""
TRAIN, VALIDATION, TEST = 'scene0191_00', 'scene0568_00', 'scene0707_00'


def write_mesh(path: Path, labelled: bool = False) -> None:
    """Write a mesh as ScanNet does: binary, with alpha and faces; or with labels."""
    fields = [('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('red', 'u1'), ('green', 'u1'),
              ('blue', 'u1'), ('alpha', 'u1')] + ([('label', '<u2')] if labelled else [])
    rows = np.zeros(POINTS, fields)
    rows['x'], rows['y'], rows['z'] = XYZ.T
    rows['red'], rows['green'], rows['blue'] = RGB.T
    if labelled:
        rows['label'] = NYU40
    kinds = {'f4': 'float', 'u1': 'uchar', 'u2': 'ushort'}
    header = ['ply', 'format binary_little_endian 1.0', 'comment MLIB generated',
              f'element vertex {POINTS}',
              *(f'property {kinds[kind[-2:]]} {name}' for name, kind in fields),
              f'element face {len(FACES)}', 'property list uchar int vertex_indices',
              'end_header\n']
    faces = b''.join(b'\x03' + face.astype('<i4').tobytes() for face in FACES)
    path.write_bytes('\n'.join(header).encode() + rows.tobytes() + faces)


def write_scan(raw: Path, scene: str, labelled: bool = True) -> Path:
    folder = raw / ('scans' if labelled else 'scans_test') / scene
    folder.mkdir(parents=True)
    write_mesh(folder / f'{scene}_vh_clean_2.ply')
    if labelled:  # of test scans it is not there to download
        (folder / f'{scene}_vh_clean_2.0.010000.segs.json').write_text(json.dumps(
            {'params': {'kThresh': '0.0001'}, 'sceneId': scene,
             'segIndices': SEGMENT.tolist()}))
        (folder / f'{scene}.aggregation.json').write_text(json.dumps(
            {'sceneId': f'scannet.{scene}', 'segGroups': GROUPS}))
        write_mesh(folder / f'{scene}_vh_clean_2.labels.ply', labelled=True)
    return folder


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Return a ScanNet of one scan a split."""
    for scene in (TRAIN, VALIDATION):
        write_scan(tmp_path / 'raw', scene)
    write_scan(tmp_path / 'raw', TEST, labelled=False)
    return tmp_path / 'raw'


INSTANCE = [-1] * 10 + [0] * 10 + [4] * 10 + [-1] * 10
LABELS = {'scannet': [-1] * 10 + [5] * 10 + [-1] * 10 + [1] * 10,
          'scannet200': [-1] * 10 + [2] * 10 + [77] * 10 + [-1] * 10}


@pytest.mark.parametrize('name', LABELS)
def test_from_raw_to_data_set(raw: Path, tmp_path: Path, name: str,
                              capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / 'out'

    assert main(['prepare', name, str(raw), str(out), '--workers', '1']) == 1  # 1610 are not here

    said = capsys.readouterr()
    assert '1610 of 1613 could not be prepared' in said.err
    assert 'scene0191_01  FAILED: ' in said.err and '40 points' in said.err
    data = Dataset.open(out)
    assert data.name == name and data.background == ('wall', 'floor')
    assert {split: list(names) for split, names in data.splits.items()} == {
        'train': [TRAIN], 'validation': [VALIDATION], 'test': [TEST]}
    assert data.on_segments
    np.testing.assert_allclose(data.color_mean, RGB.mean(0) / 255, atol=1e-6)
    np.testing.assert_allclose(data.color_std, RGB.std(0) / 255, atol=1e-6)
    scan = data.read(VALIDATION)
    np.testing.assert_array_equal(scan.scan.xyz, XYZ)
    np.testing.assert_array_equal(np.rint(255 * scan.scan.color), RGB)
    assert scan.label.tolist() == LABELS[name] and scan.instance.tolist() == INSTANCE
    np.testing.assert_array_equal(scan.scan.segment, np.repeat([1, 0, 3, 2], 10))
    test = data.read(TEST)
    assert set(test.label) == set(test.instance) == {-1}
    np.testing.assert_array_equal(test.scan.segment, group_mesh(XYZ, FACES))
    assert f'{TEST}  40 points; {len(set(test.scan.segment))} superpoints made' in said.err


def test_segments_of_test_scans_are_taken_where_they_are(raw: Path) -> None:
    folder = raw / 'scans_test' / TEST
    segments = {'segIndices': SEGMENT.tolist()}
    (folder / f'{TEST}_vh_clean_2.0.010000.segs.json').write_text(json.dumps(segments))
    scan, = read_scannet_scan(folder, 'id', False)
    np.testing.assert_array_equal(scan.columns['segment'], SEGMENT)
    assert scan.faces is None


def test_without_segments_a_labelled_scan_has_no_instances_and_is_refused(raw: Path) -> None:
    folder = raw / 'scans' / TRAIN
    (folder / f'{TRAIN}_vh_clean_2.0.010000.segs.json').unlink()
    with pytest.raises(InputError, match=r'segs\.json: No such file'):
        read_scannet_scan(folder, 'id', True)


def test_all_official_scans_are_looked_for(raw: Path) -> None:
    sources = scannet_sources(raw, 'id')
    splits = [source.split for source in sources]
    assert [splits.count(split) for split in ('train', 'validation', 'test')] == [1201, 312, 100]
    assert len({source.name for source in sources}) == 1613


def test_a_missing_folder_is_named_once(raw: Path) -> None:
    (raw / 'scans_test').rename(raw / 'elsewhere')
    missing = [source for source in scannet_sources(raw, 'id') if source.split == 'test']
    with pytest.raises(InputError, match='scans_test: missing, expected the scans for test'):
        missing[0].read()
    assert len(missing) == 1


def test_without_the_label_mesh_classes_come_from_the_categories(tmp_path: Path) -> None:
    folder = write_scan(tmp_path, TRAIN)
    (folder / f'{TRAIN}_vh_clean_2.labels.ply').unlink()
    label = read_scannet_scan(folder, 'nyu40id', True)[0].columns['label']
    assert label.tolist() == [0] * 10 + [5] * 10 + [40] * 10 + [0] * 10


def test_known_wrong_annotations_are_left_out(tmp_path: Path) -> None:
    folder = write_scan(tmp_path, 'scene0270_00')
    (folder / 'scene0270_00.aggregation.json').write_text(json.dumps(
        {'segGroups': [*GROUPS, {'id': 50, 'segments': [12], 'label': 'wall'}]}))
    scan, = read_scannet_scan(folder, 'nyu40id', True)
    assert {len(column) for column in scan.columns.values()} == {30}
    assert 50 not in scan.columns['instance']
    assert scan.notes == ('left out 10 points of a known wrong annotation',)


def test_unknown_categories_have_no_class_but_an_instance(tmp_path: Path) -> None:
    folder = write_scan(tmp_path, TRAIN)
    (folder / f'{TRAIN}.aggregation.json').write_text(json.dumps(
        {'segGroups': [{'id': 2, 'segments': [3, 7], 'label': 'thing of no list'}]}))
    columns = read_scannet_scan(folder, 'id', True)[0].columns
    assert set(columns['label']) == {0}
    assert columns['instance'].tolist() == [2] * 20 + [-1] * 20


@pytest.mark.parametrize(('ending', 'content', 'message'), [
    ('_vh_clean_2.ply', 'ply\nformat ascii 1.0\nend_header\n', 'expected an element vertex'),
    ('_vh_clean_2.0.010000.segs.json', '{"segIndices": [1, 2', 'not readable as json'),
    ('_vh_clean_2.0.010000.segs.json', '{"segIndices": [1, 2]}', 'segments of 40 vertices, got 2'),
    ('_vh_clean_2.0.010000.segs.json', '{"segIndices": [[1], 2]}', "integers 'segIndices'"),
    ('.aggregation.json', '{}', "a list 'segGroups'"),
    ('.aggregation.json', '{"segGroups": [{"segments": [3], "label": "chair"}]}', "lacks 'id'"),
    ('.aggregation.json', '{"segGroups": [{"id": 3}]}', "integers 'segments'"),
    ('_vh_clean_2.labels.ply', None, "the property 'label' of 40 vertices, got none")])
def test_damaged_files_are_named(tmp_path: Path, ending: str, content: str | None, message: str,
                                 ) -> None:
    folder = write_scan(tmp_path, TRAIN)
    file = folder / f'{TRAIN}{ending}'
    if content is None:
        write_mesh(file)
    else:
        file.write_text(content)
    with pytest.raises(InputError, match=f'{TRAIN}{ending}: .*{message}'):
        read_scannet_scan(folder, 'nyu40id', True)


def test_another_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['prepare', 'scannet', str(tmp_path), str(tmp_path / 'out')]) == 1
    assert 'is not ScanNet: expected the folders scans and scans_test' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()
