"""Start and end of segment_node: unusable weights, invalid parameters, QoS overrides, signals."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from mask3d_ros.msg import InstanceArray
from mask3d_ros.node_subprocess import NodeSubprocess
from mask3d_ros.qos import RELIABLE
import pytest
from ros_client import Client, hall, room, TIMEOUT_SECONDS
from visualization_msgs.msg import MarkerArray

FAST_DDS = Path(__file__).parents[2] / 'config' / 'fast_dds.xml'
NAMESPACE = '/start'
"""Namespace of the nodes of this file: the node that other tests share has none."""


@pytest.fixture(scope='module')
def module_client(context: None) -> Iterator[Client]:
    with Client(NAMESPACE) as client:
        yield client


@pytest.fixture
def client(module_client: Client) -> Iterator[Client]:
    """Return a client in the namespace of the nodes, without topics of earlier tests."""
    yield module_client
    module_client.forget_topics()


def start(folder: Path, **parameters: object) -> NodeSubprocess:
    """Start a segment_node; `points__reliability=…` overrides this policy of the input."""
    prefixes = {'points__': f'qos_overrides.{NAMESPACE}/points.subscription.',
                'markers__': f'qos_overrides.{NAMESPACE}/segment_node/markers.publisher.'}
    for short, prefix in prefixes.items():
        parameters = {name.replace(short, prefix): value for name, value in parameters.items()}
    return NodeSubprocess('segment_node', folder / 'node.log', parameters, {'__ns': NAMESPACE})


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / 'broken.weights'
    path.write_bytes(b'PK not a weights file')
    return path


def test_weights_that_cannot_be_used_leave_it_unconfigured(
        client: Client, weights: Path, broken: Path, tmp_path: Path) -> None:
    missing = str(tmp_path / 'missing.weights')
    with start(tmp_path, weights=missing, dbscan_eps=0.5) as node:
        client.wait(lambda: '[ERROR]' in node.text(), node)
        assert 'missing.weights' in node.text()
        assert client.state(node) == 'unconfigured'

        assert client.set_parameters(node, weights=str(broken)).successful
        assert not client.change_state(node, 'configure')
        assert 'broken.weights' in node.text() and client.state(node) == 'unconfigured'

        assert client.set_parameters(node, weights='~nobody_here/a.weights').successful
        assert not client.change_state(node, 'configure')
        assert '~nobody_here/a.weights: there is no such home folder' in node.text()

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

        # Shut down with a cloud in progress: it ends in order, and the process can be ended, too.
        client.keep_busy(node, client.publisher(), hall(stamp=2))
        assert client.change_state(node, 'shutdown') and client.state(node) == 'finalized'
        assert node.stop() == 0, node.text()


def test_fast_dds_with_more_shared_memory(weights: Path, client: Client, tmp_path: Path,
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('FASTDDS_DEFAULT_PROFILES_FILE', str(FAST_DDS))
    with start(tmp_path, weights=str(weights)) as node:
        got = client.receive('segment_node/instances', InstanceArray)
        client.wait(lambda: client.state(node) == 'active', node)
        client.publisher().publish(room())
        client.wait(lambda: got, node)
        assert 'XMLPARSER' not in node.text(), 'Fast DDS cannot read it'
        assert node.stop() == 0


def test_a_pinned_durability_and_an_interrupt_while_busy(
        client: Client, weights: Path, tmp_path: Path) -> None:
    publisher = client.publisher('latched')
    publisher.publish(room(stamp=1))
    got = client.receive('segment_node/instances', InstanceArray)
    with start(tmp_path, weights=weights, points__durability='volatile') as node:
        client.wait(lambda: publisher.get_subscription_count() > 0, node)
        client.round_trip(node)
        assert not got, 'a volatile subscription, as pinned, misses what was latched before'
        client.forget_topics()

        publisher = client.publisher('best_effort')  # the subscription so far is a reliable one
        client.wait(lambda: publisher.get_subscription_count() > 0, node)
        client.round_trip(node)
        assert 'incompatible' not in node.text(), 'the node has subscribed anew, nothing is lost'
        client.forget_topics()

        client.receive('segment_node/markers', MarkerArray)
        publisher = client.publisher('latched')
        client.wait(lambda: [info.qos_profile.reliability for info in
                             client.node.get_subscriptions_info_by_topic('points')]
                    == [RELIABLE], node)
        client.keep_busy(node, publisher, hall(stamp=2))
        assert node.stop() == 0, node.text()
        assert 'Traceback' not in node.text()
        assert f'{room().width} points' not in node.text(), 'the latched cloud was segmented'


def test_a_pinned_policy_that_matches_no_publisher_is_logged(
        client: Client, weights: Path, tmp_path: Path) -> None:
    client.publisher('best_effort')
    with start(tmp_path, weights=weights, points__reliability='reliable', precision='bfloat16',
               num_queries=5) as node:
        client.wait(lambda: 'incompatible with the reliability' in node.text(), node)
        assert '5 queries, on cpu in bfloat16' in node.text()


def test_an_invalid_policy_of_an_output_fails_configuration(
        client: Client, weights: Path, tmp_path: Path) -> None:
    with start(tmp_path, weights=weights, markers__durability='sometimes',
               autostart=False) as node:
        assert client.state(node) == 'unconfigured'
        assert '[ERROR]' not in node.text(), 'without autostart a manager configures the node'
        assert not client.change_state(node, 'configure')
        client.wait(lambda: '[ERROR]' in node.text(), node)
        assert 'qos_overrides of ~/markers' in node.text() and 'Traceback' not in node.text()
        assert client.state(node) == 'unconfigured'
        client.wait(lambda: not client.node.get_publishers_info_by_topic(
            'segment_node/instances'), node)


def test_invalid_parameters_end_the_start_with_one_sentence(tmp_path: Path) -> None:
    cases = {'score_threshold': (2.0, 'out of range'), 'min_points': ('many', 'min_points'),
             'scor_threshold': (0.5, "did you mean 'score_threshold'?"),
             'velocity': (1, "no parameter 'velocity'; docs/node.md lists them")}
    with ExitStack() as stack:
        nodes = {}
        for name, (value, _) in cases.items():
            (tmp_path / name).mkdir()
            nodes[name] = stack.enter_context(start(tmp_path / name, **{name: value}))
        for name, (_, message) in cases.items():
            node = nodes[name]
            assert node.wait(TIMEOUT_SECONDS) == 1
            assert message in node.text() and 'Traceback' not in node.text()
