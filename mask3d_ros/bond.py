"""The bond to Nav2's lifecycle_manager: heartbeats that tell it that the node is alive."""

from __future__ import annotations

from importlib import import_module
from typing import Any
from uuid import uuid4

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

TOPIC = 'bond'
PERIOD_SECONDS = 0.1
TIMEOUT_SECONDS = 4.0
"""Time without a heartbeat after which the manager takes the node for dead: that of Nav2."""


class Bond:
    """
    One end of a bond, as package bondcpp has them; the id is the name of the node.

    Only the messages of package `bond` are needed, which come with Nav2. Without them, or without
    a manager, nothing happens.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._status: Any = None
        self._id = ''
        self._entities: tuple[Any, ...] = ()

    def form(self) -> None:
        """Begin with heartbeats."""
        try:
            self._status = import_module('bond.msg').Status
        except ImportError:
            return
        self._id = str(uuid4())
        self._entities = (
            self._node.create_publisher(self._status, TOPIC, 1),
            self._node.create_subscription(self._status, TOPIC, self._receive, 10),
            self._node.create_timer(PERIOD_SECONDS, lambda: self._send(True),
                                    clock=Clock(clock_type=ClockType.STEADY_TIME)))

    def end(self) -> None:
        """Tell the manager that the node leaves, and end the heartbeats."""
        if self._entities and self._node.context.ok():
            self._send(False)
            publisher, subscription, timer = self._entities
            self._node.destroy_timer(timer)
            self._node.destroy_subscription(subscription)
            self._node.destroy_publisher(publisher)
        self._entities = ()

    def _send(self, active: bool) -> None:
        status = self._status(id=self._node.get_name(), instance_id=self._id, active=active,
                              heartbeat_timeout=TIMEOUT_SECONDS, heartbeat_period=PERIOD_SECONDS)
        status.header.stamp = self._node.get_clock().now().to_msg()
        self._entities[0].publish(status)

    def _receive(self, status: Any) -> None:
        """End the heartbeats when the manager leaves; it waits for the last one."""
        if (status.id == self._node.get_name() and status.instance_id != self._id
                and not status.active and self._entities):
            self._entities[2].cancel()
            self._send(False)
