"""The heartbeats of a bond, with a stand-in for the messages of package bond."""

from collections.abc import Iterator
import sys
from types import SimpleNamespace
from typing import Any

from mask3d_ros.bond import Bond, PERIOD_SECONDS, TIMEOUT_SECONDS
import pytest
import rclpy
from rclpy.node import Node
from ros_client import Client
from std_msgs.msg import Header


class Status:
    """Fields of bond/msg/Status."""

    def __init__(self, **fields: Any) -> None:
        self.header = Header()
        self.__dict__.update(fields)


class Recorder:
    """A node's publishers, subscriptions and timers, which keep what happens to them."""

    def __init__(self, node: Node) -> None:
        self.sent: list[Status] = []
        self.timer = SimpleNamespace(callback=None, cancelled=False)
        self.destroyed: list[str] = []
        self.context = node.context
        self.get_name, self.get_clock = node.get_name, node.get_clock

    def create_publisher(self, kind: type, topic: str, depth: int) -> Any:
        assert kind is Status and topic == 'bond'
        return SimpleNamespace(publish=self.sent.append)

    def create_subscription(self, kind: type, topic: str, callback: Any, depth: int) -> str:
        self.receive = callback
        return 'subscription'

    def create_timer(self, period: float, callback: Any, clock: Any) -> Any:
        assert period == PERIOD_SECONDS
        self.beat = callback
        return SimpleNamespace(cancel=lambda: self.destroyed.append('heartbeat'))

    def destroy_timer(self, timer: Any) -> None:
        self.destroyed.append('timer')

    def destroy_subscription(self, subscription: Any) -> None:
        self.destroyed.append('subscription')

    def destroy_publisher(self, publisher: Any) -> None:
        self.destroyed.append('publisher')


@pytest.fixture
def recorder(client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    monkeypatch.setitem(sys.modules, 'bond', SimpleNamespace())
    monkeypatch.setitem(sys.modules, 'bond.msg', SimpleNamespace(Status=Status))
    assert rclpy.ok()
    yield Recorder(client.node)


def test_heartbeats_until_the_node_leaves(recorder: Recorder) -> None:
    bond = Bond(recorder)  # type: ignore[arg-type]
    bond.end()
    bond.form()
    recorder.beat()
    bond.end()
    assert [status.active for status in recorder.sent] == [True, False]
    assert recorder.sent[0].id == 'test_client'
    assert recorder.sent[0].heartbeat_timeout == TIMEOUT_SECONDS
    assert sorted(recorder.destroyed) == ['publisher', 'subscription', 'timer']
    bond.form()
    recorder.beat()
    assert recorder.sent[-1].instance_id != recorder.sent[0].instance_id


def test_the_last_heartbeat_answers_a_manager_that_leaves(recorder: Recorder) -> None:
    bond = Bond(recorder)  # type: ignore[arg-type]
    bond.form()
    recorder.beat()
    own = recorder.sent[0]
    for status in (own, Status(id='another', instance_id='1', active=False),
                   Status(id=own.id, instance_id='1', active=True)):
        recorder.receive(status)
    assert len(recorder.sent) == 1
    recorder.receive(Status(id=own.id, instance_id='1', active=False))
    assert [status.active for status in recorder.sent] == [True, False]
    assert recorder.destroyed == ['heartbeat']


def test_without_the_messages_there_is_no_bond(
        client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'bond.msg', None)
    before = len(list(client.node.publishers))
    bond = Bond(client.node)
    bond.form()
    bond.end()
    assert len(list(client.node.publishers)) == before
