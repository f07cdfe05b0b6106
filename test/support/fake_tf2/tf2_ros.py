"""
The part of tf2_ros that the nodes and tests use, for environments without tf2.

Frames are not chained: each transform holds until its stamp; one with the stamp 0 always does.
"""

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.time import Time

TOPIC = '/fake_tf'
LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class TransformException(Exception):
    """No such transform."""


class LookupException(TransformException):
    """A frame is not known."""


class ExtrapolationException(TransformException):
    """The transform is not known at that time."""


class Buffer:
    """The latest transform of each pair of frames."""

    def __init__(self) -> None:
        self.transforms: dict[tuple[str, str], TransformStamped] = {}

    def lookup_transform(self, target: str, source: str, time: Time) -> TransformStamped:
        """Return the pose of `source` in `target`."""
        if (target, source) not in self.transforms:
            raise LookupException(
                f'"{target}" passed to lookupTransform argument target_frame does not exist. ')
        found = self.transforms[target, source]
        latest = Time.from_msg(found.header.stamp).nanoseconds
        if 0 < latest < time.nanoseconds:
            raise ExtrapolationException(f'{time.nanoseconds} is after {latest}')
        return found

    def clear(self) -> None:
        """Forget all transforms but those with the stamp 0."""
        self.transforms = {frames: known for frames, known in self.transforms.items()
                           if not Time.from_msg(known.header.stamp).nanoseconds}


class TransformListener:
    """Fills a buffer from a topic."""

    def __init__(self, buffer: Buffer, node: Node) -> None:
        self._buffer, self._node = buffer, node
        self._subscription = node.create_subscription(
            TransformStamped, TOPIC, self._take, LATCHED)

    def _take(self, message: TransformStamped) -> None:
        self._buffer.transforms[message.header.frame_id, message.child_frame_id] = message

    def unregister(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)


class TransformBroadcaster:
    """Publishes to the topic of the listeners."""

    def __init__(self, node: Node) -> None:
        self.pub_tf = node.create_publisher(TransformStamped, TOPIC, LATCHED)

    def sendTransform(self, transform: TransformStamped) -> None:  # noqa: N802
        """Publish a transform."""
        self.pub_tf.publish(transform)


StaticTransformBroadcaster = TransformBroadcaster
