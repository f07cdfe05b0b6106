"""The endurance trial that kills the node in each of its stages, and looks at the state file."""

from collections import Counter
import os
from pathlib import Path
import signal
import sys
import time

from mask3d_core.classes import ClassTable
from mask3d_core.errors import InputError
from mask3d_core.tracking import ObjectMap
from mask3d_core.tracking.state_file import load_objects
from mask3d_core.weights.checkpoint import load_weights
from mask3d_ros.action import SegmentCloud
from mask3d_ros.node_subprocess import NodeSubprocess
import numpy as np
from rclpy.action import ActionClient
from rclpy.publisher import Publisher
from ros_client import room
from soak import Listener, NAMESPACE, Outcome, Setting
from toy_map import toy_map

START_SECONDS = 4.0
"""Time in which the start of a node is killed."""
STAGES = ('start', 'read', 'tiles', 'voxels', 'unet', 'decoder', 'clustering', 'joining',
          'saving', 'any')
"""What the node is doing when it is killed; `any`: a random time after a cloud."""


def kill(setting: Setting) -> Outcome:
    """Kill the node in every stage; its state file is whole, and keeps the ids."""
    client, rounds = setting.client, setting.amount(5 * len(STAGES), 2)
    random = np.random.default_rng(0)
    outcome = Outcome('kill -9', f'{rounds} kills')
    classes = load_weights(setting.weights).classes
    state = setting.folder / 'objects' / 'state'
    state.parent.mkdir()
    order = [STAGES[(len(STAGES) - 2 + number) % len(STAGES)]
             for number in range(rounds)]
    damaged = restarted_without = kept = total = 0
    known: set[int] = set()
    publisher = client.publisher()
    for number, stage in enumerate(order):
        client.forget_services()
        existed = state.exists()
        heard = Listener(client)
        with NodeSubprocess('segment_node', setting.folder / 'killed.log', {
                'weights': setting.weights, 'score_threshold': 0.0, 'state_file': state},
                {'__ns': NAMESPACE}) as node:
            if stage == 'start':
                time.sleep(random.uniform(0, START_SECONDS))
            else:
                client.wait(lambda: 'waiting for clouds' in node.text(), node)
                restarted_without += existed and 'objects in frame' not in node.text()
                publisher.publish(room(stamp=1 + number))
                heard.wait(1 + number, node)
                ids = {one.id for one in heard.last['instances'].instances}
                kept, total = kept + len(ids & known), total + len(known)
                known = ids
                client.wait(state.exists, node)
                wait_for_stage(setting, node, stage, publisher, random)
            os.kill(node.pid, signal.SIGKILL)
            assert node.wait(60) == -signal.SIGKILL, node.text()
        heard.close()
        damaged += state.exists() and not is_whole(state, classes)
    outcome.bound('damaged state files', damaged, 0)
    outcome.bound('starts without the objects', restarted_without, 0)
    outcome.bound('share of ids lost, %', 100 * (1 - kept / max(total, 1)), 5)
    outcome.bound('files left behind', len(list(state.parent.iterdir())) - 1, 1)
    outcome.facts['kills by stage'] = dict(Counter(order))
    return outcome


def wait_for_stage(setting: Setting, node: NodeSubprocess, stage: str, publisher: Publisher,
                   random: np.random.Generator) -> None:
    """Give the node work and return when it is in a stage of it."""
    client = setting.client
    if stage in ('saving', 'any'):
        folder = setting.folder / 'objects'
        before = set(folder.iterdir())
        publisher.publish(toy_map(1, stamp=2_000_000, noise=0.01))
        deadline = time.monotonic() + random.uniform(0, 1 if stage == 'any' else 20)
        while (stage == 'any' or set(folder.iterdir()) <= before) and time.monotonic() < deadline:
            time.sleep(0.0002)
        return
    stages: list[str] = []
    action = ActionClient(client.node, SegmentCloud, 'segment_node/segment_cloud')
    client.wait(action.server_is_ready, node)
    client.let_discover(node)
    action.send_goal_async(SegmentCloud.Goal(cloud=toy_map(2)),
                           lambda message: stages.append(message.feedback.stage))
    client.wait(lambda: stage in stages, node)
    action.destroy()


def is_whole(state: Path, classes: ClassTable) -> bool:
    """Return whether a state file can be read."""
    try:
        load_objects(state, ObjectMap(), classes)
    except InputError as error:
        print(f'soak: {error}', file=sys.stderr)
        return False
    return True
