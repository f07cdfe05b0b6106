"""Segmentation of one PointCloud2: decode, segment, track."""

from __future__ import annotations

import time

from mask3d_core.files import decode_pointcloud2
from mask3d_core.segmenter import Segmenter
from mask3d_core.tracker import Tracker
from mask3d_ros.result import SegmentationResult
from mask3d_ros.segment_parameters import Settings
import numpy as np
from sensor_msgs.msg import PointCloud2


def segment_cloud(cloud: PointCloud2, segmenter: Segmenter, settings: Settings, tracker: Tracker,
                  ) -> SegmentationResult:
    """
    Segment a cloud into instances.

    With `settings.track` the tracker assigns the ids. Otherwise ids count from 1 in descending
    order of score.

    Raises
    ------
    InputError
        If the cloud cannot be decoded, or does not suit the weights.

    """
    start = time.perf_counter()
    scan = decode_pointcloud2(cloud)
    read = time.perf_counter() - start
    instances = segmenter.segment(scan, settings.extract, num_queries=settings.num_queries or None,
                                  max_voxels=settings.max_voxels)
    start = time.perf_counter()
    if settings.track:
        ids = tracker.update(scan, instances, cloud.header.frame_id)
    else:
        tracker.reset()
        ids = np.arange(1, len(instances) + 1, dtype=np.uint32)
    tracking = time.perf_counter() - start
    return SegmentationResult(cloud, scan, instances, ids,
                              {'read': read, **instances.seconds, 'tracking': tracking},
                              settings.cloud_voxel)
