"""The state of a node on `/diagnostics`, and the latency of each stage on topics of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
import socket
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from mask3d_core.device import resident_bytes
from mask3d_ros.statistics import Snapshot
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.publisher import Publisher
from std_msgs.msg import Float64
import torch

TASK = 'segmentation'
PERIOD_SECONDS = 1.0
"""Of `/diagnostics`; diagnostic_updater has a parameter for it."""
DEBUG_PERIOD_SECONDS = 0.25
"""Period at which the latencies of new results are published."""


@dataclass(frozen=True)
class NodeState:
    """
    The state of a node, as its diagnostics report it.

    Attributes
    ----------
    label : str
        'unconfigured', 'inactive' or 'active'.
    failure : str
        Why the last transition failed; empty if it did not.
    expects_results : bool
        Whether clouds are segmented now: active, enabled, and an output has a subscriber.
    active_seconds : float
        Since activate.
    model : mapping of str to str
        Facts about the weights and the device.
    statistics : Snapshot
    device : torch.device or None
        None without a model.

    """

    label: str
    failure: str = ''
    expects_results: bool = False
    active_seconds: float = 0.0
    model: Mapping[str, str] = field(default_factory=dict)
    statistics: Snapshot = Snapshot()
    device: torch.device | None = None


@dataclass(frozen=True)
class Limits:
    """Seconds of latency above which the level is WARN, and without result STALE; 0: never."""

    warn_latency: float
    stale_after: float


class Diagnostics:
    """
    Publishes the state of a node once per second, by diagnostic_updater if it is installed.

    The parameters `warn_latency`, `stale_after` and `debug_topics` must be declared. The clock is
    a steady one, so that a simulation that stands still is reported, too.

    Parameters
    ----------
    node : Node
    state : callable
        Returns the state of the node.
    take_latencies : callable
        Returns the seconds of each stage of the results since its last call.

    """

    def __init__(self, node: Node, state: Callable[[], NodeState],
                 take_latencies: Callable[[], list[Mapping[str, float]]]) -> None:
        self._node = node
        self._state = state
        self._take_latencies = take_latencies
        self._debug_topics: dict[str, Publisher[Float64]] = {}
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        period, publish = self._publisher()
        node.create_timer(period, publish, clock=steady)
        node.create_timer(DEBUG_PERIOD_SECONDS, self._publish_latencies, clock=steady)

    def _publisher(self) -> tuple[float, Callable[[], None]]:
        """Return the period in seconds, and what publishes the state."""
        try:
            updater_type = import_module('diagnostic_updater').Updater
        except ImportError:
            self._topic = self._node.create_publisher(DiagnosticArray, '/diagnostics', 1)
            return PERIOD_SECONDS, self._publish
        updater = updater_type(self._node, PERIOD_SECONDS)
        self._node.destroy_timer(updater.timer)  # it follows the simulated time
        updater.setHardwareID(socket.gethostname())
        updater.add(TASK, self._fill)
        return updater.period, updater.force_update

    def _publish(self) -> None:
        status = DiagnosticStatus(name=f'{self._node.get_name()}: {TASK}',
                                  hardware_id=socket.gethostname())
        array = DiagnosticArray(status=[self._fill(status)])
        array.header.stamp = self._node.get_clock().now().to_msg()
        self._topic.publish(array)

    def _fill(self, status: DiagnosticStatus) -> DiagnosticStatus:
        state = self._state()
        limits = Limits(self._node.get_parameter('warn_latency').value,
                        self._node.get_parameter('stale_after').value)
        status.level, status.message = summary(state, limits)
        now = 1e-9 * self._node.get_clock().now().nanoseconds
        status.values = [KeyValue(key=key, value=value)
                         for key, value in facts(state, now).items()]
        return status

    def _publish_latencies(self) -> None:
        results = self._take_latencies()
        if not self._node.get_parameter('debug_topics').value:
            for topic in self._debug_topics.values():
                self._node.destroy_publisher(topic)
            self._debug_topics.clear()
            return
        for seconds in results:
            for stage, spent in seconds.items():
                if stage not in self._debug_topics:
                    self._debug_topics[stage] = self._node.create_publisher(
                        Float64, f'~/debug/{stage}_ms', 10)
                self._debug_topics[stage].publish(Float64(data=1000 * spent))


def summary(state: NodeState, limits: Limits) -> tuple[bytes, str]:
    """Return the level of a state and one sentence about it."""
    statistics = state.statistics
    total = statistics.latencies.get('total')
    waited = (state.active_seconds if statistics.seconds_since_result is None
              else min(state.active_seconds, statistics.seconds_since_result))
    if state.failure:
        return DiagnosticStatus.ERROR, f'{state.label}: {state.failure}'
    if state.label != 'active':
        return DiagnosticStatus.OK, state.label
    if statistics.error_is_newest:
        return DiagnosticStatus.WARN, f'the last cloud was not segmented: {statistics.error}'
    if state.expects_results and 0 < limits.stale_after < waited:
        return DiagnosticStatus.STALE, (f'no result for {waited:.0f} s, stale_after is '
                                        f'{limits.stale_after:g} s')
    if total is None or statistics.result is None:
        return DiagnosticStatus.OK, 'waiting for clouds'
    if 0 < limits.warn_latency < total.last:
        return DiagnosticStatus.WARN, (f'the last result took {total.last:.2f} s, warn_latency is '
                                       f'{limits.warn_latency:g} s')
    return DiagnosticStatus.OK, (f'{statistics.result.instances} instances in '
                                 f'{1000 * total.last:.0f} ms')


def facts(state: NodeState, now: float) -> dict[str, str]:
    """
    Return the key-value pairs of a state.

    Parameters
    ----------
    state : NodeState
    now : float
        Time of the node in seconds, for the age of the map.

    """
    statistics, result = state.statistics, state.statistics.result
    values: dict[str, Any] = {'state': state.label, **state.model}
    if result is not None:
        values |= {'frame': result.frame, 'map age (s)': f'{now - result.stamp:.3f}',
                   'seconds since result': f'{statistics.seconds_since_result:.3f}',
                   'points': result.points, 'voxels': result.voxels,
                   'instances': result.instances}
    values |= vars(statistics.counts)
    for stage, latency in statistics.latencies.items():
        values |= {f'{stage} {name} (ms)': f'{1000 * seconds:.1f}'
                   for name, seconds in vars(latency).items()}
    values |= {'host memory (MB)': resident_bytes() // 1_000_000, 'last error': statistics.error}
    if state.device is not None and state.device.type == 'cuda':
        values |= {'device memory (MB)': torch.cuda.memory_allocated(state.device) // 1_000_000,
                   'device memory reserved (MB)':
                       torch.cuda.memory_reserved(state.device) // 1_000_000}
    return {key: str(value) for key, value in values.items()}
