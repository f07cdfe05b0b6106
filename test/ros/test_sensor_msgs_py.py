"""
Our clouds read by ROS's own `sensor_msgs_py`, and its clouds by us.

It is on no package index. It comes with ROS 2, or with the sources of its repository:

    git clone https://github.com/ros2/common_interfaces ../common_interfaces
    export PYTHONPATH=$PWD:$PWD/../common_interfaces/sensor_msgs_py
    python -m pytest test/ros/test_sensor_msgs_py.py
"""

from array import array
from copy import deepcopy
from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st
from mask3d_core.errors import InputError
from mask3d_core.files import decode_pointcloud2
from mask3d_core.scan import Scan
from mask3d_core.tracking import untracked
from mask3d_ros.clouds import labelled_cloud, LABELLED_DTYPE, scan_cloud
from mask3d_ros.result import SegmentationResult
import numpy as np
from numpy.lib.recfunctions import structured_to_unstructured
import pytest
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header
from tiny_result import tiny_result

point_cloud2 = pytest.importorskip(
    'sensor_msgs_py.point_cloud2',
    reason='sensor_msgs_py is on no package index; it comes with ROS 2')

TYPES = dict(enumerate(('i1', 'u1', 'i2', 'u2', 'i4', 'u4', 'f4', 'f8'), 1))
UINT8, INT32, UINT32, FLOAT32, FLOAT64 = 2, 5, 6, 7, 8
INTEGERS = range(1, 7)
OTHER_FIELDS = ('intensity', 'ring', 'time', 'normal_x', 'curvature')


def result(share_nan: float = 0.0, colored: bool = True, dtype: type = np.float32,
           offset: tuple[float, float, float] = (0, 0, 0)) -> SegmentationResult:
    """Return a result of 1000 organized points and two overlapping instances."""
    random = np.random.default_rng(0)
    xyz = (random.normal(size=(1000, 3)) + offset).astype(dtype)
    xyz[random.random(1000) < share_nan, 1] = np.nan
    scan = Scan.from_points(xyz, random.random((1000, 3), np.float32) if colored else None)
    tiny = tiny_result()
    rows = tuple(np.sort(random.choice(scan.kept, count, replace=False)).astype(np.int32)
                 for count in (500, 300))
    instances = replace(tiny.instances, rows=rows, num_points=1000)
    cloud = PointCloud2(header=tiny.cloud.header, height=10, width=100)
    objects = replace(untracked(instances, 0), ids=np.array([4, 9], np.uint32))
    return SegmentationResult(cloud, scan, objects, {})


@pytest.mark.parametrize('share_nan', [0.0, 0.2])
@pytest.mark.parametrize('colored', [False, True])
@pytest.mark.parametrize('far', [False, True])
def test_it_reads_our_labelled_cloud(share_nan: float, colored: bool, far: bool) -> None:
    shown = (result(share_nan, colored, np.float64, (5e5, 5.4e6, 300)) if far
             else result(share_nan, colored))
    message = labelled_cloud(shown)
    points = point_cloud2.read_points(message)
    assert points.dtype.names == LABELLED_DTYPE.names and len(points) == 1000
    if not far:
        assert points.dtype == LABELLED_DTYPE
    scan, instances = shown.scan, shown.instances
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(points['x'])), scan.kept)
    np.testing.assert_array_equal(xyz_of(points)[scan.kept], scan.xyz)
    best = instances.point_instance()
    for name, values in (('label', instances.class_id), ('instance', shown.ids),
                         ('score', instances.score)):
        np.testing.assert_array_equal(points[name], np.where(best < 0, 0, values[best]), name)
    np.testing.assert_array_equal(points['rgb'][best >= 0].view(np.uint32),
                                  packed(shown.colors[best[best >= 0]]))
    finite = point_cloud2.read_points(message, skip_nans=True)
    np.testing.assert_array_equal(xyz_of(finite), scan.xyz)


def test_it_reads_our_thinned_cloud() -> None:
    shown = replace(result(0.2), cloud_voxel=0.5)
    message = labelled_cloud(shown)
    points = point_cloud2.read_points(message, skip_nans=True)
    assert 50 < len(points) == message.width < len(shown.scan)
    np.testing.assert_array_equal(xyz_of(points), decode_pointcloud2(message).xyz)


