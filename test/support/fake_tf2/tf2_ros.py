"""
The part of tf2_ros that the nodes use, for environments without tf2.

Frames are not chained: each transform comes on `fake_tf` as a `TransformStamped`, and holds until
its stamp; one with the stamp 0 always does, as a static one.
"""

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.time import Time


class TransformException(Exception):
    """No such transform."""


class ExtrapolationException(TransformException):
    """The transform is not known at that time."""


class Buffer:
    """The latest transform of each pair of frames."""

    def __init__(self) -> None:
        self.transforms: dict[tuple[str, str], TransformStamped] = {}

    def lookup_transform(self, target: str, source: str, time: Time) -> TransformStamped:
        """Return the pose of `source` in `target`."""
        if (target, source) not in self.transforms:
            raise TransformException(f'"{source}" does not exist')
        found = self.transforms[target, source]
        latest = Time.from_msg(found.header.stamp).nanoseconds
        if 0 < latest < time.nanoseconds:
            raise ExtrapolationException(f'{time.nanoseconds} is after {latest}')
        return found


class TransformListener:
    """Fills a buffer from a topic."""

    def __init__(self, buffer: Buffer, node: Node) -> None:
        self._buffer, self._node = buffer, node
        self._subscription = node.create_subscription(TransformStamped, 'fake_tf', self._take, 10)

    def _take(self, message: TransformStamped) -> None:
        self._buffer.transforms[message.header.frame_id, message.child_frame_id] = message

    def unregister(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)
