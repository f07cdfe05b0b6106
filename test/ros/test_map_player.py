"""map_player: files and bags, latched, with recorded timing; a real bag through the node."""

from pathlib import Path
import re
import subprocess
import sys

from mask3d_core.files import read_scan
from mask3d_ros.map_player import clouds_of_folder, delayed_clouds, LOOP_INTERVAL_SECONDS
from mask3d_ros.msg import InstanceArray
from mask3d_ros.node_subprocess import NodeSubprocess
import numpy as np
import pytest
from rclpy.serialization import serialize_message
from ros_client import Client, room, TIMEOUT_SECONDS
from sensor_msgs.msg import PointCloud2
from shared import find_shared

PLAYED = re.compile(r'\[(\d+\.\d+)\] \[map_player\]: cloud \d+: (\d+) points')


def played(player: NodeSubprocess) -> tuple[list[float], list[int]]:
    """
    Return seconds and points of every cloud that a player has published, by its log.

    A subscription may get some of them late, and those that a newer one replaces never.
    """
    times, points = zip(*PLAYED.findall(player.text()))
    return [float(time) for time in times], [int(number) for number in points]


def check_pace(times: list[float], intervals: list[float]) -> None:
    """
    Assert that clouds were published with some intervals, and not all of them late.

    The first is not counted: a cloud that is late shortens the interval after it.
    """
    assert times[-1] - times[0] > sum(intervals[1:]) - 0.01
    assert min(np.diff(times) - intervals) < 0.25, 'on the slowest machine one is in time'


@pytest.fixture
def scan_file(tmp_path: Path) -> Path:
    path = tmp_path / 'scan.npz'
    random = np.random.default_rng(0)
    np.savez(path, xyz=random.normal(size=(200, 3)), color=random.random((200, 3)))
    return path


@pytest.mark.parametrize('module', ['map_player', 'demo'])
def test_player_and_demo_start_without_torch(module: str) -> None:
    code = f"import sys; sys.modules['torch'] = None; import mask3d_ros.{module}"
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_file_is_latched_once(client: Client, scan_file: Path, tmp_path: Path) -> None:
    with NodeSubprocess('map_player', tmp_path / 'log', {'file': str(scan_file)}) as player:
        client.wait(lambda: 'stays latched' in player.text(), player)
        got = client.receive('cloud_map', PointCloud2)
        client.wait(lambda: got, player)
        assert (got[0].width, got[0].height, got[0].header.frame_id) == (200, 1, 'map')
        assert got[0].header.stamp.sec > 1_000_000_000
        assert player.stop() == 0
        client.wait(lambda: not client.node.count_publishers('cloud_map'))
        assert len(got) == 1 and player.text().count('points in frame') == 1


def test_a_file_repeats_at_a_rate(client: Client, scan_file: Path, tmp_path: Path) -> None:
    parameters = {'file': str(scan_file), 'rate': 20.0, 'loop': True, 'frame_id': 'odom'}
    with NodeSubprocess('map_player', tmp_path / 'log', parameters) as player:
        got = client.receive('cloud_map', PointCloud2)
        client.wait(lambda: len(got) >= 10, player)
        times, _ = played(player)
        check_pace(times, [0.05] * (len(times) - 1))
        assert {one.header.frame_id for one in got} == {'odom'}


@pytest.fixture
def growing_map(tmp_path: Path) -> Path:
    """Return a folder of clouds of 100, 200 and 300 points, whose names sort otherwise as text."""
    folder = tmp_path / 'maps'
    folder.mkdir()
    xyz = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    for name, count in (('map_2', 100), ('map_10', 200), ('map_11', 300)):
        np.savez(folder / f'{name}.npz', xyz=xyz[:count])
    (folder / 'notes.txt').write_text('no cloud')
    return folder


def test_clouds_of_a_folder_in_order_of_their_numbers(growing_map: Path) -> None:
    names = [file.name for file in clouds_of_folder(growing_map)]
    assert names == ['map_2.npz', 'map_10.npz', 'map_11.npz']
    assert clouds_of_folder(growing_map / 'map_2.npz') == []
    (growing_map / 'rosbag.mcap').touch()
    assert clouds_of_folder(growing_map) == [], 'a bag'


@pytest.mark.parametrize('rate', [0.0, 20.0])
def test_a_folder_is_played_as_a_growing_map(
        client: Client, growing_map: Path, tmp_path: Path, rate: float) -> None:
    got = client.receive('cloud_map', PointCloud2)
    parameters = {'file': str(growing_map), 'rate': rate, 'loop': True}
    with NodeSubprocess('map_player', tmp_path / 'log', parameters) as player:
        client.wait(lambda: len(got) >= 5, player)
        assert player.stop() == 0
    times, points = played(player)
    assert points == ([100, 200, 300] * len(points))[:len(points)]
    check_pace(times, [1 / rate if rate else LOOP_INTERVAL_SECONDS] * (len(times) - 1))