@pytest.mark.parametrize('colored', [False, True])
def test_it_reads_the_clouds_of_map_player(colored: bool) -> None:
    random = np.random.default_rng(1)
    color = random.integers(0, 256, (50, 3), dtype=np.uint8)
    scan = Scan.from_points(random.normal(size=(50, 3)), color if colored else None)
    points = point_cloud2.read_points(scan_cloud(Header(), scan))
    np.testing.assert_array_equal(xyz_of(points), scan.xyz.astype(np.float32))
    assert points.dtype.names == (('x', 'y', 'z', 'rgb') if colored else ('x', 'y', 'z'))
    if colored:
        np.testing.assert_array_equal(points['rgb'].view(np.uint32), packed(color))


def test_our_cloud_is_the_one_it_creates() -> None:
    message = labelled_cloud(result(0.2))
    points = point_cloud2.read_points(message)
    theirs = point_cloud2.create_cloud(message.header, message.fields, points)
    assert (theirs.height, theirs.width) == (1, 1000)  # it has no organized clouds of 1-D arrays
    theirs.height, theirs.width, theirs.row_step = 10, 100, message.row_step
    assert theirs == message


@st.composite
def clouds(draw: st.DrawFn) -> PointCloud2:
    """Draw a cloud that read_points reads right: rows are padded only if there is one."""
    width, height = draw(st.integers(8, 20)), draw(st.integers(1, 3))
    fields = [PointField(name=name, datatype=datatype, count=count)
              for name, datatype, count in draw(st.permutations(draw(_columns())))]
    step = draw(st.integers(0, 5))
    for field in fields:
        field.offset = step
        step += int(TYPES[field.datatype][1]) * field.count + draw(st.integers(0, 5))
    row_step = width * step + (draw(st.integers(0, 40)) if height == 1 else 0)
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    cloud = PointCloud2(height=height, width=width, fields=fields, point_step=step,
                        row_step=row_step, is_bigendian=draw(st.booleans()),
                        is_dense=draw(st.booleans()))
    data = np.full(height * row_step, 0xab, np.uint8)
    for field in fields:
        dtype = np.dtype(TYPES[field.datatype]).newbyteorder('>' if cloud.is_bigendian else '<')
        column = np.ndarray((height * width, field.count), dtype, data, field.offset,
                            (step, dtype.itemsize))
        column[:] = _values(field, column.shape, random, not cloud.is_dense)
    cloud.data = array('B', data.tobytes())
    return cloud


