"""Read `PointCloud2` topics of ROS 2 bags, without ROS."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, TYPE_CHECKING

from mask3d_core.errors import InputError
from mask3d_core.files.pointcloud2 import decode_pointcloud2
from mask3d_core.files.source import file_errors, FilePath
from mask3d_core.scan import Scan

if TYPE_CHECKING:
    from rosbags.rosbag2 import Reader

POINT_CLOUD = 'sensor_msgs/msg/PointCloud2'
BAG_SUFFIXES = ('.mcap', '.db3')


def read_bag(path: FilePath, topic: str | None = None) -> Scan:
    """
    Read the last cloud of a topic, which is the most complete one of an accumulated map.

    Parameters
    ----------
    path : path
        A `.mcap` or `.db3` file, or the folder of a rosbag2 recording, with or without its
        `metadata.yaml`.
    topic : str, optional
        Needed if the bag has several `PointCloud2` topics.

    Raises
    ------
    InputError
        With the name of the bag: for a damaged bag, an unknown topic (the message lists the known
        ones), a topic without messages, a cloud that `decode_pointcloud2` rejects, or if the
        package `rosbags` is not installed.

    """
    with file_errors(path):
        last = deque(_raw_clouds(path, topic), maxlen=1)
        if not last:
            raise InputError('the topic has no messages')
        message = _deserialize(last[0])
        return replace(decode_pointcloud2(message), frame=message.header.frame_id)


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
    with file_errors(path), _open(path) as readers:
        return _topics(readers)


def _topics(readers: list[Reader]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for reader in readers:
        for connection in reader.connections:
            if connection.msgtype == POINT_CLOUD:
                counts[connection.topic] = counts.get(connection.topic, 0) + connection.msgcount
    return dict(sorted(counts.items()))


def _raw_clouds(path: FilePath, topic: str | None) -> Iterator[bytes]:
    with _open(path) as readers:
        name = _choose(_topics(readers), topic)
        for reader in readers:
            connections = [c for c in reader.connections
                           if c.topic == name and c.msgtype == POINT_CLOUD]
            if connections:  # rosbags reads all connections for an empty list
                with _bag_errors():
                    yield from (raw for _, _, raw in reader.messages(connections))


def _choose(topics: dict[str, int], topic: str | None) -> str:
    listed = ', '.join(f'{name} ({count} messages)' for name, count in topics.items())
    if not topics:
        raise InputError('expected a PointCloud2 topic, the bag has none')
    if topic is None:
        if len(topics) > 1:
            raise InputError(f'several PointCloud2 topics, choose one: {listed}')
        return next(iter(topics))
    if topic not in topics:
        raise InputError(f'no PointCloud2 topic {topic!r}, the bag has: {listed}')
    return topic


@contextmanager
def _open(path: FilePath) -> Iterator[list[Reader]]:
    try:
        from rosbags.rosbag2 import Reader
    except ImportError as error:
        raise InputError('reading bags needs the package rosbags: pip install rosbags') from error
    with ExitStack() as stack:
        with _bag_errors():
            readers = [stack.enter_context(Reader(file)) for file in _files(Path(path))]
        yield readers


def _files(path: Path) -> list[Path]:
    """Return the paths to open: the bag, or its files if it has no `metadata.yaml`."""
    if not path.is_dir() or (path / 'metadata.yaml').exists():
        return [path]
    files = [file for file in path.iterdir() if file.suffix in BAG_SUFFIXES]
    if not files:
        raise InputError('expected a rosbag2 folder with .mcap or .db3 files, got none')
    # The files of a split bag are numbered: bag_9.mcap precedes bag_10.mcap.
    return sorted(files, key=lambda file: (len(file.name), file.name))


def _deserialize(raw: bytes) -> Any:
    # The definition of PointCloud2 is the same in every ROS 2 release, so the latest one serves.
    from rosbags.typesys import get_typestore, Stores

    with _bag_errors():
        return get_typestore(Stores.LATEST).deserialize_cdr(raw, POINT_CLOUD)


@contextmanager
def _bag_errors() -> Iterator[None]:
    """
    Turn every exception of rosbags into an InputError.

    A damaged bag raises its ReaderError, errors of struct, sqlite or zstd, an AssertionError or a
    UnicodeDecodeError; they have no common base class but Exception.
    """
    try:
        yield
    except (InputError, OSError):
        raise
    except Exception as error:
        raise InputError(f'not a readable ROS 2 bag ({type(error).__name__}: {error}); if the '
                         'recording was interrupted, repair it with `mcap recover` or '
                         '`ros2 bag reindex`') from error
