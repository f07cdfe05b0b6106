"""Diagnostics: levels, values, and a real node that publishes them."""

from dataclasses import replace
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticStatus
from mask3d_ros.diagnostics import facts, Limits, NodeState, summary
from mask3d_ros.msg import InstanceArray
from mask3d_ros.node_subprocess import NodeSubprocess
from mask3d_ros.statistics import Counts, Latency, ResultFacts, Snapshot
from node_diagnostics import NodeDiagnostics
import numpy as np
import pytest
from rclpy import subscription
from ros_client import Client, cloud, room
from std_msgs.msg import Float64
from std_srvs.srv import SetBool

OFF = Limits(0.0, 0.0)
TELLS_PUBLISHERS_APART = 'publisher_gid' in getattr(
    getattr(subscription, 'MessageInfo', None), '__annotations__', ())
OK, WARN, ERROR, STALE = (DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR,
                          DiagnosticStatus.STALE)
DONE = Snapshot(Counts(3, 2, 0, 1, 4),
                {'unet': Latency(0.5, 0.4, 0.6), 'total': Latency(2.0, 1.0, 3.0)},
                ResultFacts(1000, 90, 7, 'map', 100.0), 20.0)
ACTIVE = NodeState('active', expects_results=True, active_seconds=60.0, statistics=DONE)


@pytest.mark.parametrize(('state', 'limits', 'level', 'message'), [
    (NodeState('unconfigured'), OFF, OK, 'unconfigured'),
    (NodeState('unconfigured', 'no such file'), OFF, ERROR, 'unconfigured: no such file'),
    (NodeState('inactive', statistics=DONE), Limits(1.0, 1.0), OK, 'inactive'),
    (replace(ACTIVE, statistics=Snapshot()), OFF, OK, 'waiting for clouds'),
    (ACTIVE, OFF, OK, '7 instances in 2000 ms'),
    (ACTIVE, Limits(2.5, 30.0), OK, '7 instances in 2000 ms'),
    (ACTIVE, Limits(1.5, 0.0), WARN, 'took 2.00 s, warn_latency is 1.5 s'),
    (ACTIVE, Limits(1.5, 15.0), STALE, 'no result for 20 s, stale_after is 15 s'),
    (replace(ACTIVE, active_seconds=5.0), Limits(0.0, 15.0), OK, '7 instances'),
    (replace(ACTIVE, statistics=Snapshot()), Limits(0.0, 15.0), STALE, 'no result for 60 s'),
    (replace(ACTIVE, expects_results=False), Limits(0.0, 15.0), OK, '7 instances'),
    (replace(ACTIVE, statistics=replace(DONE, error='no x', error_is_newest=True)), OFF, WARN,
     'the last cloud was not segmented: no x')])
def test_level_and_message(state: NodeState, limits: Limits, level: bytes, message: str) -> None:
    found = summary(state, limits)
    assert found[0] == level and message in found[1]


def test_values() -> None:
    values = facts(replace(ACTIVE, model={'engine': 'torch'}), now=103.5)
    expected = {'state': 'active', 'engine': 'torch', 'frame': 'map', 'map age (s)': '3.500',
                'seconds since result': '20.000', 'points': '1000', 'voxels': '90',
                'instances': '7', 'received': '3', 'processed': '2', 'failed': '0',
                'dropped': '1', 'lost': '4', 'unet last (ms)': '500.0', 'unet mean (ms)': '400.0',
                'unet p95 (ms)': '600.0', 'total p95 (ms)': '3000.0', 'last error': ''}
    assert expected.items() <= values.items()
    assert 10 < int(values['host memory (MB)']) < 100_000


