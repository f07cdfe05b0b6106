"""Markers for RViz: a wireframe box and a text label for each instance."""

from __future__ import annotations

from itertools import product

from geometry_msgs.msg import Point, Pose, Vector3
from mask3d_ros.messages import box_pose, color, point
from mask3d_ros.result import SegmentationResult
import numpy as np
from numpy.typing import NDArray
from visualization_msgs.msg import Marker, MarkerArray

LINE_WIDTH = 0.02
"""Metres."""
TEXT_HEIGHT = 0.12
"""Metres."""

CORNERS = np.array(list(product((-0.5, 0.5), repeat=3)))
EDGES = [(a, b) for a in range(8) for b in range(a + 1, 8)
         if np.abs(CORNERS[a] - CORNERS[b]).sum() == 1]
"""The 12 pairs of corners that differ in exactly one coordinate."""


def marker_array(result: SegmentationResult) -> MarkerArray:
    """
    Return the markers of a result, after one that deletes all previous markers.

    Namespaces: `boxes` (LINE_LIST) and `labels` (TEXT_VIEW_FACING: class name and score). The
    marker id is the instance id.
    """
    clear = _marker(result, '', 0, Marker.DELETEALL)
    boxes = [_box(result, index) for index in range(len(result.instances))]
    labels = [_label(result, index) for index in range(len(result.instances))]
    return MarkerArray(markers=[clear, *boxes, *labels])


def _box(result: SegmentationResult, index: int) -> Marker:
    marker = _marker(result, 'boxes', result.ids[index], Marker.ADD)
    marker.type = Marker.LINE_LIST
    marker.pose = box_pose(result.instances, index)
    marker.scale = Vector3(x=LINE_WIDTH)
    marker.color = color(result.colors[index])
    marker.points = _edges(result.instances.upright_size[index])
    return marker


def _label(result: SegmentationResult, index: int) -> Marker:
    instances = result.instances
    marker = _marker(result, 'labels', result.ids[index], Marker.ADD)
    marker.type = Marker.TEXT_VIEW_FACING
    above = np.array([0, 0, instances.upright_size[index, 2] / 2 + TEXT_HEIGHT])
    marker.pose = Pose(position=point(instances.upright_center[index] + above))
    marker.scale = Vector3(z=TEXT_HEIGHT)
    marker.color = color(result.colors[index])
    marker.text = f'{instances.name(index)} {instances.score[index]:.2f}'
    return marker


def _marker(result: SegmentationResult, namespace: str, identity: int, action: int) -> Marker:
    return Marker(header=result.cloud.header, ns=namespace, id=int(identity), action=action)


def _edges(size: NDArray[np.float64]) -> list[Point]:
    corners = [Point(x=x, y=y, z=z) for x, y, z in (CORNERS * size).tolist()]
    return [corners[end] for edge in EDGES for end in edge]
