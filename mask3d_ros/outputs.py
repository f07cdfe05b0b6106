"""The output topics: latched, and a message is built only for topics that have subscribers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from mask3d_core.errors import InputError
from mask3d_ros.clouds import labelled_cloud
from mask3d_ros.detections import detection_array, vision_msgs
from mask3d_ros.markers import marker_array
from mask3d_ros.messages import instance_array
from mask3d_ros.msg import InstanceArray, ObjectChangeArray
from mask3d_ros.object_messages import change_array
from mask3d_ros.qos import events_profile, latched_profile, overriding_options
from mask3d_ros.result import SegmentationResult
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.lifecycle import LifecycleNode, LifecyclePublisher
from sensor_msgs.msg import PointCloud2
from visualization_msgs.msg import MarkerArray


class Output:
    """
    One output topic.

    Parameters
    ----------
    node : LifecycleNode
    topic : str
    message_type : class
    build : callable
        Builds the message from a result.
    is_of_events : bool
        Whether every message counts: the topic is not latched, and others are.

    Raises
    ------
    InputError
        If `qos_overrides` has a value that is not a policy.

    """

    def __init__(self, node: LifecycleNode, topic: str, message_type: type,
                 build: Callable[[SegmentationResult], Any],
                 is_of_events: bool = False) -> None:
        self._node = node
        self._build = build
        self.is_of_events = is_of_events
        self._published: SegmentationResult | None = None
        try:
            self._publisher: LifecyclePublisher[Any] = node.create_lifecycle_publisher(
                message_type, topic, events_profile() if is_of_events else latched_profile(),
                qos_overriding_options=overriding_options())
        except (RuntimeError, InvalidParameterTypeException) as error:
            raise InputError(f'qos_overrides of {topic}: {error}') from error

    def has_subscribers(self) -> bool:
        """Return whether the topic has subscribers."""
        return self._publisher.get_subscription_count() > 0

    def needs_update(self, result: SegmentationResult) -> bool:
        """Return whether the topic has subscribers and this result was not published on it."""
        return self._published is not result and self.has_subscribers()

    def update(self, result: SegmentationResult) -> None:
        """Publish a result if needed; if the topic is latched, late subscribers receive it."""
        if self.needs_update(result):
            self._published = result
            self._publisher.publish(self._build(result))

    def close(self) -> None:
        """Destroy the publisher, and with it the latched message."""
        self._node.destroy_lifecycle_publisher(self._publisher)


def create_outputs(node: LifecycleNode) -> Iterator[Output]:
    """
    Create the outputs of `segment_node` one by one: if one fails, the caller has the others.

    Without vision_msgs there is no `~/detections`.
    """
    yield Output(node, '~/instances', InstanceArray, instance_array)
    yield Output(node, '~/markers', MarkerArray, marker_array)
    yield Output(node, '~/cloud', PointCloud2, labelled_cloud)
    yield Output(node, '~/changes', ObjectChangeArray, change_array, is_of_events=True)
    msg: Any = vision_msgs()
    if msg is None:
        node.get_logger().info('vision_msgs is not installed, so there are no ~/detections and '
                               'no ~/label_info')
    else:
        yield Output(node, '~/detections', msg.Detection3DArray, detection_array)
