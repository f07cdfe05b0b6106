"""A node that publishes recorded clouds, as a mapping stack would."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
import re
import time
from typing import Any

from builtin_interfaces.msg import Time
from mask3d_core.errors import InputError
from mask3d_core.files import read_scan
from mask3d_core.files.bag import BAG_SUFFIXES, read_clouds
from mask3d_core.files.formats import READERS
from mask3d_core.files.source import user_path
from mask3d_core.scan import Scan
from mask3d_ros import parameters
from mask3d_ros.clouds import as_bytes, scan_cloud
from mask3d_ros.parameters import ParameterSpec
from mask3d_ros.qos import latched_profile, overriding_options
from mask3d_ros.run_node import run_node
import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.timer import Timer
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

CLOUD_SUFFIXES = ('.ply', '.pcd', '.npz')
"""Files of a folder that are played; others beside them, such as .txt, may be notes."""
LOOP_INTERVAL_SECONDS = 1.0
"""
Time between the last cloud and the first one of the next loop, and between the files of a folder,
if `rate` is 0.
"""

MAP_PLAYER_PARAMETERS: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        'file', '', f'Path of a file ({", ".join((*READERS, *BAG_SUFFIXES))}), of the folder of a '
        f'ROS 2 bag, or of a folder of {", ".join(CLOUD_SUFFIXES)} files, which are played in '
        'order.', takes_effect='start'),
    ParameterSpec(
        'topic', '', 'Topic of the bag; empty: its only PointCloud2 topic.',
        takes_effect='start'),
    ParameterSpec(
        'frame_id', '', "Frame of the clouds; empty: as recorded, or 'map' for files that record "
        'none.', takes_effect='start'),
    ParameterSpec(
        'rate', 0.0, 'Clouds per second; 0: the recorded timing.', (0.0, 1000.0),
        takes_effect='start'),
    ParameterSpec(
        'loop', False, 'Start again after the last cloud; false: the last cloud stays latched.',
        takes_effect='start'),
)
"""All parameters of `map_player`."""

StampedCloud = tuple[float, PointCloud2]
"""Recorded time in seconds, and the cloud."""


class MapPlayer(Node):
    """
    Publishes the clouds of a file, a folder or a bag on `cloud_map`, reliable and latched.

    Clouds of a bag keep their stamps; a cloud of another file is stamped when it is published.
    """

    def __init__(self) -> None:
        super().__init__('map_player')
        parameters.declare(self, MAP_PLAYER_PARAMETERS)
        parameters.check_names(self)
        self._values = parameters.values(self, MAP_PLAYER_PARAMETERS)
        if not self._values['file']:
            raise InputError('parameter file is empty: expected the path of a cloud or a bag, '
                             'as in -p file:=scan.ply')
        self._file = user_path(self._values['file'])
        self._publisher = self.create_publisher(PointCloud2, 'cloud_map', latched_profile(),
                                                qos_overriding_options=overriding_options())
        files = clouds_of_folder(self._file)
        self._is_bag = not files and (
            self._file.is_dir() or self._file.suffix.lower() in BAG_SUFFIXES)
        self._scan: Scan | None = None
        read = (partial(self._folder_clouds, files) if files
                else self._bag_clouds if self._is_bag else self._file_cloud)
        self._clouds = delayed_clouds(read, self._values['rate'], self._values['loop'])
        self._count = 0
        self._next_time = 0.0  # when the next cloud is due, by the steady clock

    def play(self) -> None:
        """Publish the first cloud, and the others from a timer."""
        first = next(self._clouds, None)
        if first is None:
            raise InputError(f'{self._file}: the topic has no messages')
        self._next_time = time.monotonic()
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
        """Read the next cloud in advance, and publish it when it is due."""
        following = next(self._clouds, None)
        if following is None:
            self.get_logger().info('end of the recording; the last cloud stays latched')
            return
        delay, cloud = following
        timer: Timer

        def publish() -> None:
            self.destroy_timer(timer)
            self._publish(cloud)
            self._schedule()

        now = time.monotonic()  # reading may have taken longer than the delay
        self._next_time = max(self._next_time + delay, now)
        timer = self.create_timer(self._next_time - now, publish,
                                  clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _bag_clouds(self) -> Iterator[StampedCloud]:
        """Yield the clouds of a bag with their recorded times."""
        for stamp, frame, message in read_clouds(self._file, self._values['topic'] or None):
            yield stamp, _cloud_message(message, self._values['frame_id'] or frame)

    def _file_cloud(self) -> Iterator[StampedCloud]:
        """Yield the one cloud of a file that is not a bag."""
        if self._scan is None:
            self._scan = read_scan(self._file, self._values['topic'] or None)
        yield 0.0, self._message(self._scan)

    def _folder_clouds(self, files: Sequence[Path]) -> Iterator[StampedCloud]:
        """Yield the clouds of several files, one at a time."""
        for index, file in enumerate(files):
            yield index * LOOP_INTERVAL_SECONDS, self._message(
                read_scan(file, self._values['topic'] or None))

    def _message(self, scan: Scan) -> PointCloud2:
        if scan.num_outliers:
            self.get_logger().warning(
                f'{scan.num_outliers} points that are far from the others are not played')
        return scan_cloud(Header(frame_id=self._values['frame_id'] or 'map'), scan)


def clouds_of_folder(folder: Path) -> list[Path]:
    """
    Return the .ply, .pcd and .npz files of a folder in order of name; none for a bag or a file.

    Numbers in the names are compared as numbers: map_9 comes before map_10.
    """
    bag = ['metadata.yaml', *(f'*{suffix}*' for suffix in BAG_SUFFIXES)]
    if not folder.is_dir() or any(any(folder.glob(pattern)) for pattern in bag):
        return []
    files = [file for file in folder.iterdir() if file.suffix.lower() in CLOUD_SUFFIXES]
    return sorted(files, key=lambda file: [int(word) if word.isdigit() else word
                                           for word in re.split(r'(\d+)', file.name)])


def delayed_clouds(read: Callable[[], Iterable[StampedCloud]], rate: float, loop: bool,
                   ) -> Iterator[tuple[float, PointCloud2]]:
    """
    Yield each cloud of a recording with the seconds to wait before it.

    Parameters
    ----------
    read : callable
        Reads the recording; called once per loop.
    rate : float
        Clouds per second; 0 for the recorded timing.
    loop : bool
        Whether to start again after the last cloud; a recording without clouds ends in any case.

    """
    while True:
        delay, previous = LOOP_INTERVAL_SECONDS, None
        for stamp, cloud in read():
            if previous is not None:
                delay = max(stamp - previous, 0.0)
            previous = stamp
            yield 1 / rate if rate else delay, cloud
        if previous is None or not loop:
            return


def _cloud_message(recorded: Any, frame_id: str) -> PointCloud2:
    """Convert a message that rosbags has read into one to publish."""
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
    """Run the player until it is interrupted."""
    run_node(MapPlayer, args, start=MapPlayer.play, stop=lambda player: None)


if __name__ == '__main__':
    main()
