"""Handling of lifecycle transition requests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from lifecycle_msgs.srv import ChangeState
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode


def reject_invalid_transitions(node: LifecycleNode) -> None:
    """
    Make a node respond with failure to transitions that its current state does not allow.

    rclpy does so since Kilted; before, such a request raises and ends the process.
    """
    for service in node.services:
        if service.srv_type is ChangeState:
            service.callback = partial(_change_state, service.callback)


def _change_state(
        change: Callable[[ChangeState.Request, ChangeState.Response], ChangeState.Response],
        request: ChangeState.Request, response: ChangeState.Response) -> ChangeState.Response:
    try:
        return change(request, response)
    except rclpy_implementation.RCLError:
        response.success = False
        return response
