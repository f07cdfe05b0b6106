"""Layouts of PointCloud2, byte by byte."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field, replace
import struct
from typing import Any

from mask3d_core.errors import InputError
from mask3d_core.files import decode_pointcloud2
import numpy as np
import pytest

XYZ = np.arange(24, dtype=np.float32).reshape(8, 3) / 4
RGB = np.arange(24, dtype=np.uint8).reshape(8, 3) * 10
NUMPY = {1: 'i1', 2: 'u1', 3: 'i2', 4: 'u2', 5: 'i4', 6: 'u4', 7: 'f4', 8: 'f8'}


@dataclass(frozen=True)
class Field:
    """A sensor_msgs/PointField."""

    name: str
    offset: int
    datatype: int
    count: int = 1


@dataclass(frozen=True)
class Cloud:
    """A sensor_msgs/PointCloud2."""

    fields: list[Field]
    point_step: int
    data: Any
    width: int = 8
    height: int = 1
    row_step: int = 0
    is_bigendian: bool = False
    is_dense: bool = field(default=False)


def packed(rgb: np.ndarray, alpha: int = 255) -> np.ndarray:
    """Return 0xAARRGGBB."""
    r, g, b = rgb.astype(np.uint32).T
    return alpha << 24 | r << 16 | g << 8 | b


def cloud(fields: list[Field], point_step: int, columns: dict[str, np.ndarray],
          size: tuple[int, int] = (8, 1), row_step: int = 0, big: bool = False) -> Cloud:
    """Write columns to where the fields say; the gaps are filled with 0xAB."""
    width, height = size
    row_step = row_step or width * point_step
    data = bytearray(b'\xab' * (row_step * height))
    order = '>' if big else '<'
    for f in fields:
        for index, value in enumerate(columns[f.name]):
            start = index // width * row_step + index % width * point_step + f.offset
            raw = np.array(value).astype(order + NUMPY[f.datatype]).tobytes()
            data[start:start + len(raw)] = raw
    return Cloud(fields, point_step, bytes(data), width, height, row_step, big)


def xyz_fields(datatype: int = 7, size: int = 4) -> list[Field]:
    """Return x, y, z one after the other."""
    return [Field(axis, size * place, datatype) for place, axis in enumerate('xyz')]


def xyz_columns(xyz: np.ndarray = XYZ) -> dict[str, np.ndarray]:
    """Return x, y, z by name."""
    return dict(zip('xyz', xyz.T))


@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize('name', ['rgb', 'rgba'])
@pytest.mark.parametrize('datatype', [5, 6, 7])
@pytest.mark.parametrize('alpha', [0, 255])
def test_packed_color(big: bool, name: str, datatype: int, alpha: int) -> None:
    bits = packed(RGB, alpha).view({5: np.int32, 6: np.uint32, 7: np.uint32}[datatype])
    written = [Field(name, 16, 6 if datatype == 7 else datatype)]
    message = cloud(xyz_fields() + written, 32, xyz_columns() | {name: bits}, big=big)
    scan = decode_pointcloud2(replace(message, fields=xyz_fields() + [Field(name, 16, datatype)]))
    np.testing.assert_array_equal(scan.xyz, XYZ)
    np.testing.assert_allclose(scan.color, RGB / 255, atol=1e-6)
    assert scan.xyz.dtype == np.float32 and scan.xyz.dtype.isnative


@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize(('datatype', 'scale'), [(2, 1), (7, 255), (8, 255)])
def test_separate_color_and_unaligned_points(big: bool, datatype: int, scale: int) -> None:
    size = {2: 1, 7: 4, 8: 8}[datatype]
    fields = [Field(axis, 1 + 4 * place, 7) for place, axis in enumerate('xyz')]
    fields += [Field(name, 13 + size * place, datatype) for place, name in enumerate('bgr')]
    columns = xyz_columns() | dict(zip('rgb', RGB.T / scale))
    scan = decode_pointcloud2(cloud(fields, 13 + 3 * size, columns, big=big))
    np.testing.assert_array_equal(scan.xyz, XYZ)
    np.testing.assert_allclose(scan.color, RGB / 255, atol=1e-6)


def test_lidar_layout_has_no_color() -> None:
    fields = xyz_fields() + [Field('intensity', 12, 7), Field('ring', 16, 4), Field('time', 18, 8)]
    columns = xyz_columns() | {name: np.arange(8) for name in ('intensity', 'ring', 'time')}
    scan = decode_pointcloud2(cloud(fields, 26, columns))
    np.testing.assert_array_equal(scan.xyz, XYZ)
    assert scan.color is None and scan.segment is None


def test_float64_is_kept() -> None:
    xyz = XYZ.astype(np.float64) + 1e-9
    scan = decode_pointcloud2(cloud(xyz_fields(8, 8), 24, xyz_columns(xyz)))
    assert scan.xyz.dtype == np.float64
    np.testing.assert_array_equal(scan.xyz, xyz)


@pytest.mark.parametrize('big', [False, True])
def test_organized_with_padded_rows(big: bool) -> None:
    fields = xyz_fields() + [Field('rgb', 12, 6)]
    message = cloud(fields, 16, xyz_columns() | {'rgb': packed(RGB)}, (4, 2), 75, big)
    scan = decode_pointcloud2(message)
    np.testing.assert_array_equal(scan.xyz, XYZ)
    np.testing.assert_allclose(scan.color, RGB / 255, atol=1e-6)
    last_row_unpadded = replace(message, data=message.data[:75 + 64])
    np.testing.assert_array_equal(decode_pointcloud2(last_row_unpadded).xyz, XYZ)


def test_invalid_points_are_dropped_and_counted() -> None:
    xyz = np.tile(XYZ, (2, 1))
    xyz[3] = np.nan
    xyz[5, 1] = np.inf
    xyz[9, 2] = -np.inf
    scan = decode_pointcloud2(cloud(xyz_fields() + [Field('rgb', 12, 6)], 16,
                                    xyz_columns(xyz) | {'rgb': packed(np.tile(RGB, (2, 1)))},
                                    (4, 4)))
    valid = np.delete(np.arange(16), [3, 5, 9])
    np.testing.assert_array_equal(scan.kept, valid)
    np.testing.assert_array_equal(scan.xyz, xyz[valid])
    np.testing.assert_allclose(scan.color, np.tile(RGB, (2, 1))[valid] / 255, atol=1e-6)
    assert scan.input_size == 16


def test_segments() -> None:
    ids = np.array([7, 7, 3, 3, -1, -1, 7, 9])
    scan = decode_pointcloud2(cloud(xyz_fields() + [Field('segment', 12, 5)], 16,
                                    xyz_columns() | {'segment': ids}))
    assert scan.segment is not None
    np.testing.assert_array_equal(scan.segment, ids)


def gapped(data: bytes) -> np.ndarray:
    """Return a non-contiguous numpy array."""
    return np.repeat(np.frombuffer(data, np.uint8), 2)[::2]


@pytest.mark.parametrize('kind', [
    bytes, bytearray, memoryview, list, lambda data: array('B', data),
    lambda data: np.frombuffer(data, np.uint8), gapped])
def test_any_buffer_type_and_the_message_is_not_modified(kind: Any) -> None:
    message = cloud(xyz_fields() + [Field('rgb', 12, 6)], 16,
                    xyz_columns() | {'rgb': packed(RGB)}, big=True)
    message = replace(message, data=kind(message.data))
    before = bytes(message.data)
    scan = decode_pointcloud2(message)
    np.testing.assert_array_equal(scan.xyz, XYZ)
    scan.xyz[:] = 0
    assert bytes(message.data) == before


def test_a_single_row_needs_no_row_step() -> None:
    message = cloud(xyz_fields(), 12, xyz_columns())
    for row_step in (0, 5):
        np.testing.assert_array_equal(
            decode_pointcloud2(replace(message, row_step=row_step)).xyz, XYZ)


GOOD = cloud(xyz_fields() + [Field('rgb', 12, 6)], 16, xyz_columns() | {'rgb': packed(RGB)})


@pytest.mark.parametrize(('change', 'words'), [
    ({'fields': []}, 'x, y and z, got: no fields'),
    ({'fields': [Field('x', 0, 7), Field('range', 4, 7)]}, 'x, y and z, got: x, range'),
    ({'width': 0, 'data': b''}, 'empty'),
    ({'height': 0}, 'empty'),
    ({'point_step': 0}, 'point_step'),
    ({'data': GOOD.data[:-1]}, '128 bytes, got 127'),
    ({'width': 9}, '144 bytes, got 128'),
    ({'width': 4, 'height': 2, 'row_step': 60}, 'row_step is 60'),
    ({'fields': [Field('x', 0, 99), *GOOD.fields[1:]]}, "'x' has datatype 99"),
    ({'fields': [Field('x', 0, 5), *GOOD.fields[1:]]}, "'x' as float32 or float64, got int32"),
    ({'fields': [*GOOD.fields[:3], Field('rgb', 13, 7)]}, "'rgb' ends at byte 17"),
    ({'fields': [*GOOD.fields[:3], Field('rgb', 8, 8)]}, "'rgb' packed in 4 bytes"),
    ({'fields': [*GOOD.fields[:3], *(Field(c, 12, kind) for c, kind in zip('rgb', (4, 4, 7)))]},
     'got float32, uint16'),
    ({'data': struct.pack('<f', np.nan) * 32}, '0 finite points of 8'),
    ({'data': struct.pack('<f', 1e30) * 32}, '1e+30'),
])
def test_inconsistent_messages_are_rejected(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as raised:
        decode_pointcloud2(replace(GOOD, **change))
    assert words in str(raised.value)


def test_unused_fields_can_have_any_type() -> None:
    message = replace(GOOD, fields=[*GOOD.fields, Field('normal', 900, 77)])
    np.testing.assert_array_equal(decode_pointcloud2(message).xyz, XYZ)
