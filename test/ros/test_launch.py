"""The launch file: the node it starts, where launch_ros is at hand."""

from collections.abc import Iterator
from pathlib import Path
import signal
import subprocess
import sys

from lifecycle_msgs.srv import GetState
import pytest
from rcl_interfaces.srv import GetParameters
from ros_client import Client, room, SECONDS

pytest.importorskip('launch_ros', reason='launch_ros is on no package index; it comes with ROS 2')

LAUNCH = Path(__file__).resolve().parents[2] / 'launch' / 'segment.launch.py'
PROGRAM = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
service = LaunchService()
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(
    sys.argv[1], launch_arguments=[word.split(':=') for word in sys.argv[2:]])]))
sys.exit(service.run())
"""
"""What `ros2 launch` does, without ros2cli."""


class Launched:
    """The launch file, running; looks like a NodeProcess to the client."""

    module = 'segment.launch.py'

    def __init__(self, log: Path, *arguments: str) -> None:
        self.log = log
        with log.open('wb') as file:
            self._process = subprocess.Popen(
                [sys.executable, '-c', PROGRAM, str(LAUNCH), *arguments],
                stdout=file, stderr=subprocess.STDOUT, start_new_session=True)

    @property
    def exit_status(self) -> int | None:
        """Status launch ended with, None while it runs."""
        return self._process.poll()

    def text(self) -> str:
        """Return what launch and its node have logged so far."""
        return self.log.read_text(errors='replace')

    def stop(self) -> int:
        """End as Ctrl-C would; return the exit status."""
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(SECONDS)


@pytest.fixture
def launched(tmp_path: Path, weights: Path) -> Iterator[Launched]:
    """Start the node as another one, in a namespace, on another topic."""
    (tmp_path / 'ours.yaml').write_text('/**:\n  ros__parameters:\n    dbscan_eps: 0.5\n')
    running = Launched(tmp_path / 'log.txt', 'cloud:=/mapping/cloud_map', f'weights:={weights}',
                       'device:=cpu', 'name:=finder', 'namespace:=robot',
                       f'params_file:={tmp_path / "ours.yaml"}')
    yield running
    if running.exit_status is None:
        running.stop()


def test_the_node_answers_the_cloud_it_was_pointed_to(client: Client, launched: Launched,
                                                      weights: Path) -> None:
    from mask3d_ros.msg import InstanceArray

    answers = client.receive('/robot/finder/instances', InstanceArray)
    client.publisher(topic='/mapping/cloud_map').publish(room(stamp=7))
    client.wait(lambda: answers, launched)
    assert answers[0].header.stamp.sec == 7
    state = client.call(launched, GetState, '/robot/finder/get_state', GetState.Request())
    assert state.current_state.label == 'active'
    request = GetParameters.Request(names=['weights', 'device', 'dbscan_eps'])
    values = client.call(launched, GetParameters, '/robot/finder/get_parameters', request).values
    assert [values[0].string_value, values[1].string_value] == [str(weights), 'cpu']
    assert values[2].double_value == 0.5  # as params_file says
    assert launched.stop() == 0, launched.text()
    assert 'finder' in launched.text() and 'Traceback' not in launched.text()


def test_autostart_can_be_left_to_a_manager(client: Client, tmp_path: Path) -> None:
    running = Launched(tmp_path / 'log.txt', 'autostart:=false')
    try:
        state = client.call(running, GetState, '/segment_node/get_state', GetState.Request())
        assert state.current_state.label == 'unconfigured'
    finally:
        running.stop()


def test_a_wrong_argument_is_refused(tmp_path: Path) -> None:
    running = Launched(tmp_path / 'log.txt', 'autostart:=perhaps')
    assert running._process.wait(SECONDS) == 1
    assert 'autostart' in running.text() and "['true', 'false']" in running.text()
