"""Signals at any time of the start, and with a cloud in progress: status 0, and no traceback."""

from pathlib import Path
import signal
import subprocess
import sys

from mask3d_ros.msg import InstanceArray
from mask3d_ros.node_subprocess import NodeSubprocess
import pytest
from ros_client import Client, hall, TIMEOUT_SECONDS


def is_mapped(node: NodeSubprocess, library: str) -> bool:
    """Return whether a process has loaded a library."""
    return library in Path(f'/proc/{node.pid}/maps').read_text()


def ended_in_order(node: NodeSubprocess) -> bool:
    status = node.wait(TIMEOUT_SECONDS)
    text = node.text()
    return status == 0 and 'Traceback' not in text and '[ERROR]' not in text


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize('library', ['_ssl', 'libtorch_cpu', 'rmw_fastrtps'])
def test_a_signal_during_the_start(client: Client, tmp_path: Path, weights: Path, library: str,
                                   number: signal.Signals) -> None:
    with NodeSubprocess('segment_node', tmp_path / 'log', {'weights': str(weights)},
                        {'__ns': '/interrupted'}) as node:
        client.wait(lambda: is_mapped(node, library), node)
        node.send_signal(number)
        assert ended_in_order(node), node.text()


def test_a_signal_with_a_cloud_in_progress(client: Client, tmp_path: Path, weights: Path) -> None:
    with Client('/interrupted') as other, NodeSubprocess(
            'segment_node', tmp_path / 'log', {'weights': str(weights)},
            {'__ns': '/interrupted'}) as node:
        other.receive('segment_node/instances', InstanceArray)
        publisher = other.publisher()
        other.wait(lambda: publisher.get_subscription_count() > 0, node)
        other.keep_busy(node, publisher, hall(size=40))
        node.send_signal(signal.SIGINT)
        node.send_signal(signal.SIGINT)  # as from the terminal and from ros2 launch
        assert ended_in_order(node), node.text()
        assert 'instances in' not in node.text()


def test_the_process_ends_although_the_main_thread_is_busy(tmp_path: Path) -> None:
    """Stand-in for the loading of large weights, or the start of CUDA: no check, no callback."""
    program = """
import sys, time
from rclpy.node import Node
from mask3d_ros.run_node import run_node
def busy(node):
    print('busy', flush=True)
    time.sleep(1000)
run_node(lambda: Node('busy'), [], start=busy, stop=lambda node: None)
"""
    with subprocess.Popen([sys.executable, '-c', program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b'busy\n'
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_SECONDS) == 0
