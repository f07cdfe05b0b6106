"""Starting and ending the node: weights it cannot use, parameters it cannot take, signals."""

from collections.abc import Iterator
from pathlib import Path

from mask3d_ros.msg import InstanceArray
from mask3d_ros.node_process import NodeProcess
import pytest
from ros_client import Client, hall, room
from visualization_msgs.msg import MarkerArray


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / 'broken.weights'
    path.write_bytes(b'PK not a weights file')
    return path


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    """Return a node that was started with weights that do not exist."""
    parameters = {'weights': str(tmp_path / 'missing.weights'), 'dbscan_eps': 0.5}
    with NodeProcess('segment_node', tmp_path / 'node.log', parameters) as process:
        yield process


def test_weights_that_cannot_be_used_leave_it_unconfigured(
        node: NodeProcess, client: Client, weights: Path, broken: Path) -> None:
    client.wait(lambda: '[ERROR]' in node.text(), node)
    assert 'missing.weights' in node.text()
    assert client.state(node) == 'unconfigured'

    assert client.set_parameters(node, weights=str(broken)).successful
    assert not client.change_state(node, 'configure')
    assert 'broken.weights' in node.text() and client.state(node) == 'unconfigured'

    assert client.set_parameters(node, weights=str(weights), classes=['unicorn']).successful
    assert not client.change_state(node, 'configure')
    assert "unknown class 'unicorn'" in node.text()
    assert 'Traceback' not in node.text()

    assert client.set_parameters(node, classes=['']).successful
    assert client.change_state(node, 'configure') and client.state(node) == 'inactive'
    assert client.change_state(node, 'activate')
    got = client.receive('segment_node/instances', InstanceArray)
    client.publisher().publish(room(stamp=1))
    client.wait(lambda: got, node)

    # Shut down while a cloud is in work: it ends in order, and the process can be ended, too.
    client.keep_busy(node, client.publisher(), hall(stamp=2))
    assert client.change_state(node, 'shutdown') and client.state(node) == 'finalized'
    assert node.stop() == 0, node.text()


def test_interrupted_while_busy_it_ends_in_order(
        client: Client, weights: Path, tmp_path: Path) -> None:
    pinned = 'qos_overrides./points.subscription.durability'
    parameters = {'weights': str(weights), pinned: 'volatile'}
    with NodeProcess('segment_node', tmp_path / 'node.log', parameters) as node:
        got = client.receive('segment_node/instances', InstanceArray)
        publisher = client.publisher('latched')
        publisher.publish(room(stamp=1))
        client.wait(lambda: publisher.get_subscription_count() > 0, node)
        client.spin(0.5)
        assert not got, 'a volatile subscription, as pinned, misses what was latched before'
        client.receive('segment_node/markers', MarkerArray)
        client.keep_busy(node, publisher, hall(stamp=2))
        assert node.stop() == 0, node.text()
        assert 'Traceback' not in node.text()


def test_a_pinned_policy_that_matches_no_publisher_is_told(
        client: Client, weights: Path, tmp_path: Path) -> None:
    pinned = 'qos_overrides./points.subscription.reliability'
    parameters = {'weights': str(weights), pinned: 'reliable'}
    client.publisher('best_effort')
    with NodeProcess('segment_node', tmp_path / 'node.log', parameters) as node:
        client.wait(lambda: 'incompatible with the reliability' in node.text(), node)


def test_a_publisher_that_will_be_followed_is_no_mismatch(
        client: Client, weights: Path, tmp_path: Path) -> None:
    pinned = 'qos_overrides./points.subscription.durability'
    parameters = {'weights': str(weights), pinned: 'volatile'}
    with NodeProcess('segment_node', tmp_path / 'node.log', parameters) as node:
        client.wait(lambda: 'waiting for clouds' in node.text(), node)
        publisher = client.publisher('best_effort')  # the first subscription is a reliable one
        client.wait(lambda: publisher.get_subscription_count() > 0, node)
        client.spin(0.5)
        assert 'incompatible' not in node.text(), node.text()


def test_an_output_cannot_have_a_policy_that_is_none(
        client: Client, weights: Path, tmp_path: Path) -> None:
    pinned = 'qos_overrides./segment_node/markers.publisher.durability'
    parameters = {'weights': str(weights), pinned: 'sometimes'}
    with NodeProcess('segment_node', tmp_path / 'node.log', parameters) as node:
        client.wait(lambda: '[ERROR]' in node.text(), node)
        assert 'qos_overrides of ~/markers' in node.text() and 'Traceback' not in node.text()
        assert client.state(node) == 'unconfigured'
        client.spin(0.5)
        assert not client.node.get_publishers_info_by_topic('segment_node/instances')


def test_a_manager_starts_it_and_parameters_say_how(
        client: Client, weights: Path, tmp_path: Path) -> None:
    parameters = {'weights': str(weights), 'autostart': False, 'input_qos': 'reliable',
                  'precision': 'bfloat16', 'num_queries': 5}
    with NodeProcess('segment_node', tmp_path / 'node.log', parameters) as node:
        assert client.state(node) == 'unconfigured'
        got = client.receive('segment_node/instances', InstanceArray)
        publisher = client.publisher('latched')
        publisher.publish(room(stamp=1))  # missed: reliable is volatile, which auto would not be
        assert client.change_state(node, 'configure') and client.change_state(node, 'activate')
        client.wait(lambda: publisher.get_subscription_count() > 0, node)
        publisher.publish(room(stamp=2))
        client.wait(lambda: got, node)
        assert got[0].header.stamp.sec == 2
        assert '5 queries, on cpu in bfloat16' in node.text()


@pytest.mark.parametrize(('name', 'value', 'words'), [
    ('score_threshold', 2.0, 'out of range'), ('min_points', 'many', 'min_points')])
def test_a_parameter_out_of_place_is_one_sentence(
        tmp_path: Path, name: str, value: object, words: str) -> None:
    with NodeProcess('segment_node', tmp_path / 'node.log', {name: value}) as node:
        assert node.wait(60) == 1
        assert words in node.text() and 'Traceback' not in node.text()
