"""Clouds that no driver should publish: valid ones with random changes to every part."""

from collections.abc import Callable

from mask3d_ros.clouds import as_bytes
import numpy as np
from ros_client import room
from sensor_msgs.msg import PointCloud2, PointField

BASE_POINTS = 2000
HUGE = 2**32 - 1
VALUES = (np.nan, np.inf, -np.inf, 0.0, 1e-42, 1e5, -1e6, 1e8, 1e30, -3e38)
"""Coordinates that replace others, in metres."""

Change = Callable[[PointCloud2, np.random.Generator], None]


def malformed_cloud(number: int, seed: int = 0) -> PointCloud2:
    """
    Return a room of 2,000 points with one to three random changes; the same for a number and seed.

    Some of the clouds can still be segmented: a renamed intensity or a flipped `is_dense` is no
    error.
    """
    random = np.random.default_rng((seed, number))
    message = room(stamp=1 + number, points=BASE_POINTS)
    for _ in range(random.integers(1, 4)):
        CHANGES[random.integers(len(CHANGES))](message, random)
    return message


def _drop_field(message: PointCloud2, random: np.random.Generator) -> None:
    message.fields = [field for field in message.fields if random.random() < 0.7]


def _repeat_field(message: PointCloud2, random: np.random.Generator) -> None:
    if message.fields:
        fields = list(message.fields)
        fields.append(fields[random.integers(len(fields))])
        message.fields = [fields[row] for row in random.permutation(len(fields))]


def _change_field(message: PointCloud2, random: np.random.Generator) -> None:
    if not message.fields:
        return
    row = random.integers(len(message.fields))
    old = message.fields[row]
    field = PointField(name=old.name, offset=old.offset, datatype=old.datatype, count=old.count)
    kind = random.integers(4)
    if kind == 0:
        field.name = str(random.choice(['', 'X', 'rgba', 'intensity', '\u4e16\u754c', 'x' * 5000]))
    elif kind == 1:
        field.datatype = int(random.choice([*range(10), 200, 255]))
    elif kind == 2:
        field.offset = int(random.choice([1, 2, 3, 13, 15, 16, 1000, HUGE - 3, HUGE]))
    else:
        field.count = int(random.choice([0, 2, 3, 1000, HUGE]))
    message.fields = [*message.fields[:row], field, *message.fields[row + 1:]]


def _change_size(message: PointCloud2, random: np.random.Generator) -> None:
    name = str(random.choice(['width', 'height', 'point_step', 'row_step']))
    value = getattr(message, name)
    setattr(message, name, int(random.choice(
        [0, 1, 3, 15, max(value - 1, 0), value + 1, 2 * value, 65536, HUGE])) & HUGE)


def _swap_size(message: PointCloud2, random: np.random.Generator) -> None:
    message.width, message.height = message.height, message.width


def _resize_data(message: PointCloud2, random: np.random.Generator) -> None:
    data = np.asarray(message.data, np.uint8)
    size = int(random.choice([0, 1, len(data) // 2, len(data) - 1, len(data) + 7, 2 * len(data)])
               ) if len(data) else 16
    message.data = as_bytes(np.resize(data, size) if len(data) else np.zeros(size, np.uint8))


def _random_bytes(message: PointCloud2, random: np.random.Generator) -> None:
    data = np.array(message.data, np.uint8)
    chosen = random.random(len(data)) < random.choice([0.001, 0.1, 1.0])
    data[chosen] = random.integers(0, 256, int(chosen.sum()))
    message.data = as_bytes(data)


def _change_positions(message: PointCloud2, random: np.random.Generator) -> None:
    data = np.array(message.data, np.uint8)
    words = data[:len(data) // 4 * 4].view(np.float32)
    column = random.integers(3)
    rows = np.arange(column, len(words), 4)
    rows = rows[random.random(len(rows)) < random.choice([0.001, 0.5, 1.0])]
    words[rows] = np.float32(random.choice(VALUES))
    message.data = as_bytes(data)


def _scale_positions(message: PointCloud2, random: np.random.Generator) -> None:
    data = np.array(message.data, np.uint8)
    words = data[:len(data) // 4 * 4].view(np.float32)
    factor, shift = random.choice([1e-6, 0.01, 1000, -1, 1e5]), random.choice([0, 1e4, 1e7])
    with np.errstate(all='ignore'):  # words that are no positions are scaled, too
        words[:] = words * np.float32(factor) + np.float32(shift)
    message.data = as_bytes(data)


def _change_flags(message: PointCloud2, random: np.random.Generator) -> None:
    message.is_bigendian ^= bool(random.integers(2))
    message.is_dense ^= bool(random.integers(2))


def _change_header(message: PointCloud2, random: np.random.Generator) -> None:
    message.header.frame_id = str(random.choice(
        ['', '/map', 'camera_optical_frame', '\u4e16\u754c', 'f' * 5000, 'a b\n']))
    message.header.stamp.nanosec = int(random.choice([0, 10**9 - 1, 10**9, HUGE]))
    message.header.stamp.sec = int(random.choice([0, -1, -2**31, 2**31 - 1]))


CHANGES: tuple[Change, ...] = (
    _drop_field, _repeat_field, _change_field, _change_field, _change_size, _change_size,
    _swap_size, _resize_data, _random_bytes, _change_positions, _scale_positions, _change_flags,
    _change_header)
