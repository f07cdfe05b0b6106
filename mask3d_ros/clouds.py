"""The PointCloud2 messages that the nodes publish."""

from __future__ import annotations

import array
from typing import Any

from mask3d_core.colors import faded_colors
from mask3d_core.scan import Scan
from mask3d_ros.result import SegmentationResult
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

DATATYPES = {'f4': PointField.FLOAT32, 'u4': PointField.UINT32}
XYZ_FIELDS = [('x', '<f4'), ('y', '<f4'), ('z', '<f4')]
RGB_FIELD = ('rgb', '<f4')
LABELLED_DTYPE = np.dtype([
    *XYZ_FIELDS, RGB_FIELD, ('label', '<u4'), ('instance', '<u4'), ('score', '<f4')])
"""Fields of the labelled cloud."""


def labelled_cloud(result: SegmentationResult) -> PointCloud2:
    """
    Return the input cloud with the colour, label, id and score of each point's instance.

    Header, width, height and the order of the points are those of the input; points that are not
    finite become NaN. Fields: x y z FLOAT32; rgb packed in FLOAT32; label UINT32, class id;
    instance UINT32, id; score FLOAT32. A point of several instances belongs to the one of highest
    score. Points of no instance have their own colour faded to grey, and 0 in the last three.
    """
    scan, instances = result.scan, result.instances
    best = instances.point_instance()[scan.kept]  # [N], row of the instance or -1
    assigned = best >= 0
    color = faded_colors(scan.color, len(scan))
    color[assigned] = result.colors[best[assigned]]
    points = _points(scan.xyz, LABELLED_DTYPE)
    _pack_rgb(points, color)
    # index -1 selects the appended 0
    points['label'] = np.append(instances.class_id, 0)[best]
    points['instance'] = np.append(result.ids, 0)[best]
    points['score'] = np.append(instances.score, 0)[best]
    rows = points
    if len(scan) < scan.input_size:
        rows = np.zeros(scan.input_size, LABELLED_DTYPE)
        for axis in 'xyz':
            rows[axis] = np.nan
        rows[scan.kept] = points
    message = _message(result.cloud.header, rows, result.cloud.height, result.cloud.width)
    message.is_dense = len(scan) == scan.input_size
    return message


def scan_cloud(header: Header, scan: Scan) -> PointCloud2:
    """Return the finite points of a scan as a cloud: x y z FLOAT32, and rgb if there is colour."""
    fields = XYZ_FIELDS if scan.color is None else [*XYZ_FIELDS, RGB_FIELD]
    points = _points(scan.xyz, np.dtype(fields))
    if scan.color is not None:
        _pack_rgb(points, np.rint(scan.color * 255).astype(np.uint8))
    message = _message(header, points, 1, len(points))
    message.is_dense = True
    return message


def as_bytes(rows: NDArray[Any]) -> array.array[int]:
    """
    Return the bytes of an array as `array.array`, the one type that rclpy does not validate.

    That takes 4 to 13 ms for 20 MB. With `bytes` or a numpy array rclpy checks every value, which
    takes more than a second.
    """
    data = array.array('B')
    data.frombytes(np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data)
    return data


def _points(xyz: NDArray[np.floating], dtype: np.dtype[Any]) -> NDArray[Any]:
    points = np.zeros(len(xyz), dtype)
    for column, axis in enumerate('xyz'):
        points[axis] = xyz[:, column]
    return points


def _pack_rgb(points: NDArray[Any], color: NDArray[np.uint8]) -> None:
    """Write colours [N, 3] to the field rgb, packed as 0x00RRGGBB; these bits are never a NaN."""
    red, green, blue = color.astype(np.uint32).T
    points['rgb'] = (red << 16 | green << 8 | blue).view(np.float32)


def _message(header: Header, rows: NDArray[Any], height: int, width: int) -> PointCloud2:
    assert rows.dtype.fields is not None
    return PointCloud2(
        header=header, height=height, width=width,
        fields=[PointField(name=name, offset=offset, datatype=DATATYPES[dtype.str[1:]], count=1)
                for name, (dtype, offset, *_) in rows.dtype.fields.items()],
        is_bigendian=False, point_step=rows.itemsize, row_step=rows.itemsize * width,
        data=as_bytes(rows))
