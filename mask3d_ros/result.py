"""The result of segmenting one cloud, from which the output messages are built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
import math

from mask3d_core.colors import instance_colors
from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
from mask3d_core.tracking import TrackedObjects
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2


@dataclass(frozen=True)
class TileCounts:
    """
    What became of the tiles of a map.

    Attributes
    ----------
    total : int
        Number of tiles of the map.
    segmented : int
        Those segmented for this map; others are as remembered from earlier maps.
    pending : int
        Those still to be segmented: the result is partial if there are any.
    left_out : int
        Those without instances, as `roi` or `max_points` leave them out.
    left_out_points : int
        Points in the cores of those left out.

    """

    total: int = 1
    segmented: int = 1
    pending: int = 0
    left_out: int = 0
    left_out_points: int = 0


@dataclass(frozen=True, eq=False)
class SegmentationResult:
    """
    The objects in one cloud; every output message is built from it.

    Attributes
    ----------
    cloud : PointCloud2
        The input message, unchanged.
    scan : Scan
        The finite points of the cloud.
    objects : TrackedObjects
        Instances, ids and what is known of them from earlier clouds.
    seconds : mapping of str to float
        Processing time of each stage.
    cloud_voxel : float
        Voxel size to which the labelled cloud is thinned, metres; 0: not at all.
    tiles : TileCounts
    color_by : str
        'instance', or 'class': instances have the colours of their classes.

    """

    cloud: PointCloud2
    scan: Scan
    objects: TrackedObjects
    seconds: Mapping[str, float]
    cloud_voxel: float = 0.0
    tiles: TileCounts = TileCounts()
    color_by: str = 'instance'

    @property
    def instances(self) -> Instances:
        """Those of the objects."""
        return self.objects.instances

    @property
    def ids(self) -> NDArray[np.uint32]:
        """Id of each instance, never 0: [I]."""
        return self.objects.ids

    @cached_property
    def colors(self) -> NDArray[np.uint8]:
        """Colour of each instance in every output: [I, 3]. Id 1 has the first colour."""
        if self.color_by == 'class':
            table = self.instances.class_colors
            return np.array([table[number] for number in self.instances.class_id.tolist()],
                            np.uint8).reshape(-1, 3)
        return instance_colors(self.ids.astype(np.int64) - 1)


def cloud_name(cloud: PointCloud2) -> str:
    """Return how answers name a cloud, so that none is taken for another."""
    stamp = cloud.header.stamp
    return f'the cloud of {stamp.sec}.{stamp.nanosec:09d} in {cloud.header.frame_id!r}'


def log_line(result: SegmentationResult, seconds: float, dropped: int) -> str:
    """Return what the log says of a result, and of clouds that were dropped before it."""
    stages = ', '.join(f'{name} {1000 * time:.0f}' for name, time in result.seconds.items())
    late = f'; {dropped} older clouds were dropped' if dropped else ''
    instances, tiles = result.instances, result.tiles
    voxels = ('' if math.isnan(instances.voxel_size)
              else f' in voxels of {100 * instances.voxel_size:.3g} cm')
    return (f'{instances.num_points} points{voxels}: {len(instances)} instances in '
            f'{1000 * seconds:.0f} ms, {tiles.segmented} of {tiles.total} tiles segmented'
            + (f', {tiles.pending} to go' if tiles.pending else '') + f' ({stages}){late}')
