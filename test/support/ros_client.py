"""The client of the ROS tests: publishes clouds, receives results, calls services over DDS."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from copy import copy
import math
import os
from pathlib import Path
import time
from types import TracebackType
from typing import Any

from builtin_interfaces.msg import Time
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from mask3d_core.scan import Scan
from mask3d_ros.clouds import scan_cloud
from mask3d_ros.msg import Instance
from mask3d_ros.node_subprocess import NodeSubprocess
from mask3d_ros.qos import BEST_EFFORT, latched_profile, RELIABLE, TRANSIENT_LOCAL, VOLATILE
from mask3d_ros.segment_parameters import SEGMENT_NODE_PARAMETERS
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
    'latched': QoSProfile(depth=1, reliability=RELIABLE, durability=TRANSIENT_LOCAL),
    'reliable': QoSProfile(depth=1, reliability=RELIABLE, durability=VOLATILE),
    'best_effort': QoSProfile(depth=1, reliability=BEST_EFFORT, durability=VOLATILE)}
TIMEOUT_SECONDS = 600.0
"""
Limit of every wait for a condition; only a node that hangs reaches it.

The longest wait is that for a segment_node to start and segment its first cloud: 5 s on two idle
cores, 30 s on two cores shared by ten other processes.
"""
RETRY_SECONDS = 10.0
"""Time after which a service request without a response is sent again."""
STATE_RETRY_SECONDS = 1.0
"""The same of a request for the state of a node, which is answered at once."""
BUSY_CPU_SECONDS = 0.15
"""CPU time since a cloud was published that shows that the node is segmenting it."""

LONE_NAMESPACE = '/alone'
"""Where tests start nodes of their own: the shared one is in the root namespace."""


class Client:
    """
    A ROS node in the process of the tests, spun only while a test waits.

    Parameters
    ----------
    namespace : str
        Of the client, and so of all relative topic and service names: that of the tested node.
    name : str
        Another one for each client of the same namespace.

    """

    def __init__(self, namespace: str = '', name: str = 'test_client') -> None:
        self.node = rclpy.create_node(name, namespace=namespace)
        self._services: dict[str, Any] = {}
        self._discovered_by: set[int] = set()  # processes that may be asked for transitions

    def __enter__(self) -> 'Client':
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.node.destroy_node()

    def forget_topics(self) -> None:
        """Remove the publishers and subscriptions of a test."""
        for subscription in list(self.node.subscriptions):
            self.node.destroy_subscription(subscription)
        for publisher in list(self.node.publishers):
            if publisher.msg_type is PointCloud2:
                self.node.destroy_publisher(publisher)

    def wait(self, condition: Callable[[], Any], process: NodeSubprocess | None = None) -> None:
        """
        Spin until a condition holds; fail with the log of the process if it does not.

        A process that hangs is stopped: its log then shows where, and the next test that uses it
        fails at once.
        """
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not condition():
            if process is not None:
                assert process.exit_status is None, f'{process.module} ended:\n{process.text()}'
            if time.monotonic() > deadline:
                log = ''
                if process is not None:
                    process.stop()
                    log = process.text()
                raise AssertionError(
                    f'the condition does not hold after {TIMEOUT_SECONDS} s:\n{log}')
            rclpy.spin_once(self.node, timeout_sec=0.05)

    def spin(self, seconds: float) -> None:
        """Spin for some time: to pace publications, never to show that nothing happens."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            rclpy.spin_once(self.node, timeout_sec=0.05)

    def keep_busy(self, process: NodeSubprocess, publisher: Publisher,
                  message: PointCloud2) -> None:
        """Publish a cloud, and spin until the process is segmenting it."""
        before = _work_seconds(process)
        publisher.publish(message)
        self.wait(lambda: _work_seconds(process) > before + BUSY_CPU_SECONDS, process)

    def receive(self, topic: str, kind: type) -> list[Any]:
        """Subscribe to an output; return a list to which its messages are appended."""
        messages: list[Any] = []
        self.node.create_subscription(kind, topic, messages.append, latched_profile())
        return messages

    def publisher(self, profile: str = 'latched', topic: str = 'points') -> Publisher:
        """Create a publisher of clouds."""
        return self.node.create_publisher(PointCloud2, topic, PROFILES[profile])

    def set_parameters(self, process: NodeSubprocess, name: str = 'segment_node',
                       **values: Any) -> SetParametersResult:
        """Set parameters of a node atomically."""
        messages: list[Parameter] = [RclpyParameter(key, value=value).to_parameter_msg()
                                     for key, value in values.items()]
        return self.call(process, SetParametersAtomically, f'{name}/set_parameters_atomically',
                         SetParametersAtomically.Request(parameters=messages)).result

    def describe(self, process: NodeSubprocess, names: list[str]) -> list[Any]:
        """Return the descriptors of a node's parameters."""
        return self.call(process, DescribeParameters, 'segment_node/describe_parameters',
                         DescribeParameters.Request(names=names)).descriptors

    def change_state(self, process: NodeSubprocess, transition: str | int) -> bool:
        """Request a transition by its label or id; return whether it succeeded."""
        request = ChangeState.Request(transition=(
            Transition(label=transition) if isinstance(transition, str)
            else Transition(id=transition)))
        name = 'segment_node/change_state'
        if name not in self._services or process.pid not in self._discovered_by:
            self._service(ChangeState, name)
            self.let_discover(process)
            self._discovered_by.add(process.pid)
        return self.call(process, ChangeState, name, request, retry_seconds=math.inf).success

    def reset(self, process: NodeSubprocess, weights: str | Path) -> None:
        """
        Make a segment_node active, with default parameters and without earlier clouds and ids.

        Instances of every score are kept: those of untrained weights are low. Configured anew it
        has new outputs, so that nothing latched is left of an earlier test; nor does it take the
        publishers and subscriptions of that test for present ones.
        """
        self.let_discover(process)
        for state, transition in (('active', 'deactivate'), ('inactive', 'cleanup')):
            if self.state(process) == state:
                assert self.change_state(process, transition), process.text()
        defaults = {spec.name: spec.default for spec in SEGMENT_NODE_PARAMETERS
                    if spec.takes_effect != 'start'}
        assert self.set_parameters(process, **defaults | {
            'weights': str(weights), 'score_threshold': 0.0}).successful
        for transition in ('configure', 'activate'):
            assert self.change_state(process, transition), process.text()

    def let_discover(self, process: NodeSubprocess) -> None:
        """
        Wait until a segment_node knows what this process has created and removed so far.

        A client may know a node that does not know the client yet. DDS tells of all endpoints in
        the order of their creation: a response to a new client shows that those before are known.
        """
        name = 'segment_node/get_state'
        if name in self._services:
            self.node.destroy_client(self._services.pop(name))
        self.state(process)

    def round_trip(self, process: NodeSubprocess) -> None:
        """
        Wait until the executor of a segment_node has handled two requests.

        It has then most likely received what was published before, but nothing orders topics and
        services: where a test depends on it, wait for `NodeDiagnostics.wait_until_received`.
        """
        for _ in range(2):
            self.state(process)

    def state(self, process: NodeSubprocess) -> str:
        """Return the label of the node's lifecycle state."""
        return self.call(process, GetState, 'segment_node/get_state', GetState.Request(),
                         STATE_RETRY_SECONDS).current_state.label

    def call(self, process: NodeSubprocess, kind: type, name: str, request: Any,
             retry_seconds: float = RETRY_SECONDS) -> Any:
        """
        Call a service of a process and return the response.

        On a busy machine a service may discover its client later than the client discovers it, and
        then its response is lost. Therefore the request is repeated after some time.
        """
        service = self._service(kind, name)
        self.wait(service.service_is_ready, process)
        futures: list[Any] = []
        start = time.monotonic()

        def has_response() -> bool:
            if len(futures) <= (time.monotonic() - start) / retry_seconds:
                futures.append(service.call_async(request))
            return any(future.done() for future in futures)

        self.wait(has_response, process)
        return next(future.result() for future in futures if future.done())

    def forget_services(self) -> None:
        """Remove the clients of services, as before another process that offers them starts."""
        for service in self._services.values():
            self.node.destroy_client(service)
        self._services.clear()

    def _service(self, kind: type, name: str) -> Any:
        if name not in self._services:
            self._services[name] = self.node.create_client(kind, name)
        return self._services[name]


