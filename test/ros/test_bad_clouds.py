"""segment_node gets clouds that cannot be segmented: one error each, and it goes on."""

from collections.abc import Callable
import math
import re

from mask3d_core.device import BYTES_PER_MASK, free_memory
from mask3d_ros.msg import InstanceArray
from mask3d_ros.node_subprocess import NodeSubprocess
from node_diagnostics import NodeDiagnostics
import numpy as np
import pytest
from ros_client import Client, cloud, room, stamps
from sensor_msgs.msg import PointCloud2
import torch


def without_field(name: str) -> PointCloud2:
    message = room()
    message.fields = [field for field in message.fields if field.name != name]
    return message


def cut_short() -> PointCloud2:
    message = room()
    message.data = message.data[:-100]
    return message


def largest_sizes() -> PointCloud2:
    message = room()
    message.width = message.height = message.point_step = message.row_step = 2**32 - 1
    return message


def short_rows() -> PointCloud2:
    message = room()
    message.height, message.width, message.row_step = 2, message.width // 2, 100
    return message


def at(xyz: np.ndarray) -> PointCloud2:
    gray = np.arange(len(xyz))[:, None] % 200 + 50
    return cloud(xyz, np.tile(gray, (1, 3)))


def far_points() -> np.ndarray:
    xyz = np.random.default_rng(0).uniform(0, 3, (1000, 3))
    xyz[:600] *= 1e30
    return xyz


BAD_CLOUDS: dict[str, tuple[Callable[[], PointCloud2], str]] = {
    'no z': (lambda: without_field('z'), 'x, y and z, got: x, y'),
    'no colour': (lambda: without_field('rgb'), 'colour'),
    'empty': (lambda: at(np.zeros((0, 3))), 'empty'),
    'all NaN': (lambda: at(np.full((500, 3), np.nan)), '0 finite points of 500'),
    'handful': (lambda: at(np.eye(3)), '3 finite points'),
    'cut short': (cut_short, 'announces 64000 bytes, got 63900'),
    'largest sizes': (largest_sizes, 'row_step is 4294967295 bytes, but a row of 4294967295'),
    'short rows': (short_rows, 'row_step is 100 bytes, but a row of 2000 points of 16 bytes'),
    'points at 1e30': (lambda: at(far_points()), 'beyond 1e\\+08 m'),
    'one voxel': (lambda: at(np.full((500, 3), 0.01)), 'voxel'),
}


@pytest.mark.parametrize('case', BAD_CLOUDS)
def test_a_bad_cloud_is_one_error_and_the_node_goes_on(
        node: NodeSubprocess, client: Client, case: str) -> None:
    make, words = BAD_CLOUDS[case]
    got = client.receive('segment_node/instances', InstanceArray)
    publisher, diagnostics = client.publisher(), NodeDiagnostics(client)
    before = len(node.text())
    for stamp in (1, 2):  # the second before the error of the first may be logged again
        bad = make()
        bad.header.stamp.sec = stamp
        publisher.publish(bad)
        client.wait(lambda: '[ERROR]' in node.text()[before:], node)
    diagnostics.wait(node, lambda status, values: values['failed'] == '2')
    publisher.publish(room(stamp=3))
    client.wait(lambda: got, node)
    log = node.text()[before:]
    errors = [line for line in log.splitlines() if '[ERROR]' in line]
    assert len(errors) == 1 and re.search(words, errors[0]), log
    assert 'Traceback' not in log
    assert stamps(got) == [3]


def test_a_stamp_that_no_message_can_tell_is_one_error(
        node: NodeSubprocess, client: Client) -> None:
    got = client.receive('segment_node/instances', InstanceArray)
    late = room(stamp=2**31 - 1)
    late.header.stamp.nanosec = 2**32 - 1
    publisher = client.publisher()
    before = len(node.text())
    publisher.publish(late)
    client.wait(lambda: '[ERROR]' in node.text()[before:], node)
    assert 'the stamp of the cloud has 2147483647 s and 4294967295 ns' in node.text()[before:]
    publisher.publish(room(stamp=2**31 - 1))
    client.wait(lambda: got, node)
    assert got[0].instances[0].last_seen.sec == 2**31 - 1
    assert 'Traceback' not in node.text()[before:]


def test_too_many_voxels_for_the_memory(node: NodeSubprocess, client: Client) -> None:
    queries = 10_000
    free = free_memory(torch.device('cpu'))
    if free is None:
        pytest.skip('the platform does not report how much memory is free')
    # other processes may free or take half of the memory meanwhile
    side = math.ceil((3 * free / (BYTES_PER_MASK * queries)) ** (1 / 2))
    # one voxel per point, all in a plane: voxels with few neighbors are segmented fastest
    plane = np.stack(np.meshgrid(*[np.arange(side) / 20] * 2, [0.0]), axis=-1).reshape(-1, 3)
    got = client.receive('segment_node/instances', InstanceArray)
    whole = client.set_parameters(node, num_queries=queries, tile_size=0.0)  # the map uncut
    assert whole.successful
    publisher = client.publisher()
    publisher.publish(at(plane))
    client.wait(lambda: 'too many voxels' in node.text(), node)
    assert client.set_parameters(node, num_queries=1).successful
    client.wait(lambda: got, node)
    assert stamps(got) == [1], 'with fewer queries the cloud that was too large is segmented'
    publisher.publish(room(stamp=2))
    client.wait(lambda: len(got) > 1, node)
    assert stamps(got) == [1, 2]