@st.composite
def _columns(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    """Draw names, datatypes and counts of fields: positions, and what else there may be."""
    columns = [(axis, draw(st.sampled_from([FLOAT32, FLOAT64])), 1) for axis in 'xyz']
    color = draw(st.sampled_from(['', 'rgb', 'rgba', 'r g b']))
    types = [UINT8, FLOAT32, FLOAT64] if color == 'r g b' else [INT32, UINT32, FLOAT32]
    datatype = draw(st.sampled_from(types))
    columns += [(name, datatype, 1) for name in color.split()]
    if draw(st.booleans()):
        columns.append(('segment', draw(st.sampled_from(INTEGERS)), 1))
    return columns + [(name, draw(st.sampled_from(list(TYPES))), draw(st.integers(1, 3)))
                      for name in draw(st.lists(st.sampled_from(OTHER_FIELDS), unique=True))]


def _values(field: PointField, shape: tuple[int, ...], random: np.random.Generator,
            has_nan: bool) -> np.ndarray:
    """Return values of a field, some of them NaN."""
    kind = np.dtype(TYPES[field.datatype])
    if field.name in ('rgb', 'rgba') or (field.name not in ('x', 'y', 'z') and kind.kind != 'f'):
        highest = 100 if field.name == 'segment' else 2**(8 * kind.itemsize) - 1
        bits = random.integers(0, highest, shape, np.uint64, endpoint=True)
        return bits.astype(f'u{kind.itemsize}').view(kind)
    if field.name in ('r', 'g', 'b'):
        return random.random(shape)
    values = random.normal(size=shape) * 10
    return np.where(random.random(shape) < 0.1, np.nan, values) if has_nan else values


XYZ_ONLY = PointCloud2(
    height=1, width=8, fields=[PointField(name=axis, offset=4 * place, datatype=FLOAT32, count=1)
                               for place, axis in enumerate('xyz')],
    point_step=12, row_step=96, data=array('B', np.arange(24, dtype='<f4').tobytes()))


@given(clouds())
@example(XYZ_ONLY)
@settings(max_examples=300, deadline=None)
def test_what_it_reads_right_we_read_alike(message: PointCloud2) -> None:
    before = bytes(message.data)
    scan = _decoded(message)
    assert bytes(message.data) == before
    points = point_cloud2.read_points(deepcopy(message))  # it swaps big-endian data in place
    finite = np.isfinite(xyz_of(points)).all(axis=1)
    if finite.sum() < 8:
        assert scan is None
        return
    assert scan is not None
    np.testing.assert_array_equal(scan.kept, np.flatnonzero(finite))
    theirs = point_cloud2.read_points(deepcopy(message), ['x', 'y', 'z'], skip_nans=True)
    np.testing.assert_array_equal(scan.xyz, xyz_of(theirs))
    assert scan.xyz.dtype == xyz_of(theirs).dtype
    color = _their_color(points[finite])
    assert (scan.color is None) == (color is None)
    if color is not None:
        np.testing.assert_allclose(scan.color, color, atol=1e-6)
    assert (scan.segment is None) == ('segment' not in points.dtype.names)
    if scan.segment is not None:
        np.testing.assert_array_equal(scan.segment, points['segment'][finite])


def _decoded(message: PointCloud2) -> Scan | None:
    """Return the cloud as we read it; None if it has too few points."""
    try:
        return decode_pointcloud2(message)
    except InputError as error:
        assert 'finite points' in str(error)
        return None


def _their_color(points: np.ndarray) -> np.ndarray | None:
    for name in {'rgb', 'rgba'} & set(points.dtype.names):
        bits = np.ascontiguousarray(points[name]).view(np.uint32)
        return np.stack([bits >> 16 & 255, bits >> 8 & 255, bits & 255], 1) / 255
    if 'r' not in points.dtype.names:
        return None
    color = np.stack([points[name] for name in 'rgb'], 1)
    return color / 255 if color.dtype == np.uint8 else color


@given(st.permutations([*'xyz', 'rgb', 'intensity']), st.sampled_from([np.float32, np.float64]))
@settings(max_examples=50, deadline=None)
def test_we_read_what_it_creates(names: list[str], dtype: type) -> None:
    random = np.random.default_rng(2)
    fields, offset = [], 0
    for name in names:
        datatype = FLOAT64 if name in 'xyz' and dtype is np.float64 else FLOAT32
        fields.append(PointField(name=name, offset=offset, datatype=datatype, count=1))
        offset += int(TYPES[datatype][1])
    points = np.zeros(20, point_cloud2.dtype_from_fields(fields))
    for name in (*'xyz', 'intensity'):
        points[name] = random.normal(size=20)
    color = random.integers(0, 256, (20, 3), dtype=np.uint8)
    points['rgb'] = packed(color).view(np.float32)
    scan = decode_pointcloud2(point_cloud2.create_cloud(Header(), fields, points))
    np.testing.assert_array_equal(scan.xyz, xyz_of(points))
    assert scan.xyz.dtype == dtype
    np.testing.assert_allclose(scan.color, color / 255, atol=1e-6)


def xyz_of(points: np.ndarray) -> np.ndarray:
    """Return the positions of a structured array: [N, 3]."""
    return structured_to_unstructured(points[['x', 'y', 'z']])


def packed(color: np.ndarray) -> np.ndarray:
    """Return colours [N, 3] as 0x00RRGGBB: [N] uint32."""
    red, green, blue = np.asarray(color).astype(np.uint32).T
    return red << 16 | green << 8 | blue