def test_the_node_reports_model_result_and_errors(
        node: NodeSubprocess, client: Client, weights: Path) -> None:
    watch = NodeDiagnostics(client)
    values = watch.wait(node, lambda status, values: values['state'] == 'active')
    assert values['weights'] == str(weights) and values['model'] == 'Res16UNet14A'
    assert (values['device'], values['engine']) == ('cpu', 'torch')
    client.receive('segment_node/instances', InstanceArray)
    publisher = client.publisher()
    publisher.publish(room())
    values = watch.wait(node, lambda status, values: values['processed'] == '1')
    assert values['points'] == '4000' and 0 < int(values['voxels']) < 4000
    assert watch.status is not None and watch.status.level == OK
    assert float(values['unet last (ms)']) < float(values['total last (ms)'])
    publisher.publish(cloud(np.zeros((0, 3)), None))
    values = watch.wait(node, lambda status, values: values['failed'] == '1')
    assert watch.status.level == WARN and values['last error'] in watch.status.message
    assert client.set_parameters(node, stale_after=0.5).successful
    publisher.publish(room(stamp=2))
    values = watch.wait(node, lambda status, values: status.level == STALE)
    assert values['received'] == '3' and values['processed'] == '2'
    assert client.call(node, SetBool, 'segment_node/enable', SetBool.Request(data=False)).success
    watch.wait(node, lambda status, values: status.level == OK)


def test_a_failed_transition_is_an_error(
        node: NodeSubprocess, client: Client, weights: Path) -> None:
    watch = NodeDiagnostics(client)
    for transition in ('deactivate', 'cleanup'):
        assert client.change_state(node, transition)
    assert client.set_parameters(node, weights='none.weights').successful
    assert not client.change_state(node, 'configure')
    watch.wait(node, lambda status, values: status.level == ERROR)
    assert watch.status is not None and 'none.weights' in watch.status.message


def test_every_cloud_of_a_flood_is_counted(node: NodeSubprocess, client: Client) -> None:
    watch = NodeDiagnostics(client)
    client.receive('segment_node/instances', InstanceArray)
    publisher = client.publisher('reliable')
    client.wait(publisher.get_subscription_count, node)
    publisher.publish(room(points=1000))
    watch.wait_until_received(node, 1)  # those before the first one are not counted
    for number in range(1, 60):
        publisher.publish(room(stamp=number + 1, points=40_000))
        client.spin(0.02)
        if number % 4 == 3:  # no more than the queue of the subscription holds
            client.round_trip(node)

    def is_complete(status: DiagnosticStatus, values: dict[str, str]) -> bool:
        counts = [int(values[name]) for name in ('processed', 'failed', 'dropped')]
        return sum(counts) == int(values['received']) == 60 - int(values['lost'])

    values = watch.wait(node, is_complete)
    assert int(values['dropped']) > 0, 'the clouds came faster than one is segmented'


@pytest.mark.skipif(not TELLS_PUBLISHERS_APART, reason='needs rclpy of Kilted or later')
def test_clouds_replaced_in_queues_are_lost(node: NodeSubprocess, client: Client) -> None:
    watch = NodeDiagnostics(client)
    client.receive('segment_node/instances', InstanceArray)
    publisher = client.publisher('reliable')
    client.wait(publisher.get_subscription_count, node)
    publisher.publish(room())
    watch.wait_until_received(node, 1)
    message = room(points=40_000)
    for _ in range(199):
        publisher.publish(message)  # faster than any subscription reads
    values = watch.wait(node, lambda status, values: 200 == sum(
        int(values[name]) for name in ('processed', 'failed', 'dropped', 'lost')))
    assert int(values['lost']) > 0 and int(values['received']) + int(values['lost']) == 200


def test_stages_on_topics_of_their_own(node: NodeSubprocess, client: Client) -> None:
    topic = '/segment_node/debug/unet_ms'
    client.receive('segment_node/instances', InstanceArray)
    assert client.node.count_publishers(topic) == 0
    times: list[Float64] = []
    client.node.create_subscription(Float64, topic, times.append, 10)
    assert client.set_parameters(node, debug_topics=True).successful
    publisher = client.publisher()
    publisher.publish(room())  # makes the topics
    client.wait(lambda: client.node.count_publishers(topic), node)
    publisher.publish(room(stamp=2, points=5000))
    client.wait(lambda: times, node)
    assert times[0].data > 0
    assert client.set_parameters(node, debug_topics=False).successful
    client.wait(lambda: not client.node.count_publishers(topic), node)
