"""Transforms from tf2, which is imported only if a parameter names a frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
import math
import time
from typing import Any

from builtin_interfaces.msg import Time as Stamp
from mask3d_core.errors import InputError
from mask3d_core.scan import MAX_FLOAT32_POSITION
from mask3d_ros.error_log import THROTTLE_SECONDS
import numpy as np
from numpy.typing import NDArray
from rclpy.clock import JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

WAIT_SECONDS = 0.5
"""Time that a cloud waits for the transform to `target_frame`; tf often comes after the cloud."""
POLL_SECONDS = 0.02
"""Time between two attempts."""
JUMP = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1))
"""Time that goes back, as that of a bag which is played again, or comes from another clock."""
CHUNK_POINTS = 1 << 16
"""Points transformed at once: they stay in the processor's cache."""


@dataclass(frozen=True, eq=False)
class FramePose:
    """
    The pose of one frame in another.

    Attributes
    ----------
    position : [3] float64
        Metres.
    rotation : [3, 3] float64
        Its columns are the axes of the frame.

    """

    position: NDArray[np.float64]
    rotation: NDArray[np.float64]

    @classmethod
    def of(cls, transform: Any) -> FramePose:
        """Make a pose of a `geometry_msgs/Transform`."""
        move, turn = transform.translation, transform.rotation
        x, y, z, w = np.array([turn.x, turn.y, turn.z, turn.w]) / np.linalg.norm(
            [turn.x, turn.y, turn.z, turn.w])
        return cls(np.array([move.x, move.y, move.z], np.float64), np.array([
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]]))

    def to_frame(self, xyz: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return points of the other frame in this one: [N, 3]."""
        return np.asarray((xyz - self.position) @ self.rotation)

    def from_frame(self, xyz: NDArray[np.floating]) -> NDArray[np.floating]:
        """
        Return points of this frame in the other one: [N, 3].

        They have the precision of the input, float64 where float32 does not hold the positions.
        """
        moved = np.empty((len(xyz), 3), np.float64)
        for start in range(0, len(xyz), CHUNK_POINTS):
            part = slice(start, start + CHUNK_POINTS)
            moved[part] = xyz[part] @ self.rotation.T + self.position
        precise = len(moved) and np.abs(self.position).max() > MAX_FLOAT32_POSITION
        return moved if precise else moved.astype(xyz.dtype, copy=False)


FindPose = Callable[[str, str], FramePose | None]
"""Returns the latest pose of a frame, the first argument, in another, or None if unknown."""


class Transforms:
    """
    The transforms that a node knows; it subscribes to tf once `listen` is called.

    When the time of the node goes back, all but the static ones are forgotten: tf2 would reject
    those of the new time as too old.

    Parameters
    ----------
    node : Node

    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._tf2: Any = None
        self._buffer: Any = None
        self._listener: Any = None
        self._jumps: Any = None
        self._last_warning: dict[str, float] = {}

    def listen(self) -> None:
        """Subscribe to tf, unless it is subscribed already; raise InputError without tf2."""
        if self._listener is not None:
            return
        try:
            tf2_ros = import_module('tf2_ros')
        except ImportError as error:
            raise InputError(
                'target_frame, roi_frame and robot_frame need the Python package tf2_ros '
                f'({error}): install the package tf2_ros_py of ROS 2 and source its setup.bash, '
                'or leave them empty',
            ) from error
        self._tf2 = tf2_ros
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, self._node)
        self._jumps = self._node.get_clock().create_jump_callback(JUMP, post_callback=self._forget)

    def close(self) -> None:
        """Unsubscribe."""
        if self._listener is not None:
            self._listener.unregister()
            self._jumps.unregister()
        self._listener = self._buffer = self._jumps = None

    def find(self, frame: str, reference: str) -> FramePose | None:
        """
        Return the latest pose of a frame in another; a warning and None if there is none.

        Can be called in any thread.
        """
        buffer = self._buffer
        if buffer is None:
            return None
        try:
            pose = _lookup(buffer, frame, reference, Time())
        except self._tf2.TransformException as error:
            self._warn(frame, f'no transform from {frame} to {reference}, so {frame} is ignored: '
                       f'{error}')
            return None
        self._last_warning.pop(frame, None)
        return pose

    def wait(self, frame: str, target: str, stamp: Stamp) -> FramePose:
        """
        Return the pose of a frame in another at the time of a cloud.

        Waits up to `WAIT_SECONDS` for it, so call it in a thread of its own. A stamp of 0 stands
        for the latest pose.

        Raises
        ------
        InputError
            If there is none by then, or the stamp is negative.

        """
        end = time.monotonic() + WAIT_SECONDS
        if stamp.sec < 0:
            raise InputError(f'clouds in {frame} are dropped, as their stamps are negative: set '
                             'the time of the points where they are published')
        while True:
            buffer = self._buffer
            if buffer is None:
                raise InputError(f'the cloud in {frame} is dropped: the node does not listen to '
                                 'tf any more')
            try:
                return _lookup(buffer, frame, target, Time.from_msg(stamp))
            except self._tf2.TransformException as error:
                if time.monotonic() >= end:
                    raise InputError(_unavailable(frame, target, error)) from error
            time.sleep(POLL_SECONDS)

    def _forget(self, jump: TimeJump) -> None:
        buffer = self._buffer
        if buffer is not None:
            buffer.clear()
            self._node.get_logger().info('the time went back or has another source: transforms '
                                         'of tf in motion are forgotten')

    def _warn(self, frame: str, message: str) -> None:
        """Warn, unless the same was done for this frame within `THROTTLE_SECONDS`."""
        now = time.monotonic()
        if now - self._last_warning.get(frame, -math.inf) >= THROTTLE_SECONDS:
            self._last_warning[frame] = now
            self._node.get_logger().warning(message)


def _lookup(buffer: Any, frame: str, reference: str, time: Time) -> FramePose:
    """Return the pose of a frame; the slash before names of ROS 1 is an error for tf2."""
    found = buffer.lookup_transform(reference.lstrip('/'), frame.lstrip('/'), time)
    return FramePose.of(found.transform)


def _unavailable(frame: str, target: str, error: Exception) -> str:
    """Return one sentence that is the same for all clouds with this error, as times are not."""
    kind = type(error).__name__
    reason = ('none at the time of the cloud, whose stamp and the clock of tf may differ '
              '(use_sim_time?)' if kind.startswith('Extrapolation') else str(error))
    return (f'clouds in {frame} are dropped, as after {WAIT_SECONDS:g} s there is no transform '
            f'to target_frame {target}: {reason}')
