"""Read `PointCloud2` topics of ROS 2 bags, without ROS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TYPE_CHECKING

from mask3d_core.conventions import AS_IS, Conventions
from mask3d_core.errors import InputError
from mask3d_core.files.bag_files import (
    bag_errors,
    bag_files,
    BAG_SUFFIXES,
    has_bag_files,
    is_bag_file,
    open_bag_file,
    unzipped,
)
from mask3d_core.files.pointcloud2 import decode_pointcloud2, num_positions
from mask3d_core.files.source import file_errors, FilePath
from mask3d_core.scan import MIN_POINTS, Scan

if TYPE_CHECKING:
    from rosbags.rosbag2 import Reader

__all__ = ['BAG_SUFFIXES', 'Topic', 'bag_topics', 'cloud_topics', 'has_bag_files', 'is_bag_file',
           'read_bag', 'read_clouds']
POINT_CLOUD = 'sensor_msgs/msg/PointCloud2'
MIN_STAMP = 1e8
"""Seconds: larger times are stamps, smaller ones count from the first cloud."""


@dataclass(frozen=True)
class Topic:
    """A topic of a bag: its type, as 'sensor_msgs/msg/PointCloud2', and its messages."""

    name: str
    type: str
    count: int


def read_bag(path: FilePath, topic: str | None = None, cloud: str | None = None,
             conventions: Conventions = AS_IS) -> Scan:
    """
    Read one cloud of a topic: by default the last one, the most complete of a map that grows.

    Parameters
    ----------
    path : path
        A `.mcap` or `.db3` file, or the folder of a rosbag2 recording, with or without its
        `metadata.yaml`.
    topic : str, optional
        Needed if the bag has several `PointCloud2` topics.
    cloud : str, optional
        'last': that has at least `MIN_POINTS` points with a position; 'largest': of those with
        most of them the last; a whole number:
        its index from 0, or from the end below 0; a number with a point or an s at its end, like
        '12.5' or '12s': the last one at that time, seconds from the first one, or a stamp.
    conventions : Conventions
        Of the clouds.

    Raises
    ------
    InputError
        With the name of the bag: for a damaged bag, an unknown topic (the message lists the known
        ones), a topic without messages or without such a cloud, a cloud that
        `decode_pointcloud2` rejects, or if the package `rosbags` is not installed.

    """
    with file_errors(path):
        chosen, number, passed_over = _choose_cloud(partial(_raw_clouds, path, topic),
                                                    cloud or 'last')
        if chosen is None:
            raise InputError('the topic has no messages' if not number else
                             f'none of the {number} clouds of the topic has points: wait for '
                             'the map to fill before recording')
        message = _deserialize(chosen)
        try:
            scan = decode_pointcloud2(message, conventions)
        except InputError as error:
            if number < 2:
                raise
            raise InputError(f'{error}; --cloud chooses another cloud of the topic') from error
        return replace(scan, frame=message.header.frame_id, num_passed_over=passed_over)


def _choose_cloud(clouds: Callable[[], Iterator[bytes]], which: str,
                  ) -> tuple[bytes | None, int, int]:
    """
    Return the serialized cloud that `read_bag` describes.

    Also how many clouds there are, and how many without points are after the last one with some.
    """
    if which == 'last':
        return _last_cloud(clouds)
    if which == 'largest':
        return *_largest_cloud(clouds()), 0
    try:
        index = int(which)
    except ValueError:
        return *_cloud_at(clouds(), which), 0
    number = 0
    kept = list(clouds()) if index < 0 else []
    if index >= 0:
        for number, raw in enumerate(clouds(), 1):
            if number == index + 1:
                return raw, number, 0
    number = number or len(kept)
    if number and -number <= index < 0:
        return kept[index], number, 0
    if number:
        raise InputError(f'no cloud {index}: the topic has {number}, 0 to {number - 1}')
    return None, 0, 0


def _last_cloud(clouds: Callable[[], Iterator[bytes]]) -> tuple[bytes | None, int, int]:
    """Return what `_choose_cloud` does for the last cloud that has points."""
    number, newest = 0, b''
    for raw in clouds():
        number, newest = number + 1, raw
    if not number or _has_points(newest):
        return newest or None, number, 0
    chosen, passed_over = None, 0  # rare, so only then all of them are looked into
    for raw in clouds():
        chosen, passed_over = (raw, 0) if _has_points(raw) else (chosen, passed_over + 1)
    return chosen, number, passed_over


def _largest_cloud(clouds: Iterator[bytes]) -> tuple[bytes | None, int]:
    """Return the last of the clouds with most points, and how many clouds there are."""
    number, chosen, most = 0, None, MIN_POINTS
    for raw in clouds:
        number += 1
        points = _num_points(_deserialize(raw))
        if points >= most:
            chosen, most = raw, points
    return chosen, number


def _has_points(raw: bytes) -> bool:
    return _num_points(_deserialize(raw)) >= MIN_POINTS


def _cloud_at(clouds: Iterator[bytes], which: str) -> tuple[bytes | None, int]:
    try:
        time = float(which.removesuffix('s'))
    except ValueError as error:
        raise InputError('expected the cloud as last, largest, its index or a time such as '
                         f'12.5, got {which}') from error
    chosen, number, first = None, 0, 0.0
    for number, raw in enumerate(clouds, 1):
        stamp = _deserialize(raw).header.stamp
        seconds = stamp.sec + stamp.nanosec * 1e-9
        if number == 1:
            first = 0.0 if time >= MIN_STAMP else seconds
            if seconds - first > time:
                raise InputError(f'no cloud at {time:g} s: the first one is at '
                                 f'{seconds - first:.3f} s')
        if seconds - first <= time:
            chosen = raw
    return chosen, number


def _num_points(message: Any) -> int:
    """Return the number of points with a position; of a cloud with a mistake, that of all."""
    try:
        return num_positions(message)
    except InputError:  # is reported if the cloud is chosen
        return int(message.width * message.height)


def read_clouds(path: FilePath, topic: str | None = None) -> Iterator[tuple[float, str, Any]]:
    """
    Yield the clouds of a topic in the order of recording.

    Parameters
    ----------
    path, topic
        As for `read_bag`.

    Yields
    ------
    stamp : float
        Seconds, from the message's header.
    frame_id : str
    message : PointCloud2
        As deserialized by `rosbags`; `data` is a numpy array.

    Raises
    ------
    InputError
        As `read_bag`.

    """
    with file_errors(path):
        for raw in _raw_clouds(path, topic):
            message = _deserialize(raw)
            stamp = message.header.stamp
            yield stamp.sec + stamp.nanosec * 1e-9, message.header.frame_id, message


def cloud_topics(path: FilePath) -> dict[str, int]:
    """Return the `PointCloud2` topics of a bag with their numbers of messages."""
    return {topic.name: topic.count for topic in bag_topics(path) if topic.type == POINT_CLOUD}


def bag_topics(path: FilePath) -> list[Topic]:
    """Return all topics of a bag, by name."""
    with file_errors(path), _open(path) as readers:
        return _topics(readers)


def _topics(readers: list[Reader]) -> list[Topic]:
    counts: dict[tuple[str, str], int] = {}
    for reader in readers:
        for connection in reader.connections:
            key = connection.topic, connection.msgtype
            counts[key] = counts.get(key, 0) + connection.msgcount
    return [Topic(*key, count) for key, count in sorted(counts.items())]


def _raw_clouds(path: FilePath, topic: str | None) -> Iterator[bytes]:
    with _open(path) as readers:
        name = _choose(_topics(readers), topic)
        for reader in readers:
            connections = [c for c in reader.connections
                           if c.topic == name and c.msgtype == POINT_CLOUD]
            if connections:  # rosbags reads all connections for an empty list
                with bag_errors():
                    yield from (raw for _, _, raw in reader.messages(connections))


def _choose(topics: list[Topic], name: str | None) -> str:
    clouds = [topic for topic in topics if topic.type == POINT_CLOUD]
    listed = ', '.join(f'{topic.name} ({topic.count} messages)' for topic in clouds)
    if not clouds:
        others = ', '.join(f'{topic.name} ({topic.type})' for topic in topics)
        raise InputError('expected a PointCloud2 topic, the bag has none'
                         + (f', but: {others}' if others else ''))
    if name is None:
        clouds = [topic for topic in clouds if topic.count] or clouds
        if len(clouds) > 1:
            raise InputError(f'several PointCloud2 topics, choose one with --topic: {listed}')
        return clouds[0].name
    if name not in [topic.name for topic in clouds]:
        raise InputError(f'no PointCloud2 topic {name!r}, the bag has: {listed}')
    return name


@contextmanager
def _open(path: FilePath) -> Iterator[list[Reader]]:
    with ExitStack() as stack:
        yield [stack.enter_context(open_bag_file(file)) for file in bag_files(Path(path), stack)]


def _deserialize(raw: bytes) -> Any:
    # The definition of PointCloud2 is the same in every ROS 2 release, so the latest one serves.
    from rosbags.typesys import get_typestore, Stores

    with bag_errors():
        return get_typestore(Stores.LATEST).deserialize_cdr(unzipped(raw), POINT_CLOUD)
