"""Which subscriptions a topic needs, given what its publishers offer."""

from mask3d_core.errors import InputError
from mask3d_ros.qos import (
    BEST_EFFORT,
    input_profile,
    LATCHED,
    latched,
    RELIABLE,
    subscriptions_for,
    VOLATILE,
)
import pytest
from rclpy.qos import DurabilityPolicy, HistoryPolicy


@pytest.mark.parametrize(('offers', 'wanted'), [
    ([], []),
    ([(RELIABLE, LATCHED)], [(RELIABLE, LATCHED)]),
    ([(RELIABLE, VOLATILE)], [(RELIABLE, VOLATILE)]),
    ([(BEST_EFFORT, VOLATILE)], [(BEST_EFFORT, VOLATILE)]),
    ([(RELIABLE, VOLATILE), (BEST_EFFORT, VOLATILE)], [(BEST_EFFORT, VOLATILE)]),
    ([(BEST_EFFORT, VOLATILE), (RELIABLE, LATCHED)],
     [(RELIABLE, LATCHED), (BEST_EFFORT, VOLATILE)]),
    ([(RELIABLE, DurabilityPolicy.UNKNOWN)], [(RELIABLE, VOLATILE)]),
])
def test_subscriptions_for(offers: list, wanted: list) -> None:
    assert list(subscriptions_for(offers)) == wanted


def test_input_keeps_the_newest_cloud_only() -> None:
    profile = input_profile((BEST_EFFORT, VOLATILE), {})
    assert (profile.reliability, profile.durability) == (BEST_EFFORT, VOLATILE)
    assert (profile.history, profile.depth) == (HistoryPolicy.KEEP_LAST, 1)


def test_overrides_win() -> None:
    profile = input_profile((BEST_EFFORT, VOLATILE),
                            {'durability': 'transient_local', 'reliability': 'reliable',
                             'depth': 5})
    assert (profile.reliability, profile.durability, profile.depth) == (RELIABLE, LATCHED, 5)


def test_an_override_that_is_no_policy_is_refused() -> None:
    with pytest.raises(InputError, match="'sometimes' is no durability.*transient_local"):
        input_profile((RELIABLE, VOLATILE), {'durability': 'sometimes'})
    for depth in ('ten', 0, True):
        with pytest.raises(InputError, match=f'depth {depth!r}, expected a number of clouds'):
            input_profile((RELIABLE, VOLATILE), {'depth': depth})


def test_outputs_are_latched() -> None:
    profile = latched()
    assert (profile.reliability, profile.durability, profile.depth) == (RELIABLE, LATCHED, 1)
