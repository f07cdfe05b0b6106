"""Markers for RViz: a wire box and a label for each instance."""

from __future__ import annotations

from itertools import product

from geometry_msgs.msg import Point, Pose, Vector3
from mask3d_ros.answer import Answer
from mask3d_ros.messages import box_pose, color, point
import numpy as np
from numpy.typing import NDArray
from visualization_msgs.msg import Marker, MarkerArray

LINE_WIDTH = 0.02
TEXT_HEIGHT = 0.12
"""Metres."""

CORNERS = np.array(list(product((-0.5, 0.5), repeat=3)))
EDGES = [(a, b) for a in range(8) for b in range(a + 1, 8)
         if np.abs(CORNERS[a] - CORNERS[b]).sum() == 1]
"""The 12 pairs of corners that differ in one coordinate."""


def marker_array(answer: Answer) -> MarkerArray:
    """
    Return the markers of an answer; they replace all that were shown before.

    Namespaces `boxes` (LINE_LIST) and `labels` (text: class and score); the id is the instance's.
    """
    clear = _marker(answer, '', 0, Marker.DELETEALL)
    boxes = [_box(answer, index) for index in range(len(answer.instances))]
    labels = [_label(answer, index) for index in range(len(answer.instances))]
    return MarkerArray(markers=[clear, *boxes, *labels])


def _box(answer: Answer, index: int) -> Marker:
    marker = _marker(answer, 'boxes', answer.ids[index], Marker.ADD)
    marker.type = Marker.LINE_LIST
    marker.pose = box_pose(answer.instances, index)
    marker.scale = Vector3(x=LINE_WIDTH)
    marker.color = color(answer.colors[index])
    marker.points = _edges(answer.instances.upright_size[index])
    return marker


def _label(answer: Answer, index: int) -> Marker:
    instances = answer.instances
    marker = _marker(answer, 'labels', answer.ids[index], Marker.ADD)
    marker.type = Marker.TEXT_VIEW_FACING
    above = np.array([0, 0, instances.upright_size[index, 2] / 2 + TEXT_HEIGHT])
    marker.pose = Pose(position=point(instances.upright_center[index] + above))
    marker.scale = Vector3(z=TEXT_HEIGHT)
    marker.color = color(answer.colors[index])
    marker.text = f'{instances.name(index)} {instances.score[index]:.2f}'
    return marker


def _marker(answer: Answer, namespace: str, identity: int, action: int) -> Marker:
    return Marker(header=answer.cloud.header, ns=namespace, id=int(identity), action=action)


def _edges(size: NDArray[np.float64]) -> list[Point]:
    corners = [point(corner * size) for corner in CORNERS]
    return [corners[end] for edge in EDGES for end in edge]
