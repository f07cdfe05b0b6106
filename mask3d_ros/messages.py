"""Conversion of results to InstanceArray messages, and of these messages to instances."""

from __future__ import annotations

import array
from collections.abc import Sequence
import math

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from mask3d_core.errors import InputError
from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
from mask3d_ros.msg import Instance, InstanceArray
from mask3d_ros.result import SegmentationResult
import numpy as np
from numpy.typing import NDArray
from std_msgs.msg import ColorRGBA

SECOND = 1_000_000_000
"""Nanoseconds."""
MAX_SECONDS = 2**31 - 1
"""Of a stamp in ROS."""


def instance_array(result: SegmentationResult) -> InstanceArray:
    """Return the instances of a result as a message, in descending order of score."""
    return InstanceArray(
        header=result.cloud.header, cloud_size=result.instances.num_points,
        instances=[instance_message(result, index) for index in range(len(result.instances))],
        stage_names=list(result.seconds), stage_seconds=[*map(float, result.seconds.values())])


def instances_from(message: InstanceArray, scan: Scan) -> Instances:
    """
    Return the instances of a message, to write to a file or to draw.

    Parameters
    ----------
    message : InstanceArray
    scan : Scan
        The scan of the segmented cloud; the axis-aligned boxes are computed from its points.

    """
    messages = message.instances
    xyz = np.full((scan.input_size, 3), np.nan)
    xyz[scan.kept] = scan.xyz
    rows = tuple(np.asarray(instance.point_indices, np.int32) for instance in messages)
    corners = np.array([(xyz[points].min(axis=0), xyz[points].max(axis=0)) for points in rows],
                       np.float64).reshape(-1, 2, 3)
    return Instances(
        rows=rows, num_points=message.cloud_size,
        class_id=np.array([instance.class_id for instance in messages], np.int32),
        score=np.array([instance.score for instance in messages], np.float32),
        class_names={instance.class_id: instance.class_name for instance in messages},
        class_colors={instance.class_id: _rgb(instance.color) for instance in messages},
        centroid=_vectors([instance.centroid for instance in messages]),
        box_center=corners.mean(axis=1), box_size=corners[:, 1] - corners[:, 0],
        upright_center=_vectors([instance.box_pose.position for instance in messages]),
        upright_size=_vectors([instance.box_size for instance in messages]),
        upright_yaw=np.array([2 * math.atan2(instance.box_pose.orientation.z,
                                             instance.box_pose.orientation.w)
                              for instance in messages]),
        seconds=dict(zip(message.stage_names, message.stage_seconds)))


def instance_message(result: SegmentationResult, index: int) -> Instance:
    """Return one instance of a result as a message."""
    objects, instances = result.objects, result.instances
    rows = instances.points(index)
    return Instance(
        id=int(result.ids[index]), class_id=int(instances.class_id[index]),
        class_name=instances.name(index), score=float(instances.score[index]),
        box_pose=box_pose(instances, index), box_size=box_size(instances, index),
        centroid=point(instances.centroid[index]), num_points=len(rows),
        # array.array is the one type that rclpy does not validate value by value
        point_indices=array.array('I', rows.tobytes()), color=color(result.colors[index]),
        state=int(objects.remembered[index]), existence=float(objects.existence[index]),
        confirmed=bool(objects.confirmed[index]), first_seen=stamp(objects.first_seen[index]),
        last_seen=stamp(objects.last_seen[index]))


def box_pose(instances: Instances, index: int) -> Pose:
    """Return the pose of an instance's upright box: its centre, rotated about z by its yaw."""
    return upright_pose(instances.upright_center[index], float(instances.upright_yaw[index]))


def upright_pose(center: NDArray[np.float64], yaw: float) -> Pose:
    """Return the pose of something that is rotated about z only."""
    return Pose(position=point(center),
                orientation=Quaternion(z=math.sin(yaw / 2), w=math.cos(yaw / 2)))


def box_size(instances: Instances, index: int) -> Vector3:
    """Return the edge lengths of an instance's upright box."""
    x, y, z = instances.upright_size[index].tolist()
    return Vector3(x=x, y=y, z=z)


def point(xyz: NDArray[np.float64]) -> Point:
    """Return a position as a message."""
    x, y, z = xyz.tolist()
    return Point(x=x, y=y, z=z)


def nanoseconds(stamp: Time) -> int:
    """
    Return a stamp as one number.

    Raises
    ------
    InputError
        If its nanoseconds are a second or more, and make it later than `stamp` can tell.

    """
    number = int(stamp.sec * SECOND + stamp.nanosec)
    if number >= (MAX_SECONDS + 1) * SECOND:
        raise InputError(f'the stamp of the cloud has {stamp.sec} s and {stamp.nanosec} ns, '
                         f'expected at most {MAX_SECONDS} s and {SECOND - 1} ns: set the time of '
                         'the points where they are published')
    return number


def stamp(number: int) -> Time:
    """Return a stamp, nanoseconds, as a message."""
    seconds, rest = divmod(int(number), SECOND)
    return Time(sec=seconds, nanosec=rest)


def color(rgb: NDArray[np.uint8]) -> ColorRGBA:
    """Return an opaque colour as a message."""
    red, green, blue = (rgb / 255).tolist()
    return ColorRGBA(r=red, g=green, b=blue, a=1.0)


def _vectors(messages: Sequence[Point | Vector3]) -> NDArray[np.float64]:
    """Return points or vectors as rows: [I, 3]."""
    return np.array([(v.x, v.y, v.z) for v in messages], np.float64).reshape(-1, 3)


def _rgb(message: ColorRGBA) -> tuple[int, int, int]:
    return round(255 * message.r), round(255 * message.g), round(255 * message.b)
