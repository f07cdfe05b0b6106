"""Decode `sensor_msgs/PointCloud2`, whoever's class carries it; no ROS needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from mask3d_core.errors import InputError
from mask3d_core.files.columns import require_axes, scan_from_columns, USED
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray

DATATYPES = {1: 'i1', 2: 'u1', 3: 'i2', 4: 'u2', 5: 'i4', 6: 'u4', 7: 'f4', 8: 'f8'}
"""Constants of `sensor_msgs/PointField`, INT8 ... FLOAT64, as numpy names them."""


class PointField(Protocol):
    """What is read of a `sensor_msgs/PointField`."""

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
    """What is read of a `sensor_msgs/PointCloud2`; `data` is any buffer of bytes."""

    @property
    def height(self) -> int:
        """Rows; 1 for an unorganised cloud."""

    @property
    def width(self) -> int:
        """Points in a row."""

    @property
    def fields(self) -> Sequence[PointField]:
        """Layout of a point."""

    @property
    def is_bigendian(self) -> bool:
        """Byte order of the data."""

    @property
    def point_step(self) -> int:
        """Bytes from point to point."""

    @property
    def row_step(self) -> int:
        """Bytes from row to row."""

    @property
    def data(self) -> Any:
        """Bytes, array of bytes or numpy array."""


def decode_pointcloud2(message: PointCloud2) -> Scan:
    """
    Make a scan of a cloud message, which stays as it is.

    Fields are found by name: x, y, z (FLOAT32 or FLOAT64), colour as `rgb` or `rgba` (packed in 4
    bytes) or as r, g, b (UINT8, or FLOAT32 0..1), `segment` (integer, optional). Others are
    skipped; a cloud with only `intensity` has no colour. Padding of points and rows, either byte
    order, unaligned and organised clouds are understood. `Scan.kept` counts row by row.

    Parameters
    ----------
    message : PointCloud2
        Metres, in the frame of its header.

    Raises
    ------
    InputError
        If the message contradicts itself, lacks x, y or z, or has too few finite points.

    """
    require_axes(field.name for field in message.fields)
    if message.width * message.height == 0:
        raise InputError(f'cloud is empty (width {message.width}, height {message.height}): '
                         'expected points; wait for the map to fill')
    data, shape, strides = _layout(message)
    columns: dict[str, NDArray] = {}
    for field in message.fields:
        if field.name in USED and field.name not in columns:
            columns[field.name] = np.ndarray(shape, _datatype(message, field), data,
                                             field.offset, strides)
    return scan_from_columns(columns)


def _layout(message: PointCloud2) -> tuple[NDArray[np.uint8], tuple[int, ...], tuple[int, ...]]:
    """Return the bytes of a message, and shape and strides of its points."""
    width, height, step = message.width, message.height, message.point_step
    if step <= 0:
        raise InputError(f'expected a point_step of at least 12 bytes, got {step}')
    row = message.row_step or width * step  # some drivers leave it 0
    if height == 1:
        row = width * step  # nothing follows the only row, and some drivers announce nonsense
    elif row < width * step:
        raise InputError(f'row_step is {row} bytes, but a row of {width} points of {step} bytes '
                         f'needs {width * step}')
    data = _bytes(message.data)
    expected = (height - 1) * row + width * step
    if len(data) < expected:
        raise InputError(f'cloud of {width} x {height} points announces {expected} bytes, '
                         f'got {len(data)}: the message was cut or its sizes are wrong')
    if row == width * step:
        return data, (width * height,), (step,)
    return data, (height, width), (row, step)


def _bytes(data: Any) -> NDArray[np.uint8]:
    try:
        return np.frombuffer(data, np.uint8)
    except (TypeError, ValueError):  # a list of numbers, or a numpy array with gaps
        return np.frombuffer(bytes(data), np.uint8)


def _datatype(message: PointCloud2, field: PointField) -> np.dtype:
    if field.datatype not in DATATYPES:
        raise InputError(f'field {field.name!r} has datatype {field.datatype}, expected one of '
                         'sensor_msgs/PointField: 1 (INT8) to 8 (FLOAT64)')
    dtype = np.dtype(('>' if message.is_bigendian else '<') + DATATYPES[field.datatype])
    if field.offset + dtype.itemsize > message.point_step:
        raise InputError(f'field {field.name!r} ends at byte {field.offset + dtype.itemsize}, '
                         f'beyond the point_step of {message.point_step} bytes')
    return dtype
