"""The main function of a node process."""

import subprocess
import sys

from ros_client import TIMEOUT_SECONDS

CONTEXT_ENDS_WITHOUT_WAKING = """\
from threading import Timer
import rclpy
from rclpy.node import Node
from mask3d_ros.run_node import run_node
def end_without_waking(node):
    Timer(0.5, lambda: rclpy.get_default_context().handle.shutdown()).start()
run_node(lambda: Node('idle'), [], end_without_waking, lambda node: print('stopped'))
"""


def test_a_node_ends_if_its_context_ends_after_the_executor_was_woken() -> None:
    done = subprocess.run([sys.executable, '-c', CONTEXT_ENDS_WITHOUT_WAKING],
                          capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    assert done.returncode == 0 and done.stdout == 'stopped\n', done.stderr
