"""Play recorded clouds, as a mapping stack would publish them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
import time
from typing import Any

from builtin_interfaces.msg import Time
from mask3d_core.errors import InputError
from mask3d_core.files import read_scan
from mask3d_core.files.bag import BAG_SUFFIXES, read_clouds
from mask3d_core.scan import Scan
from mask3d_ros import parameters
from mask3d_ros.clouds import as_bytes, scan_cloud
from mask3d_ros.parameters import Row
from mask3d_ros.process import run_node
from mask3d_ros.qos import latched, overridable
import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.timer import Timer
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

LOOP_SECONDS = 1.0
"""Before a recording starts again, unless `rate` says otherwise."""

MAP_PLAYER: tuple[Row, ...] = (
    Row('file', '', 'Path of a .ply, .pcd or .npz file, of a .mcap or .db3 file, or of the folder '
        'of a ROS 2 bag.', when='start'),
    Row('topic', '', 'Topic of the bag; empty: its only PointCloud2 topic.', when='start'),
    Row('frame_id', '', "Frame of the clouds; empty: as recorded, and 'map' for files that record "
        'none.', when='start'),
    Row('rate', 0.0, 'Clouds per second; 0: as recorded.', (0.0, 1000.0), when='start'),
    Row('loop', False, 'Start again at the end. Otherwise the last cloud stays latched.',
        when='start'),
)
"""All parameters of `map_player`."""


class MapPlayer(Node):
    """
    Publishes the clouds of a file or a bag on `cloud_map`, reliable and latched.

    Clouds of a bag keep their stamps; a cloud of another file is stamped when it is published.
    """

    def __init__(self) -> None:
        super().__init__('map_player')
        parameters.declare(self, MAP_PLAYER)
        self._values = parameters.values(self, MAP_PLAYER)
        if not self._values['file']:
            raise InputError('parameter file is empty: expected the path of a cloud or a bag, '
                             'as in -p file:=scan.ply')
        self._file = Path(self._values['file']).expanduser()
        self._publisher = self.create_publisher(PointCloud2, 'cloud_map', latched(),
                                                qos_overriding_options=overridable())
        self._is_bag = self._file.is_dir() or self._file.suffix.lower() in BAG_SUFFIXES
        self._scan: Scan | None = None
        self._clouds = self._timed_clouds()
        self._count = 0
        self._due = 0.0  # of the next cloud, by the steady clock

    def play(self) -> None:
        """Publish the first cloud, and go on from a timer."""
        first = next(self._clouds, None)
        if first is None:
            raise InputError(f'{self._file}: the topic has no messages')
        self._due = time.monotonic()
        self._publish(first[1])
        self._schedule()

    def _publish(self, cloud: PointCloud2) -> None:
        if not self._is_bag:
            cloud.header.stamp = self.get_clock().now().to_msg()
        self._publisher.publish(cloud)
        self._count += 1
        self.get_logger().info(
            f'cloud {self._count}: {cloud.width * cloud.height} points in frame '
            f'{cloud.header.frame_id!r} on {self._publisher.topic_name}')

    def _schedule(self) -> None:
        """Read ahead, and publish the next cloud when it is time."""
        following = next(self._clouds, None)
        if following is None:
            self.get_logger().info('end of the recording; the last cloud stays latched')
            return
        seconds, cloud = following
        timer: Timer

        def publish() -> None:
            self.destroy_timer(timer)
            self._publish(cloud)
            self._schedule()

        now = time.monotonic()  # reading took a while
        self._due = max(self._due + seconds, now)
        timer = self.create_timer(self._due - now, publish,
                                  clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _timed_clouds(self) -> Iterator[tuple[float, PointCloud2]]:
        """Give each cloud with the seconds to wait before it."""
        rate = self._values['rate']
        while True:
            seconds, previous = LOOP_SECONDS, None
            for stamp, cloud in self._bag() if self._is_bag else self._map():
                if previous is not None:
                    seconds = max(stamp - previous, 0.0)
                previous = stamp
                yield 1 / rate if rate else seconds, cloud
            if previous is None or not self._values['loop']:
                return

    def _bag(self) -> Iterator[tuple[float, PointCloud2]]:
        """Give the clouds of a bag with their stamps."""
        for stamp, frame, message in read_clouds(self._file, self._values['topic'] or None):
            yield stamp, _cloud_message(message, self._values['frame_id'] or frame)

    def _map(self) -> Iterator[tuple[float, PointCloud2]]:
        """Give the cloud of another file."""
        if self._scan is None:
            self._scan = read_scan(self._file, self._values['topic'] or None)
        yield 0.0, scan_cloud(Header(frame_id=self._values['frame_id'] or 'map'), self._scan)


def _cloud_message(recorded: Any, frame_id: str) -> PointCloud2:
    """Return a cloud as rosbags reads it as a message to publish."""
    stamp = recorded.header.stamp
    return PointCloud2(
        header=Header(stamp=Time(sec=stamp.sec, nanosec=stamp.nanosec), frame_id=frame_id),
        height=recorded.height, width=recorded.width,
        fields=[PointField(name=field.name, offset=field.offset, datatype=field.datatype,
                           count=field.count) for field in recorded.fields],
        is_bigendian=recorded.is_bigendian, point_step=recorded.point_step,
        row_step=recorded.row_step, data=as_bytes(np.asarray(recorded.data, np.uint8)),
        is_dense=recorded.is_dense)


def main(args: Sequence[str] | None = None) -> None:
    """Run the player until it is told to end."""
    run_node(MapPlayer, args, start=MapPlayer.play, stop=lambda player: None)


if __name__ == '__main__':
    main()
