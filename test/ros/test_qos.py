"""The QoS of input subscriptions, given that of the publishers; overrides; outputs."""

from mask3d_core.errors import InputError
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
from rclpy.qos import DurabilityPolicy, HistoryPolicy


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


def test_outputs_are_latched() -> None:
    profile = latched_profile()
    assert (profile.reliability, profile.durability) == (RELIABLE, TRANSIENT_LOCAL)
    assert profile.depth == 1
