"""Objects through the running node: they stay, changes are told, and a restart keeps them."""

import os
from pathlib import Path
import signal

from mask3d_core.classes import ClassTable, load_classes
from mask3d_core.data.generated import generate_room
from mask3d_core.errors import InputError
from mask3d_core.tracking import ObjectMap
from mask3d_core.tracking.rigid_motion import RigidMotion
from mask3d_core.tracking.state_file import load_objects
from mask3d_core.weights.checkpoint import load_weights
from mask3d_core.weights.shipped import shipped_weights
from mask3d_ros.msg import Instance, InstanceArray, ObjectChange, ObjectChangeArray
from mask3d_ros.node_subprocess import NodeSubprocess
from mask3d_ros.object_state import check_state_path, ObjectState
from mask3d_ros.qos import events_profile
import numpy as np
import pytest
from rclpy.logging import get_logger
from ros_client import Client, cloud, LONE_NAMESPACE
from sensor_msgs.msg import PointCloud2


def start(folder: Path) -> NodeSubprocess:
    """Start a node with a state file."""
    return NodeSubprocess('segment_node', folder / 'log', {'state_file': str(folder / 'state')},
                          {'__ns': LONE_NAMESPACE})


def noisy_room(stamp: int, noise: float = 0.005) -> PointCloud2:
    """Return a generated room with new noise, large enough that its tile is segmented again."""
    columns = generate_room(3, 0)
    random = np.random.default_rng(stamp)
    xyz = columns['xyz'] + random.normal(0, noise, columns['xyz'].shape)
    return cloud(xyz.astype(np.float32), columns['color'].astype(np.float32), stamp)


def test_objects_stay_over_maps_and_over_a_kill(lone_client: Client, tmp_path: Path) -> None:
    state, classes = tmp_path / 'state', load_weights(shipped_weights()).classes
    with start(tmp_path) as node:
        got = lone_client.receive('segment_node/instances', InstanceArray)
        changes: list[ObjectChangeArray] = []
        lone_client.node.create_subscription(
            ObjectChangeArray, 'segment_node/changes', changes.append, events_profile())
        publisher = lone_client.publisher()
        for stamp in (1, 2):
            publisher.publish(noisy_room(stamp, 0.015))
            lone_client.wait(lambda stamp=stamp: len(got) == len(changes) == stamp, node)
        first, second = got
        ids = {instance.id for instance in first.instances}
        kept = ids & {instance.id for instance in second.instances}
        assert len(ids) >= 8 and len(kept) >= 0.9 * len(ids)
        assert {change.kind for change in changes[0].changes} == {ObjectChange.APPEARED}
        assert {change.id for change in changes[0].changes} == ids
        seen = [one for one in second.instances if one.state == Instance.SEEN]
        assert all(one.last_seen.sec == 2 for one in seen)
        assert sum(one.confirmed for one in second.instances) >= 0.8 * len(kept)
        publisher.publish(noisy_room(3, 0.015))
        lone_client.wait(lambda: len(got) == 3 and last_saved(state, classes) == 3, node)
        os.kill(node.pid, signal.SIGKILL)
        lone_client.forget_topics()

    with start(tmp_path) as node:
        again = lone_client.receive('segment_node/instances', InstanceArray)
        lone_client.publisher().publish(noisy_room(3, 0.015))
        lone_client.wait(lambda: again, node)
        before = {one.id for one in got[2].instances}
        after = {one.id for one in again[0].instances}
        assert len(before & after) >= 0.95 * len(before)
        assert 'objects in frame' in node.text()
        assert node.stop() == 0


def last_saved(state: Path, classes: ClassTable) -> int:
    """Return the stamp in whole seconds of the latest cloud of a state file; 0 without one."""
    objects = ObjectMap()
    if state.exists():
        load_objects(state, objects, classes)
    return max((track.last_seen for track in objects.tracker.tracks), default=0) // 10**9


def test_objects_of_a_map_that_turned_keep_their_ids(
        node: NodeSubprocess, client: Client) -> None:
    """As after a loop closure; all tiles are segmented anew."""
    client.reset(node, weights='')  # those that ship
    columns = generate_room(3, 0)
    turned = RigidMotion(np.radians(5), np.array([0.4, -0.3, 0.0])).apply(columns['xyz'])
    got = client.receive('segment_node/instances', InstanceArray)
    publisher = client.publisher()
    for stamp, xyz in ((1, columns['xyz']), (2, turned)):
        publisher.publish(cloud(xyz, columns['color'].astype(np.float32), stamp))
        client.wait(lambda stamp=stamp: len(got) == stamp, node)
    before, after = ({one.id for one in message.instances} for message in got)
    assert len(before) >= 8 and len(before & after) >= 0.9 * len(before)


def test_a_damaged_state_file_is_set_aside(lone_client: Client, tmp_path: Path) -> None:
    (tmp_path / 'state').write_bytes(b'no state at all')
    with start(tmp_path) as node:
        lone_client.wait(lambda: 'waiting for clouds' in node.text(), node)
        aside = tmp_path / 'state.unusable'
        assert aside.read_bytes() == b'no state at all'
        assert f'it is now {aside}, and objects are new' in node.text()
        assert node.text().count('[WARN]') == 1 and 'Traceback' not in node.text()
        assert node.stop() == 0


def test_a_state_file_that_cannot_be_written_is_told_at_configure(
        lone_client: Client, tmp_path: Path) -> None:
    (tmp_path / 'state').mkdir()
    with start(tmp_path) as node:
        lone_client.wait(lambda: 'which is no file' in node.text(), node)
        assert lone_client.state(node) == 'unconfigured' and 'Traceback' not in node.text()
        assert node.stop() == 0


def test_a_state_file_belongs_to_one_node(lone_client: Client, tmp_path: Path) -> None:
    classes, logger = load_classes('rooms'), get_logger('test')
    ours = ObjectState(tmp_path / 'state', classes, logger)
    with pytest.raises(InputError, match='which another node uses: give each node a file of its'):
        ObjectState(tmp_path / 'state', classes, logger)
    with start(tmp_path) as node:
        lone_client.wait(lambda: 'state, which another node uses' in node.text(), node)
        assert lone_client.state(node) == 'unconfigured' and 'Traceback' not in node.text()
        ours.close()
        for transition in ('configure', 'cleanup', 'configure'):
            assert lone_client.change_state(node, transition)
        with pytest.raises(InputError, match='which another node uses'):
            ObjectState(tmp_path / 'state', classes, logger)
        assert lone_client.change_state(node, 'cleanup')
        lone_client.wait(lambda: is_free(tmp_path / 'state'), node)
        assert node.stop() == 0


def is_free(path: Path) -> bool:
    """Return whether a node could use a state file."""
    try:
        ObjectState(path, load_classes('rooms'), get_logger('test')).close()
    except InputError:
        return False
    return True


def test_only_paths_of_state_files_are_used(tmp_path: Path) -> None:
    (tmp_path / 'scan.npz').write_bytes(b'of the user')
    for path, words in ((Path('/dev/null'), 'no file'), (tmp_path / 'scan.npz', 'npz files are'),
                        (tmp_path / 'scan.npz' / 'state', 'folder cannot be made')):
        with pytest.raises(InputError, match=words):
            check_state_path(path)
    check_state_path(tmp_path / 'new' / 'folder' / 'state')
    assert (tmp_path / 'new' / 'folder').is_dir()
    assert (tmp_path / 'scan.npz').read_bytes() == b'of the user'
