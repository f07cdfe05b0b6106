"""A segmentation result of ten points and two instances, every value known."""

from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
from mask3d_core.tracking import untracked
from mask3d_ros.clouds import scan_cloud
from mask3d_ros.result import SegmentationResult
import numpy as np
from std_msgs.msg import Header

CHAIR_POINTS = [4, 5, 6]
"""Point indices of the first instance, a chair."""
TABLE_POINTS = [6, 7, 9]
"""Point indices of the second, a table: point 6 belongs to both."""


def tiny_result() -> SegmentationResult:
    """Return the result; point 2 of its cloud is NaN, the cloud is organized, 2 x 5."""
    xyz = np.arange(30, dtype=np.float32).reshape(10, 3) / 10
    color = np.linspace(0, 1, 30, dtype=np.float32).reshape(10, 3)
    header = Header(frame_id='map')
    header.stamp.sec = 7
    cloud = scan_cloud(header, Scan(xyz, color, None, np.arange(10), 10))
    cloud.height, cloud.width, cloud.row_step = 2, 5, 5 * cloud.point_step
    kept = np.array([0, 1, 3, 4, 5, 6, 7, 8, 9])
    scan = Scan(xyz[kept], color[kept], None, kept, 10)
    instances = Instances(
        rows=tuple(np.array(points, np.int32) for points in (CHAIR_POINTS, TABLE_POINTS)),
        num_points=10, class_id=np.array([5, 7], np.int32),
        score=np.array([0.9, 0.4], np.float32), class_names={5: 'chair', 7: 'table'},
        class_colors={5: (188, 189, 34), 7: (255, 152, 150)},
        centroid=np.array([xyz[CHAIR_POINTS].mean(0), xyz[TABLE_POINTS].mean(0)], np.float64),
        box_center=np.array([[1.5, 1.6, 1.7], [2.25, 2.35, 2.45]]),
        box_size=np.array([[0.6, 0.6, 0.6], [0.9, 0.9, 0.9]]),
        upright_center=np.array([[1.5, 1.6, 1.7], [2.25, 2.35, 2.45]]),
        upright_size=np.array([[0.8, 0.1, 0.6], [1.2, 0.2, 0.9]]),
        upright_yaw=np.array([np.pi / 4, -np.pi / 6]))
    return SegmentationResult(cloud, scan, untracked(instances, 7_000_000_000),
                              {'read': 0.25, 'unet': 0.5})
