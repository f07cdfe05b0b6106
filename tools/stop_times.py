"""
Measure how long segment_node takes to stop with 2,000,000 points of one room in work.

Usage: . .venv/ros.sh && python tools/stop_times.py [deactivate|Ctrl-C]
"""

from pathlib import Path
import signal
import sys
import tempfile
import time

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'test' / 'support'))

from mask3d_ros.msg import InstanceArray
from mask3d_ros.node_subprocess import NodeSubprocess
import numpy as np
import rclpy
from ros_client import Client, cloud
from sensor_msgs.msg import PointCloud2

NUM_POINTS = 2_000_000
NUM_BOXES = 40
NOISE = 0.004
SECONDS_IN_WORK = (0.6, 1.7, 2.8, 3.9, 5.0)
"""After how much time in work the node is stopped."""


def furnished_room() -> PointCloud2:
    """Return a room of 8 x 8 m with boxes in it."""
    rng = np.random.default_rng(0)

    def surface(low: np.ndarray, high: np.ndarray, count: int) -> np.ndarray:
        points = rng.uniform(low, high, (count, 3))
        axis = rng.integers(0, 3, count)
        points[np.arange(count), axis] = np.where(rng.random(count) < 0.5, low[axis], high[axis])
        return points + rng.normal(0, NOISE, points.shape)

    parts = [surface(np.zeros(3), np.array([8, 8, 2.7]), NUM_POINTS // 2)]
    for _ in range(NUM_BOXES):
        low = np.array([*rng.uniform(0.3, 7, 2), 0])
        parts.append(surface(low, low + rng.uniform(0.3, 1, 3), NUM_POINTS // 2 // NUM_BOXES))
    color = rng.integers(0, 255, (len(parts), 3)).astype(np.uint8)
    return cloud(np.concatenate(parts), color.repeat([len(part) for part in parts], 0))


def stop_time(client: Client, message: PointCloud2, how: str, wait: float, log: Path) -> float:
    """Start a node, give it the cloud, stop it after some time, and return the seconds it took."""
    with NodeSubprocess('segment_node', log, {}, {'__ns': '/stop_times'}) as node:
        publisher = client.publisher('reliable')
        client.wait(lambda: 'waiting for clouds' in node.text(), node)
        client.wait(lambda: publisher.get_subscription_count() > 0, node)
        client.state(node)
        client.keep_busy(node, publisher, message)
        client.spin(wait)
        assert 'instances in' not in node.text(), 'the cloud was segmented before'
        start = time.monotonic()
        if how == 'Ctrl-C':
            node.send_signal(signal.SIGINT)
            assert node.wait(60) == 0
        else:
            assert client.change_state(node, 'deactivate')
            assert how == 'deactivate' or client.change_state(node, 'cleanup')
        seconds = time.monotonic() - start
        client.node.destroy_publisher(publisher)
        return seconds


def main() -> None:
    """Print the median and the longest time of each way to stop."""
    message = furnished_room()
    rclpy.init()
    with Client('/stop_times') as client, tempfile.TemporaryDirectory() as folder:
        client.receive('segment_node/instances', InstanceArray)
        for how in sys.argv[1:] or ('deactivate', 'deactivate and cleanup', 'Ctrl-C'):
            seconds = [stop_time(client, message, how, wait, Path(folder) / 'log')
                       for wait in SECONDS_IN_WORK]
            client.forget_services()
            print(f'{how}: median {np.median(seconds):.2f} s, longest {max(seconds):.2f} s')
    rclpy.shutdown()


if __name__ == '__main__':
    main()
