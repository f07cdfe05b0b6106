"""Messages about single objects: how they changed, and all that is known of one."""

from __future__ import annotations

from mask3d_core.scan import Scan
from mask3d_core.tracking import ObjectChange as Change
from mask3d_ros.clouds import scan_cloud
from mask3d_ros.messages import instance_message, point, stamp, upright_pose
from mask3d_ros.msg import ObjectChange, ObjectChangeArray, Observation
from mask3d_ros.result import SegmentationResult
from mask3d_ros.srv import GetObject
import numpy as np

KINDS = {'appeared': ObjectChange.APPEARED, 'moved': ObjectChange.MOVED,
         'disappeared': ObjectChange.DISAPPEARED, 'merged': ObjectChange.MERGED,
         'split': ObjectChange.SPLIT}


def change_array(result: SegmentationResult) -> ObjectChangeArray:
    """Return how the objects of a result differ from those of the one before."""
    names = result.instances.class_names
    return ObjectChangeArray(
        header=result.cloud.header,
        changes=[_change(change, names[change.class_id]) for change in result.objects.changes])


def get_object(identity: int, result: SegmentationResult) -> GetObject.Response:
    """Return what is known of one object, from the last result."""
    found = np.flatnonzero(result.ids == identity)
    if not len(found):
        return GetObject.Response(
            header=result.cloud.header,
            message=f'there is no object {identity} among the {len(result.ids)} of the last cloud')
    index = int(found[0])
    instances, scan = result.instances, result.scan
    rows = np.searchsorted(scan.kept, instances.points(index))
    points = Scan(scan.xyz[rows], None if scan.color is None else scan.color[rows], None,
                  np.arange(len(rows)), len(rows))
    history = [Observation(
        stamp=stamp(one.stamp), class_id=one.class_id,
        class_name=instances.class_names[one.class_id], score=one.score,
        centroid=point(np.array(one.centroid))) for one in result.objects.history[index]]
    return GetObject.Response(
        success=True, header=result.cloud.header, object=instance_message(result, index),
        points=scan_cloud(result.cloud.header, points), history=history)


def _change(change: Change, class_name: str) -> ObjectChange:
    return ObjectChange(
        kind=KINDS[change.kind], id=change.id, class_id=change.class_id, class_name=class_name,
        others=list(change.others), pose=upright_pose(change.center, change.yaw),
        previous_pose=upright_pose(change.previous_center, change.previous_yaw),
        previous_stamp=stamp(change.previous_seen))
