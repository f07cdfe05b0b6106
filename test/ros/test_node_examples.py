"""examples/own_executor.py and examples/wanted_objects.py as subprocesses, over DDS."""

from collections.abc import Iterator
import os
from pathlib import Path

from logged_process import LoggedProcess
from mask3d_core.files import decode_pointcloud2
from mask3d_ros.msg import InstanceArray
from mask3d_ros.node_subprocess import NodeSubprocess
import numpy as np
import pytest
from ros_client import Client, room
from sensor_msgs.msg import PointCloud2

EXAMPLES = Path(__file__).resolve().parents[2] / 'examples'
FAKE_SENSOR_MSGS_PY = Path(__file__).resolve().parents[1] / 'support' / 'fake_sensor_msgs_py'
NAMESPACE = '/own_executor'


def start(name: str, log: Path, *arguments: str) -> LoggedProcess:
    """Start an example with some ROS arguments."""
    return LoggedProcess(name, log, [str(EXAMPLES / name), '--ros-args', *arguments])


@pytest.fixture
def other_client(context: None) -> Iterator[Client]:
    with Client(NAMESPACE) as client:
        yield client


def test_two_nodes_share_an_executor(other_client: Client, weights: Path, tmp_path: Path) -> None:
    example = start('own_executor.py', tmp_path / 'log', '-r', f'__ns:={NAMESPACE}', '-p',
                    f'weights:={weights}', '-p', 'score_threshold:=0.0')
    try:
        other_client.publisher().publish(room())
        other_client.wait(lambda: ' objects\n' in example.text(), example)
        assert example.stop() == 0, example.text()
    finally:
        example.kill()


def test_only_points_of_wanted_objects_are_published(
        node: NodeSubprocess, client: Client, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    path = [os.environ.get('PYTHONPATH', ''), str(FAKE_SENSOR_MSGS_PY)]  # the real one comes first
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join(filter(None, path)))
    found = client.receive('segment_node/instances', InstanceArray)
    labelled = client.receive('segment_node/cloud', PointCloud2)
    wanted = client.receive('wanted_objects/cloud', PointCloud2)
    client.publisher().publish(room(stamp=5))
    client.wait(lambda: found and labelled, node)
    name = found[0].instances[0].class_name
    ids = [one.id for one in found[0].instances if one.class_name == name]
    expected = np.isin(column(labelled[0], 'instance'), ids)
    example = start('wanted_objects.py', tmp_path / 'log', '-p', f'classes:=[{name}]', '-p',
                    'min_score:=0.0')
    try:
        client.wait(lambda: wanted, example)
    finally:
        example.kill()
    assert wanted[0].header == labelled[0].header and wanted[0].fields == labelled[0].fields
    assert 0 < wanted[0].width == expected.sum()
    assert set(column(wanted[0], 'instance').tolist()) <= set(ids)
    np.testing.assert_array_equal(decode_pointcloud2(wanted[0]).xyz,
                                  decode_pointcloud2(labelled[0]).xyz[expected])


def column(message: PointCloud2, name: str) -> np.ndarray:
    """Return one UINT32 field of a cloud."""
    offset = next(field.offset for field in message.fields if field.name == name)
    rows = np.frombuffer(message.data, np.uint8).reshape(-1, message.point_step)
    return rows[:, offset:offset + 4].copy().view(np.uint32)[:, 0]
