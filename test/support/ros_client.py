"""What the tests do over DDS: publish clouds, receive answers, call services."""

from collections.abc import Callable
import os
from pathlib import Path
import time
from types import TracebackType
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from mask3d_core.scan import Scan
from mask3d_ros.clouds import scan_cloud
from mask3d_ros.node_process import NodeProcess
from mask3d_ros.qos import BEST_EFFORT, LATCHED, latched, RELIABLE, VOLATILE
import numpy as np
from rcl_interfaces.msg import Parameter, SetParametersResult
from rcl_interfaces.srv import DescribeParameters, SetParametersAtomically
import rclpy
from rclpy.parameter import Parameter as RclpyParameter
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

PROFILES = {
    'latched': QoSProfile(depth=1, reliability=RELIABLE, durability=LATCHED),
    'reliable': QoSProfile(depth=1, reliability=RELIABLE, durability=VOLATILE),
    'best_effort': QoSProfile(depth=1, reliability=BEST_EFFORT, durability=VOLATILE)}
SECONDS = 120.0
"""Longest wait for anything: a slow machine passes, a hanging node fails."""
REPEAT_SECONDS = 10.0
"""After which a request without an answer is sent again."""


BUSY_SECONDS = 0.15
"""Of the processor: a node that used as much since a cloud was published computes."""


class Client:
    """A node in the test's own process, spun only while something is awaited."""

    def __init__(self) -> None:
        rclpy.init(args=[])
        self.node = rclpy.create_node('test_client')
        self._services: dict[str, Any] = {}

    def __enter__(self) -> 'Client':
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.node.destroy_node()
        rclpy.shutdown()

    def forget_topics(self) -> None:
        """Remove the publishers and subscriptions of a test."""
        for subscription in list(self.node.subscriptions):
            self.node.destroy_subscription(subscription)
        for publisher in list(self.node.publishers):
            if publisher.msg_type is PointCloud2:
                self.node.destroy_publisher(publisher)

    def wait(self, condition: Callable[[], Any], process: NodeProcess,
             seconds: float = SECONDS) -> None:
        """Spin until a condition holds; fail with the log of a process if it never does."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f'waited {seconds} s in vain:\n{process.text()}'
            assert process.exit_status is None, f'{process.module} ended:\n{process.text()}'
            rclpy.spin_once(self.node, timeout_sec=0.05)

    def spin(self, seconds: float) -> None:
        """Spin for a while."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            rclpy.spin_once(self.node, timeout_sec=0.05)

    def keep_busy(self, process: NodeProcess, publisher: Publisher, message: PointCloud2) -> None:
        """Publish a cloud, and spin until the process is at work on it."""
        before = _cpu_seconds(process)
        publisher.publish(message)
        self.wait(lambda: _cpu_seconds(process) > before + BUSY_SECONDS, process)

    def receive(self, topic: str, kind: type) -> list[Any]:
        """Subscribe to an output; return the list that fills with its messages."""
        messages: list[Any] = []
        self.node.create_subscription(kind, topic, messages.append, latched())
        return messages

    def publisher(self, profile: str = 'latched', topic: str = 'points') -> Publisher:
        """Return a publisher of clouds."""
        return self.node.create_publisher(PointCloud2, topic, PROFILES[profile])

    def set_parameters(self, process: NodeProcess, name: str = 'segment_node',
                       **values: Any) -> SetParametersResult:
        """Set parameters of a node, all or none."""
        messages: list[Parameter] = [RclpyParameter(key, value=value).to_parameter_msg()
                                     for key, value in values.items()]
        return self.call(process, SetParametersAtomically, f'{name}/set_parameters_atomically',
                         SetParametersAtomically.Request(parameters=messages)).result

    def describe(self, process: NodeProcess, names: list[str]) -> list[Any]:
        """Return the descriptors of a node's parameters."""
        return self.call(process, DescribeParameters, 'segment_node/describe_parameters',
                         DescribeParameters.Request(names=names)).descriptors

    def change_state(self, process: NodeProcess, transition: str | int) -> bool:
        """Ask for a transition by its label or its id; return whether it succeeded."""
        wanted = (Transition(label=transition) if isinstance(transition, str)
                  else Transition(id=transition))
        request = ChangeState.Request(transition=wanted)
        name = 'segment_node/change_state'
        if name not in self._services:
            self._service(ChangeState, name)
            self.state(process)  # once this is answered, the node knows of the other client, too
        return self.call(process, ChangeState, name, request, repeat=False).success

    def state(self, process: NodeProcess) -> str:
        """Return the label of the node's lifecycle state."""
        return self.call(process, GetState, 'segment_node/get_state',
                         GetState.Request()).current_state.label

    def call(self, process: NodeProcess, kind: type, name: str, request: Any,
             repeat: bool = True) -> Any:
        """
        Call a service of a process.

        On a busy machine a service may know of its client later than the client of it, and then
        drops its answer: unless told otherwise, the request is repeated.
        """
        service = self._service(kind, name)
        self.wait(service.service_is_ready, process)
        futures: list[Any] = []
        began = time.monotonic()

        def answered() -> bool:
            due = (time.monotonic() - began) / REPEAT_SECONDS if repeat else 0
            if len(futures) <= due:
                futures.append(service.call_async(request))
            return any(future.done() for future in futures)

        self.wait(answered, process)
        return next(future.result() for future in futures if future.done())

    def _service(self, kind: type, name: str) -> Any:
        if name not in self._services:
            self._services[name] = self.node.create_client(kind, name)
        return self._services[name]


def _cpu_seconds(process: NodeProcess) -> float:
    """Return how long a process has computed, all its threads together."""
    facts = Path(f'/proc/{process.pid}/stat').read_text().rpartition(')')[2].split()
    return (int(facts[11]) + int(facts[12])) / os.sysconf('SC_CLK_TCK')


def room(stamp: int = 1, points: int = 4000) -> PointCloud2:
    """Return a coloured room of 3 x 3 m with two boxes in it, stamped with whole seconds."""
    random = np.random.default_rng(0)
    floor = random.uniform((0, 0, 0), (3, 3, 0.02), (points // 2, 3))
    box = random.uniform((0.5, 0.5, 0), (1, 1, 0.6), (points // 4, 3))
    other = random.uniform((2, 2, 0), (2.4, 2.6, 1), (points // 4, 3))
    xyz = np.concatenate([floor, box, other]).astype(np.float32)
    color = np.repeat(np.array([(130, 130, 130), (200, 30, 30), (30, 60, 200)], np.uint8),
                      [len(floor), len(box), len(other)], axis=0)
    return cloud(xyz, color, stamp)


def hall(stamp: int = 1) -> PointCloud2:
    """Return a cloud of so many voxels that the node is busy with it for a while."""
    xyz = np.random.default_rng(0).uniform(0, (15, 15, 3), (30_000, 3))
    return cloud(xyz, np.full((len(xyz), 3), 100, np.uint8), stamp)


def cloud(xyz: np.ndarray, color: np.ndarray | None, stamp: int = 1) -> PointCloud2:
    """Return a cloud in the frame map, as it is: unfinite points, too."""
    scan = Scan(np.asarray(xyz, np.float32), None if color is None else color / np.float32(255),
                None, np.arange(len(xyz)), len(xyz))
    header = Header(frame_id='map')
    header.stamp.sec = stamp
    return scan_cloud(header, scan)
