"""The PointCloud2 messages that the nodes publish."""

from __future__ import annotations

import array
from typing import Any

from mask3d_core.colors import faded_colors
from mask3d_core.errors import InputError
from mask3d_core.geometry.thinning import first_in_voxels
from mask3d_core.scan import MAX_FLOAT32_POSITION, Scan
from mask3d_ros.result import SegmentationResult
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

DATATYPES = {'f4': PointField.FLOAT32, 'f8': PointField.FLOAT64, 'u4': PointField.UINT32}
XYZ_FIELDS = [('x', '<f4'), ('y', '<f4'), ('z', '<f4')]
RGB_FIELD = ('rgb', '<f4')
LABELLED_DTYPE = np.dtype([
    *XYZ_FIELDS, RGB_FIELD, ('label', '<u4'), ('instance', '<u4'), ('score', '<f4')])
"""Fields of the labelled cloud."""
LABELLED_PARTS = np.dtype([('xyz', 'V12'), ('of_instance', 'V16')])
"""The same in two parts, which are copied faster than the fields one by one."""
COLORED_PARTS = np.dtype([('xyz', 'V12'), ('rgb', '<u4')])
"""Parts of a point with position and colour."""
DOUBLE_XYZ_FIELDS = [('x', '<f8'), ('y', '<f8'), ('z', '<f8')]
"""Of clouds that float32 would round to more than a millimetre."""
CHUNK_POINTS = 1 << 14
"""Points written at once: all their fields stay in the processor's cache."""
MAX_BYTES = 2**32 - 1
"""Of the data of a message."""
NAN_BITS = np.float32(np.nan).view(np.uint32)

Rows = slice | NDArray[np.int64]


def labelled_cloud(result: SegmentationResult) -> PointCloud2:
    """
    Return the input cloud with the colour, label, id and score of each point's instance.

    Header, width, height and the order of the points are those of the input; points that are not
    finite become NaN. Fields: x y z FLOAT32, or FLOAT64 if the input has them so far from the
    origin that FLOAT32 rounds them; rgb packed in FLOAT32; label UINT32, class id;
    instance UINT32, id; score FLOAT32. A point of several instances belongs to the one of highest
    score. Points of no instance have their own colour faded to grey, and 0 in the last three.

    If `result.cloud_voxel` is not 0, the cloud has only the first finite point in each voxel of
    that size, in the order of the input, and height 1.

    Raises
    ------
    InputError
        When the cloud spans more voxels of `result.cloud_voxel` than can be numbered, or has
        more bytes than a message holds.

    """
    scan, cloud = result.scan, result.cloud
    if result.cloud_voxel:
        chosen = first_in_voxels(scan.xyz, result.cloud_voxel)
        message, words = _zero_cloud(cloud.header, LABELLED_DTYPE, 1, len(chosen))
        _write_labelled(words, slice(None), result, chosen)
        return _with_precise_positions(message, words, scan, chosen, slice(None))
    message, words = _zero_cloud(cloud.header, LABELLED_DTYPE, cloud.height, cloud.width)
    if len(scan) == scan.input_size:
        _write_labelled(words, slice(None), result, slice(None))
        return _with_precise_positions(message, words, scan, slice(None), slice(None))
    missing = np.ones(scan.input_size, np.bool_)
    missing[scan.kept] = False
    words[np.flatnonzero(missing), :3] = NAN_BITS
    _write_labelled(words, scan.kept, result, slice(None))
    message.is_dense = False
    return _with_precise_positions(message, words, scan, slice(None), scan.kept)


def scan_cloud(header: Header, scan: Scan) -> PointCloud2:
    """
    Return the points of a scan as a cloud: x y z, and rgb if there is colour.

    Positions are FLOAT32, or FLOAT64 if the scan has them so far from the origin that FLOAT32
    rounds them. A colour that all points of the input have is kept.
    """
    has_color = scan.color is not None or scan.only_color is not None
    fields = [*XYZ_FIELDS, RGB_FIELD] if has_color else XYZ_FIELDS
    message, words = _zero_cloud(header, np.dtype(fields), 1, len(scan))
    color = scan.color if scan.only_color is None else np.array([scan.only_color], np.float32)
    if color is None:
        words[:] = _bits(scan.xyz)
    else:
        parts = words.view(COLORED_PARTS)[:, 0]
        parts['xyz'] = _bits(scan.xyz).view('V12')[:, 0]
        parts['rgb'] = _packed_rgb(np.rint(color * 255).astype(np.uint8))
    return _with_precise_positions(message, words, scan, slice(None), slice(None))


def as_bytes(rows: NDArray[Any]) -> array.array[int]:
    """
    Return the bytes of an array as `array.array`, the one type that rclpy does not validate.

    That takes 4 to 13 ms for 20 MB. With `bytes` or a numpy array rclpy checks every value, which
    takes more than a second.
    """
    data = array.array('B')
    data.frombytes(np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data)
    return data