def stamps(messages: list) -> list[int]:
    """Return the whole seconds of the stamps of messages."""
    return [message.header.stamp.sec for message in messages]


def _work_seconds(process: NodeSubprocess) -> float:
    """Return the CPU time of the threads of a process but the main one, where callbacks run."""
    ticks = 0
    for task in Path(f'/proc/{process.pid}/task').iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended meanwhile
            stat = (task / 'stat').read_text().rpartition(')')[2].split()
            ticks += 0 if task.name == str(process.pid) else int(stat[11]) + int(stat[12])
    return ticks / os.sysconf('SC_CLK_TCK')


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


def hall(stamp: int = 1, size: float = 15.0) -> PointCloud2:
    """Return a cloud of so many voxels that the node needs seconds of CPU time for it."""
    count = round(30_000 * (size / 15) ** 2)
    xyz = np.random.default_rng(0).uniform(0, (size, size, 3), (count, 3))
    gray = np.arange(len(xyz), dtype=np.uint8)[:, None] // 2 + 60
    return cloud(xyz, np.tile(gray, (1, 3)), stamp)


def cloud(xyz: np.ndarray, color: np.ndarray | None, stamp: int = 1) -> PointCloud2:
    """Return a cloud in the frame map, points that are not finite included."""
    scan = Scan(np.asarray(xyz, np.float32), None if color is None else color / np.float32(255),
                None, np.arange(len(xyz)), len(xyz))
    header = Header(frame_id='map')
    header.stamp.sec = stamp
    return scan_cloud(header, scan)


def start_with_modules(weights: Path, folder: Path, modules: Path | None,
                       parameters: dict[str, Any]) -> NodeSubprocess:
    """Start a node in `LONE_NAMESPACE` that finds the modules of a folder, if given, first."""
    search = os.pathsep.join(map(str, filter(None, [modules, os.environ.get('PYTHONPATH')])))
    return NodeSubprocess('segment_node', folder / 'log',
                          {'weights': str(weights), 'score_threshold': 0.0, **parameters},
                          {'__ns': LONE_NAMESPACE}, {'PYTHONPATH': search})


def without_history(instances: Sequence[Instance]) -> list[Instance]:
    """Return copies of instances that do not tell when and how often they were seen."""
    copies = [copy(instance) for instance in instances]
    for instance in copies:
        instance.first_seen = instance.last_seen = Time()
        instance.confirmed = False
    return copies
