"""The QoS of input subscriptions, given that of the publishers; overrides; outputs."""

from collections.abc import Iterator
from pathlib import Path
import sys

from mask3d_core.errors import InputError
from mask3d_ros.cloud_input import CloudInput, declare_overrides
from mask3d_ros.qos import (
    BEST_EFFORT,
    INPUT_DEPTH,
    input_profile,
    latched_profile,
    RELIABLE,
    requested_qos,
    TRANSIENT_LOCAL,
    VOLATILE,
)
import pytest
import rclpy
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile
from ros_client import Client, LONE_NAMESPACE, room, stamps
from sensor_msgs.msg import PointCloud2
import yaml

TOPIC = f'{LONE_NAMESPACE}/points'


@pytest.mark.parametrize(('offered', 'requested'), [
    ([], []),
    ([(RELIABLE, TRANSIENT_LOCAL)], [(RELIABLE, TRANSIENT_LOCAL)]),
    ([(RELIABLE, VOLATILE)], [(RELIABLE, VOLATILE)]),
    ([(BEST_EFFORT, VOLATILE)], [(BEST_EFFORT, VOLATILE)]),
    ([(RELIABLE, VOLATILE), (BEST_EFFORT, VOLATILE)], [(BEST_EFFORT, VOLATILE)]),
    ([(BEST_EFFORT, VOLATILE), (RELIABLE, TRANSIENT_LOCAL)],
     [(RELIABLE, TRANSIENT_LOCAL), (BEST_EFFORT, VOLATILE)]),
    ([(RELIABLE, DurabilityPolicy.UNKNOWN)], [(RELIABLE, VOLATILE)]),
])
def test_requested_qos(offered: list, requested: list) -> None:
    assert list(requested_qos(offered)) == requested


def test_input_keeps_few_clouds_while_the_executor_is_busy() -> None:
    profile = input_profile((BEST_EFFORT, VOLATILE), {})
    assert (profile.reliability, profile.durability) == (BEST_EFFORT, VOLATILE)
    assert (profile.history, profile.depth) == (HistoryPolicy.KEEP_LAST, INPUT_DEPTH)


def test_overrides_take_precedence() -> None:
    profile = input_profile((BEST_EFFORT, VOLATILE),
                            {'durability': 'transient_local', 'reliability': 'reliable',
                             'depth': 9})
    assert (profile.reliability, profile.durability) == (RELIABLE, TRANSIENT_LOCAL)
    assert profile.depth == 9


def test_an_override_that_is_not_a_policy_is_rejected() -> None:
    with pytest.raises(InputError, match="'sometimes' is no durability.*transient_local"):
        input_profile((RELIABLE, VOLATILE), {'durability': 'sometimes'})
    for depth in ('ten', 0, True):
        with pytest.raises(InputError, match=f'depth {depth!r}, expected a number of clouds'):
            input_profile((RELIABLE, VOLATILE), {'depth': depth})


def test_overrides_can_be_dumped_and_loaded(context: None, tmp_path: Path) -> None:
    """As by `ros2 param dump`, and `--params-file` at the next start."""
    node = rclpy.create_node('dumped')
    declare_overrides(node, 'points')
    values = {name: parameter.value for name, parameter
              in node.get_parameters_by_prefix('').items()}
    node.destroy_node()
    assert values['qos_overrides./points.subscription.depth'] == 0
    values['qos_overrides./points.subscription.depth'] = 9
    file = tmp_path / 'dump.yaml'
    file.write_text(yaml.safe_dump({'/dumped': {'ros__parameters': values}}))
    node = rclpy.create_node('dumped', cli_args=['--ros-args', '--params-file', str(file)])
    declare_overrides(node, 'points')
    received = CloudInput(node, 'points', 'auto', print, print)
    profile, = (one.qos_profile for one in node.subscriptions if one.topic == 'points')
    assert (profile.depth, profile.reliability, profile.durability) == (9, RELIABLE, VOLATILE)
    received.close()
    node.destroy_node()


def test_outputs_are_latched() -> None:
    profile = latched_profile()
    assert (profile.reliability, profile.durability) == (RELIABLE, TRANSIENT_LOCAL)
    assert profile.depth == 1


