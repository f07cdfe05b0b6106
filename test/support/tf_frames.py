"""Frames of tf for the tests: by the tf2_ros of ROS 2, or a stand-in where it is not installed."""

from collections.abc import Sequence
from importlib import import_module
import importlib.util
from pathlib import Path
import sys

from geometry_msgs.msg import TransformStamped
from mask3d_ros.messages import nanoseconds, stamp
from rclpy.node import Node

HAS_TF2 = importlib.util.find_spec('tf2_ros') is not None
TF2_FOLDER = None if HAS_TF2 else Path(__file__).parent / 'fake_tf2'
"""Where a node finds the stand-in."""
if TF2_FOLDER is not None:
    sys.path.append(str(TF2_FOLDER))


def transform(parent: str, child: str, position: Sequence[float],
              rotation: Sequence[float] = (0, 0, 0, 1), seconds: float = 0.0) -> TransformStamped:
    """
    Return the pose of a frame in its parent.

    Parameters
    ----------
    parent, child : str
    position : sequence of float
        Metres.
    rotation : sequence of float
        Quaternion x y z w.
    seconds : float
        Stamp; 0: a transform that always holds.

    """
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id = parent
    message.header.stamp = stamp(round(1e9 * seconds))
    move, turn = message.transform.translation, message.transform.rotation
    move.x, move.y, move.z = map(float, position)
    turn.x, turn.y, turn.z, turn.w = map(float, rotation)
    return message


class Broadcaster:
    """
    Publishes transforms.

    Parameters
    ----------
    node : Node

    """

    def __init__(self, node: Node) -> None:
        tf2_ros = import_module('tf2_ros')
        self._static = tf2_ros.StaticTransformBroadcaster(node)
        self._moving = tf2_ros.TransformBroadcaster(node)

    @property
    def num_listeners(self) -> int:
        """Number of listeners that get all transforms."""
        return min(broadcaster.pub_tf.get_subscription_count()
                   for broadcaster in (self._static, self._moving))

    def send(self, *transforms: TransformStamped) -> None:
        """Publish transforms: those with the stamp 0 as static ones."""
        for message in transforms:
            moves = nanoseconds(message.header.stamp) > 0
            (self._moving if moves else self._static).sendTransform(message)
