"""Decode `sensor_msgs/PointCloud2` messages of any implementation, without ROS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from mask3d_core.conventions import AS_IS, Conventions
from mask3d_core.errors import InputError
from mask3d_core.files.color_fields import COLOR_ARRAYS, plain_name
from mask3d_core.files.columns import (
    AXES,
    expand_field,
    require_axes,
    scan_from_columns,
    used_names,
)
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray

DATATYPES = {1: 'i1', 2: 'u1', 3: 'i2', 4: 'u2', 5: 'i4', 6: 'u4', 7: 'f4', 8: 'f8'}
"""numpy types of the constants of `sensor_msgs/PointField`, INT8 ... FLOAT64."""


class PointField(Protocol):
    """The attributes of a `sensor_msgs/PointField` that are read."""

    @property
    def name(self) -> str:
        """Name of the field."""

    @property
    def offset(self) -> int:
        """Bytes from the start of a point."""

    @property
    def datatype(self) -> int:
        """One of `DATATYPES`."""


class PointCloud2(Protocol):
    """The attributes of a `sensor_msgs/PointCloud2` that are read."""

    @property
    def height(self) -> int:
        """Number of rows; 1 for an unorganized cloud."""

    @property
    def width(self) -> int:
        """Number of points per row."""

    @property
    def fields(self) -> Sequence[PointField]:
        """Layout of a point."""

    @property
    def is_bigendian(self) -> bool:
        """Whether the data is big-endian."""

    @property
    def point_step(self) -> int:
        """Size of a point, bytes."""

    @property
    def row_step(self) -> int:
        """Size of a row, bytes."""

    @property
    def data(self) -> Any:
        """Any buffer: bytes, array of bytes or numpy array."""


def decode_pointcloud2(message: PointCloud2, conventions: Conventions = AS_IS) -> Scan:
    """
    Create a scan from a cloud message, which is not modified.

    Fields are found by name: x, y, z (FLOAT32 or FLOAT64), colour, which is packed in 4 bytes as
    `rgb` or `rgba` or has three fields, such as r, g, b (names as in `color_fields.py`), `segment`
    (integer, optional). Others are skipped; a cloud with only `intensity` has no colour. Padded
    points and rows, both byte orders, unaligned fields and organized clouds are supported.
    `Scan.kept` is in row-major order.

    Parameters
    ----------
    message : PointCloud2
        In the frame of its header.
    conventions : Conventions
        By default metres and z up.

    Raises
    ------
    InputError
        If the message is inconsistent, lacks x, y or z, or has too few finite points.

    """
    fields: dict[str, PointField] = {}
    for field in message.fields:
        if field.name == plain_name(field.name):
            fields.setdefault(field.name, field)
    for field in message.fields:
        fields.setdefault(plain_name(field.name), field)
    require_axes(fields)
    if message.width * message.height == 0:
        raise InputError(f'cloud is empty (width {message.width}, height {message.height}): '
                         'expected points; wait for the map to fill')
    data, shape, strides = _layout(message)
    columns: dict[str, NDArray] = {}
    used = used_names(fields)
    for name, field in fields.items():
        count = getattr(field, 'count', 1)
        parts = count if name in COLOR_ARRAYS and count in (3, 4) else 1
        if name in used or parts > 1:
            dtype = _datatype(message, field, parts)
            columns.update(expand_field(name, [
                np.ndarray(shape, dtype, data, field.offset + part * dtype.itemsize, strides)
                for part in range(parts)]))
    return scan_from_columns(columns, [*fields, *columns], conventions)


def num_positions(message: PointCloud2) -> int:
    """
    Return how many points of a cloud have a finite position.

    Raises
    ------
    InputError
        If the message is inconsistent, or lacks x, y or z.

    """
    if message.width * message.height == 0:
        return 0
    data, shape, strides = _layout(message)
    fields = {plain_name(field.name): field for field in message.fields}
    require_axes(fields)
    positions = (np.ndarray(shape, _datatype(message, fields[axis], 1), data,
                            fields[axis].offset, strides) for axis in AXES)
    return int(np.logical_and.reduce([np.isfinite(column) for column in positions]).sum())


def _layout(message: PointCloud2) -> tuple[NDArray[np.uint8], tuple[int, ...], tuple[int, ...]]:
    """Return the data of a message, and the shape and strides of its points."""
    width, height, step = message.width, message.height, message.point_step
    if step <= 0:
        raise InputError(f'expected a point_step of at least 12 bytes, got {step}')
    row = message.row_step or width * step  # some drivers set 0
    if height == 1:
        row = width * step  # unused with a single row, and some drivers set a wrong value
    elif row < width * step:
        raise InputError(f'row_step is {row} bytes, but a row of {width} points of {step} bytes '
                         f'needs {width * step}')
    data = _bytes(message.data)
    expected = (height - 1) * row + width * step
    if len(data) < expected:
        raise InputError(f'cloud of {width} x {height} points announces {expected} bytes, '
                         f'got {len(data)}: the message was truncated or its sizes are wrong')
    if row == width * step:
        return data, (width * height,), (step,)
    return data, (height, width), (row, step)


def _bytes(data: Any) -> NDArray[np.uint8]:
    try:
        return np.frombuffer(data, np.uint8)
    except (TypeError, ValueError):  # a list of numbers, or a non-contiguous array
        return np.frombuffer(bytes(data), np.uint8)


def _datatype(message: PointCloud2, field: PointField, count: int) -> np.dtype:
    if field.datatype not in DATATYPES:
        raise InputError(f'field {field.name!r} has datatype {field.datatype}, expected one of '
                         'sensor_msgs/PointField: 1 (INT8) to 8 (FLOAT64)')
    dtype = np.dtype(('>' if message.is_bigendian else '<') + DATATYPES[field.datatype])
    end = field.offset + count * dtype.itemsize
    if end > message.point_step:
        raise InputError(f'field {field.name!r} ends at byte {end}, '
                         f'beyond the point_step of {message.point_step} bytes')
    return dtype
