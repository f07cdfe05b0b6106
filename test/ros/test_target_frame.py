"""Clouds that are transformed into `target_frame`, and warnings about the input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from builtin_interfaces.msg import Time as Stamp
from geometry_msgs.msg import TransformStamped
from mask3d_core import scan_checks
from mask3d_core.errors import InputError
from mask3d_core.files import decode_pointcloud2
from mask3d_ros.cloud_reader import CHECK_SECONDS, CloudReader, LEVELLING, REMEDIES
from mask3d_ros.msg import InstanceArray
from mask3d_ros.transforms import FramePose, Transforms
from node_diagnostics import NodeDiagnostics
import numpy as np
import pytest
from ros_client import Client, cloud, stamps, start_with_modules
from sensor_msgs.msg import PointCloud2
from std_srvs.srv import Trigger
from tf_frames import Broadcaster, TF2_FOLDER, transform
from toy_map import toy_map
from visualization_msgs.msg import MarkerArray

OPTICAL = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
"""Axes of an optical frame (x right, y down, z forward) in one with z up."""
CAMERA = FramePose(np.array([1.0, 2, 1.5]), OPTICAL)


def camera_cloud(stamp: int = 1, frame: str = 'camera') -> PointCloud2:
    """Return the toy map as a camera at `CAMERA` sees it."""
    scan = decode_pointcloud2(toy_map(1))
    seen = cloud(CAMERA.to_frame(scan.xyz), np.rint(255 * scan.color), stamp)
    seen.header.frame_id = frame
    return seen


def camera_pose(seconds: float = 0.0) -> TransformStamped:
    message = transform('map', 'camera', CAMERA.position.tolist(), (-0.5, 0.5, -0.5, 0.5), seconds)
    assert np.allclose(FramePose.of(message.transform).rotation, OPTICAL)
    return message


class Reader:
    """A reader with its warnings, and a clock that is set."""

    def __init__(self, find: Callable[..., FramePose] = lambda *_: CAMERA,
                 unit: str = 'm') -> None:
        self.warnings: list[str] = []
        self.seconds = 0.0
        self.asked: list[tuple[str, str, int]] = []

        def pose(frame: str, target: str, stamp: Stamp) -> FramePose:
            self.asked.append((frame, target, stamp.sec))
            return find(frame, target, stamp)

        self._reader = CloudReader(pose, self.warnings.append, 0.03, lambda: self.seconds, unit)
        self.read = self._reader.read


def test_a_cloud_is_transformed_at_the_time_of_its_stamp() -> None:
    reader, given = Reader(), camera_cloud(stamp=7)
    before = given.data.tobytes()
    placed, scan = reader.read(given, 'map')
    expected = decode_pointcloud2(toy_map(1))
    np.testing.assert_allclose(scan.xyz, expected.xyz, atol=1e-5)
    assert scan.xyz.dtype == np.float32 and scan.frame == 'map'
    assert (placed.header.frame_id, placed.header.stamp.sec) == ('map', 7)
    assert (given.header.frame_id, given.data.tobytes()) == ('camera', before)
    assert reader.asked == [('camera', 'map', 7)]


def test_clouds_of_another_unit_are_read_in_metres() -> None:
    given = toy_map(1)
    metres = decode_pointcloud2(given)
    assert metres.color is not None
    large = cloud(metres.xyz * 1000, metres.color * 255)
    reader = Reader()
    reader.read(large)
    assert any('set input_unit to ' in warning for warning in reader.warnings)
    scan = Reader(unit='mm').read(large)[1]
    np.testing.assert_allclose(scan.xyz, metres.xyz, atol=1e-4)
    scan = Reader(unit='0.001').read(large, '')[1]
    np.testing.assert_allclose(scan.xyz, metres.xyz, atol=1e-4)


def test_a_frame_with_z_up_can_be_made() -> None:
    """Each advised rotation makes z of the axis that points up."""
    for up, option in LEVELLING.items():
        kind, angle = option.split()
        axis = {'--roll': 0, '--pitch': 1}[kind]
        first, second = [(1, 2), (2, 0)][axis]
        turned = np.eye(3)
        cosine, sine = np.cos(float(angle)), np.sin(float(angle))
        turned[[first, second], [first, second]] = cosine
        turned[second, first], turned[first, second] = sine, -sine
        direction = np.zeros(3)
        direction['xyz'.index(up[-1])] = -1 if up.startswith('-') else 1
        np.testing.assert_allclose(turned @ direction, [0, 0, 1], atol=1e-4)
    reader = Reader()
    reader.read(camera_cloud(frame='left_optical'))
    assert '--roll -1.5708 of `ros2 run tf2_ros static_transform_publisher' in reader.warnings[0]


def test_no_transform_is_needed_in_the_target_frame_or_without_one() -> None:
    reader, given = Reader(), toy_map(1)
    for target in ('map', ''):
        placed, scan = reader.read(given, target)
        assert placed is given
        np.testing.assert_array_equal(scan.xyz, decode_pointcloud2(given).xyz)
    given.header.frame_id = '/map'
    assert reader.read(given, 'map')[0].header.frame_id == 'map'
    assert not reader.asked
    given.header.frame_id = '/camera'
    assert reader.read(given, 'map')[0].header.frame_id == 'map'
    given.header.frame_id = ''
    with pytest.raises(InputError, match='no frame_id, so it cannot be transformed'):
        reader.read(given, 'map')


def test_far_positions_are_transformed_in_double_precision() -> None:
    xyz = np.random.default_rng(0).uniform(-5, 5, (100, 3))
    utm = FramePose(np.array([5e5, 5.4e6, 300]), OPTICAL)
    moved = utm.from_frame(xyz.astype(np.float32))
    assert moved.dtype == np.float64
    np.testing.assert_allclose(utm.to_frame(moved), xyz, atol=1e-6)
    back = FramePose(-utm.position, np.eye(3)).from_frame(xyz + utm.position)
    np.testing.assert_allclose(back, xyz, atol=1e-8)
    assert len(utm.from_frame(np.empty((0, 3)))) == 0


def test_each_warning_comes_once_per_frame_with_what_to_do() -> None:
    reader = Reader()
    for _ in range(3):
        reader.read(camera_cloud(frame='left_optical'))
        reader.seconds += 2 * CHECK_SECONDS
    reader.read(camera_cloud(frame='right_optical_frame'))
    assert len(reader.warnings) == 2
    assert "the cloud in frame 'left_optical' is in an optical frame by its" in reader.warnings[0]
    assert 'set target_frame' in reader.warnings[0]
    reader.read(camera_cloud(frame='left_optical'), 'map')
    assert len(reader.warnings) == 2, 'the target frame is no optical one'


def test_a_frame_is_looked_at_again_when_its_map_has_grown() -> None:
    xyz = decode_pointcloud2(toy_map(1)).xyz
    some, colors = xyz[:1000], np.arange(3000).reshape(-1, 3) % 200
    reader = Reader()
    reader.read(cloud(some, colors))
    black = np.zeros((1000, 3))
    reader.read(cloud(some, black))
    assert not reader.warnings
    reader.read(cloud(np.concatenate([some] * 2), np.zeros((2000, 3))))
    assert len(reader.warnings) == 1 and 'has the colour (0, 0, 0)' in reader.warnings[0]
    reader.seconds = 2 * CHECK_SECONDS
    stray = np.concatenate([some[:-2], [[1e7, 0, 0], [0, 0, -1e9]]])
    assert len(reader.read(cloud(stray, black))[1]) == 998
    assert len(reader.warnings) == 2 and '2 points more than 100 km' in reader.warnings[1]


def test_waiting_for_a_transform(monkeypatch: pytest.MonkeyPatch, lone_client: Client) -> None:
    monkeypatch.setattr('mask3d_ros.transforms.WAIT_SECONDS', 0.05)
    transforms = Transforms(lone_client.node)
    with pytest.raises(InputError, match='does not listen'):
        transforms.wait('camera', 'map', Stamp(sec=1))
    transforms.listen()
    with pytest.raises(InputError, match='no transform to target_frame map: "map" .*not exist'):
        transforms.wait('camera', 'map', Stamp(sec=1))
    with pytest.raises(InputError, match='clouds in camera are dropped, as their stamps are neg'):
        transforms.wait('camera', 'map', Stamp(sec=-1))

    broadcaster = Broadcaster(lone_client.node)
    lone_client.wait(lambda: broadcaster.num_listeners == 1)
    broadcaster.send(camera_pose(seconds=3))
    lone_client.wait(lambda: transforms.find('camera', 'map'))
    for sec in (0, 3):
        assert transforms.wait('camera', 'map', Stamp(sec=sec)).position.tolist() == [1, 2, 1.5]
    messages = set()
    for sec in (4, 5):
        with pytest.raises(InputError, match='none at the time of the cloud') as raised:
            transforms.wait('camera', 'map', Stamp(sec=sec))
        messages.add(str(raised.value))
    assert len(messages) == 1, 'so that it is logged once'
    with pytest.raises(InputError, match='clouds in camera are dropped, as their stamps are neg'):
        transforms.wait('camera', 'map', Stamp(sec=-1))
    transforms.close()


def test_everything_is_published_in_the_target_frame(weights: Path, lone_client: Client,
                                                     tmp_path: Path) -> None:
    with start_with_modules(weights, tmp_path, TF2_FOLDER, {'target_frame': 'map'}) as node:
        outputs: dict[str, list[Any]] = {
            topic: lone_client.receive(f'segment_node/{topic}', kind) for topic, kind in (
                ('instances', InstanceArray), ('markers', MarkerArray), ('cloud', PointCloud2))}
        broadcaster, diagnostics = Broadcaster(lone_client.node), NodeDiagnostics(lone_client)
        publisher = lone_client.publisher()
        lone_client.wait(lambda: broadcaster.num_listeners == 1, node)
        publisher.publish(camera_cloud(stamp=1))
        lone_client.wait(lambda: 'clouds in camera are dropped' in node.text(), node)
        assert not any(outputs.values())
        broadcaster.send(camera_pose())
        publisher.publish(camera_cloud(stamp=2))
        diagnostics.wait_until_received(node, 2)
        # the transform may come later than a cloud waits for it
        lone_client.wait(lambda: lone_client.call(
            node, Trigger, 'segment_node/segment', Trigger.Request()).success, node)
        lone_client.wait(lambda: all(outputs.values()), node)
        instances, markers, shown = (messages[0] for messages in outputs.values())
        headers = [instances.header, shown.header, *(m.header for m in markers.markers)]
        assert {(header.frame_id, header.stamp.sec) for header in headers} == {('map', 2)}
        np.testing.assert_allclose(decode_pointcloud2(shown).xyz,
                                   decode_pointcloud2(toy_map(1)).xyz, atol=1e-5)
        for instance in instances.instances:
            assert -0.5 < instance.centroid.x < 3.5 and -0.1 < instance.centroid.z < 1.2

        publisher.publish(camera_cloud(stamp=3))
        lone_client.wait(lambda: stamps(outputs['instances'])[-1] == 3, node)
        again = outputs['instances'][-1]
        assert [one.id for one in again.instances] == [one.id for one in instances.instances]
        assert '0 of 1 tiles segmented' in node.text(), 'the same bytes in the same pose'
        assert node.stop() == 0 and 'Traceback' not in node.text()


def test_without_tf2_configure_fails_with_a_sentence(weights: Path, lone_client: Client,
                                                     tmp_path: Path) -> None:
    (tmp_path / 'tf2_ros.py').write_text("raise ImportError('none in this test')")
    with start_with_modules(weights, tmp_path, tmp_path, {'target_frame': 'map'}) as node:
        lone_client.wait(lambda: 'target_frame, roi_frame and robot_frame need the Python package '
                    'tf2_ros (none in this test)' in node.text(), node)
        assert lone_client.state(node) == 'unconfigured' and 'Traceback' not in node.text()
        assert node.stop() == 0


def test_the_node_knows_a_remedy_for_all_that_is_said_of_scans() -> None:
    """A file of the action ~/segment_cloud may have each of these doubts."""
    assert REMEDIES.keys() >= scan_checks.REMEDIES.keys()