def write_bag(path: Path, seconds: list[float]) -> None:
    """Write a bag with one cloud per stamp: of 100 points, of 200, and so on."""
    from rosbags.rosbag2 import Writer
    from rosbags.typesys import get_typestore, Stores

    types = get_typestore(Stores.LATEST)
    with Writer(path, version=9) as bag:
        connection = bag.add_connection('/map', 'sensor_msgs/msg/PointCloud2', typestore=types)
        for number, second in enumerate(seconds, 1):
            message = room(points=100 * number)
            message.header.stamp.sec = int(second)
            message.header.stamp.nanosec = round(second % 1 * 1e9)
            bag.write(connection, round(second * 1e9), serialize_message(message))


@pytest.mark.parametrize(('rate', 'delays'), [
    (0.0, [LOOP_INTERVAL_SECONDS, 0.5, 1.0, 0.0] * 2), (4.0, [0.25] * 8)])
def test_delays_between_clouds(rate: float, delays: list[float]) -> None:
    recording = [(stamp, room(points=100)) for stamp in (10.0, 10.5, 11.5, 11.0)]
    played = delayed_clouds(lambda: recording, rate, loop=True)
    assert [next(played)[0] for _ in delays] == delays
    assert len(list(delayed_clouds(lambda: recording, rate, loop=False))) == 4
    assert list(delayed_clouds(lambda: [], rate, loop=True)) == []


def test_a_bag_plays_with_its_recorded_timing_in_a_loop(client: Client, tmp_path: Path) -> None:
    pytest.importorskip('rosbags')
    write_bag(tmp_path / 'bag', [10.0, 10.5, 11.5])
    got = client.receive('cloud_map', PointCloud2)
    parameters = {'file': str(tmp_path / 'bag'), 'topic': '/map', 'loop': True}
    with NodeSubprocess('map_player', tmp_path / 'log', parameters) as player:
        client.wait(lambda: PLAYED.search(player.text()) and len(played(player)[0]) >= 11, player)
        client.wait(lambda: len({message.width for message in got}) == 3, player)
    times, points = played(player)
    assert points == ([100, 200, 300] * len(points))[:len(points)]
    assert {(message.width, message.header.stamp.sec + 1e-9 * message.header.stamp.nanosec)
            for message in got} == {(100, 10.0), (200, 10.5), (300, 11.5)}
    check_pace(times, ([0.5, 1.0, LOOP_INTERVAL_SECONDS] * len(times))[:len(times) - 1])


@pytest.mark.parametrize(('parameters', 'message'), [
    ({}, 'parameter file is empty'), ({'file': '/nowhere.ply'}, '/nowhere.ply: no such file')])
def test_an_unreadable_file_ends_the_start_with_one_sentence(
        tmp_path: Path, parameters: dict[str, str], message: str) -> None:
    with NodeSubprocess('map_player', tmp_path / 'log', parameters) as player:
        assert player.wait(TIMEOUT_SECONDS) == 1
        assert message in player.text() and 'Traceback' not in player.text()


def test_a_real_bag_through_the_node(
        client: Client, node: NodeSubprocess, tmp_path: Path) -> None:
    pytest.importorskip('rosbags')
    bag = find_shared('data/bags/kinect_tabletop_ros2_mcap_zstd')
    results = client.receive('segment_node/instances', InstanceArray)
    labelled = client.receive('segment_node/cloud', PointCloud2)
    assert client.set_parameters(node, num_queries=5).successful
    with NodeSubprocess('map_player', tmp_path / 'player.log', {'file': str(bag)},
                        {'cloud_map': 'points'}) as player:
        client.wait(lambda: results and labelled, node)
        clouds = client.receive('points', PointCloud2)
        client.wait(lambda: clouds, player)
        assert player.stop() == 0
    cloud = clouds[0]
    assert (cloud.point_step, cloud.height) == (32, 480), 'the recorded message, as it was'
    assert results[0].header == cloud.header and labelled[0].header == cloud.header
    assert results[0].cloud_size == cloud.width * cloud.height
    assert (labelled[0].height, labelled[0].width) == (cloud.height, cloud.width)
    finite = set(read_scan(bag).kept.tolist())
    assert results[0].instances
    for instance in results[0].instances:
        assert set(instance.point_indices) <= finite
