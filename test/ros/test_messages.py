"""InstanceArray: the values of a message, and the conversion back to instances."""

from dataclasses import replace

from mask3d_core.colors import instance_color
from mask3d_core.tracking import untracked
from mask3d_ros.messages import instance_array, instances_from
from mask3d_ros.msg import InstanceArray
import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from tiny_result import CHAIR_POINTS, TABLE_POINTS, tiny_result


def test_values_of_an_instance() -> None:
    message = instance_array(tiny_result())
    assert message.header.frame_id == 'map' and message.header.stamp.sec == 7
    assert message.cloud_size == 10
    chair, table = message.instances
    assert (chair.id, chair.class_id, chair.class_name) == (1, 5, 'chair')
    assert chair.score == pytest.approx(0.9)
    assert list(chair.point_indices) == CHAIR_POINTS and chair.num_points == 3
    assert list(table.point_indices) == TABLE_POINTS
    assert (chair.box_size.x, chair.box_size.y, chair.box_size.z) == (0.8, 0.1, 0.6)
    position = chair.box_pose.position
    assert (position.x, position.y, position.z) == (1.5, 1.6, 1.7)
    # a quarter turn about z is the quaternion (0, 0, sin 45, cos 45); here it is an eighth
    assert chair.box_pose.orientation.z == pytest.approx(np.sin(np.pi / 8))
    assert chair.box_pose.orientation.w == pytest.approx(np.cos(np.pi / 8))
    color = (chair.color.r, chair.color.g, chair.color.b)
    assert color == pytest.approx(np.array(instance_color(0)) / 255)
    assert list(message.stage_names) == ['read', 'unet']
    assert list(message.stage_seconds) == [0.25, 0.5]


def test_round_trip() -> None:
    result = tiny_result()
    sent = serialize_message(instance_array(result))
    back = instances_from(deserialize_message(sent, InstanceArray), result.scan)
    for name in ('masks', 'num_points', 'class_id'):
        np.testing.assert_array_equal(getattr(back, name), getattr(result.instances, name))
    for name in ('score', 'centroid', 'box_center', 'box_size', 'upright_center', 'upright_size',
                 'upright_yaw'):
        np.testing.assert_allclose(getattr(back, name), getattr(result.instances, name),
                                   rtol=1e-6, atol=1e-6, err_msg=name)
    assert back.class_names == result.instances.class_names


def test_point_indices_up_to_the_largest() -> None:
    """Indices are unsigned in the message, signed in the instances: the bits are the same."""
    rows = (np.array([0, 7, 2**31 - 2], np.int32), np.empty(0, np.int32))
    tiny = tiny_result()
    result = replace(tiny, objects=untracked(
        replace(tiny.instances, rows=rows, num_points=2**31 - 1), 0))
    sent = deserialize_message(serialize_message(instance_array(result)), InstanceArray)
    assert list(sent.instances[0].point_indices) == [0, 7, 2**31 - 2]
    assert sent.instances[0].num_points == 3 and sent.cloud_size == 2**31 - 1
    assert not sent.instances[1].point_indices and sent.instances[1].num_points == 0


def test_colors_are_computed_once() -> None:
    result = tiny_result()
    assert result.colors is result.colors  # each message needs them once per instance


def test_no_instances() -> None:
    result = tiny_result()
    nothing = InstanceArray(header=result.cloud.header, cloud_size=10)
    assert len(instances_from(nothing, result.scan)) == 0
