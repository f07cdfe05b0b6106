"""The node in its own process, over Fast DDS: what arrives, and what it survives."""

from collections.abc import Callable, Iterator
import math
from pathlib import Path
import re
import time

from lifecycle_msgs.msg import Transition
from mask3d_core.device import BYTES_PER_MASK, free_memory
from mask3d_core.voxels import MAX_VOXEL_GROWTH
from mask3d_ros.clouds import LABELLED
from mask3d_ros.msg import InstanceArray
from mask3d_ros.node_process import NodeProcess
import numpy as np
import pytest
from ros_client import Client, cloud, hall, room
from sensor_msgs.msg import PointCloud2
import torch
from visualization_msgs.msg import Marker, MarkerArray

OUTPUTS = {'instances': InstanceArray, 'markers': MarkerArray, 'cloud': PointCloud2}


@pytest.fixture(scope='module')
def node(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """Return one running node for the tests of this file."""
    log = tmp_path_factory.mktemp('node') / 'segment_node.log'
    with NodeProcess('segment_node', log, {'weights': str(weights)}) as process:
        yield process
        assert process.stop() == 0, process.text()


@pytest.fixture(autouse=True)
def _as_new(node: NodeProcess, client: Client) -> None:
    """Give every test an active node that has forgotten the clouds before, with its defaults."""
    client.wait(lambda: 'waiting for clouds' in node.text(), node)
    if client.state(node) == 'active':
        assert client.change_state(node, 'deactivate')
    assert client.change_state(node, 'cleanup')
    defaults = {'score_threshold': 0.0, 'top_k': 100, 'classes': [''], 'max_rate': 0.0,
                'num_queries': 0, 'max_voxels': -1}
    assert client.set_parameters(node, **defaults).successful
    assert client.change_state(node, 'configure')
    assert client.change_state(node, 'activate')


def stamps(messages: list) -> list[int]:
    return [message.header.stamp.sec for message in messages]


def answered(node: NodeProcess) -> int:
    """Return how many clouds the node has computed."""
    return len(re.findall(r'instances in \d+ ms', node.text()))


def test_a_cloud_is_answered_on_all_outputs(node: NodeProcess, client: Client) -> None:
    got = {name: client.receive(f'segment_node/{name}', kind) for name, kind in OUTPUTS.items()}
    sent = room(stamp=5)
    client.publisher().publish(sent)
    client.wait(lambda: all(got.values()), node)
    found, markers, labelled = (got[name][0] for name in OUTPUTS)

    assert found.header == sent.header and labelled.header == sent.header
    assert found.cloud_size == sent.width and labelled.width == sent.width
    assert len(found.instances) > 0
    assert [instance.id for instance in found.instances] == list(
        range(1, len(found.instances) + 1))
    scores = [instance.score for instance in found.instances]
    assert scores == sorted(scores, reverse=True) and 0 <= min(scores) <= max(scores) <= 1
    assert found.stage_names[0] == 'read' and min(found.stage_seconds) >= 0
    assert len(found.stage_names) == len(found.stage_seconds) > 3
    for instance in found.instances:
        rows = np.asarray(instance.point_indices)
        assert len(rows) == instance.num_points > 0
        assert (np.diff(rows.astype(np.int64)) > 0).all() and rows[-1] < sent.width

    rows = np.frombuffer(labelled.data, LABELLED)
    by_id = {instance.id: instance for instance in found.instances}
    for identity in np.unique(rows['instance']):
        members = np.flatnonzero(rows['instance'] == identity)
        if identity:
            assert set(members) <= set(by_id[identity].point_indices)
            assert (rows['label'][members] == by_id[identity].class_id).all()
            np.testing.assert_allclose(rows['score'][members], by_id[identity].score)
        else:
            covered = [np.asarray(instance.point_indices) for instance in found.instances]
            assert not set(members) & set(np.concatenate(covered))

    assert markers.markers[0].action == Marker.DELETEALL
    assert len(markers.markers) == 1 + 2 * len(found.instances)


def test_the_same_cloud_gets_the_same_answer(node: NodeProcess, client: Client) -> None:
    got = client.receive('segment_node/instances', InstanceArray)
    publisher = client.publisher()
    for stamp in (1, 2):
        publisher.publish(room(stamp))
        client.wait(lambda stamp=stamp: stamp in stamps(got), node)
    one, other = got
    assert one.instances == other.instances


def test_late_subscribers_get_the_latest_answer(node: NodeProcess, client: Client) -> None:
    early = client.receive('segment_node/instances', InstanceArray)
    client.publisher().publish(room(stamp=8))
    client.wait(lambda: early, node)
    computed = answered(node)
    late = {name: client.receive(f'segment_node/{name}', kind) for name, kind in OUTPUTS.items()}
    client.wait(lambda: all(late.values()), node)
    assert late['instances'][0] == early[0]
    assert stamps(late['cloud']) == [8] and late['markers'][0].markers[0].header.stamp.sec == 8
    assert answered(node) == computed, 'a late subscriber must not cost a computation'


def test_nothing_is_computed_that_nobody_listens_to(node: NodeProcess, client: Client) -> None:
    computed = answered(node)
    publisher = client.publisher()
    client.wait(lambda: publisher.get_subscription_count() > 0, node)
    for stamp in (1, 2):
        publisher.publish(room(stamp))
    client.spin(1.0)
    assert answered(node) == computed
    got = client.receive('segment_node/instances', InstanceArray)
    client.wait(lambda: got, node)
    assert stamps(got) == [2], 'the newest cloud waits for the first listener'
    assert answered(node) == computed + 1


@pytest.mark.parametrize('first', ['latched', 'reliable', 'best_effort'])
def test_auto_takes_what_is_offered(node: NodeProcess, client: Client, first: str) -> None:
    got = client.receive('segment_node/instances', InstanceArray)
    publisher = client.publisher(first)
    client.wait(lambda: publisher.get_subscription_count() > 0, node)
    publisher.publish(room(stamp=1))
    client.wait(lambda: got, node)
    other = client.publisher('reliable' if first == 'latched' else 'latched')
    client.wait(lambda: other.get_subscription_count() > 0, node)
    other.publish(room(stamp=2))
    client.wait(lambda: 2 in stamps(got), node)
    client.wait(lambda: publisher.get_subscription_count() > 0, node)
    publisher.publish(room(stamp=3))
    client.wait(lambda: 3 in stamps(got), node)
    assert stamps(got) == [1, 2, 3], 'a cloud received by two subscriptions is answered once'


def test_a_cloud_published_again_is_answered_again(node: NodeProcess, client: Client) -> None:
    got = client.receive('segment_node/instances', InstanceArray)
    publishers = client.publisher('latched'), client.publisher('reliable')
    for count in (1, 2):
        client.wait(lambda: all(p.get_subscription_count() > 0 for p in publishers), node)
        publishers[0].publish(room(stamp=1))
        client.wait(lambda count=count: len(got) >= count, node)
        client.spin(0.5)
        assert stamps(got) == [1] * count, 'it comes by two subscriptions, and is one cloud'


def test_a_cloud_latched_before_the_node_came_is_taken(node: NodeProcess, client: Client) -> None:
    assert client.change_state(node, 'deactivate')
    client.publisher('latched').publish(room(stamp=4))
    volatile = client.publisher('best_effort')
    volatile.publish(room(stamp=3))
    client.spin(0.3)
    got = client.receive('segment_node/instances', InstanceArray)
    assert client.change_state(node, 'activate')
    client.wait(lambda: got, node)
    assert stamps(got) == [4]


def test_the_newest_cloud_wins(node: NodeProcess, client: Client) -> None:
    got = client.receive('segment_node/instances', InstanceArray)
    publisher, before = client.publisher('reliable'), len(node.text())
    client.wait(lambda: publisher.get_subscription_count() > 0, node)
    for stamp in range(1, 31):
        publisher.publish(room(stamp, points=40_000))
        client.spin(0.02)
    client.wait(lambda: stamps(got)[-1:] == [30], node)
    assert stamps(got) == sorted(stamps(got)) and len(got) < 30
    assert re.search(r'\d+ older clouds were dropped', node.text()[before:])


def without_field(name: str) -> PointCloud2:
    message = room()
    message.fields = [field for field in message.fields if field.name != name]
    return message


def cut_short() -> PointCloud2:
    message = room()
    message.data = message.data[:-100]
    return message


def at(xyz: np.ndarray) -> PointCloud2:
    return cloud(xyz, np.full((len(xyz), 3), 100, np.uint8))


def far_point() -> np.ndarray:
    xyz = np.random.default_rng(0).uniform(0, 3, (1000, 3))
    xyz[17] = 1e30
    return xyz


BAD_CLOUDS: dict[str, tuple[Callable[[], PointCloud2], str]] = {
    'no z': (lambda: without_field('z'), 'x, y and z, got: x, y'),
    'no colour': (lambda: without_field('rgb'), 'colour'),
    'empty': (lambda: at(np.zeros((0, 3))), 'empty'),
    'all NaN': (lambda: at(np.full((500, 3), np.nan)), '0 finite points of 500'),
    'handful': (lambda: at(np.eye(3)), '3 finite points'),
    'cut short': (cut_short, 'announces 64000 bytes, got 63900'),
    'point at 1e30': (lambda: at(far_point()), '1e\\+30'),
    'one voxel': (lambda: at(np.full((500, 3), 0.01)), 'voxel'),
}


@pytest.mark.parametrize('case', BAD_CLOUDS)
def test_bad_clouds_get_one_error_and_the_node_lives_on(
        node: NodeProcess, client: Client, case: str) -> None:
    make, words = BAD_CLOUDS[case]
    got = client.receive('segment_node/instances', InstanceArray)
    publisher = client.publisher()
    before = len(node.text())
    for stamp in (1, 2):
        bad = make()
        bad.header.stamp.sec = stamp
        publisher.publish(bad)
        client.wait(lambda: '[ERROR]' in node.text()[before:], node)
        client.spin(0.2)
    publisher.publish(room(stamp=3))
    client.wait(lambda: got, node)
    log = node.text()[before:]
    errors = [line for line in log.splitlines() if '[ERROR]' in line]
    assert len(errors) == 1 and re.search(words, errors[0]), log
    assert 'Traceback' not in log
    assert stamps(got) == [3]


def test_too_many_voxels_for_the_memory(node: NodeProcess, client: Client) -> None:
    queries = 10_000
    free = free_memory(torch.device('cpu'))
    if free is None:
        pytest.skip('this machine does not say how much memory is free')
    side = math.ceil((1.5 * free / (BYTES_PER_MASK * queries)) ** (1 / 3))
    grid = np.stack(np.meshgrid(*[np.arange(side) / 10] * 3), axis=-1).reshape(-1, 3)
    got = client.receive('segment_node/instances', InstanceArray)
    assert client.set_parameters(node, num_queries=queries).successful
    publisher = client.publisher()
    publisher.publish(at(grid))
    client.wait(lambda: 'too many voxels' in node.text(), node)
    assert client.set_parameters(node, num_queries=1).successful
    client.wait(lambda: got, node)
    assert stamps(got) == [1], 'fewer queries answer the cloud that was too large'
    publisher.publish(room(stamp=2))
    client.wait(lambda: len(got) > 1, node)
    assert stamps(got) == [1, 2]


def test_parameters_explain_themselves(node: NodeProcess, client: Client) -> None:
    threshold, weights = client.describe(node, ['score_threshold', 'weights'])
    assert 'below this score' in threshold.description
    assert threshold.floating_point_range[0].to_value == 1.0
    assert 'read at configure' in weights.additional_constraints


@pytest.mark.parametrize(('changes', 'reason'), [
    ({'score_threshold': 1.5}, 'out of range'),
    ({'classes': ['chair', 'unicorn']}, "unknown class 'unicorn'; there are: cabinet"),
    ({'device': 'cpu'}, 'device is read at configure: deactivate and clean up'),
    ({'autostart': False}, 'read-only'),
    ({'dbscan_eps': float('nan')}, 'dbscan_eps|out of range'),
    ({'top_k': 0}, 'top_k'),
])
def test_changes_are_refused_with_a_reason(
        node: NodeProcess, client: Client, changes: dict, reason: str) -> None:
    result = client.set_parameters(node, **changes)
    assert not result.successful and re.search(reason, result.reason), result.reason


def test_changes_come_together_or_not_at_all(node: NodeProcess, client: Client) -> None:
    got = client.receive('segment_node/instances', InstanceArray)
    client.publisher().publish(room(stamp=1))
    client.wait(lambda: got, node)
    assert not client.set_parameters(node, score_threshold=1.0, classes=['unicorn']).successful
    client.spin(0.5)
    assert len(got) == 1 and got[0].instances
    assert client.set_parameters(node, score_threshold=1.0, max_rate=0.0).successful
    client.wait(lambda: len(got) > 1, node)
    assert stamps(got) == [1, 1] and not got[1].instances, 'the last cloud is answered again'


def test_changes_while_busy_are_for_the_newest_cloud(node: NodeProcess, client: Client) -> None:
    got = client.receive('segment_node/instances', InstanceArray)
    publisher = client.publisher()
    publisher.publish(room(stamp=1))
    client.wait(lambda: got, node)
    client.keep_busy(node, publisher, hall(stamp=2))
    assert client.set_parameters(node, score_threshold=1.0).successful
    client.wait(lambda: len(got) > 2, node)
    assert stamps(got) == [1, 2, 2] and not got[2].instances


def test_max_rate_leaves_time_for_others(node: NodeProcess, client: Client) -> None:
    got = client.receive('segment_node/instances', InstanceArray)
    publisher = client.publisher()
    assert client.set_parameters(node, max_rate=1.0).successful
    start = time.monotonic()
    for stamp in range(1, 11):
        publisher.publish(room(stamp))
        client.spin(0.1)
    client.wait(lambda: 10 in stamps(got), node)
    assert len(got) <= 1 + (time.monotonic() - start) / 1.0


def test_a_change_of_max_rate_takes_effect_at_once(node: NodeProcess, client: Client) -> None:
    got = client.receive('segment_node/instances', InstanceArray)
    publisher = client.publisher()
    assert client.set_parameters(node, max_rate=1e-10).successful
    publisher.publish(room(stamp=1))
    client.wait(lambda: got, node)
    publisher.publish(room(stamp=2))
    client.spin(0.5)
    assert stamps(got) == [1]
    assert client.set_parameters(node, max_rate=0.0).successful
    client.wait(lambda: 2 in stamps(got), node)


def test_kept_classes_only(node: NodeProcess, client: Client) -> None:
    got = client.receive('segment_node/instances', InstanceArray)
    client.publisher().publish(room(stamp=1))
    client.wait(lambda: got, node)
    keep = got[0].instances[-1].class_name
    assert client.set_parameters(node, classes=[keep]).successful
    client.wait(lambda: len(got) > 1, node)
    assert {instance.class_name for instance in got[1].instances} == {keep}


def test_a_dense_cloud_is_seen_with_larger_voxels(node: NodeProcess, client: Client) -> None:
    def sizes() -> list[float]:
        return [float(size) for size in re.findall(r'points in voxels of (\S+) cm', node.text())]

    got, before = client.receive('segment_node/instances', InstanceArray), len(sizes())
    client.publisher().publish(room(stamp=1))
    client.wait(lambda: got, node)
    assert client.set_parameters(node, max_voxels=10).successful
    client.wait(lambda: len(got) > 1 and len(sizes()) == before + 2, node)
    assert sizes()[-1] == pytest.approx(MAX_VOXEL_GROWTH * sizes()[-2])


def test_deactivate_while_busy_answers_nobody(node: NodeProcess, client: Client) -> None:
    got = client.receive('segment_node/instances', InstanceArray)
    publisher = client.publisher('reliable')
    client.wait(lambda: publisher.get_subscription_count() > 0, node)
    client.keep_busy(node, publisher, hall(stamp=1))
    computed = answered(node)
    assert client.change_state(node, 'deactivate')
    assert answered(node) == computed, 'it did not wait for the cloud in work'
    assert client.change_state(node, 'activate')
    client.wait(lambda: publisher.get_subscription_count() > 0, node)
    publisher.publish(room(stamp=2))
    client.wait(lambda: got, node)
    assert stamps(got) == [2]


def test_transitions_in_any_order_while_busy(node: NodeProcess, client: Client) -> None:
    got = client.receive('segment_node/instances', InstanceArray)
    publisher = client.publisher()
    client.keep_busy(node, publisher, hall(stamp=1))
    assert client.change_state(node, 'deactivate')
    assert client.change_state(node, 'cleanup')
    assert client.state(node) == 'unconfigured'
    for impossible in ('activate', Transition.TRANSITION_ACTIVATE):
        assert not client.change_state(node, impossible), 'only configured nodes can be activated'
    assert client.change_state(node, 'configure')
    assert client.change_state(node, 'cleanup')
    assert client.change_state(node, 'configure')
    assert client.change_state(node, 'activate')
    client.wait(lambda: got, node)
    assert stamps(got) == [1], 'the latched cloud comes again'
