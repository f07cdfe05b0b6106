"""The node runs the network by the engine it is told, and answers with the same instances."""

from pathlib import Path

from mask3d_core.engines import ENGINES
from mask3d_ros.msg import InstanceArray
from mask3d_ros.node_subprocess import NodeSubprocess
import numpy as np
import pytest
from ros_client import Client, LONE_NAMESPACE, room

missing = ENGINES['onnxruntime'].missing()
pytestmark = pytest.mark.skipif(missing is not None, reason=str(missing))


def test_engines_answer_with_the_same_instances(
        lone_client: Client, weights: Path, tmp_path: Path) -> None:
    got = lone_client.receive('segment_node/instances', InstanceArray)
    publisher = lone_client.publisher('latched')
    with NodeSubprocess('segment_node', tmp_path / 'node.log',
                        {'weights': weights, 'engine': 'onnxruntime',
                         'score_threshold': 0.0}, {'__ns': LONE_NAMESPACE}) as node:
        publisher.publish(room(stamp=1))
        lone_client.wait(lambda: got, node)
        assert 'by onnxruntime ' in node.text()
        assert lone_client.change_state(node, 'deactivate')
        assert lone_client.change_state(node, 'cleanup')

        assert not lone_client.set_parameters(node, engine='tensorflow').successful
        assert lone_client.set_parameters(node, engine='torch').successful
        assert lone_client.change_state(node, 'configure')
        assert lone_client.change_state(node, 'activate')
        publisher.publish(room(stamp=2))
        lone_client.wait(lambda: got[-1].header.stamp.sec == 2, node)
        assert 'by torch ' in node.text() and 'Traceback' not in node.text()
    one, two = got[0].instances, got[-1].instances
    assert len(one) == len(two) > 0
    for found, wanted in zip(one, two):
        assert found.class_name == wanted.class_name
        assert found.score == pytest.approx(wanted.score, abs=1e-4)
        assert np.array_equal(found.point_indices, wanted.point_indices)
