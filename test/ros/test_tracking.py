"""Ids of the node with the weights that ship, while a map grows."""

from collections.abc import Iterator

from mask3d_core.data.generated import generate_room
from mask3d_ros.msg import InstanceArray
from mask3d_ros.node_process import NodeProcess
import numpy as np
import pytest
from ros_client import Client, cloud

LIKELY = 0.3
"""Scores below are guesses, which may come and go."""


@pytest.fixture(scope='module')
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """Return a node with the weights that ship."""
    log = tmp_path_factory.mktemp('tracking') / 'segment_node.log'
    with NodeProcess('segment_node', log, {'score_threshold': LIKELY}) as process:
        yield process
        assert process.stop() == 0, process.text()


def test_what_is_found_again_keeps_its_id(node: NodeProcess, client: Client) -> None:
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

    both = _found_in_both(before, after, count)
    same = [before.instances[old].id == after.instances[new].id for old, new in both]
    assert len(same) >= 8 and sum(same) >= 0.9 * len(same)
    assert any(old != new for old, new in both), 'the test shows nothing: all ranks are the same'
    assert len(set(_ids(after))) == len(after.instances)
    assert again.instances == after.instances

    assert client.set_parameters(node, track=False).successful  # answers the last cloud again
    client.wait(lambda: len(got) == 4, node)
    assert _ids(got[3]) == list(range(1, len(after.instances) + 1)) != _ids(after)


def _ids(answer: InstanceArray) -> list[int]:
    return [instance.id for instance in answer.instances]


def _found_in_both(before: InstanceArray, after: InstanceArray, count: int,
                   ) -> list[tuple[int, int]]:
    """Return which instances of two answers have most of their first `count` rows in common."""
    masks = []
    for answer in (before, after):
        mask = np.zeros((len(answer.instances), max(before.cloud_size, after.cloud_size)), bool)
        for row, instance in zip(mask, answer.instances):
            row[np.asarray(instance.point_indices)] = True
        masks.append(mask[:, :count].astype(float))
    old, new = masks
    common = old @ new.T
    iou = common / np.maximum(old.sum(1)[:, None] + new.sum(1) - common, 1)
    return [(int(row), int(column)) for row, column in np.argwhere(iou > 0.7)]
