"""The QoS of input subscriptions, given that of the publishers; overrides; outputs."""

from pathlib import Path

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
from rclpy.qos import DurabilityPolicy, HistoryPolicy
import yaml


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
