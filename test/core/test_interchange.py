"""Instances to and from open3d, pandas and trimesh."""

from collections.abc import Callable
from dataclasses import fields, replace
import subprocess
import sys
from typing import Any

from mask3d_core.classes import load_classes
from mask3d_core.errors import InputError
from mask3d_core.extraction.measures import measure_masks
from mask3d_core.instances import Instances
from mask3d_core.interchange import (
    from_open3d,
    from_pandas,
    from_trimesh,
    open3d_boxes,
    to_open3d,
    to_pandas,
    to_trimesh,
)
from mask3d_core.scan import Scan
import numpy as np
import pytest

CLASSES = load_classes('rooms')


@pytest.fixture
def scan() -> Scan:
    """Return 900 points, and a row without a position."""
    random = np.random.default_rng(0)
    xyz = random.uniform(0, 3, (901, 3))
    xyz[500] = np.nan
    return Scan.from_points(xyz, random.uniform(0, 1, (901, 3)))


@pytest.fixture
def found(scan: Scan) -> Instances:
    """Return three instances, of which two overlap."""
    masks = [np.arange(100, 200), np.arange(150, 300), np.arange(600, 620)]
    return replace(measure_masks(masks, scan, CLASSES), voxel_size=0.03, num_voxels=77,
                   class_id=np.array([5, 4, 5], np.int32), seconds={'unet': 0.5},
                   score=np.array([0.9, 0.8, 0.7], np.float32))


def assert_equal(one: Instances, other: Instances) -> None:
    for part in fields(Instances):
        left, right = getattr(one, part.name), getattr(other, part.name)
        if part.name == 'rows':
            assert len(left) == len(right)
            for mine, theirs in zip(left, right):
                np.testing.assert_array_equal(mine, theirs)
                assert mine.dtype == theirs.dtype == np.int32
        elif isinstance(left, np.ndarray):
            np.testing.assert_array_equal(left, right, part.name)
            assert (left.dtype, left.shape) == (right.dtype, right.shape), part.name
        else:
            assert left == right, part.name


def test_pandas_there_and_back(found: Instances) -> None:
    pytest.importorskip('pandas')
    frame = to_pandas(found)
    assert list(frame.index) == [1, 2, 3] and list(frame['class']) == ['chair', 'bed', 'chair']
    assert list(frame['points']) == [100, 150, 20]
    np.testing.assert_array_equal(frame['box_size_z'], found.box_size[:, 2])
    assert_equal(from_pandas(frame), found)
    assert_equal(from_pandas(frame[frame['score'] < 0.85].sort_values('score')),
                 found.take([2, 1]))
    assert_equal(from_pandas(to_pandas(found.take([]))), found.take([]))


def test_a_table_of_another_origin_is_refused(found: Instances) -> None:
    pandas = pytest.importorskip('pandas')
    with pytest.raises(InputError, match='no rows: expected one of `to_pandas`'):
        from_pandas(to_pandas(found).drop(columns='rows'))
    with pytest.raises(InputError, match='num_points'):
        from_pandas(pandas.DataFrame(to_pandas(found).to_dict('series')))


def test_open3d_there_and_back(found: Instances, scan: Scan) -> None:
    pytest.importorskip('open3d')
    cloud = to_open3d(found, scan)
    np.testing.assert_array_equal(cloud.point.positions.numpy(), scan.xyz)
    best = found.point_instance()[scan.kept]
    np.testing.assert_array_equal(cloud.point['instance'].numpy()[:, 0], best + 1)
    assert cloud.point['colors'].numpy().max() <= 1 and len(cloud.to_legacy().points) == 900
    back = from_open3d(cloud, CLASSES)
    np.testing.assert_array_equal(back.class_id, found.class_id)
    np.testing.assert_allclose(back.score, found.score, rtol=1e-6)
    np.testing.assert_array_equal(back.point_instance(), best)
    np.testing.assert_array_equal(back.box_size[0], found.box_size[0])
    assert [len(rows) for rows in back.rows] == [100, 100, 20], 'a point has one instance'
    del cloud.point['score']
    assert (from_open3d(cloud, CLASSES).score == 1).all()
    del cloud.point['label']
    with pytest.raises(InputError, match="no attribute 'label'"):
        from_open3d(cloud, CLASSES)


def test_open3d_refuses_labels_of_another_table(found: Instances, scan: Scan) -> None:
    pytest.importorskip('open3d')
    with pytest.raises(InputError, match='no class of id 5'):
        from_open3d(to_open3d(found, scan), CLASSES.without(['chair']))


def test_boxes_of_open3d_hold_their_points(found: Instances, scan: Scan) -> None:
    open3d = pytest.importorskip('open3d')
    for index, box in enumerate(open3d_boxes(found)):
        box.scale(1.000001, box.center)
        xyz = scan.xyz[np.isin(scan.kept, found.points(index))]
        inside = box.get_point_indices_within_bounding_box(open3d.utility.Vector3dVector(xyz))
        assert len(inside) == len(xyz)
        np.testing.assert_allclose(box.volume(), np.prod(found.upright_size[index]), rtol=1e-4)


def test_trimesh_there_and_back(found: Instances, scan: Scan) -> None:
    pytest.importorskip('trimesh')
    scene = to_trimesh(found, scan)
    assert list(scene.geometry) == ['1 chair', '2 bed', '3 chair', 'rest']
    np.testing.assert_array_equal(scene.geometry['3 chair'].vertices, scan.xyz[600:620])
    assert len(scene.geometry['rest'].vertices) == 900 - 100 - 100 - 20
    assert_equal(from_trimesh(scene), found)
    scene.delete_geometry('2 bed')
    assert_equal(from_trimesh(scene), found.take([0, 2]))
    assert_equal(from_trimesh(to_trimesh(found.take([]), scan)), found.take([]))


def test_a_scene_of_another_origin_is_refused() -> None:
    trimesh = pytest.importorskip('trimesh')
    with pytest.raises(InputError, match='expected one of `to_trimesh`'):
        from_trimesh(trimesh.Scene())


@pytest.mark.parametrize('convert', [to_open3d, to_trimesh])
def test_instances_of_another_cloud_are_refused(
        convert: Callable[..., Any], found: Instances, scan: Scan) -> None:
    pytest.importorskip(convert.__name__.removeprefix('to_'))
    with pytest.raises(InputError, match='belong to a cloud of 901 points'):
        convert(found, scan.take(np.arange(50)))


@pytest.mark.parametrize('name', ['open3d', 'pandas', 'trimesh'])
def test_a_missing_package_is_one_sentence(name: str, found: Instances, scan: Scan,
                                           monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    calls = {'open3d': lambda: to_open3d(found, scan), 'pandas': lambda: to_pandas(found),
             'trimesh': lambda: to_trimesh(found, scan)}
    with pytest.raises(InputError, match=f'^this needs another package: pip install {name}$'):
        calls[name]()


def test_they_are_imported_where_they_are_used() -> None:
    code = ("import mask3d_core.interchange, sys; "
            "assert not {'open3d', 'pandas', 'trimesh', 'torch'} & set(sys.modules)")
    subprocess.run([sys.executable, '-c', code], check=True, timeout=300)
