"""The main function of a node process: initialize ROS, spin one node, shut down."""

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
"""Period of the timer that makes an idle node notice the shutdown of its context."""


def run_node(create: Callable[[], AnyNode], args: Sequence[str] | None,
             start: Callable[[AnyNode], None], stop: Callable[[AnyNode], None]) -> None:
    """
    Spin a node until the process is interrupted.

    Parameters
    ----------
    create : callable
        Creates the node.
    args : sequence of str, optional
        Command line arguments; None for those of the process.
    start, stop : callable
        Called with the node before and after it spins.

    Raises
    ------
    SystemExit
        With status 1, after one sentence on stderr, if the node cannot start with its parameters
        or input.

    """
    # Under ros2 launch Ctrl-C sends SIGINT twice: from the terminal and from launch. rclpy's
    # handler ends the spin; Python's own would interrupt the clean-up after it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    rclpy.init(args=None if args is None else list(args))
    node = None
    try:
        node = create()
        # On a signal rclpy first wakes the executor and then shuts down the context. An executor
        # that checks the context in between would wait for ever without this timer.
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
            raise  # otherwise it was interrupted before it spun
    finally:
        if node is not None:
            stop(node)
            node.destroy_node()
        rclpy.try_shutdown()
