"""The input topic: subscriptions that follow what its publishers offer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from mask3d_ros import qos
from mask3d_ros.qos import Offer, OVERRIDABLE
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node
from rclpy.qos import QoSPolicyKind
from rclpy.subscription import Subscription, SubscriptionEventCallbacks
from sensor_msgs.msg import PointCloud2

POINT_CLOUD = 'sensor_msgs/msg/PointCloud2'
REMEMBERED = 2
"""Clouds that tell one received twice, by two subscriptions, from a new one: Humble's rclpy does
not give callbacks the time of publication, so they are compared."""


def declare_overrides(node: Node, topic: str) -> None:
    """
    Declare the parameters that pin a policy of an input: `qos_overrides./points.subscription.…`.

    Unlike rclpy's own they have no default: `input_qos` decides what is not pinned.
    """
    for kind in OVERRIDABLE:
        node.declare_parameter(
            _override_name(node, topic, kind.name), None,
            ParameterDescriptor(description=f'Pins the {kind.name.lower()} of the input, whatever '
                                'input_qos says.', read_only=True, dynamic_typing=True))


def _override_name(node: Node, topic: str, kind: str) -> str:
    return f'qos_overrides.{node.resolve_topic_name(topic)}.subscription.{kind.lower()}'


class CloudInput:
    """
    Receives the clouds of a topic.

    Parameters
    ----------
    node : Node
        Its overrides must be declared (`declare_overrides`).
    topic : str
    choice : str
        One of `qos.INPUT_QOS`; with `auto`, call `follow` now and then.
    receive : callable
        Gets each cloud once; runs in the executor.

    Raises
    ------
    InputError
        For overrides that are no policies.

    """

    def __init__(self, node: Node, topic: str, choice: str,
                 receive: Callable[[PointCloud2], None]) -> None:
        self._node = node
        self._topic = topic
        self._pinned = qos.INPUT_QOS[choice]
        self._receive = receive
        self._overrides = {
            kind.name.lower(): value for kind in OVERRIDABLE
            if (value := node.get_parameter(_override_name(node, topic, kind.name)).value)
            is not None}
        self._subscriptions: dict[Offer, Subscription[PointCloud2]] = {}
        self._unpaired: deque[tuple[Offer, PointCloud2]] = deque(maxlen=REMEMBERED)
        self.follow()

    @property
    def topic(self) -> str:
        """Name of the topic, expanded and remapped."""
        return self._node.resolve_topic_name(self._topic)

    def follow(self) -> None:
        """Subscribe as the publishers of the moment ask for; keep what is right already."""
        wanted = self._pinned or qos.subscriptions_for(self._offers())
        if not wanted and self._subscriptions:
            return
        # With nobody there yet: as a volatile publisher needs it, whose clouds come only once.
        wanted = wanted or ((qos.RELIABLE, qos.VOLATILE),)
        profiles = [qos.input_profile(offer, self._overrides) for offer in wanted]
        by_offer = {(p.reliability, p.durability): p for p in profiles}
        for offer in by_offer.keys() - self._subscriptions.keys():
            self._subscriptions[offer] = self._node.create_subscription(
                PointCloud2, self._topic, partial(self._on_cloud, offer), by_offer[offer],
                event_callbacks=self._events())
        for offer in self._subscriptions.keys() - by_offer.keys():
            self._node.destroy_subscription(self._subscriptions.pop(offer))

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()

    def _events(self) -> SubscriptionEventCallbacks:
        """Warn of publishers that do not match, but not when following them will change that."""
        if self._pinned:
            return SubscriptionEventCallbacks()
        return SubscriptionEventCallbacks(incompatible_qos=self._on_mismatch,
                                          use_default_callbacks=False)

    def _on_mismatch(self, event: Any) -> None:
        policy = QoSPolicyKind(event.last_policy_kind).name.lower()
        if policy in self._overrides:
            self._node.get_logger().warning(
                f'nothing comes from a publisher on {self.topic}: its QoS is incompatible with '
                f'the {policy} that qos_overrides pins, {self._overrides[policy]}')

    def _offers(self) -> list[Offer]:
        return [(info.qos_profile.reliability, info.qos_profile.durability)
                for info in self._node.get_publishers_info_by_topic(self._topic)
                if info.topic_type == POINT_CLOUD]

    def _on_cloud(self, offer: Offer, cloud: PointCloud2) -> None:
        """Hand a cloud on, unless another subscription has brought the same one before."""
        for pair in self._unpaired:
            if pair[0] != offer and pair[1] == cloud:
                self._unpaired.remove(pair)
                return
        self._unpaired.append((offer, cloud))
        self._receive(cloud)