def _with_precise_positions(message: PointCloud2, words: NDArray[np.uint32], scan: Scan,
                            chosen: Rows, place: Rows) -> PointCloud2:
    """
    Return a cloud with FLOAT64 positions if those of its scan need them, the cloud itself if not.

    Parameters
    ----------
    message : PointCloud2
        Its first three fields are the positions in FLOAT32.
    words : [M, fields] uint32
        Its data.
    scan : Scan
    chosen : [P] or slice
        Points of the scan.
    place : [P] or slice
        Row of the message for each.

    """
    xyz = scan.xyz
    if xyz.dtype != np.float64 or max(xyz.max(), -xyz.min()) <= MAX_FLOAT32_POSITION:
        return message
    rest = [(field.name, '<u4' if field.datatype == PointField.UINT32 else '<f4')
            for field in message.fields[3:]]
    precise, wide = _zero_cloud(message.header, np.dtype([*DOUBLE_XYZ_FIELDS, *rest]),
                                message.height, message.width)
    positions = np.full((len(words), 3), np.nan)
    positions[place] = xyz[chosen]
    wide[:, :6] = positions.view(np.uint32)
    wide[:, 6:] = words[:, 3:]
    precise.is_dense = message.is_dense
    return precise


def _write_labelled(words: NDArray[np.uint32], place: Rows, result: SegmentationResult,
                    chosen: Rows) -> None:
    """
    Write points of the labelled cloud.

    Parameters
    ----------
    words : [M, 7] uint32
        The fields of the points of the message, as bits.
    place : [P] or slice
        Row of the message for each point.
    result : SegmentationResult
    chosen : [P] or slice
        The points, as rows of the scan.

    """
    scan = result.scan
    xyz, kept = scan.xyz[chosen], scan.kept[chosen]
    faded = faded_colors(None if scan.color is None else scan.color[chosen], len(xyz))
    best = result.instances.point_instance()
    of_instance = _instance_words(result).view('V16')[:, 0]
    for start in range(0, len(xyz), CHUNK_POINTS):
        part = slice(start, start + CHUNK_POINTS)
        instance = best[kept[part]]                             # -1: none, the last row
        block = (words[part] if isinstance(place, slice)
                 else np.empty((len(instance), words.shape[1]), np.uint32))
        parts = block.view(LABELLED_PARTS)[:, 0]
        parts['xyz'] = _bits(xyz[part]).view('V12')[:, 0]
        parts['of_instance'] = of_instance.take(instance)
        nothing = np.flatnonzero(instance < 0)
        block[nothing, 3] = _packed_rgb(faded[part].take(nothing, axis=0))
        if not isinstance(place, slice):
            words.view('V28')[place[part]] = block.view('V28')


def _instance_words(result: SegmentationResult) -> NDArray[np.uint32]:
    """Return colour, label, id and score of each instance, as bits; zeros in the last row."""
    instances = result.instances
    words = np.zeros((len(instances) + 1, 4), np.uint32)
    words[:-1, 0] = _packed_rgb(result.colors)
    words[:-1, 1] = instances.class_id
    words[:-1, 2] = result.ids
    words[:-1, 3] = _bits(instances.score)
    return words


def _bits(values: NDArray[np.floating]) -> NDArray[np.uint32]:
    """Return the bits of numbers in float32."""
    return np.ascontiguousarray(values, np.float32).view(np.uint32)


def _packed_rgb(color: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Return colours [N, 3] packed as 0x00RRGGBB, which as float32 is never a NaN: [N]."""
    red, green, blue = color.astype(np.uint32).T
    return red << 16 | green << 8 | blue


def _zero_cloud(header: Header, dtype: np.dtype[Any], height: int, width: int,
                ) -> tuple[PointCloud2, NDArray[np.uint32]]:
    """
    Return a dense cloud of zeros, and its data as [points, fields of 4 bytes], to be filled.

    Raises
    ------
    InputError
        If a message cannot hold so many bytes.

    """
    assert dtype.fields is not None
    size = dtype.itemsize * height * width
    if size > MAX_BYTES:
        raise InputError(f'a cloud of {width} x {height} points of {dtype.itemsize} bytes has '
                         f'{size} bytes, but a message holds {MAX_BYTES}: use fewer points, as '
                         'with cloud_voxel')
    message = PointCloud2(
        header=header, height=height, width=width,
        fields=[PointField(name=name, offset=offset, datatype=DATATYPES[kind.str[1:]], count=1)
                for name, (kind, offset, *_) in dtype.fields.items()],
        is_bigendian=False, point_step=dtype.itemsize, row_step=dtype.itemsize * width,
        is_dense=True)
    data = message.data  # extended in place: assigning it would copy it
    data.append(0)
    data *= size
    return message, np.frombuffer(data, np.uint32).reshape(-1, dtype.itemsize // 4)
