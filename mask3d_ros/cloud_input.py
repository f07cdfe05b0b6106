"""The input topic: subscriptions whose QoS matches that of the publishers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any
import zlib

from mask3d_core.files.bag import POINT_CLOUD
from mask3d_ros import qos
from mask3d_ros.lost_clouds import LostClouds
from mask3d_ros.qos import OVERRIDABLE_POLICIES, QosPair
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node
from rclpy.qos import QoSPolicyKind
from rclpy.subscription import Subscription, SubscriptionEventCallbacks
from sensor_msgs.msg import PointCloud2

MAX_FINGERPRINTS = 100
"""Clouds of one subscription that are recognized when another receives them, too."""
Fingerprint = tuple[int | str, ...]


def declare_overrides(node: Node, topic: str) -> None:
    """
    Declare the QoS overrides of an input: `qos_overrides./points.subscription.reliability` etc.

    Unlike rclpy's own, their default is no policy: `input_qos` decides those that are not set. It
    is a value all the same: what `ros2 param dump` writes of one without is read as 'null'.
    """
    for kind in OVERRIDABLE_POLICIES:
        unset = 0 if kind == QoSPolicyKind.DEPTH else ''
        node.declare_parameter(
            _override_name(node, topic, kind.name), unset,
            ParameterDescriptor(description=f'Sets the {kind.name.lower()} of the input '
                                'subscriptions; takes precedence over input_qos. '
                                f'{unset!r}: not set.', read_only=True))


def _override_name(node: Node, topic: str, kind: str) -> str:
    return f'qos_overrides.{node.resolve_topic_name(topic)}.subscription.{kind.lower()}'


class CloudInput:
    """
    Subscribes to a topic and passes each cloud on once, the newest last.

    Parameters
    ----------
    node : Node
        Its overrides must be declared (`declare_overrides`).
    topic : str
    input_qos : str
        One of `qos.INPUT_QOS`; with `auto`, call `update_subscriptions` periodically.
    on_cloud : callable
        Called with each cloud, in the executor.
    on_lost : callable
        Called with the number of clouds that were lost on the way.

    Raises
    ------
    InputError
        If an override is not a policy.

    """

    def __init__(self, node: Node, topic: str, input_qos: str,
                 on_cloud: Callable[[PointCloud2], None],
                 on_lost: Callable[[int], None]) -> None:
        self._node = node
        self._topic = topic
        self._fixed_qos = qos.INPUT_QOS[input_qos]
        self._on_cloud = on_cloud
        self._lost = LostClouds(on_lost)
        self._overrides = {
            kind.name.lower(): value for kind in OVERRIDABLE_POLICIES
            if (value := node.get_parameter(_override_name(node, topic, kind.name)).value)}
        self._subscriptions: dict[QosPair, Subscription[PointCloud2]] = {}
        self._passed: deque[Fingerprint] = deque(maxlen=MAX_FINGERPRINTS)
        self._passed_by: QosPair | None = None  # the subscription that received these
        self.update_subscriptions()

    @property
    def topic(self) -> str:
        """Name of the topic, expanded and remapped."""
        return self._node.resolve_topic_name(self._topic)

    def update_subscriptions(self) -> None:
        """Match the subscriptions to the current publishers; keep those that still fit."""
        # Without publishers subscribe as to a volatile one, whose clouds cannot be had later.
        requested = (self._fixed_qos or qos.requested_qos(self._offered_qos())
                     or tuple(self._subscriptions) or ((qos.RELIABLE, qos.VOLATILE),))
        profiles = [qos.input_profile(pair, self._overrides) for pair in requested]
        by_pair = {(p.reliability, p.durability): p for p in profiles}
        if [self._passed_by] == list(by_pair) == list(self._subscriptions):
            self._passed.clear()  # no other receives them: its publisher would be known by now
        for pair in by_pair.keys() - self._subscriptions.keys():
            self._subscriptions[pair] = self._node.create_subscription(
                PointCloud2, self._topic, self._callback(pair), by_pair[pair],
                event_callbacks=self._event_callbacks())
        for pair in self._subscriptions.keys() - by_pair.keys():
            self._node.destroy_subscription(self._subscriptions.pop(pair))

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()

    def _event_callbacks(self) -> SubscriptionEventCallbacks:
        """
        Return the callbacks for lost clouds, and that warn about publishers of incompatible QoS.

        With `auto` only an override can make a lasting incompatibility: any other ends with the
        next `update_subscriptions`. With a fixed `input_qos` rclpy's own warning is used.
        """
        if self._fixed_qos:
            return SubscriptionEventCallbacks(message_lost=self._on_message_lost)
        return SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible_qos,
                                          message_lost=self._on_message_lost,
                                          use_default_callbacks=False)

    def _on_message_lost(self, event: Any) -> None:
        self._lost.report(event.total_count_change)

    def _on_incompatible_qos(self, event: Any) -> None:
        policy = QoSPolicyKind(event.last_policy_kind).name.lower()
        if policy in self._overrides:
            self._node.get_logger().warning(
                f'no clouds can be received from a publisher on {self.topic}: its QoS is '
                f'incompatible with the {policy} that qos_overrides sets, '
                f'{self._overrides[policy]}')

    def _offered_qos(self) -> list[QosPair]:
        return [(info.qos_profile.reliability, info.qos_profile.durability)
                for info in self._node.get_publishers_info_by_topic(self._topic)
                if info.topic_type == POINT_CLOUD]

    def _callback(self, pair: QosPair) -> Callable[..., None]:
        """Return the callback of a subscription; Humble's rclpy gives it no info."""
        if hasattr(Subscription, 'CallbackType'):
            return partial(self._receive_with_info, pair)
        return partial(self._receive, pair)

    def _receive_with_info(self, pair: QosPair, cloud: PointCloud2, info: dict[str, Any]) -> None:
        self._lost.receive(info)
        self._receive(pair, cloud)

    def _receive(self, pair: QosPair, cloud: PointCloud2) -> None:
        """
        Pass a cloud on, unless another subscription has received the same one before.

        A latched subscription begins with clouds that a volatile one may have received. Each
        receives in order: what follows a cloud that is passed on is newer, so pass it on, too.
        Where the two take turns, a cloud may come twice.
        """
        fingerprint = _fingerprint(cloud)
        if pair != self._passed_by:
            if fingerprint in self._passed:
                self._passed.remove(fingerprint)
                return
            self._passed.clear()
            self._passed_by = pair
        self._passed.append(fingerprint)
        self._on_cloud(cloud)


def _fingerprint(cloud: PointCloud2) -> Fingerprint:
    """Return what tells clouds apart; Humble's rclpy does not give their time of publication."""
    stamp = cloud.header.stamp
    return (stamp.sec, stamp.nanosec, cloud.header.frame_id, cloud.height, cloud.width,
            cloud.point_step, zlib.crc32(cloud.data))
