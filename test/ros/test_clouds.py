"""The clouds that the nodes publish."""

from mask3d_core.colors import faded_colors, instance_color
from mask3d_core.files import decode_pointcloud2
from mask3d_core.scan import Scan
from mask3d_ros.clouds import as_bytes, labelled_cloud, LABELLED_DTYPE, scan_cloud
import numpy as np
from sensor_msgs.msg import PointField
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
