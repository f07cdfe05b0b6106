"""Quality of service: take clouds as they are offered, give results to whoever comes late."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mask3d_core.errors import InputError
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

BEST_EFFORT, RELIABLE = ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE
LATCHED, VOLATILE = DurabilityPolicy.TRANSIENT_LOCAL, DurabilityPolicy.VOLATILE

Offer = tuple[ReliabilityPolicy, DurabilityPolicy]
"""The two policies that decide whether a publisher and a subscription match."""

INPUT_QOS: Mapping[str, tuple[Offer, ...]] = {
    'auto': (),
    'reliable': ((RELIABLE, VOLATILE),),
    'best_effort': ((BEST_EFFORT, VOLATILE),),
    'transient_local': ((RELIABLE, LATCHED),),
}
"""Choices of the parameter `input_qos`, and the subscriptions each of them makes."""

OVERRIDABLE = (QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY, QoSPolicyKind.HISTORY,
               QoSPolicyKind.DEPTH)


def latched() -> QoSProfile:
    """Return the profile of every output: reliable, and the last message for late subscribers."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=RELIABLE,
                      durability=LATCHED)


def overridable() -> QoSOverridingOptions:
    """Return the policies of an output that `qos_overrides` may change."""
    return QoSOverridingOptions(OVERRIDABLE)


def subscriptions_for(offers: Iterable[Offer]) -> tuple[Offer, ...]:
    """
    Return the subscriptions that get everything the publishers of a topic offer.

    A latched subscription gets the last cloud of latched publishers but nothing of volatile ones,
    and a volatile one misses what was sent before it came: with publishers of both kinds it takes
    two subscriptions. A reliable subscription gets nothing of a best-effort publisher.
    """
    offers = list(offers)
    wanted = []
    for durability in (LATCHED, VOLATILE):
        reliabilities = {r for r, d in offers if (d == LATCHED) == (durability == LATCHED)}
        if reliabilities:
            wanted.append((BEST_EFFORT if BEST_EFFORT in reliabilities else RELIABLE, durability))
    return tuple(wanted)


def input_profile(offer: Offer, overrides: Mapping[str, str | int]) -> QoSProfile:
    """
    Return the profile of a subscription; only the newest cloud is ever wanted.

    Raises
    ------
    InputError
        For an override that is no policy.

    """
    profile = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=offer[0],
                         durability=offer[1])
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
