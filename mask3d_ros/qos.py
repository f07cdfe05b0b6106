"""Quality of service: inputs match their publishers, outputs are latched for late subscribers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mask3d_core.errors import InputError
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

BEST_EFFORT, RELIABLE = ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE
TRANSIENT_LOCAL, VOLATILE = DurabilityPolicy.TRANSIENT_LOCAL, DurabilityPolicy.VOLATILE

QosPair = tuple[ReliabilityPolicy, DurabilityPolicy]
"""Reliability and durability: the policies that decide whether two endpoints are compatible."""

INPUT_QOS: Mapping[str, tuple[QosPair, ...]] = {
    'auto': (),
    'reliable': ((RELIABLE, VOLATILE),),
    'best_effort': ((BEST_EFFORT, VOLATILE),),
    'transient_local': ((RELIABLE, TRANSIENT_LOCAL),),
}
"""Choices of the parameter `input_qos`, and the subscriptions of each; `auto` matches them to the
publishers."""

INPUT_DEPTH = 5
"""
Clouds that an input subscription keeps while the executor is busy. The node segments the latest
only, but what the middleware replaces in a queue of one cloud nobody counts.
"""

OVERRIDABLE_POLICIES = (QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY, QoSPolicyKind.HISTORY,
                        QoSPolicyKind.DEPTH)


def latched_profile() -> QoSProfile:
    """Return the profile of an output: reliable and transient local, depth 1."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=RELIABLE,
                      durability=TRANSIENT_LOCAL)


def events_profile() -> QoSProfile:
    """Return the profile of a topic of events: reliable and volatile, the last 100."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=100, reliability=RELIABLE,
                      durability=VOLATILE)


def overriding_options() -> QoSOverridingOptions:
    """Return the policies of an output that `qos_overrides` may change."""
    return QoSOverridingOptions(OVERRIDABLE_POLICIES)


def requested_qos(offered: Iterable[QosPair]) -> tuple[QosPair, ...]:
    """
    Return the QoS of the subscriptions that receive every cloud of a topic's publishers.

    A transient-local subscription is not compatible with a volatile publisher. A volatile one
    misses what a latched publisher sent before it was created. So publishers of both kinds need
    two subscriptions. A reliable subscription is not compatible with a best-effort publisher.
    """
    offered = list(offered)
    requested = []
    for durability in (TRANSIENT_LOCAL, VOLATILE):
        # a publisher of unknown durability counts as volatile
        reliabilities = {r for r, d in offered
                         if (d == TRANSIENT_LOCAL) == (durability == TRANSIENT_LOCAL)}
        if reliabilities:
            requested.append(
                (BEST_EFFORT if BEST_EFFORT in reliabilities else RELIABLE, durability))
    return tuple(requested)


def input_profile(requested: QosPair, overrides: Mapping[str, str | int]) -> QoSProfile:
    """
    Return the profile of an input subscription.

    Raises
    ------
    InputError
        If an override is not a policy.

    """
    profile = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=INPUT_DEPTH,
                         reliability=requested[0], durability=requested[1])
    policies = {'reliability': ReliabilityPolicy, 'durability': DurabilityPolicy,
                'history': HistoryPolicy}
    for kind, value in overrides.items():
        if kind == 'depth':
            if type(value) is not int or value < 1:
                raise InputError(f'qos_overrides: depth {value!r}, expected a number of clouds, '
                                 '1 or more')
            profile.depth = value
        elif str(value).upper() in policies[kind].__members__:
            setattr(profile, kind, policies[kind][str(value).upper()])
        else:
            raise InputError(f'qos_overrides: {value!r} is no {kind}, expected one of '
                             + ', '.join(name.lower() for name in policies[kind].__members__))
    return profile
