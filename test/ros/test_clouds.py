"""The clouds that the nodes publish."""

from dataclasses import replace

from mask3d_core.colors import faded_colors, instance_color
from mask3d_core.errors import InputError
from mask3d_core.files import decode_pointcloud2
from mask3d_core.scan import Scan
from mask3d_core.tracking import untracked
from mask3d_ros import clouds
from mask3d_ros.clouds import as_bytes, labelled_cloud, LABELLED_DTYPE, scan_cloud
from mask3d_ros.result import SegmentationResult
import numpy as np
from numpy.typing import NDArray
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header
from tiny_result import tiny_result


def test_labelled_cloud_keeps_the_points_and_their_order() -> None:
    result = tiny_result()
    message = labelled_cloud(result)
    assert message.header == result.cloud.header
    assert (message.height, message.width) == (2, 5)
    assert message.row_step == 5 * message.point_step and not message.is_dense
    rows = np.frombuffer(message.data, LABELLED_DTYPE)
    assert len(rows) == 10
    np.testing.assert_array_equal(rows['instance'], [0, 0, 0, 0, 1, 1, 1, 2, 0, 2])
    np.testing.assert_array_equal(rows['label'], [0, 0, 0, 0, 5, 5, 5, 7, 0, 7])
    np.testing.assert_array_equal(rows['score'],
                                  np.float32([0, 0, 0, 0, .9, .9, .9, .4, 0, .4]))
    assert np.isnan(rows['x'][2]) and np.isfinite(np.delete(rows['x'], 2)).all()
    np.testing.assert_array_equal(rows['z'][result.scan.kept], result.scan.xyz[:, 2])


def test_fields_of_the_labelled_cloud() -> None:
    fields = {field.name: field.datatype for field in labelled_cloud(tiny_result()).fields}
    assert fields == {
        'x': PointField.FLOAT32, 'y': PointField.FLOAT32, 'z': PointField.FLOAT32,
        'rgb': PointField.FLOAT32, 'label': PointField.UINT32, 'instance': PointField.UINT32,
        'score': PointField.FLOAT32}


def test_labelled_cloud_colors_instances_and_fades_other_points() -> None:
    result = tiny_result()
    painted = decode_pointcloud2(labelled_cloud(result))
    paint = np.rint(painted.color * 255).astype(int)
    rows = {int(row): place for place, row in enumerate(painted.kept)}
    assert tuple(paint[rows[4]]) == instance_color(0)
    assert tuple(paint[rows[9]]) == instance_color(1)
    faded = faded_colors(result.scan.color, len(result.scan))
    np.testing.assert_array_equal(paint[rows[0]], faded[0])


def large_result(share_nan: float = 0.0, colored: bool = True, dtype: type = np.float32,
                 ) -> SegmentationResult:
    """Return a result of 1000 points and three overlapping instances, one of them empty."""
    random = np.random.default_rng(0)
    xyz = random.normal(size=(1000, 3)).astype(dtype)
    xyz[random.random(1000) < share_nan, 1] = np.nan
    scan = Scan.from_points(xyz, random.random((1000, 3), np.float32) if colored else None)
    tiny = tiny_result()
    rows = tuple(np.sort(random.choice(scan.kept, count, replace=False)).astype(np.int32)
                 for count in (500, 0, 300))
    instances = replace(tiny.instances.take([0, 1, 1]), rows=rows, num_points=1000,
                        score=np.float32([0.9, 0.5, 0.25]))
    cloud = PointCloud2(header=tiny.cloud.header, height=10, width=100)
    objects = replace(untracked(instances, 0), ids=np.array([4, 9, 2], np.uint32))
    return SegmentationResult(cloud, scan, objects, {})


def point_by_point(result: SegmentationResult) -> NDArray:
    """Return the points of the labelled cloud, made as its description says."""
    scan, instances = result.scan, result.instances
    faded = faded_colors(scan.color, len(scan))
    rows = np.zeros(scan.input_size, LABELLED_DTYPE)
    for axis in 'xyz':
        rows[axis] = np.nan
    for index, row in enumerate(scan.kept):
        holders = [i for i in range(len(instances)) if row in instances.points(i)]
        red, green, blue = (result.colors[holders[0]] if holders else faded[index]).tolist()
        packed = np.uint32(red << 16 | green << 8 | blue).view(np.float32)
        values = ((instances.class_id[holders[0]], result.ids[holders[0]],
                   instances.score[holders[0]]) if holders else (0, 0, 0))
        rows[row] = (*scan.xyz[index].astype(np.float32), packed, *values)
    return rows


@pytest.mark.parametrize('share_nan', [0.0, 0.2])
@pytest.mark.parametrize('colored', [False, True])
@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_labelled_cloud_is_what_its_description_says(
        share_nan: float, colored: bool, dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clouds, 'CHUNK_POINTS', 64)
    result = large_result(share_nan, colored, dtype)
    message = deserialize_message(serialize_message(labelled_cloud(result)), PointCloud2)
    assert bytes(message.data) == point_by_point(result).tobytes()
    assert (message.height, message.width, message.row_step) == (10, 100, 2800)
    assert message.is_dense == (share_nan == 0) and not message.is_bigendian


