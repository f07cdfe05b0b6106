"""Ids of instances while a map grows, with the weights that ship."""

from mask3d_core.data.generated import generate_room
from mask3d_ros.msg import InstanceArray
from mask3d_ros.node_subprocess import NodeSubprocess
import numpy as np
from ros_client import Client, cloud, without_history

MIN_SCORE = 0.3
"""Instances of lower score may appear and disappear from cloud to cloud."""


def test_an_object_detected_again_keeps_its_id(node: NodeSubprocess, client: Client) -> None:
    client.reset(node, weights='')  # those that ship
    assert client.set_parameters(node, score_threshold=MIN_SCORE).successful
    columns = generate_room(3, 0)
    xyz, color = columns['xyz'], columns['color'].astype(np.float32)
    # a map of two thirds of a room, and of all of it: the rows of the first are the first
    order = np.argsort(xyz[:, 0] > np.quantile(xyz[:, 0], 2 / 3), kind='stable')
    count = 2 * len(xyz) // 3
    got = client.receive('segment_node/instances', InstanceArray)
    publisher = client.publisher()
    for stamp, rows in ((1, order[:count]), (2, order), (3, order)):
        publisher.publish(cloud(xyz[rows], color[rows], stamp))
        client.wait(lambda stamp=stamp: len(got) == stamp, node)
    before, after, again = got

    both = _matches(before, after, count)
    same = [before.instances[old].id == after.instances[new].id for old, new in both]
    assert len(same) >= 8 and sum(same) >= 0.9 * len(same)
    assert any(old != new for old, new in both), 'the test shows nothing: all ranks are the same'
    assert len(set(_ids(after))) == len(after.instances)
    assert without_history(again.instances) == without_history(after.instances)

    assert client.set_parameters(node, track=False).successful  # segments the last cloud again
    client.wait(lambda: len(got) == 4, node)
    assert _ids(got[3]) == list(range(1, len(got[3].instances) + 1)) != _ids(after)


def _ids(message: InstanceArray) -> list[int]:
    return [instance.id for instance in message.instances]


def _matches(before: InstanceArray, after: InstanceArray, count: int) -> list[tuple[int, int]]:
    """Return the pairs of instances whose IoU over the first `count` points is above 0.7."""
    masks = []
    for message in (before, after):
        mask = np.zeros((len(message.instances), max(before.cloud_size, after.cloud_size)), bool)
        for row, instance in zip(mask, message.instances):
            row[np.asarray(instance.point_indices)] = True
        masks.append(mask[:, :count].astype(float))
    old, new = masks
    common = old @ new.T
    iou = common / np.maximum(old.sum(1)[:, None] + new.sum(1) - common, 1)
    return [(int(row), int(column)) for row, column in np.argwhere(iou > 0.7)]
