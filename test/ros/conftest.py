"""Fixtures of the ROS tests: real nodes in subprocesses, in a DDS domain of their own."""

from collections.abc import Iterator
import importlib.util
import os
from pathlib import Path

import pytest

HAS_ROS = importlib.util.find_spec('rclpy') is not None
collect_ignore_glob = [] if HAS_ROS else ['test_*.py']

if HAS_ROS:
    # Before anything starts DDS: neither another test run, another worker of this one (gw0, gw1,
    # … of pytest-xdist) nor a robot shares our topics.
    worker = os.environ.get('PYTEST_XDIST_WORKER')
    run = os.getppid() + int(worker.removeprefix('gw')) if worker else os.getpid()
    os.environ['ROS_DOMAIN_ID'] = str(1 + run % 100)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    from mask3d_ros.node_subprocess import NodeSubprocess
    import rclpy
    from ros_client import Client, LONE_NAMESPACE


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why no test of this folder ran."""
    if not HAS_ROS:
        terminalreporter.write_line('test/ros: not run, rclpy is not installed')


@pytest.fixture(scope='session')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of small untrained weights that need colour, 18 classes of ScanNet."""
    from small_weights import save_small_weights

    path = tmp_path_factory.mktemp('weights') / 'small.weights'
    save_small_weights(path)
    return path


@pytest.fixture(scope='session')
def context() -> Iterator[None]:
    """Initialize rclpy in the process of the tests."""
    rclpy.init(args=[])
    yield
    rclpy.try_shutdown()


@pytest.fixture(scope='session')
def session_client(context: None) -> Iterator['Client']:
    """Return the client of all tests that use the root namespace."""
    with Client() as client:
        yield client


@pytest.fixture
def client(session_client: 'Client') -> Iterator['Client']:
    """Return the client, without topics of earlier tests."""
    yield session_client
    session_client.forget_topics()


@pytest.fixture
def lone_client(context: None) -> Iterator['Client']:
    """Return a client in a namespace where a test starts nodes of its own."""
    with Client(LONE_NAMESPACE) as client:
        yield client


@pytest.fixture(scope='session')
def session_node(weights: Path,
                 tmp_path_factory: pytest.TempPathFactory) -> Iterator['NodeSubprocess']:
    """Return the segment_node that tests of several files share: to start one takes seconds."""
    log = tmp_path_factory.mktemp('node') / 'segment_node.log'
    with NodeSubprocess('segment_node', log, {'weights': str(weights)}) as process:
        yield process
        assert process.stop() == 0, process.text()


@pytest.fixture
def node(session_node: 'NodeSubprocess', client: 'Client', weights: Path) -> 'NodeSubprocess':
    """Return the shared node: active, default parameters, no earlier clouds or ids."""
    client.reset(session_node, weights)
    return session_node
