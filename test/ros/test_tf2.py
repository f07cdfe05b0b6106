"""
The nodes with the real tf2: frames in a chain, transforms in motion, late ones, a clock set back.

It is on no package index. It comes with ROS 2, or with the sources of geometry2, of which tf2,
tf2_msgs, tf2_py and tf2_ros_py are needed.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
import math
from pathlib import Path
from typing import Any

from builtin_interfaces.msg import Time as Stamp
from mask3d_core.errors import InputError
from mask3d_core.files import decode_pointcloud2
from mask3d_ros.messages import stamp
from mask3d_ros.msg import InstanceArray
from mask3d_ros.transforms import FramePose, Transforms
import numpy as np
import pytest
from rclpy.parameter import Parameter
from ros_client import Client, cloud, start_with_modules
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import PointCloud2
from tf_frames import Broadcaster, HAS_TF2, transform
from toy_map import toy_map

pytestmark = pytest.mark.skipif(
    not HAS_TF2, reason='tf2_ros is on no package index; it comes with ROS 2')

OPTICAL = (-0.5, 0.5, -0.5, 0.5)
CAMERA = transform('base_link', 'camera', [0.2, 0, 1.5], OPTICAL)
"""A camera that looks ahead, 1.5 m above the floor: a static transform."""
START = transform('odom', 'base_link', [0, 0, 0], seconds=10)
END = transform('odom', 'base_link', [4, 2, 0], (0, 0, math.sin(math.pi / 4),
                                                 math.cos(math.pi / 4)), seconds=14)
"""The robot goes 4 m ahead and 2 m to the left in 4 s, and turns left by 90 degrees."""
ODOM = transform('map', 'odom', [10, 0, 0])


def camera_in_map(share: float) -> FramePose:
    """Return the pose of the camera in the map after a share of the way."""
    angle = share * math.pi / 2
    turn = np.array([[math.cos(angle), -math.sin(angle), 0],
                     [math.sin(angle), math.cos(angle), 0], [0, 0, 1]])
    position = np.array([10 + 4 * share, 2 * share, 0])
    camera = FramePose.of(CAMERA.transform)
    return FramePose(position + turn @ camera.position, turn @ camera.rotation)


def seen_from(pose: FramePose, seconds: float) -> PointCloud2:
    """Return the toy map as a camera sees it."""
    scan = decode_pointcloud2(toy_map(1))
    assert scan.color is not None
    seen = cloud(pose.to_frame(scan.xyz), np.rint(255 * scan.color))
    seen.header.frame_id, seen.header.stamp = 'camera', stamp(round(1e9 * seconds))
    return seen


@pytest.fixture
def transforms(lone_client: Client) -> Iterator[Transforms]:
    """Return the transforms that a node has received."""
    transforms = Transforms(lone_client.node)
    transforms.listen()
    yield transforms
    transforms.close()


@pytest.fixture
def broadcaster(lone_client: Client, transforms: Transforms) -> Broadcaster:
    """Return a broadcaster whose listener is `transforms`."""
    broadcaster = Broadcaster(lone_client.node)
    lone_client.wait(lambda: broadcaster.num_listeners == 1)
    return broadcaster


def is_known(transforms: Transforms, frame: str = 'camera') -> Callable[[], bool]:
    return lambda: transforms.find(frame, 'map') is not None


def test_a_chain_of_frames_at_the_time_of_a_cloud(
        lone_client: Client, transforms: Transforms, broadcaster: Broadcaster,
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('mask3d_ros.transforms.WAIT_SECONDS', 0.05)
    broadcaster.send(CAMERA, ODOM, START, END)
    lone_client.wait(is_known(transforms))
    for seconds, share in ((10, 0), (11, 0.25), (12.5, 0.625), (14, 1), (0, 1)):
        pose = transforms.wait('camera', 'map', stamp(round(1e9 * seconds)))
        np.testing.assert_allclose(pose.position, camera_in_map(share).position, atol=1e-9)
        np.testing.assert_allclose(pose.rotation, camera_in_map(share).rotation, atol=1e-9)
    latest = transforms.find('camera', 'map')
    assert latest is not None
    np.testing.assert_allclose(latest.position, camera_in_map(1).position, atol=1e-9)
    messages = set()
    for sec in (9, 8, 15, 16):
        with pytest.raises(InputError, match='none at the time of the cloud') as raised:
            transforms.wait('camera', 'map', Stamp(sec=sec))
        messages.add(str(raised.value))
    assert len(messages) == 1, 'so that it is logged once'


def test_frames_without_a_connection(
        lone_client: Client, transforms: Transforms, broadcaster: Broadcaster,
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('mask3d_ros.transforms.WAIT_SECONDS', 0.05)
    broadcaster.send(CAMERA, ODOM)
    lone_client.wait(is_known(transforms, 'odom'))
    for sec in (0, 12):
        with pytest.raises(InputError, match='not part of the same tree'):
            transforms.wait('camera', 'map', Stamp(sec=sec))
    with pytest.raises(InputError, match='"lidar" .*does not exist'):
        transforms.wait('lidar', 'map', Stamp(sec=12))


def test_a_cloud_waits_for_a_transform_that_comes_late(
        lone_client: Client, transforms: Transforms, broadcaster: Broadcaster,
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('mask3d_ros.transforms.WAIT_SECONDS', 600.0)
    broadcaster.send(CAMERA, ODOM, START)
    lone_client.wait(is_known(transforms))
    with ThreadPoolExecutor(1) as pool:
        pose: Future[FramePose] = pool.submit(
            transforms.wait, 'camera', 'map', stamp(round(12e9)))
        lone_client.spin(0.2)
        assert not pose.done(), 'the latest transform is older than the cloud'
        broadcaster.send(END)
        lone_client.wait(pose.done)
    np.testing.assert_allclose(pose.result().position, camera_in_map(0.5).position, atol=1e-9)


def test_a_clock_that_is_set_back(lone_client: Client, transforms: Transforms,
                                  broadcaster: Broadcaster) -> None:
    """A bag that is played again: tf2 alone would reject its transforms as too old."""
    node = lone_client.node
    node.set_parameters([Parameter('use_sim_time', value=True)])
    clock = node.create_publisher(Clock, '/clock', 1)
    lone_client.wait(lambda: clock.get_subscription_count() >= 1)

    def tell(seconds: int) -> None:
        clock.publish(Clock(clock=Stamp(sec=seconds)))
        lone_client.wait(lambda: node.get_clock().now().nanoseconds == seconds * 1e9)

    for _ in range(2):
        for seconds in (100, 150):
            tell(seconds)
            broadcaster.send(CAMERA, ODOM,
                             transform('odom', 'base_link', [seconds, 0, 0], seconds=seconds))
            lone_client.wait(lambda at=seconds: _x(transforms) == pytest.approx(10.2 + at))
            assert transforms.wait('camera', 'map', Stamp(sec=seconds))


def _x(transforms: Transforms) -> float:
    pose = transforms.find('camera', 'map')
    return math.nan if pose is None else float(pose.position[0])


def test_a_latched_cloud_and_a_transform_that_are_there_before_the_node(
        weights: Path, lone_client: Client, tmp_path: Path) -> None:
    broadcaster = Broadcaster(lone_client.node)
    broadcaster.send(transform('map', 'camera', [1, 2, 1.5], OPTICAL))
    pose = FramePose.of(transform('map', 'camera', [1, 2, 1.5], OPTICAL).transform)
    lone_client.publisher().publish(seen_from(pose, 1))
    with start_with_modules(weights, tmp_path, None, {'target_frame': 'map'}) as node:
        got = lone_client.receive('segment_node/instances', InstanceArray)
        lone_client.wait(lambda: got, node)
        assert got[0].header.frame_id == 'map' and 'dropped' not in node.text()
        assert node.stop() == 0 and 'Traceback' not in node.text()


def test_the_camera_of_a_robot_in_motion(weights: Path, lone_client: Client,
                                         tmp_path: Path) -> None:
    broadcaster, publisher = Broadcaster(lone_client.node), lone_client.publisher()
    with start_with_modules(weights, tmp_path, None, {'target_frame': 'map'}) as node:
        got: dict[str, list[Any]] = {
            topic: lone_client.receive(f'segment_node/{topic}', kind) for topic, kind in (
                ('instances', InstanceArray), ('cloud', PointCloud2))}
        lone_client.wait(lambda: broadcaster.num_listeners == 1, node)
        broadcaster.send(CAMERA, ODOM, START, END)
        lone_client.wait(lambda: lone_client.state(node) == 'active', node)

        def check(seconds: float, share: float, count: int) -> None:
            publisher.publish(seen_from(camera_in_map(share), seconds))
            lone_client.wait(lambda: all(len(one) == count for one in got.values()), node)
            assert {one[-1].header.frame_id for one in got.values()} == {'map'}
            np.testing.assert_allclose(decode_pointcloud2(got['cloud'][-1]).xyz,
                                       decode_pointcloud2(toy_map(1)).xyz, atol=1e-4)

        for number, (seconds, share) in enumerate(((10, 0), (11, 0.25), (14, 1)), 1):
            check(seconds, share, number)
        assert 'dropped' not in node.text()
        publisher.publish(seen_from(camera_in_map(1), 15))
        lone_client.wait(lambda: 'clouds in camera are dropped' in node.text(), node)
        assert 'none at the time of the cloud' in node.text()

        for transition in ('deactivate', 'cleanup', 'configure', 'activate'):
            assert lone_client.change_state(node, transition)
        lone_client.wait(
            lambda: 'are dropped' in node.text().split('waiting for clouds')[-1], node)
        broadcaster.send(START, END)
        lone_client.round_trip(node)
        check(0, 1, 4)
        assert node.stop() == 0 and 'Traceback' not in node.text()
