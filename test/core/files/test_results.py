"""Result files of instances, written and read back."""

from __future__ import annotations

from dataclasses import replace
import json
from pathlib import Path

from mask3d_core.colors import faded_colors, instance_color
from mask3d_core.errors import InputError
from mask3d_core.files.ply import read_ply, write_ply
from mask3d_core.files.results import (
    check_overwritable,
    write_instances_json,
    write_instances_npz,
    write_labelled_ply,
)
from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
from mask_rows import rows_of
import numpy as np
import pytest

MASKS = np.zeros((3, 11), bool)
MASKS[0, [1, 2, 3]] = MASKS[1, [3, 4, 10]] = MASKS[2, [0, 5]] = True
NAMES = {3: 'cabinet', 5: 'chair', 39: 'otherfurniture'}


def scan(dtype: type = np.float32, colored: bool = True) -> Scan:
    """Return 11 points of which two, 0 and 7, are not finite."""
    xyz = np.arange(33, dtype=dtype).reshape(11, 3) / 8
    xyz[[0, 7], 1] = np.nan
    color = np.linspace(0, 1, 33, dtype=np.float32).reshape(11, 3)
    return Scan.from_points(xyz, color if colored else None)


def instances(count: int = 3) -> Instances:
    """Return up to three instances of these points."""
    boxes = np.arange(9, dtype=np.float64).reshape(3, 3)[:count] / 3
    return Instances(
        rows_of(MASKS[:count]), 11, np.array([5, 39, 5], np.int32)[:count],
        np.array([0.9, 0.5, 0.25], np.float32)[:count], NAMES, dict.fromkeys(NAMES, (1, 2, 3)),
        boxes, boxes + 1, boxes + 2, boxes + 3, boxes + 4, np.array([0.1, 0.2, 0.3])[:count],
        {'voxels': 0.001, 'unet': 1.5}, 0.039)


def read_vertices(path: Path) -> np.ndarray:
    """Read a .ply file without our reader."""
    header, body = path.read_bytes().split(b'end_header\n')
    codes = {'float': 'f4', 'double': 'f8', 'uchar': 'u1', 'uint': 'u4'}
    rows = [line.split() for line in header.decode().splitlines()]
    return np.frombuffer(body, [(row[2], codes[row[1]]) for row in rows if row[0] == 'property'])


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
@pytest.mark.parametrize('colored', [False, True])
def test_labelled_ply(tmp_path: Path, dtype: type, colored: bool) -> None:
    cloud = scan(dtype, colored)
    write_labelled_ply(tmp_path / 'a.ply', cloud, instances())
    points = read_vertices(tmp_path / 'a.ply')
    # rows of the input:                        1  2  3  4  5  6  8  9  10
    np.testing.assert_array_equal(points['instance'], [1, 1, 1, 2, 3, 0, 0, 0, 2])
    np.testing.assert_array_equal(points['label'], [5, 5, 5, 39, 5, 0, 0, 0, 39])
    np.testing.assert_allclose(points['score'], [.9, .9, .9, .5, .25, 0, 0, 0, .5], rtol=1e-6)
    np.testing.assert_array_equal(np.stack([points[a] for a in 'xyz'], axis=1), cloud.xyz)
    assert points['x'].dtype == dtype
    rgb = np.stack([points[name] for name in ('red', 'green', 'blue')], axis=1)
    assert tuple(rgb[0]) == instance_color(0) and tuple(rgb[8]) == instance_color(1)
    np.testing.assert_array_equal(rgb[5:8], faded_colors(cloud.color, len(cloud))[5:8])
    again = read_ply(tmp_path / 'a.ply')
    np.testing.assert_array_equal(again.xyz, cloud.xyz)
    assert again.color is None if cloud.color is None else np.allclose(
        again.color, cloud.color, atol=0.5001 / 255)


