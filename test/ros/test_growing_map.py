"""segment_node over a map that grows: tiles, ids, the region of interest, tf."""

import re

from mask3d_core.data.generated import generate_room
from mask3d_ros.msg import InstanceArray
from mask3d_ros.node_subprocess import NodeSubprocess
import numpy as np
from ros_client import Client, cloud, hall, without_history
from toy_map import ROOM_POINTS, rooms, SPACING, toy_map

RESULT = re.compile(r'instances in \d+ ms, (\d+) of (\d+) tiles segmented')


def segmented(node: NodeSubprocess, before: int) -> list[tuple[int, int]]:
    """Return the numbers of segmented tiles, and of all, of each result in the log since then."""
    return [(int(some), int(total)) for some, total in RESULT.findall(node.text()[before:])]


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
    assert (without_history(in_first) == without_history(one.instances)
            ), 'ids, masks and scores of the first room'
    assert without_history(again.instances) == without_history(grown.instances)
    assert again.header.stamp.sec == 3
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
    got = client.receive('segment_node/instances', InstanceArray)
    publisher = client.publisher()
    publisher.publish(toy_map(1, stamp=1))  # its result tells what earlier tests dropped
    client.wait(lambda: got, node)
    before = len(node.text())
    client.keep_busy(node, publisher, hall(stamp=2, size=40))
    publisher.publish(toy_map(2, stamp=3))
    client.wait(lambda: len(got) == 2, node)
    assert [message.header.stamp.sec for message in got] == [1, 3]
    assert re.search(r'taken up after \d+ of 25 tiles', node.text()[before:])
    assert '1 older clouds were dropped' in node.text()[before:]


def test_cleanup_takes_effect_between_tiles(node: NodeSubprocess, client: Client) -> None:
    client.receive('segment_node/instances', InstanceArray)
    before = len(node.text())
    client.keep_busy(node, client.publisher(), hall(stamp=1, size=40))
    assert client.change_state(node, 'deactivate') and client.change_state(node, 'cleanup')
    assert segmented(node, before) == [], 'only the tile in progress was finished'


def _ids(message: InstanceArray) -> list[int]:
    return [instance.id for instance in message.instances]
