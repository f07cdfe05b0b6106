"""The launch file and the node it starts; skipped without launch_ros."""

from collections.abc import Iterator
from pathlib import Path

from lifecycle_msgs.srv import GetState
from logged_process import LoggedProcess
import pytest
from rcl_interfaces.srv import GetParameters
from ros_client import Client, room, TIMEOUT_SECONDS

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


def launch(log: Path, *arguments: str) -> LoggedProcess:
    """Run the launch file with some launch arguments."""
    return LoggedProcess(LAUNCH.name, log, ['-c', PROGRAM, str(LAUNCH), *arguments])


@pytest.fixture
def launched(tmp_path: Path, weights: Path) -> Iterator[LoggedProcess]:
    """Start the node with another name and input topic, in a namespace."""
    (tmp_path / 'ours.yaml').write_text('/**:\n  ros__parameters:\n    dbscan_eps: 0.5\n')
    running = launch(tmp_path / 'log.txt', 'cloud:=/mapping/cloud_map', f'weights:={weights}',
                     'device:=cpu', 'name:=finder', 'namespace:=robot',
                     f'params_file:={tmp_path / "ours.yaml"}')
    yield running
    if running.exit_status is None:
        running.stop()


def test_the_node_segments_the_remapped_cloud(client: Client, launched: LoggedProcess,
                                              weights: Path) -> None:
    from mask3d_ros.msg import InstanceArray

    results = client.receive('/robot/finder/instances', InstanceArray)
    client.publisher(topic='/mapping/cloud_map').publish(room(stamp=7))
    client.wait(lambda: results, launched)
    assert results[0].header.stamp.sec == 7
    state = client.call(launched, GetState, '/robot/finder/get_state', GetState.Request())
    assert state.current_state.label == 'active'
    request = GetParameters.Request(names=['weights', 'device', 'dbscan_eps'])
    values = client.call(launched, GetParameters, '/robot/finder/get_parameters', request).values
    assert [values[0].string_value, values[1].string_value] == [str(weights), 'cpu']
    assert values[2].double_value == 0.5  # as params_file says
    assert launched.stop() == 0, launched.text()
    assert 'finder' in launched.text() and 'Traceback' not in launched.text()


def test_without_autostart_the_node_is_unconfigured(client: Client, tmp_path: Path) -> None:
    running = launch(tmp_path / 'log.txt', 'autostart:=false', 'namespace:=manual')
    try:
        state = client.call(running, GetState, '/manual/segment_node/get_state',
                            GetState.Request())
        assert state.current_state.label == 'unconfigured'
    finally:
        running.stop()


def test_an_invalid_argument_is_rejected(tmp_path: Path) -> None:
    running = launch(tmp_path / 'log.txt', 'autostart:=perhaps')
    assert running._process.wait(TIMEOUT_SECONDS) == 1
    assert 'autostart' in running.text() and "['true', 'false']" in running.text()