@pytest.mark.parametrize('colored', [False, True])
def test_original_colours_after_cloudcompare(tmp_path: Path, colored: bool,
                                             ) -> None:
    cloud = scan(colored=colored)
    write_labelled_ply(tmp_path / 'a.ply', cloud, instances())
    points = read_vertices(tmp_path / 'a.ply')
    plain = ('x', 'y', 'z', 'red', 'green', 'blue')
    saved = points.astype([(name, points.dtype[name]) if name in plain
                           else (f'scalar_{name}', 'f4') for name in points.dtype.names])
    write_ply(tmp_path / 'b.ply', saved)
    again = read_ply(tmp_path / 'b.ply')
    np.testing.assert_array_equal(again.color, read_ply(tmp_path / 'a.ply').color)
    if colored:
        saved['scalar_scan_red'][:2] = 0, 256
        write_ply(tmp_path / 'c.ply', saved)
        with pytest.raises(InputError, match=r'c.ply: expected scan_red of 0..255, got 0 to 256'):
            read_ply(tmp_path / 'c.ply')


def test_instances_npz(tmp_path: Path) -> None:
    write_instances_npz(tmp_path / 'instances', instances())
    with np.load(tmp_path / 'instances', allow_pickle=False) as file:
        arrays = dict(file)
    assert arrays['masks'].shape == (3, 2) and arrays['masks'].dtype == np.uint8
    unpacked = np.unpackbits(arrays['masks'], axis=1, count=int(arrays['num_points']))
    np.testing.assert_array_equal(unpacked.astype(bool), MASKS)
    np.testing.assert_array_equal(arrays['class_names'][arrays['class_id']],
                                  ['chair', 'otherfurniture', 'chair'])
    assert len(arrays['class_names']) == 40 and arrays['class_names'][4] == ''
    np.testing.assert_array_equal(arrays['score'], np.array([0.9, 0.5, 0.25], np.float32))
    np.testing.assert_array_equal(arrays['point_instance'], [2, 0, 0, 0, 1, 2, *[-1] * 4, 1])
    assert arrays['point_instance'].dtype == np.int32
    np.testing.assert_array_equal(arrays['upright_size'], instances().upright_size)


def test_instances_json(tmp_path: Path) -> None:
    write_instances_json(tmp_path / 'a.json', instances())
    text = (tmp_path / 'a.json').read_text()
    facts = json.loads(text)
    assert facts['points'] == 11 and facts['voxel_size'] == 0.039
    assert facts['seconds'] == {'voxels': 0.001, 'unet': 1.5}
    assert facts['instances'][1] == {
        'id': 2, 'class': 'otherfurniture', 'class_id': 39, 'score': 0.5, 'points': 3,
        'centroid': [1.0, 1.3333, 1.6667],
        'box': {'center': [2.0, 2.3333, 2.6667], 'size': [3.0, 3.3333, 3.6667]},
        'upright_box': {'center': [4.0, 4.3333, 4.6667], 'size': [5.0, 5.3333, 5.6667],
                        'yaw': 0.2}}
    assert len(facts['instances']) == 3 and len(text.splitlines()) == 10


def test_no_instances(tmp_path: Path) -> None:
    write_labelled_ply(tmp_path / 'a.ply', scan(), instances(0))
    assert not read_vertices(tmp_path / 'a.ply')['instance'].any()
    write_instances_npz(tmp_path / 'a.npz', instances(0))
    with np.load(tmp_path / 'a.npz', allow_pickle=False) as file:
        assert file['masks'].shape == (0, 2) and (file['point_instance'] == -1).all()
    write_instances_json(tmp_path / 'a.json', replace(instances(0), voxel_size=np.nan))
    facts = json.loads((tmp_path / 'a.json').read_text())
    assert facts['instances'] == [] and facts['voxel_size'] is None


def test_only_result_files_are_overwritten(tmp_path: Path) -> None:
    path = tmp_path / 'a.ply'
    check_overwritable(path)
    write_labelled_ply(path, scan(), instances())
    check_overwritable(path)
    path.write_bytes(path.read_bytes().replace(b'comment label', b'comment by CloudCompare'))
    with pytest.raises(InputError, match='a.ply: another program wrote it, and it may hold lab'):
        check_overwritable(path)


def test_unwritable_files_are_named_in_the_error(tmp_path: Path) -> None:
    other = Scan.from_points(np.zeros((9, 3)))
    with pytest.raises(InputError, match='of 11 points, the scan was made of one of 9'):
        write_labelled_ply(tmp_path / 'a.ply', other, instances())
    absent = tmp_path / 'absent' / 'a'
    for write in (lambda: write_instances_npz(absent, instances()),
                  lambda: write_instances_json(absent, instances()),
                  lambda: write_labelled_ply(absent, scan(), instances())):
        with pytest.raises(InputError, match='absent/a: No such file'):
            write()
