"""A process that runs one node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import signal
import sys
from typing import TypeVar

from mask3d_core.errors import InputError
import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node

AnyNode = TypeVar('AnyNode', bound=Node)
WAKE_SECONDS = 1.0
"""How often a node that has nothing to do looks whether it was told to end."""


def run_node(create: Callable[[], AnyNode], args: Sequence[str] | None,
             start: Callable[[AnyNode], None], stop: Callable[[AnyNode], None]) -> None:
    """
    Run a node until the process is told to end.

    Parameters
    ----------
    create : callable
        Makes the node.
    args : sequence of str, optional
        Command line; None takes the one of the process.
    start, stop : callable
        Called with the node before and after it spins.

    Raises
    ------
    SystemExit
        With status 1 and one sentence, for parameters or input the node cannot start with.

    """
    # Ctrl-C under ros2 launch comes twice, from the terminal and from launch. rclpy's handler ends
    # the spin; Python's own would interrupt the end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    rclpy.init(args=None if args is None else list(args))
    node = None
    try:
        node = create()
        # On a signal rclpy wakes the spin first and ends the context then. A spin that looks in
        # between would sleep for ever.
        node.create_timer(WAKE_SECONDS, lambda: None,
                          clock=Clock(clock_type=ClockType.STEADY_TIME))
        start(node)
        if rclpy.ok():
            rclpy.spin(node)
    except (ParameterException, InputError) as error:
        print(f'error: {error}', file=sys.stderr)
        raise SystemExit(1) from error
    except ExternalShutdownException:
        pass
    except rclpy_implementation.RCLError:
        if rclpy.ok():
            raise  # else it was told to end before it spun
    finally:
        if node is not None:
            stop(node)
            node.destroy_node()
        rclpy.try_shutdown()
