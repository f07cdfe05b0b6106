"""
Publish clouds of a room at a fixed rate, whatever their readers do; then wait to be ended.

Usage: python test/support/cloud_flood.py --points 300000 --rate 10 --seconds 600
"""

import argparse
import signal
import time

from mask3d_ros.qos import latched_profile
import numpy as np
import rclpy
from rclpy.duration import Duration
from rclpy.qos import QoSProfile
from ros_client import cloud
from sensor_msgs.msg import PointCloud2
from soak import OUTPUTS

NUM_CLOUDS = 6
"""Different clouds, published in turns: a repeated one is not segmented again."""
NOISE = 0.004
"""Metres."""
DEPTH = 10
"""Clouds that a publisher keeps for a reader that is late."""
ACK_SECONDS = 30
"""Longest wait for a reader."""


def varied_rooms(points: int) -> list[PointCloud2]:
    """Return rooms of 3 x 3 m with two boxes, one of which is elsewhere in each."""
    clouds = []
    for number in range(NUM_CLOUDS):
        random = np.random.default_rng(number)
        corner = np.array([0.3 + 0.2 * number, 0.5, 0])
        counts = points - 2 * (points // 4), points // 4, points // 4
        parts = [random.uniform((0, 0, 0), (3, 3, 0.02), (counts[0], 3)),
                 random.uniform(corner, corner + (0.5, 0.5, 0.6), (counts[1], 3)),
                 random.uniform((2, 2, 0), (2.4, 2.6, 1), (counts[2], 3))]
        xyz = np.concatenate(parts) + random.normal(0, NOISE, (points, 3))
        color = np.array([(130, 130, 130), (200, 30, 30), (30, 60, 200)], np.uint8)
        clouds.append(cloud(xyz, color.repeat(counts, 0)))
    return clouds


def main() -> None:
    """Publish, print how many were published, and wait for a signal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--points', type=int, default=300_000)
    parser.add_argument('--rate', type=float, default=10.0)
    parser.add_argument('--seconds', type=float, default=600.0)
    parser.add_argument('--namespace', default='')
    parser.add_argument('--listen', action='store_true', help='subscribe to the outputs, too')
    options = parser.parse_args()
    clouds = varied_rooms(options.points)
    rclpy.init(args=[])
    node = rclpy.create_node('flood', namespace=options.namespace)
    publisher = node.create_publisher(PointCloud2, 'points', QoSProfile(depth=DEPTH))
    if options.listen:
        for name, kind in OUTPUTS.items():
            node.create_subscription(kind, f'segment_node/{name}', lambda message: None,
                                     latched_profile())
    while not publisher.get_subscription_count():
        time.sleep(0.05)
    print('matched', flush=True)
    publisher.publish(clouds[0])
    # those before the first one that arrives are counted nowhere
    publisher.wait_for_all_acked(Duration(seconds=ACK_SECONDS))
    start = time.monotonic()
    count = 1
    while count < options.rate * options.seconds:
        time.sleep(max(0.0, start + count / options.rate - time.monotonic()))
        message = clouds[count % NUM_CLOUDS]
        message.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(message)
        count += 1
    publisher.wait_for_all_acked(Duration(seconds=ACK_SECONDS))
    print(f'published {count} in {time.monotonic() - start:.1f} s', flush=True)
    signal.pause()


if __name__ == '__main__':
    main()
