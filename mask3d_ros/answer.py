"""What the node found in one cloud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import time

from mask3d_core.colors import instance_colors
from mask3d_core.files import decode_pointcloud2
from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
from mask3d_core.segmenter import Segmenter
from mask3d_core.tracker import Tracker
from mask3d_ros.parameters import Settings
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2


@dataclass(frozen=True, eq=False)
class Answer:
    """
    The instances of one cloud; every output is built from it.

    Attributes
    ----------
    cloud : PointCloud2
        The input, untouched.
    scan : Scan
        Its finite points.
    instances : Instances
    ids : [I] uint32
        Id of each instance, never 0.
    seconds : mapping of str to float
        Time of each stage.

    """

    cloud: PointCloud2
    scan: Scan
    instances: Instances
    ids: NDArray[np.uint32]
    seconds: Mapping[str, float]

    @property
    def colors(self) -> NDArray[np.uint8]:
        """Colour of each instance in every output: [I, 3]. The first id has the first colour."""
        return instance_colors(self.ids.astype(np.int64) - 1)


def answer(cloud: PointCloud2, segmenter: Segmenter, settings: Settings, tracker: Tracker,
           ) -> Answer:
    """
    Find the instances of a cloud.

    The tracker gives them their ids, or, if the settings say so, they count from 1 in the order
    of the scores.

    Raises
    ------
    InputError
        For a cloud that cannot be read, or that the weights cannot be used with.

    """
    start = time.perf_counter()
    scan = decode_pointcloud2(cloud)
    read = time.perf_counter() - start
    instances = segmenter.segment(scan, settings.extract, num_queries=settings.num_queries or None,
                                  max_voxels=settings.max_voxels)
    begun = time.perf_counter()
    if settings.track:
        ids = tracker.update(scan, instances, cloud.header.frame_id)
    else:
        tracker.reset()
        ids = np.arange(1, len(instances) + 1, dtype=np.uint32)
    tracking = time.perf_counter() - begun
    return Answer(cloud, scan, instances, ids,
                  {'read': read, **instances.seconds, 'tracking': tracking})
