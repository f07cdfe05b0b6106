"""The launch file and the node it starts; skipped without launch_ros."""

from collections.abc import Iterator
import importlib.util
import os
from pathlib import Path
import re
import signal
from typing import Any

from lifecycle_msgs.srv import GetState
from logged_process import LoggedProcess
import pytest
from rcl_interfaces.srv import GetParameters
from ros_client import Client, room, TIMEOUT_SECONDS

pytest.importorskip('launch_ros', reason='launch_ros is on no package index; it comes with ROS 2')

from launch import LaunchContext  # noqa: E402
from launch.utilities import perform_substitutions  # noqa: E402

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


@pytest.mark.parametrize('argument', ['autostart:=false', 'params_file:=ours.yaml'])
def test_without_autostart_the_node_is_unconfigured(
        client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argument: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path('ours.yaml').write_text('/**:\n  ros__parameters:\n    autostart: false\n')
    running = launch(tmp_path / 'log.txt', argument, 'namespace:=manual')
    try:
        state = client.call(running, GetState, '/manual/segment_node/get_state',
                            GetState.Request())
        assert state.current_state.label == 'unconfigured'
    finally:
        running.stop()


def test_an_invalid_argument_is_rejected(tmp_path: Path) -> None:
    running = launch(tmp_path / 'log.txt', 'respawn:=perhaps')
    assert running._process.wait(TIMEOUT_SECONDS) == 1
    assert 'respawn' in running.text() and "['true', 'false']" in running.text()


@pytest.mark.parametrize(('argument', 'expected'), [
    ('params_file:=none.yaml', 'params_file none.yaml does not exist'),
    ('num_queries:=many', "num_queries is 'many', expected a number"),
    ('autostart:=perhaps', "autostart is 'perhaps', expected true or false"),
    ('use_sim_time:=yes', "use_sim_time is 'yes', expected true or false")])
def test_an_argument_that_cannot_be_used_is_one_sentence(
        argument: str, expected: str, tmp_path: Path) -> None:
    running = launch(tmp_path / 'log.txt', argument)
    assert running._process.wait(TIMEOUT_SECONDS) == 1
    assert expected in running.text() and 'Traceback' not in running.text()


def test_an_unknown_parameter_in_the_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / 'ours.yaml').write_text('/**:\n  ros__parameters:\n    scor_threshold: 0.5\n')
    running = launch(tmp_path / 'log.txt', f'params_file:={tmp_path / "ours.yaml"}')
    assert running._process.wait(TIMEOUT_SECONDS) is not None
    assert "has no parameter 'scor_threshold': did you mean 'score_threshold'?" in running.text()
    assert 'Traceback' not in running.text()


def test_arguments_of_the_node_and_its_clock(client: Client, tmp_path: Path) -> None:
    running = launch(tmp_path / 'log.txt', 'autostart:=false', 'namespace:=argued',
                     'num_queries:=7', 'score_threshold:=0', 'use_sim_time:=true')
    try:
        request = GetParameters.Request(names=['num_queries', 'score_threshold', 'use_sim_time'])
        values = client.call(running, GetParameters, '/argued/segment_node/get_parameters',
                             request).values
        assert values[0].integer_value == 7 and values[1].double_value == 0.0
        assert values[2].bool_value
    finally:
        running.stop()


def test_a_killed_node_starts_again(client: Client, tmp_path: Path) -> None:
    running = launch(tmp_path / 'log.txt', 'autostart:=false', 'namespace:=again',
                     'respawn:=true')

    def pids() -> list[str]:
        return re.findall(r'process started with pid \[(\d+)\]', running.text())

    try:
        client.call(running, GetState, '/again/segment_node/get_state', GetState.Request())
        os.kill(int(pids()[0]), signal.SIGKILL)
        client.wait(lambda: len(pids()) == 2, running)
        client.call(running, GetState, '/again/segment_node/get_state', GetState.Request())
    finally:
        running.stop()


def start_nodes(**given: str) -> tuple[LaunchContext, list[Any]]:
    """Return what the launch file starts with some arguments, and the context."""
    spec = importlib.util.spec_from_file_location('segment_launch', LAUNCH)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    context = LaunchContext()
    for argument in module.declare_arguments():
        argument.visit(context)
    context.launch_configurations.update(given)
    return context, module.start_nodes(context)


@pytest.mark.parametrize(('distribution', 'variable'), [
    ('humble', 'FASTRTPS_DEFAULT_PROFILES_FILE'), ('kilted', 'FASTDDS_DEFAULT_PROFILES_FILE')])
def test_fast_dds_gets_its_profile(monkeypatch: pytest.MonkeyPatch, distribution: str,
                                   variable: str) -> None:
    monkeypatch.setenv('ROS_DISTRO', distribution)
    context, [node] = start_nodes(fast_dds='true')
    [(name, value)] = [[perform_substitutions(context, part) for part in pair]
                       for pair in node.additional_env]
    assert name == variable and value.endswith('config/fast_dds.xml') and Path(value).is_file()
    assert not start_nodes()[1][0].additional_env


def test_rviz_gets_the_frame_the_topics_and_the_clock() -> None:
    context, [rviz, node] = start_nodes(rviz='true', fixed_frame='odom', cloud='/map',
                                        name='finder', use_sim_time='true')
    words = [perform_substitutions(context, word) for word in rviz.cmd[1:5]
             if not isinstance(word, str)]
    assert words[0] == '-d' and words[1].endswith('config/segment.rviz')
    assert words[2:] == ['-f', 'odom']
    assert node.node_executable == 'segment_node' and rviz.node_executable == 'rviz2'
