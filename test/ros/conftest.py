"""Fixtures of the ROS tests: real nodes in real processes, on a DDS domain of their own."""

from collections.abc import Iterator
import importlib.util
import os
from pathlib import Path

import pytest

HAS_ROS = importlib.util.find_spec('rclpy') is not None
collect_ignore_glob = [] if HAS_ROS else ['test_*.py']

if HAS_ROS:
    # Before anything starts DDS: neither another test run nor a robot shares our topics.
    os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    from ros_client import Client


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why nothing of this folder ran."""
    if not HAS_ROS:
        terminalreporter.write_line('test/ros: not run, rclpy is not installed')


@pytest.fixture(scope='session')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of small untrained weights that need colour, 18 classes of ScanNet."""
    from mask3d_core.classes import load_classes
    from mask3d_core.model import ModelConfig
    from mask3d_core.weights.checkpoint import save_weights, untrained_weights

    classes = load_classes('scannet20').without(['wall', 'floor'])
    config = ModelConfig(backbone='Res16UNet14A', num_classes=len(classes), num_queries=10,
                         num_rounds=1)
    path = tmp_path_factory.mktemp('weights') / 'small.weights'
    save_weights(path, untrained_weights(config, classes, voxel_size=0.05))
    return path


@pytest.fixture(scope='session')
def ros() -> Iterator['Client']:
    """Return the third process of all tests: it publishes, receives and calls services."""
    with Client() as client:
        yield client


@pytest.fixture
def client(ros: 'Client') -> Iterator['Client']:
    """Return the third process, without the topics of the tests before."""
    yield ros
    ros.forget_topics()
