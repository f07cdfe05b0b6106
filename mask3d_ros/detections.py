"""Results as messages of vision_msgs, which is imported only here and only if it is installed."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from geometry_msgs.msg import PoseWithCovariance
from mask3d_core.classes import ClassTable
from mask3d_ros.messages import box_pose, box_size
from mask3d_ros.qos import latched_profile
from mask3d_ros.result import SegmentationResult
from rclpy.node import Node
from std_msgs.msg import Header

MAX_CLASS_ID = 65534
"""Largest class id that `vision_msgs/LabelInfo` can name; 65535 stands for no class."""


@cache
def vision_msgs() -> ModuleType | None:
    """Return the messages of the package vision_msgs, or None if it is not installed."""
    try:
        return import_module('vision_msgs.msg')
    except ImportError:
        return None


def detection_array(result: SegmentationResult) -> Any:
    """
    Return the instances of a result as a `vision_msgs/Detection3DArray`, best score first.

    `id` is the instance id. The one hypothesis has the class name, the score and the pose of the
    box, whose covariance is unknown: zeros.
    """
    msg: Any = vision_msgs()
    instances, header = result.instances, result.cloud.header
    detections = []
    for index in range(len(instances)):
        pose = box_pose(instances, index)
        hypothesis = msg.ObjectHypothesis(class_id=instances.name(index),
                                          score=float(instances.score[index]))
        detections.append(msg.Detection3D(
            header=header, id=str(int(result.ids[index])),
            bbox=msg.BoundingBox3D(center=pose, size=box_size(instances, index)),
            results=[msg.ObjectHypothesisWithPose(
                hypothesis=hypothesis, pose=PoseWithCovariance(pose=pose))]))
    return msg.Detection3DArray(header=header, detections=detections)


def label_info(header: Header, classes: ClassTable, score_threshold: float) -> Any:
    """
    Return the names of the classes as a `vision_msgs/LabelInfo`.

    Its ids are those of the field `label` of the labelled cloud. Classes whose ids do not fit into
    16 bits are left out.
    """
    msg: Any = vision_msgs()
    return msg.LabelInfo(
        header=header, threshold=float(score_threshold),
        class_map=[msg.VisionClass(class_id=number, class_name=name)
                   for number, name in zip(classes.ids, classes.names)
                   if 0 <= number <= MAX_CLASS_ID])


class LabelInfoTopic:
    """
    The latched topic `~/label_info`; there is none without vision_msgs.

    Parameters
    ----------
    node : Node
    classes : ClassTable

    """

    def __init__(self, node: Node, classes: ClassTable) -> None:
        self._node = node
        self._classes = classes
        self._threshold: float | None = None
        msg: Any = vision_msgs()
        self._publisher = None if msg is None else node.create_publisher(
            msg.LabelInfo, '~/label_info', latched_profile())

    def publish(self, score_threshold: float) -> None:
        """Publish the classes, unless that was done with the same threshold."""
        if self._publisher is not None and score_threshold != self._threshold:
            self._threshold = score_threshold
            header = Header(stamp=self._node.get_clock().now().to_msg())
            self._publisher.publish(label_info(header, self._classes, score_threshold))

    def close(self) -> None:
        """Destroy the publisher, and with it the latched message."""
        if self._publisher is not None:
            self._node.destroy_publisher(self._publisher)
            self._publisher = None
