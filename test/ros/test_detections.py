"""Detections of vision_msgs: without the package no topics, with it messages that say the same."""

from collections.abc import Iterator
from pathlib import Path
import sys
from typing import Any

from mask3d_core.classes import ClassTable
from mask3d_ros import detections
from mask3d_ros.messages import instance_array
from mask3d_ros.node_subprocess import NodeSubprocess
import pytest
from ros_client import Client, room
from std_msgs.msg import Header
from tiny_result import tiny_result

CLASSES = ClassTable((2, 5, 70_000), ('wall', 'chair', 'star'), ((0, 0, 0),) * 3)
REASON = 'vision_msgs is on no package index; it comes with ROS 2'


@pytest.fixture
def without_vision_msgs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make vision_msgs impossible to import."""
    monkeypatch.setitem(sys.modules, 'vision_msgs', None)
    monkeypatch.setitem(sys.modules, 'vision_msgs.msg', None)
    detections.vision_msgs.cache_clear()
    yield
    detections.vision_msgs.cache_clear()


def test_without_vision_msgs_there_are_no_messages(without_vision_msgs: None) -> None:
    assert detections.vision_msgs() is None


def test_without_vision_msgs_there_is_no_topic_and_one_line(
        node: NodeSubprocess, client: Client, weights: Path) -> None:
    if detections.vision_msgs() is not None:
        pytest.skip('vision_msgs is installed')
    names = {name for name, _ in client.node.get_topic_names_and_types()}
    assert '/segment_node/instances' in names
    assert not names & {'/segment_node/detections', '/segment_node/label_info'}
    assert 'vision_msgs is not installed' in node.text()
    before = node.text().count('vision_msgs')
    client.reset(node, weights)
    assert node.text().count('vision_msgs') == before + 1, 'one line for each configure'


def test_a_detection_says_what_an_instance_says() -> None:
    pytest.importorskip('vision_msgs', reason=REASON)
    result = tiny_result()
    message = detections.detection_array(result)
    assert message.header == result.cloud.header
    assert len(message.detections) == 2
    for detection, instance in zip(message.detections, instance_array(result).instances):
        assert detection.id == str(instance.id) and detection.header == message.header
        assert detection.bbox.center == instance.box_pose
        assert detection.bbox.size == instance.box_size
        [hypothesis] = detection.results
        assert hypothesis.hypothesis.class_id == instance.class_name
        assert hypothesis.hypothesis.score == pytest.approx(instance.score)
        assert hypothesis.pose.pose == instance.box_pose


def test_label_info_names_the_classes_whose_ids_fit() -> None:
    pytest.importorskip('vision_msgs', reason=REASON)
    message = detections.label_info(Header(), CLASSES, 0.25)
    assert [(entry.class_id, entry.class_name) for entry in message.class_map] == [
        (2, 'wall'), (5, 'chair')]
    assert message.threshold == 0.25


def test_the_node_publishes_detections_and_labels(
        node: NodeSubprocess, client: Client) -> None:
    pytest.importorskip('vision_msgs', reason=REASON)
    msg: Any = detections.vision_msgs()
    labels = client.receive('segment_node/label_info', msg.LabelInfo)
    client.wait(lambda: labels, node)
    assert 'chair' in [entry.class_name for entry in labels[0].class_map]
    found = client.receive('segment_node/detections', msg.Detection3DArray)
    client.publisher().publish(room(stamp=3))
    client.wait(lambda: found, node)
    assert found[0].header.stamp.sec == 3 and found[0].header.frame_id == 'map'
    assert client.set_parameters(node, score_threshold=0.5).successful
    client.wait(lambda: len(labels) == 2, node)
    assert labels[1].threshold == 0.5
