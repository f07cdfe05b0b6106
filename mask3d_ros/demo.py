"""The demo: play a scan, segment it and receive the results, in three processes over DDS."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
import os
from pathlib import Path
import sys
import time
from typing import Any

from mask3d_core.drawing.side_by_side import draw_side_by_side
from mask3d_core.errors import InputError
from mask3d_core.files import decode_pointcloud2
from mask3d_core.files.results import write_labelled_ply
from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
from mask3d_core.weights.shipped import SCORE_THRESHOLD, shipped_weights
from mask3d_ros.messages import instances_from
from mask3d_ros.msg import InstanceArray
from mask3d_ros.node_subprocess import NodeSubprocess
from mask3d_ros.qos import latched_profile
import numpy as np
import rclpy
from sensor_msgs.msg import PointCloud2
from visualization_msgs.msg import MarkerArray

SCAN = Path('demo', 'office.ply')
"""The bundled scan, below the source tree or the share folder of an installation."""
TOPICS = {'cloud_map': PointCloud2, 'segment_node/instances': InstanceArray,
          'segment_node/markers': MarkerArray, 'segment_node/cloud': PointCloud2}
LOG_TAIL_CHARACTERS = 3000
"""Characters of a node's log that an error message shows."""


def bundled_scan() -> Path:
    """Return the path of the bundled scan; if it is missing, its path in the source tree."""
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    shares = [Path(prefix, 'share', 'mask3d_ros') for prefix in prefixes if prefix]
    tree = Path(__file__).resolve().parent.parent
    return next((found for base in (tree, *shares) if (found := base / SCAN).exists()),
                tree / SCAN)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; return 0, or 1 after an error message."""
    parser = argparse.ArgumentParser(
        'python -m mask3d_ros.demo', description='Play a scan with map_player, segment it with '
        'segment_node, and receive the results in a third process.')
    parser.add_argument('--output', type=Path, default=Path('out/demo'), metavar='DIR')
    parser.add_argument('--scan', type=Path, default=bundled_scan(), metavar='FILE',
                        help='.ply, .pcd, .npz or a bag of one cloud; default: the bundled scan')
    parser.add_argument('--weights', type=Path, metavar='FILE',
                        help='default: the weights that ship with the package')
    parser.add_argument('--score-threshold', type=float, default=SCORE_THRESHOLD, metavar='S',
                        help='discard instances with a lower score (default: %(default)s)')
    parser.add_argument('--timeout', type=float, default=120.0, metavar='SECONDS',
                        help='give up if a result is missing after this time (default: 120)')
    options = parser.parse_args(arguments)
    try:
        _run(options)
    except InputError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


def _run(options: argparse.Namespace) -> None:
    start = time.monotonic()
    if not options.scan.exists():
        raise InputError(f'{options.scan}: no such file; give a scan with --scan FILE')
    options.output.mkdir(parents=True, exist_ok=True)
    messages = _play(options, {'weights': str(options.weights or shipped_weights()),
                               'score_threshold': options.score_threshold})
    cloud, message = messages['cloud_map'], messages['segment_node/instances']
    if message.header != cloud.header:
        raise InputError('the node segmented another cloud than the one that was played')
    scan = decode_pointcloud2(cloud)
    instances = instances_from(message, scan)
    print(_instance_table(message))
    print(_stage_table(message))
    print(f'received over DDS: {len(message.instances)} instances, '
          f'{len(messages["segment_node/markers"].markers)} markers, a labelled cloud of '
          f'{messages["segment_node/cloud"].width} points')
    for path in _write(options, scan, instances):
        print(f'wrote {path}')
    print(f'done in {time.monotonic() - start:.1f} s')


def _play(options: argparse.Namespace, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Start the nodes and return one message of each topic, by topic name."""
    # a separate namespace, so that nodes of a robot on this machine and the demo do not interact
    namespace = f'/mask3d_demo_{os.getpid()}'
    names = {'__ns': namespace, 'points': 'cloud_map'}
    player = NodeSubprocess('map_player', options.output / 'map_player.log',
                            {'file': str(options.scan)}, names)
    with player, NodeSubprocess('segment_node', options.output / 'segment_node.log', parameters,
                                names) as node:
        messages = _receive(namespace, (player, node), options.timeout)
        for process in (node, player):
            status = process.stop()
            if status != 0:
                raise InputError(f'{process.module} ended with status {status}:\n{_tail(process)}')
    return messages


def _receive(namespace: str, processes: Sequence[NodeSubprocess], timeout: float,
             ) -> dict[str, Any]:
    """Wait for one message of each topic; raise InputError with the logs if one is missing."""
    messages: dict[str, Any] = {}
    rclpy.init(args=[])
    try:
        node = rclpy.create_node('demo', namespace=namespace)
        for topic, kind in TOPICS.items():
            node.create_subscription(
                kind, topic, lambda message, topic=topic: messages.update({topic: message}),
                latched_profile())
        deadline = time.monotonic() + timeout
        while len(messages) < len(TOPICS):
            rclpy.spin_once(node, timeout_sec=0.2)
            for process in processes:
                if process.exit_status is not None:
                    raise InputError(f'{process.module} ended with status '
                                     f'{process.exit_status}:\n{_tail(process)}')
                if '[ERROR]' in process.text():
                    raise InputError(f'{process.module} reports an error:\n{_tail(process)}')
            if time.monotonic() > deadline:
                missing = ', '.join(topic for topic in TOPICS if topic not in messages)
                raise InputError(f'no message on {missing} within {timeout:g} s:\n'
                                 + '\n'.join(map(_tail, processes)))
        node.destroy_node()
    finally:
        rclpy.try_shutdown()
    return messages


def _tail(process: NodeSubprocess) -> str:
    return f'--- {process.log}\n{process.text()[-LOG_TAIL_CHARACTERS:]}'


def _instance_table(message: InstanceArray) -> str:
    """Return a table of the instances."""
    lines = [f'{"id":>4}  {"class":<16} {"score":>5} {"points":>8}  {"box centre (m)":^22}  '
             f'{"box size (m)":^20}']
    for instance in message.instances:
        center, size = instance.box_pose.position, instance.box_size
        lines.append(
            f'{instance.id:>4}  {instance.class_name:<16} {instance.score:>5.2f} '
            f'{instance.num_points:>8}  {center.x:>6.2f}, {center.y:>6.2f}, {center.z:>6.2f}  '
            f'{size.x:>5.2f} x {size.y:>5.2f} x {size.z:>5.2f}')
    return '\n'.join(lines)


def _stage_table(message: InstanceArray) -> str:
    """Return a table of the time of each stage."""
    milliseconds = 1000 * np.asarray(message.stage_seconds)
    rows = [*zip(message.stage_names, milliseconds), ('total', milliseconds.sum())]
    return '\n'.join([f'{"stage":<12} {"ms":>8}',
                      *(f'{name:<12} {time:>8.1f}' for name, time in rows)])


def _write(options: argparse.Namespace, scan: Scan, instances: Instances) -> list[Path]:
    """Write the labelled cloud and the picture; return their paths."""
    cloud, picture = options.output / 'instances.ply', options.output / 'instances.png'
    write_labelled_ply(cloud, scan, instances)
    draw_side_by_side(picture, scan, instances, options.scan.name)
    return [cloud, picture]


if __name__ == '__main__':
    sys.exit(main())
