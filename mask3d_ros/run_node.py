"""The main function of a node process: initialize ROS, spin one node, shut down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
import sys
import threading
import time
from typing import NoReturn, TypeVar

from mask3d_core.errors import InputError
from mask3d_ros.start import early_signals, end_process
import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

AnyNode = TypeVar('AnyNode', bound=Node)
WAKE_SECONDS = 0.5
"""Period of the timer that makes an idle node notice the shutdown of its context."""
POLL_SECONDS = 0.05
"""Period at which the context is checked."""
GRACE_SECONDS = 0.5
"""Time the main thread has to end the process after a signal."""


def run_node(create: Callable[[], AnyNode], args: Sequence[str] | None,
             start: Callable[[AnyNode], None], stop: Callable[[AnyNode], None]) -> NoReturn:
    """
    Spin a node until the process is interrupted, and end the process.

    The process ends without waiting for its threads: nothing can stop a thread within one long
    operation of torch or numpy, or while it loads a file. Its status is 0, or 1 after one sentence
    on stderr, if the node cannot start with its parameters or input.

    Parameters
    ----------
    create : callable
        Creates the node.
    args : sequence of str, optional
        Command line arguments; None for those of the process.
    start, stop : callable
        Called with the node before and after it spins.

    """
    early_signals.handle()
    rclpy.init(args=None if args is None else list(args))
    early_signals.leave_to_rclpy()
    watch = Watch()
    try:
        node = watch.node = create()
        # On a signal rclpy first wakes the executor and then shuts down the context. An executor
        # that checks the context in between would wait for ever without this timer.
        node.create_timer(WAKE_SECONDS, lambda: None,
                          clock=Clock(clock_type=ClockType.STEADY_TIME))
        start(node)
        if rclpy.ok():
            rclpy.spin(node)
    except (ExternalShutdownException, KeyboardInterrupt):
        pass
    except Exception as error:
        # once the process is interrupted, every call into ROS raises
        if rclpy.ok():
            watch.status = 1
            if not isinstance(error, (ParameterException, InputError)):
                raise
            print(f'error: {error}', file=sys.stderr)
    finally:
        if watch.node is not None:
            stop(node)
            node.destroy_node()
        rclpy.try_shutdown()
    end_process(watch.status)


class Watch:
    """
    Ends the process when ROS has shut down and the main thread does not end it in time.

    It may be busy: nothing can interrupt the loading of a file, or the start of CUDA.

    Attributes
    ----------
    node : Node or None
        Destroyed before the process ends.
    status : int
        Exit status of the process.

    """

    def __init__(self) -> None:
        self.node: Node | None = None
        self.status = 0
        threading.Thread(target=self._run, name='watch', daemon=True).start()

    def _run(self) -> None:
        while rclpy.ok():
            time.sleep(POLL_SECONDS)
        time.sleep(GRACE_SECONDS)
        if self.node is not None:
            with suppress(Exception):
                self.node.destroy_node()  # others on the network see it leave
        end_process(self.status)
