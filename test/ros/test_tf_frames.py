"""Frames of tf: a region that moves with the robot."""

from collections.abc import Sequence
from pathlib import Path
import re

from mask3d_ros.msg import Instance, InstanceArray
from ros_client import Client, start_with_modules
from tf_frames import Broadcaster, TF2_FOLDER, transform
from toy_map import ROOM_POINTS, rooms, SPACING, toy_map

BAD_REGIONS: Sequence[tuple[dict, str]] = [
    ({'roi': [1.0, 2.0]}, r'roi is \[1.0, 2.0\], expected \[x, y, radius\]'),
    ({'roi': [0.0] * 6}, 'each maximum above its minimum'),
    ({'tile_size': 4.0, 'tile_margin': 5.0}, 'tile margin of 0 to 4 m'),
    ({'robot_frame': 'base_link'}, 'need the Python package tf2_ros'),
    ({'roi': [0.0, 0.0, 5.0], 'roi_frame': 'base_link'}, 'need the Python package tf2_ros'),
]


def test_impossible_bounds_are_rejected_with_a_reason(
        weights: Path, lone_client: Client, tmp_path: Path) -> None:
    """In a process that finds no tf2, even where it is installed."""
    (tmp_path / 'tf2_ros.py').write_text("raise ImportError('none in this test')")
    with start_with_modules(weights, tmp_path, tmp_path, {'robot_frame': 'base_link'}) as node:
        told = 'need the Python package tf2_ros (none in this'
        lone_client.wait(lambda: told in node.text(), node)
        assert lone_client.state(node) == 'unconfigured' and 'Traceback' not in node.text()
        assert lone_client.set_parameters(node, robot_frame='').successful
        assert lone_client.change_state(node, 'configure')
        for changes, reason in BAD_REGIONS:
            result = lone_client.set_parameters(node, **changes)
            assert not result.successful and re.search(reason, result.reason), changes
        assert node.stop() == 0


def test_the_robot_in_tf(weights: Path, lone_client: Client, tmp_path: Path) -> None:
    frames = {'robot_frame': 'base_link', 'roi_frame': 'base_link', 'max_points': ROOM_POINTS}
    with start_with_modules(weights, tmp_path, TF2_FOLDER, frames) as node:
        got = lone_client.receive('segment_node/instances', InstanceArray)
        broadcaster = Broadcaster(lone_client.node)
        publisher = lone_client.publisher()
        lone_client.wait(lambda: broadcaster.num_listeners == 1, node)
        publisher.publish(toy_map(1, stamp=1))
        lone_client.wait(lambda: len(got) == 1, node)
        assert node.text().count('no transform from base_link to map') == 1

        broadcaster.send(transform('map', 'base_link', [3 * SPACING, 0, 0], seconds=1))
        lone_client.round_trip(node)
        publisher.publish(toy_map(4, stamp=2))
        lone_client.wait(lambda: len(got) == 2, node)
        assert rooms(got[1]) == {0, 3}, 'room 0 is known, and the robot is nearest to room 3'

        broadcaster.send(transform('map', 'base_link', [SPACING, 0, 0], seconds=2))
        lone_client.round_trip(node)
        changes = {'roi': [0.0, 0.0, 6.0], 'tile_margin': 0.2, 'max_points': 0}
        assert lone_client.set_parameters(node, **changes).successful
        lone_client.wait(lambda: len(got) == 3, node)
        assert rooms(got[2], Instance.SEEN) == {1}, 'the region moves with the robot'
        assert rooms(got[2]) == {0, 1, 3}, 'what was seen before is remembered'
        assert node.stop() == 0