@pytest.mark.parametrize('share_nan', [0.0, 0.2])
def test_thinned_cloud_has_one_labelled_point_per_voxel(
        share_nan: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clouds, 'CHUNK_POINTS', 64)
    result = large_result(share_nan)
    whole = np.frombuffer(labelled_cloud(result).data, LABELLED_DTYPE)
    message = labelled_cloud(replace(result, cloud_voxel=0.5))
    thin = np.frombuffer(message.data, LABELLED_DTYPE)
    assert (message.height, message.width) == (1, len(thin)) and message.is_dense
    assert message.row_step == 28 * len(thin) and message.header == result.cloud.header
    voxel = np.floor(result.scan.xyz / np.float32(0.5))
    first = np.sort(np.unique(voxel, axis=0, return_index=True)[1])
    assert 50 < len(thin) == len(first) < len(result.scan)
    for name in ('x', 'y', 'z', 'label', 'instance', 'score'):
        np.testing.assert_array_equal(thin[name], whole[name][result.scan.kept[first]], name)
    colors = decode_pointcloud2(message).color
    before = decode_pointcloud2(labelled_cloud(result)).color[first]
    np.testing.assert_allclose(colors, before, atol=1.01 / 255)


def test_labelled_cloud_without_instances() -> None:
    result = tiny_result()
    nothing = replace(result, objects=untracked(result.instances.take([]), 0))
    rows = np.frombuffer(labelled_cloud(nothing).data, LABELLED_DTYPE)
    assert len(rows) == 10 and not rows['instance'].any() and not rows['label'].any()
    assert rows['rgb'].view(np.uint32)[result.scan.kept].all()


@pytest.mark.parametrize(('width', 'height'), [(2**32 - 1, 1), (2**16, 2**16)])
def test_a_labelled_cloud_that_no_message_holds_is_an_error(width: int, height: int) -> None:
    tiny = tiny_result()
    size = LABELLED_DTYPE.itemsize * width * height
    with pytest.raises(InputError, match=f'has {size} bytes, but .* cloud_voxel'):
        labelled_cloud(replace(tiny, cloud=PointCloud2(width=width, height=height)))


def test_scan_cloud_round_trip() -> None:
    random = np.random.default_rng(1)
    color = random.integers(0, 256, (50, 3), dtype=np.uint8)
    scan = Scan.from_points(random.normal(size=(50, 3)).astype(np.float32), color)
    back = decode_pointcloud2(scan_cloud(Header(frame_id='map'), scan))
    np.testing.assert_array_equal(back.xyz, scan.xyz)
    np.testing.assert_array_equal(np.rint(back.color * 255), color)


def test_scan_cloud_without_colour_has_no_rgb() -> None:
    scan = Scan.from_points(np.random.default_rng(1).normal(size=(50, 3)))
    message = scan_cloud(Header(), scan)
    assert [field.name for field in message.fields] == ['x', 'y', 'z']
    assert decode_pointcloud2(message).color is None


def test_as_bytes_of_a_strided_array() -> None:
    rows = np.arange(20, dtype=np.float32).reshape(10, 2)[::2]
    assert bytes(as_bytes(rows)) == rows.tobytes()


def test_a_single_colour_is_played_as_it_is() -> None:
    xyz, gray = np.random.default_rng(0).random((20, 3)), np.full((20, 3), 70, np.uint8)
    scan = Scan.from_points(xyz, gray)
    message = scan_cloud(Header(), scan)
    assert [field.name for field in message.fields] == ['x', 'y', 'z', 'rgb']
    assert decode_pointcloud2(message).only_color == pytest.approx((70 / 255,) * 3)


def test_far_clouds_have_positions_in_double_precision() -> None:
    """As float32 has steps of half a metre at the coordinates of UTM."""
    near = large_result(0.2, dtype=np.float64)
    far = replace(near, scan=replace(near.scan, xyz=near.scan.xyz + [5e5, 5.4e6, 300]))
    for voxel in (0.0, 0.5):
        one, other = (labelled_cloud(replace(result, cloud_voxel=voxel)) for result in (near, far))
        assert [field.datatype for field in other.fields[:3]] == [PointField.FLOAT64] * 3
        assert (other.height, other.is_dense) == (one.height, one.is_dense)
        shown, far_shown = decode_pointcloud2(one), decode_pointcloud2(other)
        if not voxel:
            np.testing.assert_array_equal(far_shown.xyz, far.scan.xyz)
            np.testing.assert_array_equal(far_shown.kept, shown.kept)
            np.testing.assert_array_equal(far_shown.color, shown.color)
            rows = np.frombuffer(one.data, np.uint32).reshape(-1, 7)
            wide = np.frombuffer(other.data, np.uint32).reshape(-1, 10)
            np.testing.assert_array_equal(wide[:, 6:], rows[:, 3:])
    back = decode_pointcloud2(scan_cloud(Header(), far.scan))
    np.testing.assert_array_equal(back.xyz, far.scan.xyz)
