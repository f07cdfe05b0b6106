"""The outputs: latched topics, each built only when someone listens to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from mask3d_core.errors import InputError
from mask3d_ros.answer import Answer
from mask3d_ros.clouds import labelled_cloud
from mask3d_ros.markers import marker_array
from mask3d_ros.messages import instance_array
from mask3d_ros.msg import InstanceArray
from mask3d_ros.qos import latched, overridable
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
        Makes the message of an answer.

    Raises
    ------
    InputError
        For overrides that are no policies.

    """

    def __init__(self, node: LifecycleNode, topic: str, message_type: type,
                 build: Callable[[Answer], Any]) -> None:
        self._node = node
        self._build = build
        self._sent: Answer | None = None
        try:
            self._publisher: LifecyclePublisher[Any] = node.create_lifecycle_publisher(
                message_type, topic, latched(), qos_overriding_options=overridable())
        except (RuntimeError, InvalidParameterTypeException) as error:
            raise InputError(f'qos_overrides of {topic}: {error}') from error

    def wanted(self) -> bool:
        """Return whether someone listens."""
        return self._publisher.get_subscription_count() > 0

    def lacks(self, answer: Answer) -> bool:
        """Return whether someone listens and has not been sent this answer."""
        return self._sent is not answer and self.wanted()

    def update(self, answer: Answer) -> None:
        """Publish an answer that someone lacks; late subscribers get it, too."""
        if self.lacks(answer):
            self._sent = answer
            self._publisher.publish(self._build(answer))

    def close(self) -> None:
        """Remove the topic; what was latched is gone."""
        self._node.destroy_lifecycle_publisher(self._publisher)


def create_outputs(node: LifecycleNode) -> Iterator[Output]:
    """Create the outputs of the segment_node, one by one: each is there when the next fails."""
    yield Output(node, '~/instances', InstanceArray, instance_array)
    yield Output(node, '~/markers', MarkerArray, marker_array)
    yield Output(node, '~/cloud', PointCloud2, labelled_cloud)
