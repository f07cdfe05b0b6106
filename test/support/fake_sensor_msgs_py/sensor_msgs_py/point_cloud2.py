"""Points of a PointCloud2 as a structured array, and back; little-endian fields of one value."""

import array
from collections.abc import Sequence

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

TYPES = ('i1', 'u1', '<i2', '<u2', '<i4', '<u4', '<f4', '<f8')
"""Of the datatypes INT8, which is 1, to FLOAT64."""


def read_points(cloud: PointCloud2) -> np.ndarray:
    """Return all points: [N]."""
    dtype = np.dtype({'names': [field.name for field in cloud.fields],
                      'formats': [TYPES[field.datatype - 1] for field in cloud.fields],
                      'offsets': [field.offset for field in cloud.fields],
                      'itemsize': cloud.point_step})
    return np.frombuffer(cloud.data, dtype)


def create_cloud(header: Header, fields: Sequence[PointField], points: np.ndarray) -> PointCloud2:
    """Return a cloud of points [N], whose dtype has the fields."""
    step = points.dtype.itemsize
    return PointCloud2(header=header, height=1, width=len(points), fields=fields, point_step=step,
                       row_step=step * len(points), data=array.array('B', points.tobytes()))
