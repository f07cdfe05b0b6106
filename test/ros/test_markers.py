"""Markers: previous ones are deleted; one box and one label for each instance."""

from dataclasses import replace
from itertools import pairwise

from mask3d_core.colors import instance_colors
from mask3d_ros.markers import CORNERS, EDGES, marker_array
import numpy as np
import pytest
from tiny_result import tiny_result
from visualization_msgs.msg import Marker


def test_previous_markers_are_deleted_first() -> None:
    first, *others = marker_array(tiny_result()).markers
    assert first.action == Marker.DELETEALL and first.header.frame_id == 'map'
    assert [marker.action for marker in others] == [Marker.ADD] * 4
    assert {marker.header.frame_id for marker in others} == {'map'}
    assert [(marker.ns, marker.id) for marker in others] == [
        ('boxes', 1), ('boxes', 2), ('labels', 1), ('labels', 2)]


def test_a_box_has_twelve_edges_of_its_size() -> None:
    box = marker_array(tiny_result()).markers[1]
    assert box.type == Marker.LINE_LIST and len(box.points) == 24
    ends = np.array([(end.x, end.y, end.z) for end in box.points])
    lengths = np.linalg.norm(ends[::2] - ends[1::2], axis=1)
    np.testing.assert_allclose(sorted(lengths), sorted([0.8, 0.1, 0.6] * 4))
    np.testing.assert_allclose(np.abs(ends).max(axis=0), [0.4, 0.05, 0.3])
    assert box.pose.position.x == 1.5
    assert box.pose.orientation.z == pytest.approx(np.sin(np.pi / 8))


def test_edges_join_the_corners_of_the_box_in_order() -> None:
    result = tiny_result()
    for index, marker in enumerate(marker_array(result).markers[1:3]):
        size = result.instances.upright_size[index]
        expected = [tuple((CORNERS[end] * size).tolist()) for edge in EDGES for end in edge]
        assert [(end.x, end.y, end.z) for end in marker.points] == expected


def test_a_label_is_above_its_box() -> None:
    result = tiny_result()
    label = marker_array(result).markers[3]
    assert label.type == Marker.TEXT_VIEW_FACING and label.text == 'chair 0.90'
    assert label.pose.position.z > 1.7 + 0.3


def test_colors_tell_instances_or_classes_apart() -> None:
    result = tiny_result()
    by_id, by_class = (marker_array(replace(result, color_by=kind)).markers[1:3]
                       for kind in ('instance', 'class'))
    expected = instance_colors(result.ids.astype(np.int64) - 1)
    assert [rgb(marker) for marker in by_id] == expected.tolist()
    assert [rgb(marker) for marker in by_class] == [[188, 189, 34], [255, 152, 150]]


def rgb(marker: Marker) -> list[int]:
    return [round(255 * part) for part in (marker.color.r, marker.color.g, marker.color.b)]


def test_edges_are_distinct_pairs_of_corners() -> None:
    assert len(EDGES) == 12
    assert all(one < other for one, other in pairwise(EDGES))
