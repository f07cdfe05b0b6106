"""examples/subscribe_instances.py as a subprocess, over DDS."""

from collections.abc import Iterator
from functools import partial
from itertools import groupby
import math
from pathlib import Path
import re

from geometry_msgs.msg import PointStamped, Pose, PoseWithCovarianceStamped
from logged_process import LoggedProcess
from mask3d_ros.msg import Instance, InstanceArray
from mask3d_ros.node_subprocess import NodeSubprocess
from mask3d_ros.qos import latched_profile
import pytest
from ros_client import Client, room

SCRIPT = Path(__file__).resolve().parents[2] / 'examples' / 'subscribe_instances.py'
NAMESPACE = '/example'
"""Where no segment_node publishes."""


def start_example(log: Path, *arguments: str) -> LoggedProcess:
    """Start the example with some ROS arguments."""
    return LoggedProcess(SCRIPT.name, log, [str(SCRIPT), '--ros-args', *arguments])


@pytest.fixture
def example(tmp_path: Path) -> Iterator[LoggedProcess]:
    """Start the example with its default parameters."""
    running = start_example(tmp_path / 'example.log', '-r', f'__ns:={NAMESPACE}')
    yield running
    running.kill()


@pytest.fixture
def other_client(context: None) -> Iterator[Client]:
    """Return a client in the namespace of the example."""
    with Client(NAMESPACE) as client:
        yield client


def instance(identity: int, name: str, x: float, score: float = 0.9) -> Instance:
    """Return an instance with its box around (x, 0, 0)."""
    pose = Pose()
    pose.position.x = x
    return Instance(id=identity, class_name=name, score=score, box_pose=pose)


def test_it_finds_the_nearest_object_of_a_segmented_cloud(
        node: NodeSubprocess, client: Client, tmp_path: Path) -> None:
    found = client.receive('segment_node/instances', InstanceArray)
    nearest = client.receive('nearest_object/nearest', PointStamped)
    client.publisher().publish(room(stamp=5))
    client.wait(lambda: found, node)
    name = found[0].instances[0].class_name
    example = start_example(tmp_path / 'example.log',
                      '-p', f'class_name:={name}', '-p', 'min_score:=0.0')
    try:
        client.wait(lambda: nearest, example)
        assert example.stop() == 0, example.text()
    finally:
        example.kill()
    centers = [one.box_pose.position for one in found[0].instances if one.class_name == name]
    assert nearest[0].header == found[0].header
    assert nearest[0].point == min(centers, key=lambda at: math.hypot(at.x, at.y, at.z))
    assert 'Traceback' not in example.text()


def test_it_follows_the_pose_of_the_robot(other_client: Client, example: LoggedProcess) -> None:
    create = other_client.node.create_publisher
    nearest = other_client.receive('nearest_object/nearest', PointStamped)
    poses = create(PoseWithCovarianceStamped, 'pose', 1)
    message = InstanceArray(instances=[
        instance(1, 'chair', 0.5, score=0.2), instance(2, 'table', 1.0),
        instance(3, 'chair', 2.0), instance(4, 'chair', 5.0)])
    message.header.frame_id = 'map'
    create(InstanceArray, 'segment_node/instances', latched_profile()).publish(message)
    other_client.wait(lambda: nearest, example)
    assert nearest[0].point.x == 2.0
    pose = PoseWithCovarianceStamped()
    pose.pose.pose.position.x = 4.0

    def arrived(x: float) -> bool:
        poses.publish(pose)  # repeatedly: the first may be sent before DDS connects both
        return nearest[-1].point.x == x

    def logged() -> list[tuple[str, str]]:
        lines = re.findall(r'nearest chair: id (\d) at .* in map, (.*) m away', example.text())
        return [line for line, _ in groupby(lines)]

    for frame, x in (('map', 5.0), ('odom', 2.0)):
        pose.header.frame_id = frame
        other_client.wait(partial(arrived, x), example)
    other_client.wait(lambda: logged() == [('3', '2.00'), ('4', '1.00'), ('3', '2.00')], example)


def test_it_says_when_there_is_none(other_client: Client, example: LoggedProcess) -> None:
    maps = other_client.node.create_publisher(
        InstanceArray, 'segment_node/instances', latched_profile())
    maps.publish(InstanceArray(instances=[instance(1, 'table', 1.0)]))
    other_client.wait(lambda: 'no chair among 1 instances' in example.text(), example)
