"""The action of segment_node over DDS: clouds, files, feedback, cancel and error codes."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from action_msgs.msg import GoalStatus
from mask3d_core.classes import load_classes
from mask3d_core.colors import instance_color
from mask3d_core.files import decode_pointcloud2
from mask3d_core.files.ply import write_ply
from mask3d_ros.action import SegmentCloud
from mask3d_ros.msg import InstanceArray
from mask3d_ros.node_subprocess import NodeSubprocess
from mask3d_ros.segment_action import SegmentAction, STAGES
import numpy as np
import pytest
from rclpy.action import ActionClient
from ros_client import Client, hall, room, stamps
from toy_map import toy_map

Result = SegmentCloud.Result


class Goal:
    """A goal that was sent: its feedback and its result."""

    def __init__(self, client: Client, node: NodeSubprocess, **goal: Any) -> None:
        self.client, self.node = client, node
        self.feedback: list[Any] = []
        self.action = ActionClient(client.node, SegmentCloud, 'segment_node/segment_cloud')
        client.wait(self.action.server_is_ready, node)
        client.let_discover(node)  # otherwise responses and the first feedback may be lost
        accepted = self.action.send_goal_async(
            SegmentCloud.Goal(**goal), lambda message: self.feedback.append(message.feedback))
        client.wait(accepted.done, node)
        self.handle = accepted.result()
        assert self.handle.accepted
        self._response = self.handle.get_result_async()

    def result(self, last_stage: str | None = None) -> Any:
        """Return the result once the last stage was told, too: DDS may deliver it later."""
        self.client.wait(self._response.done, self.node)
        if last_stage is not None:
            self.wait_for_stage(last_stage)
        self.action.destroy()
        self.status = self._response.result().status
        return self._response.result().result

    def wait_for_stage(self, stage: str) -> None:
        self.client.wait(
            lambda: stage in [feedback.stage for feedback in self.feedback], self.node)


def test_a_cloud(client: Client, node: NodeSubprocess) -> None:
    got = client.receive('segment_node/instances', InstanceArray)
    sent = room(stamp=9)
    goal = Goal(client, node, cloud=sent)
    result = goal.result(last_stage='instances')
    assert goal.status == GoalStatus.STATUS_SUCCEEDED and result.error_code == Result.SUCCESS
    assert result.instances.header == sent.header and result.instances.cloud_size == sent.width
    assert [one.id for one in result.instances.instances] == list(
        range(1, len(result.instances.instances) + 1)) != []
    client.publisher().publish(room(stamp=10))
    client.wait(lambda: got, node)
    assert stamps(got) == [10], 'the map of the node is another'
    stages = [feedback.stage for feedback in goal.feedback]
    assert stages[:2] == ['read', 'tiles'] and {'unet', 'decoder', 'clustering'} < set(stages)
    progress = [feedback.progress for feedback in goal.feedback]
    assert progress == sorted(progress) and 0 <= progress[0] < progress[-1] < 1


def test_colors_are_those_of_color_by(client: Client, node: NodeSubprocess) -> None:
    table = load_classes('scannet20')
    for color_by in ('class', 'instance'):
        assert client.set_parameters(node, color_by=color_by).successful
        instances = Goal(client, node, cloud=room()).result().instances.instances
        assert len(instances) > 1
        for one in instances:
            expected = (table.colors[list(table.ids).index(one.class_id)] if color_by == 'class'
                        else instance_color(one.id - 1))
            got = np.round([255 * one.color.r, 255 * one.color.g, 255 * one.color.b])
            assert got.tolist() == np.asarray(expected).tolist()


def test_a_map_of_several_tiles_and_then_a_cloud_of_the_topic(
        client: Client, node: NodeSubprocess) -> None:
    goal = Goal(client, node, cloud=toy_map(3, 1))
    assert goal.result(last_stage='joining').error_code == Result.SUCCESS
    assert goal.feedback[-1].stage == 'joining' and goal.feedback[-1].progress == 1
    got = client.receive('segment_node/instances', InstanceArray)
    client.publisher().publish(room(stamp=2))
    client.wait(lambda: got, node)


def test_a_file(client: Client, node: NodeSubprocess, tmp_path: Path) -> None:
    scan = decode_pointcloud2(room())
    points = np.zeros(len(scan), [(name, 'f4') for name in 'xyz'] + [
        (name, 'u1') for name in ('red', 'green', 'blue')])
    for axis, (name, channel) in enumerate(zip('xyz', ('red', 'green', 'blue'))):
        points[name], points[channel] = scan.xyz[:, axis], 255 * scan.color[:, axis]
    write_ply(tmp_path / 'room.ply', points)
    result = Goal(client, node, file=str(tmp_path / 'room.ply')).result()
    assert result.error_code == Result.SUCCESS and result.instances.header.frame_id == ''
    assert result.instances.cloud_size == len(scan) and result.instances.instances


def test_error_codes(client: Client, node: NodeSubprocess, tmp_path: Path) -> None:
    empty = room()
    empty.width, empty.row_step, empty.data = 0, 0, b''
    (tmp_path / 'broken.ply').write_text('no ply')
    for goal, code in (({}, Result.INVALID_CLOUD), ({'cloud': empty}, Result.INVALID_CLOUD),
                       ({'file': str(tmp_path / 'broken.ply')}, Result.INVALID_CLOUD),
                       ({'file': '/nowhere/scan.ply'}, Result.FILE_NOT_FOUND)):
        sent = Goal(client, node, **goal)
        result = sent.result()
        assert (sent.status, result.error_code) == (GoalStatus.STATUS_ABORTED, code)
        assert result.error_message
    assert client.change_state(node, 'deactivate')
    assert Goal(client, node, cloud=room()).result().error_code == Result.NOT_ACTIVE
    assert 'Traceback' not in node.text()


@pytest.mark.parametrize('stage', STAGES[:-1])
def test_cancel_in_a_stage(client: Client, node: NodeSubprocess, stage: str) -> None:
    goal = Goal(client, node, cloud=hall(size=40))
    goal.wait_for_stage(stage)
    cancel = goal.handle.cancel_goal_async()
    client.wait(cancel.done, node)
    result = goal.result()
    assert goal.status == GoalStatus.STATUS_CANCELED
    assert result.error_code == Result.CANCELED and not result.instances.instances


def test_the_state_of_a_goal_is_that_of_its_error_code(client: Client) -> None:
    """Also where it is canceled at the moment in which it ends."""
    states: list[str] = []
    handle = SimpleNamespace(
        is_cancel_requested=True, **{state: partial(states.append, state)
                                     for state in ('canceled', 'succeed', 'abort')})
    action = SegmentAction(client.node, lambda: None)
    with pytest.raises(StopIteration) as ended:
        action._execute(handle).send(None)  # type: ignore[arg-type]
    action._server.destroy()
    assert ended.value.value.error_code == Result.NOT_ACTIVE and states == ['abort']


def test_deactivation_ends_goals_in_progress_and_waiting(
        client: Client, node: NodeSubprocess) -> None:
    goals = [Goal(client, node, cloud=hall()), Goal(client, node, cloud=room())]
    client.wait(lambda: goals[0].feedback, node)
    assert client.change_state(node, 'deactivate')
    assert [goal.result().error_code for goal in goals] == [Result.NOT_ACTIVE] * 2
    assert client.change_state(node, 'cleanup') and client.change_state(node, 'configure')
    assert client.change_state(node, 'activate')
    assert Goal(client, node, cloud=room()).result().error_code == Result.SUCCESS
