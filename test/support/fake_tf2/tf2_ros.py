"""
The part of tf2_ros that the nodes use, for environments without tf2.

Frames are not chained: each transform comes on `fake_tf` as a `TransformStamped`.
"""

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.time import Time


class TransformException(Exception):
    """No such transform."""


class Buffer:
    """The latest transform of each pair of frames."""

    def __init__(self) -> None:
        self.transforms: dict[tuple[str, str], TransformStamped] = {}

    def lookup_transform(self, target: str, source: str, time: Time) -> TransformStamped:
        """Return the pose of `source` in `target`."""
        assert time.nanoseconds == 0
        if (target, source) not in self.transforms:
            raise TransformException(f'"{source}" does not exist')
        return self.transforms[target, source]


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
