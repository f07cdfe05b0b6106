"""examples/subscribe_instances.py in its own process, over Fast DDS."""

from collections.abc import Iterator
from functools import partial
from itertools import groupby
import math
from pathlib import Path
import re
import signal
import subprocess
import sys

from geometry_msgs.msg import PointStamped, Pose, PoseWithCovarianceStamped
from mask3d_ros.msg import Instance, InstanceArray
from mask3d_ros.node_process import NodeProcess
from mask3d_ros.qos import latched
import pytest
from ros_client import Client, room, SECONDS

SCRIPT = Path(__file__).resolve().parents[2] / 'examples' / 'subscribe_instances.py'


class Example:
    """The example, running; looks like a NodeProcess to the client."""

    module = SCRIPT.name

    def __init__(self, log: Path, *parameters: str) -> None:
        self.log = log
        words = [word for parameter in parameters for word in ('-p', parameter)]
        with log.open('wb') as file:
            self._process = subprocess.Popen(
                [sys.executable, str(SCRIPT), '--ros-args', *words],
                stdout=file, stderr=subprocess.STDOUT, start_new_session=True)

    @property
    def exit_status(self) -> int | None:
        """Status it ended with, None while it runs."""
        return self._process.poll()

    def text(self) -> str:
        """Return what it has logged so far."""
        return self.log.read_text(errors='replace')

    def stop(self) -> int:
        """End as Ctrl-C would; return the exit status."""
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(SECONDS)

    def kill(self) -> None:
        """End it whatever it does."""
        self._process.kill()
        self._process.wait()


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Example]:
    """Start the example with its defaults."""
    running = Example(tmp_path / 'example.log')
    yield running
    running.kill()


def instance(identity: int, name: str, x: float, score: float = 0.9) -> Instance:
    """Return an instance with its box around (x, 0, 0)."""
    pose = Pose()
    pose.position.x = x
    return Instance(id=identity, class_name=name, score=score, box_pose=pose)


def test_it_finds_the_nearest_object_of_a_segmented_cloud(
        client: Client, weights: Path, tmp_path: Path) -> None:
    found = client.receive('segment_node/instances', InstanceArray)
    nearest = client.receive('nearest_object/nearest', PointStamped)
    client.publisher().publish(room(stamp=5))
    with NodeProcess('segment_node', tmp_path / 'node.log', {'weights': str(weights)}) as node:
        client.wait(lambda: found, node)
        name = found[0].instances[0].class_name
        example = Example(tmp_path / 'example.log', f'class_name:={name}', 'min_score:=0.0')
        try:
            client.wait(lambda: nearest, example)
            assert example.stop() == 0, example.text()
        finally:
            example.kill()
    centers = [one.box_pose.position for one in found[0].instances if one.class_name == name]
    assert nearest[0].header == found[0].header
    assert nearest[0].point == min(centers, key=lambda at: math.hypot(at.x, at.y, at.z))
    assert 'Traceback' not in example.text()


def test_it_follows_the_pose_of_the_robot(client: Client, example: Example) -> None:
    nearest = client.receive('nearest_object/nearest', PointStamped)
    maps = client.node.create_publisher(InstanceArray, 'segment_node/instances', latched())
    poses = client.node.create_publisher(PoseWithCovarianceStamped, 'pose', 1)
    message = InstanceArray(instances=[
        instance(1, 'chair', 0.5, score=0.2), instance(2, 'table', 1.0),
        instance(3, 'chair', 2.0), instance(4, 'chair', 5.0)])
    message.header.frame_id = 'map'
    maps.publish(message)
    client.wait(lambda: nearest, example)
    assert nearest[0].point.x == 2.0
    pose = PoseWithCovarianceStamped()
    pose.pose.pose.position.x = 4.0

    def arrived(x: float) -> bool:
        poses.publish(pose)  # again and again: the first may come before DDS connects them
        return nearest[-1].point.x == x

    def logged() -> list[tuple[str, str]]:
        lines = re.findall(r'nearest chair: id (\d) at .* in map, (.*) m away', example.text())
        return [line for line, _ in groupby(lines)]

    for frame, x in (('map', 5.0), ('odom', 2.0)):
        pose.header.frame_id = frame
        client.wait(partial(arrived, x), example)
    client.wait(lambda: logged() == [('3', '2.00'), ('4', '1.00'), ('3', '2.00')], example)
    client.node.destroy_publisher(maps)
    client.node.destroy_publisher(poses)


def test_it_says_when_there_is_none(client: Client, example: Example) -> None:
    maps = client.node.create_publisher(InstanceArray, 'segment_node/instances', latched())
    maps.publish(InstanceArray(instances=[instance(1, 'table', 1.0)]))
    client.wait(lambda: 'no chair among 1 instances' in example.text(), example)
    client.node.destroy_publisher(maps)
