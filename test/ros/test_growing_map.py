"""segment_node over a map that grows: tiles, ids, the region of interest, tf."""

from collections.abc import Sequence
import os
from pathlib import Path
import re

from geometry_msgs.msg import TransformStamped
from mask3d_core.data.generated import generate_room
from mask3d_ros.msg import InstanceArray
from mask3d_ros.node_subprocess import NodeSubprocess
import numpy as np
from ros_client import Client, cloud, hall
from toy_map import ROOM_POINTS, SPACING, toy_map

FAKE_TF2 = Path(__file__).resolve().parents[1] / 'support' / 'fake_tf2'
RESULT = re.compile(r'instances in \d+ ms, (\d+) of (\d+) tiles segmented')


def segmented(node: NodeSubprocess, before: int) -> list[tuple[int, int]]:
    """Return the numbers of segmented tiles, and of all, of each result in the log since then."""
    return [(int(some), int(total)) for some, total in RESULT.findall(node.text()[before:])]


def rooms(message: InstanceArray) -> set[int]:
    """Return the rooms that have instances."""
    return {int(instance.centroid.x // SPACING) for instance in message.instances}


def test_ids_stay_while_a_map_grows_room_by_room(node: NodeSubprocess, client: Client) -> None:
    client.reset(node, weights='')  # those that ship
    parts = [generate_room(3, number) for number in (0, 1)]
    xyz = np.concatenate([parts[0]['xyz'], parts[1]['xyz'] + np.float32([20, 0, 0])])
    color = np.concatenate([part['color'] for part in parts]).astype(np.float32)
    first = len(parts[0]['xyz'])
    random = np.random.default_rng(0)
    noisy = (xyz + random.normal(0, 0.002, xyz.shape)).astype(np.float32)
    order = random.permutation(len(xyz))
    got, before = client.receive('segment_node/instances', InstanceArray), len(node.text())
    publisher = client.publisher()
    maps = [(xyz[:first], color[:first]), (xyz, color), (xyz, color), (noisy[order], color[order])]
    for stamp, (points, colors) in enumerate(maps, start=1):
        publisher.publish(cloud(points, colors, stamp))
        client.wait(lambda stamp=stamp: len(got) == stamp, node)
    assert segmented(node, before) == [(1, 1), (1, 2), (0, 2), (0, 2)]
    one, grown, again, other = got
    assert len(one.instances) > 5
    in_first = [instance for instance in grown.instances if instance.centroid.x < 15]
    assert in_first == one.instances, 'ids, masks and scores of the first room'
    assert again.instances == grown.instances and again.header.stamp.sec == 3
    assert _ids(other) == _ids(grown), 'order and noise of the points change no id'


def test_partial_results_of_one_map(node: NodeSubprocess, client: Client) -> None:
    assert client.set_parameters(node, partial_results=True).successful
    got, before = client.receive('segment_node/instances', InstanceArray), len(node.text())
    client.publisher().publish(toy_map(3, stamp=7))
    client.wait(lambda: got and rooms(got[-1]) == {0, 1, 2}, node)
    assert segmented(node, before) == [(1, 3), (2, 3), (3, 3)]
    assert {message.header.stamp.sec for message in got} == {7}
    assert all(set(_ids(message)) <= set(_ids(got[-1])) for message in got)


def test_roi_and_max_points(node: NodeSubprocess, client: Client) -> None:
    assert client.set_parameters(node, roi=[SPACING, 0.0, 5.0]).successful
    got, before = client.receive('segment_node/instances', InstanceArray), len(node.text())
    publisher = client.publisher()
    publisher.publish(toy_map(3, stamp=1))
    client.wait(lambda: got, node)
    assert rooms(got[0]) == {1} and segmented(node, before) == [(1, 3)]
    told = f'roi and max_points leave out {2 * ROOM_POINTS} points in 2 of 3 tiles'
    client.wait(lambda: told in node.text()[before:], node)
    whole = {'roi': [0.0, 0.0, 0.0], 'max_points': ROOM_POINTS}
    assert client.set_parameters(node, **whole).successful
    client.wait(lambda: len(got) == 2, node)
    publisher.publish(toy_map(3, stamp=2))
    client.wait(lambda: len(got) == 3, node)
    assert [len(rooms(message)) for message in got] == [1, 2, 3]
    assert segmented(node, before) == [(1, 3)] * 3


def test_a_newer_map_is_taken_up_between_tiles(node: NodeSubprocess, client: Client) -> None:
    got, before = client.receive('segment_node/instances', InstanceArray), len(node.text())
    publisher = client.publisher()
    client.keep_busy(node, publisher, hall(stamp=1))
    publisher.publish(toy_map(2, stamp=2))
    client.wait(lambda: got, node)
    assert [message.header.stamp.sec for message in got] == [2]
    assert re.search(r'taken up after [123] of 4 tiles', node.text()[before:])
    assert '1 older clouds were dropped' in node.text()[before:]


def test_cleanup_takes_effect_between_tiles(node: NodeSubprocess, client: Client) -> None:
    client.receive('segment_node/instances', InstanceArray)
    before = len(node.text())
    client.keep_busy(node, client.publisher('reliable'), hall(stamp=1))
    assert client.change_state(node, 'deactivate') and client.change_state(node, 'cleanup')
    assert segmented(node, before) == [], 'only the tile in progress was finished'


BAD_REGIONS: Sequence[tuple[dict, str]] = [
    ({'roi': [1.0, 2.0]}, r'roi is \[1.0, 2.0\], expected \[x, y, radius\]'),
    ({'roi': [0.0] * 6}, 'each maximum above its minimum'),
    ({'tile_size': 4.0, 'tile_margin': 5.0}, 'tile margin of 0 to 4 m'),
    ({'robot_frame': 'base_link'}, 'need the Python package tf2_ros'),
    ({'roi': [0.0, 0.0, 5.0], 'roi_frame': 'base_link'}, 'need the Python package tf2_ros'),
]


def test_impossible_bounds_are_rejected_with_a_reason(
        weights: Path, client: Client, tmp_path: Path) -> None:
    """In a process that finds no tf2, even where it is installed."""
    (tmp_path / 'tf2_ros.py').write_text("raise ImportError('none in this test')")
    with _node(weights, tmp_path, tmp_path, {'robot_frame': 'base_link'}) as node:
        client.wait(lambda: 'need the Python package tf2_ros (none in this' in node.text(), node)
        assert client.state(node) == 'unconfigured' and 'Traceback' not in node.text()
        assert client.set_parameters(node, robot_frame='').successful
        assert client.change_state(node, 'configure')
        for changes, reason in BAD_REGIONS:
            result = client.set_parameters(node, **changes)
            assert not result.successful and re.search(reason, result.reason), changes
        assert node.stop() == 0


def test_the_robot_in_tf(weights: Path, client: Client, tmp_path: Path) -> None:
    frames = {'robot_frame': 'base_link', 'roi_frame': 'base_link', 'max_points': ROOM_POINTS}
    with _node(weights, tmp_path, FAKE_TF2, frames) as node:
        got = client.receive('segment_node/instances', InstanceArray)
        poses = client.node.create_publisher(TransformStamped, 'fake_tf', 10)
        publisher = client.publisher()
        client.wait(lambda: poses.get_subscription_count() == 1, node)
        publisher.publish(toy_map(1, stamp=1))
        client.wait(lambda: len(got) == 1, node)
        assert node.text().count('no transform from base_link to map') == 1

        poses.publish(_robot_at(3))
        client.round_trip(node)
        publisher.publish(toy_map(4, stamp=2))
        client.wait(lambda: len(got) == 2, node)
        assert rooms(got[1]) == {0, 3}, 'room 0 is known, and the robot is nearest to room 3'

        poses.publish(_robot_at(1))
        client.round_trip(node)
        changes = {'roi': [0.0, 0.0, 6.0], 'tile_margin': 0.2, 'max_points': 0}
        assert client.set_parameters(node, **changes).successful
        client.wait(lambda: len(got) == 3, node)
        assert rooms(got[2]) == {1}, 'the region moves with the robot'
        client.node.destroy_publisher(poses)
        assert node.stop() == 0


def _node(weights: Path, folder: Path, path: Path, parameters: dict) -> NodeSubprocess:
    """Start a segment_node that finds the modules of a folder first."""
    search = os.pathsep.join([str(path), *filter(None, [os.environ.get('PYTHONPATH')])])
    return NodeSubprocess('segment_node', folder / 'log',
                          {'weights': str(weights), 'score_threshold': 0.0, **parameters},
                          environment={'PYTHONPATH': search})


def _robot_at(room: int) -> TransformStamped:
    message = TransformStamped(child_frame_id='base_link')
    message.header.frame_id = 'map'
    message.transform.translation.x = room * SPACING
    return message


def _ids(message: InstanceArray) -> list[int]:
    return [instance.id for instance in message.instances]
