"""Files: scans in, results out. One module per format; none needs torch or ROS."""

from mask3d_core.files.formats import read_scan
from mask3d_core.files.pointcloud2 import decode_pointcloud2

__all__ = ['decode_pointcloud2', 'read_scan']
