"""Read scans and write results: one module per file format, without torch or ROS."""

from mask3d_core.files.formats import read_scan
from mask3d_core.files.pointcloud2 import decode_pointcloud2

__all__ = ['decode_pointcloud2', 'read_scan']
