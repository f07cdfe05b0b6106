"""The main function of a node process: initialize ROS, spin one node, shut down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
import sys
import threading
from typing import NoReturn, TypeVar

from mask3d_core.errors import InputError
from mask3d_ros.start import early_signals, end_process
import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

AnyNode = TypeVar('AnyNode', bound=Node)
Value = TypeVar('Value')
WAKE_SECONDS = 0.5
"""Period of the timer that makes an idle node notice the shutdown of its context."""
POLL_SECONDS = 0.05
"""Period at which `interruptible` checks the context."""


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
    node, status = None, 0
    try:
        node = create()
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
            if not isinstance(error, (ParameterException, InputError)):
                raise
            print(f'error: {error}', file=sys.stderr)
            status = 1
    finally:
        if node is not None:
            stop(node)
            node.destroy_node()
        rclpy.try_shutdown()
    end_process(status)


def interruptible(work: Callable[[], Value], is_ok: Callable[[], bool]) -> Value:
    """
    Return the result of work in another thread; raise KeyboardInterrupt if ROS shuts down before.

    rclpy lets this exception pass through a transition, and logs others. The thread is left
    behind then: nothing can stop the loading of a file or the start of CUDA.
    """
    done: Future[Value] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001
            done.set_exception(error)

    threading.Thread(target=run, name='load', daemon=True).start()
    while not wait([done], POLL_SECONDS).done:
        if not is_ok():
            raise KeyboardInterrupt
    return done.result()