class Input:
    """An input of which a test says when it looks at the publishers, and what it passed on."""

    def __init__(self, node: Node) -> None:
        self.clouds: list[PointCloud2] = []
        declare_overrides(node, TOPIC)
        self.input = CloudInput(node, TOPIC, 'auto', self.clouds.append, print)

    @property
    def durabilities(self) -> list[DurabilityPolicy]:
        return [durability for _, durability in self.input._subscriptions]


@pytest.fixture
def received(lone_client: Client) -> Iterator[Input]:
    received = Input(lone_client.node)
    yield received
    received.input.close()


@pytest.mark.parametrize('depth', [1, 5])
def test_what_a_latched_publisher_sent_before_it_was_noticed_is_not_passed_on_again(
        received: Input, lone_client: Client, depth: int) -> None:
    with Client(LONE_NAMESPACE, 'mapper') as mapper:
        publisher = mapper.node.create_publisher(
            PointCloud2, TOPIC, QoSProfile(depth=depth, durability=TRANSIENT_LOCAL))
        for stamp in range(1, depth + 1):
            lone_client.wait(lambda: publisher.get_subscription_count() > 0)
            publisher.publish(room(stamp, points=100))
            lone_client.wait(lambda stamp=stamp: stamp in stamps(received.clouds))
        assert received.durabilities == [VOLATILE]
        received.input.update_subscriptions()
        assert received.durabilities == [TRANSIENT_LOCAL]
        received.input.update_subscriptions()
        lone_client.wait(lambda: publisher.get_subscription_count() == 1)
        publisher.publish(room(depth + 1, points=100))
        lone_client.wait(lambda: depth + 1 in stamps(received.clouds))
    assert stamps(received.clouds) == list(range(1, depth + 2))


def test_clouds_that_another_publisher_sends_again_later_are_passed_on_again(
        received: Input, lone_client: Client) -> None:
    """As when a recording is played by `ros2 bag play`, and then by map_player."""
    for durability in (VOLATILE, TRANSIENT_LOCAL):
        with Client(LONE_NAMESPACE, 'player') as player:
            publisher = player.node.create_publisher(
                PointCloud2, TOPIC, QoSProfile(depth=5, durability=durability))
            lone_client.wait(lambda: lone_client.node.count_publishers(TOPIC) == 1)
            received.input.update_subscriptions()
            assert received.durabilities == [durability]
            lone_client.wait(publisher.get_subscription_count)
            for stamp in (1, 2):
                count = len(received.clouds)
                publisher.publish(room(stamp, points=100))
                lone_client.wait(lambda count=count: len(received.clouds) > count)
            received.input.update_subscriptions()
        lone_client.wait(lambda: not lone_client.node.count_publishers(TOPIC))
    assert stamps(received.clouds) == [1, 2, 1, 2]


LATCHED_PAIR, VOLATILE_PAIR = (RELIABLE, TRANSIENT_LOCAL), (BEST_EFFORT, VOLATILE)


@pytest.mark.parametrize(('heard', 'passed'), [
    ('V1 V2 V3 L1 L2 L3', [1, 2, 3]), ('V1 L1 L2 V2 V3 L3', [1, 2, 3]),
    ('V1 L1 V1 L1', [1, 1]), ('V1 V3 L1 L2 L3', [1, 3, 2, 3]),
    ('V1 V3 L2 L3 V4 L4', [1, 3, 2, 3, 4])])
def test_of_what_two_subscriptions_receive_the_newest_is_the_last(
        received: Input, heard: str, passed: list[int]) -> None:
    """V is the volatile one, which may lose clouds; L the latched one."""
    for pair, stamp in heard.split():
        received.input._receive(LATCHED_PAIR if pair == 'L' else VOLATILE_PAIR,
                                room(int(stamp), points=100))
    assert stamps(received.clouds) == passed


def test_no_cloud_is_kept_to_recognize_it(received: Input) -> None:
    cloud = room(1, points=100)
    before = sys.getrefcount(cloud)
    received.input._receive(VOLATILE_PAIR, cloud)
    received.clouds.clear()
    assert sys.getrefcount(cloud) == before
    received.input._receive(LATCHED_PAIR, room(1, points=100))
    assert not received.clouds
