"""The services of segment_node over DDS: segment, enable, reset and save, in every state."""

import json
from pathlib import Path
from types import SimpleNamespace

from mask3d_core.files import read_scan
from mask3d_core.files.ply import read_vertices
from mask3d_ros.msg import InstanceArray
from mask3d_ros.node_subprocess import NodeSubprocess
from mask3d_ros.segmentation_worker import NO_CLOUD
from mask3d_ros.services import Services
from node_diagnostics import NodeDiagnostics
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from ros_client import Client, hall, room, TIMEOUT_SECONDS
from std_srvs.srv import SetBool, Trigger


def trigger(client: Client, node: NodeSubprocess, name: str) -> Trigger.Response:
    return client.call(node, Trigger, f'segment_node/{name}', Trigger.Request())


def enable(client: Client, node: NodeSubprocess, on: bool) -> SetBool.Response:
    return client.call(node, SetBool, 'segment_node/enable', SetBool.Request(data=on))


def segment(client: Client, node: NodeSubprocess) -> Trigger.Response:
    """Segment on demand, once a cloud that was published has arrived."""
    answers: list[Trigger.Response] = []

    def has_arrived() -> bool:
        answers.append(trigger(client, node, 'segment'))
        return answers[-1].message != NO_CLOUD

    client.wait(has_arrived, node)
    return answers[-1]


def test_segment_answers_after_the_result_without_subscribers(
        client: Client, node: NodeSubprocess) -> None:
    refused = trigger(client, node, 'segment')
    assert not refused.success and refused.message == NO_CLOUD
    assert client.set_parameters(node, max_rate=0.001).successful
    client.publisher().publish(room(stamp=1))
    for _ in range(2):
        answer = segment(client, node)
        assert answer.success and 'instances in' in answer.message
        assert answer.message.startswith("the cloud of 1.000000000 in 'map': 4000 points")
    got = client.receive('segment_node/instances', InstanceArray)
    client.wait(lambda: got, node)
    assert got[-1].header.stamp.sec == 1


def test_segment_tells_what_is_wrong_with_the_cloud(client: Client, node: NodeSubprocess) -> None:
    publisher = client.publisher()
    publisher.publish(room(stamp=1))
    assert segment(client, node).success
    empty = room(stamp=2)
    empty.width, empty.row_step, empty.data = 0, 0, b''
    publisher.publish(empty)
    answers: list[Trigger.Response] = []

    def fails() -> bool:
        answers.append(trigger(client, node, 'segment'))
        return not answers[-1].success

    client.wait(fails, node)
    for answer in answers[:-1]:  # before it arrived
        assert answer.message.startswith("the cloud of 1.000000000 in 'map': ")
    name, _, error = answers[-1].message.partition(': ')
    assert name == "the cloud of 2.000000000 in 'map'"
    assert error.startswith('cloud is empty') and error in node.text()
    assert not trigger(client, node, 'segment').success, 'not the result of the cloud before'


def test_disabled_the_node_segments_on_demand_only(client: Client, node: NodeSubprocess) -> None:
    got = client.receive('segment_node/instances', InstanceArray)
    diagnostics = NodeDiagnostics(client)
    assert enable(client, node, False).success
    publisher = client.publisher()
    publisher.publish(room(stamp=1))
    assert segment(client, node).success
    client.wait(lambda: got, node)
    publisher.publish(room(stamp=2, points=3000))
    diagnostics.wait_until_received(node, 2)
    assert [message.header.stamp.sec for message in got] == [1]
    assert enable(client, node, True).success
    client.wait(lambda: len(got) == 2, node)
    assert got[1].header.stamp.sec == 2


def test_disabling_stops_the_cloud_in_progress_and_enabling_continues(
        client: Client, node: NodeSubprocess) -> None:
    got = client.receive('segment_node/instances', InstanceArray)
    client.keep_busy(node, client.publisher(), hall(stamp=3))
    assert enable(client, node, False).success
    assert enable(client, node, True).success
    client.wait(lambda: got, node)
    assert got[0].header.stamp.sec == 3


