"""Poses from tf2, which may be missing."""

import sys

from geometry_msgs.msg import Quaternion, Transform, Vector3
from mask3d_core.errors import InputError
from mask3d_ros.transforms import FramePose, Transforms
import numpy as np
import pytest
from ros_client import Client
from tf_frames import Broadcaster, transform


class Recorder:
    """A node that keeps its warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def get_logger(self) -> 'Recorder':
        return self

    def warning(self, message: str) -> None:
        self.warnings.append(message)


def test_pose_of_a_frame_that_is_turned_left() -> None:
    half = np.sqrt(0.5)
    pose = FramePose.of(Transform(translation=Vector3(x=10.0, y=2.0, z=0.5),
                                  rotation=Quaternion(z=half, w=half)))
    ahead = np.array([[10.0, 3, 0.5], [9.0, 2, 1.5]])  # 1 m ahead; 1 m to the left, 1 m above
    np.testing.assert_allclose(pose.to_frame(ahead), [[1, 0, 0], [0, 1, 1]], atol=1e-12)


def test_rotations_about_all_axes() -> None:
    x, y, z, w = np.array([0.1, -0.5, 0.3, 0.8]) / np.linalg.norm([0.1, -0.5, 0.3, 0.8])
    rotation = FramePose.of(Transform(rotation=Quaternion(x=x, y=y, z=z, w=w))).rotation
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    axis = np.array([x, y, z])
    np.testing.assert_allclose(rotation @ axis, axis, atol=1e-12)
    assert np.trace(rotation) == pytest.approx(4 * w * w - 1) and np.linalg.det(rotation) > 0


def test_without_tf2_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'tf2_ros', None)
    transforms = Transforms(Recorder())  # type: ignore[arg-type]
    with pytest.raises(InputError, match='install the package tf2_ros_py of ROS 2'):
        transforms.listen()
    assert transforms.find('base_link', 'map') is None
    transforms.close()


def test_a_missing_transform_is_one_warning_until_it_was_there(
        monkeypatch: pytest.MonkeyPatch, lone_client: Client) -> None:
    recorder = Recorder()
    transforms = Transforms(lone_client.node)
    monkeypatch.setattr(lone_client.node, 'get_logger', lambda: recorder)
    transforms.listen()
    transforms.listen()
    for _ in range(3):
        assert transforms.find('base_link', 'map') is None
        assert transforms.find('camera', 'map') is None
    assert len(recorder.warnings) == 2
    assert 'no transform from base_link to map, so base_link is ignored' in recorder.warnings[0]

    broadcaster = Broadcaster(lone_client.node)
    lone_client.wait(lambda: broadcaster.num_listeners == 1)
    broadcaster.send(transform('map', 'base_link', [4, 0, 0]))
    lone_client.wait(lambda: transforms.find('base_link', 'map'))
    for found in (transforms.find('base_link', 'map'), transforms.find('/base_link', '/map')):
        assert found is not None and found.position.tolist() == [4, 0, 0]
    assert transforms.find('base_link', 'odom') is None and len(recorder.warnings) == 3

    transforms.close()
    lone_client.wait(lambda: broadcaster.num_listeners == 0)
    assert transforms.find('base_link', 'map') is None