def test_reset_forgets_ids_and_the_result(client: Client, node: NodeSubprocess,
                                          tmp_path: Path) -> None:
    got = client.receive('segment_node/instances', InstanceArray)
    client.publisher().publish(room(stamp=1))
    client.wait(lambda: got, node)
    answer, before = trigger(client, node, 'reset'), len(node.text())
    assert answer.success and 'forgotten' in answer.message
    assert trigger(client, node, 'save').message == 'there is no result yet'
    assert trigger(client, node, 'segment').success, 'the last cloud is still there'
    client.wait(lambda: len(got) == 2, node)
    assert '1 of 1 tiles segmented' in node.text()[before:]
    assert [one.id for one in got[1].instances] == list(range(1, len(got[1].instances) + 1))


def test_save_writes_the_result_with_its_ids(client: Client, node: NodeSubprocess,
                                             tmp_path: Path) -> None:
    folder = tmp_path / 'new' / 'results'
    assert client.set_parameters(node, save_dir=str(folder)).successful
    got = client.receive('segment_node/instances', InstanceArray)
    client.publisher().publish(room(stamp=7))
    client.wait(lambda: got, node)
    answer = trigger(client, node, 'save')
    names = [folder / f'7_000000000{suffix}' for suffix in ('.ply', '.json', '.png')]
    assert answer.success and answer.message == ' '.join(map(str, names))
    ids = [one.id for one in got[0].instances]
    rows = json.loads(names[1].read_text())['instances']
    assert [row['id'] for row in rows] == ids
    assert len(read_scan(names[0])) == room().width
    instance = read_vertices(names[0])['instance']
    assert set(instance.tolist()) <= {0, *ids} and instance.any()
    assert names[2].read_bytes()[1:4] == b'PNG'

    (tmp_path / 'file').touch()
    assert client.set_parameters(node, save_dir=str(tmp_path / 'file')).successful
    answer = trigger(client, node, 'save')
    assert not answer.success and 'is a file or inside one' in answer.message
    assert f'wrote {names[0]} ' in node.text()
    refused = client.set_parameters(node, save_dir='')
    assert not refused.successful and refused.reason.startswith('save_dir is empty, expected a')
    refused = client.set_parameters(node, save_dir='~nobody_here/maps')
    assert not refused.successful and 'no such home folder' in refused.reason


def test_save_below_an_unknown_home_is_refused_in_one_sentence(client: Client) -> None:
    """As where the home of `~` is not known: an exception would end the executor of the node."""
    server = rclpy.create_node('saver')
    server.declare_parameter('save_dir', '~nobody_here/maps')
    Services(server, lambda: SimpleNamespace(result=object()))  # type: ignore[arg-type,return-value]
    executor = SingleThreadedExecutor()
    executor.add_node(server)
    executor.add_node(client.node)
    service = client.node.create_client(Trigger, '/saver/save')
    assert service.wait_for_service(TIMEOUT_SECONDS)
    answer = service.call_async(Trigger.Request())
    executor.spin_until_future_complete(answer, TIMEOUT_SECONDS)
    executor.remove_node(client.node)
    server.destroy_node()
    assert not answer.result().success
    assert answer.result().message.startswith('~nobody_here/maps: there is no such home folder')


@pytest.mark.parametrize('state', ['inactive', 'unconfigured'])
def test_services_answer_in_every_state(client: Client, node: NodeSubprocess, state: str) -> None:
    assert client.change_state(node, 'deactivate')
    if state == 'unconfigured':
        assert client.change_state(node, 'cleanup')
    assert not trigger(client, node, 'segment').success
    assert not enable(client, node, False).success
    assert trigger(client, node, 'reset').success == (state == 'inactive')
    assert not trigger(client, node, 'save').success
    assert client.state(node) == state and 'Traceback' not in node.text()


def test_a_question_is_answered_when_the_node_is_deactivated(
        client: Client, node: NodeSubprocess) -> None:
    publisher = client.publisher()
    publisher.publish(room(stamp=1))
    assert segment(client, node).success
    before = node.text().count('instances in')
    client.receive('segment_node/instances', InstanceArray)
    client.keep_busy(node, publisher, hall(stamp=4, size=40))
    answer = client._service(Trigger, 'segment_node/segment').call_async(Trigger.Request())
    client.round_trip(node)
    assert client.change_state(node, 'deactivate')
    client.wait(answer.done, node)
    assert not answer.result().success and 'not active' in answer.result().message
    assert node.text().count('instances in') == before, 'the work was stopped'
