"""
Start segment_node, and RViz if `rviz` is true.

There is no argument `container`: component containers load C++ nodes, and this one is in Python.
`examples/own_executor.py` runs it in a process together with other Python nodes.
"""

import os
from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.substitutions import FindPackageShare

SIGTERM_TIMEOUT_SECONDS = '30'
"""Time the node has after SIGINT to end, less than a second if idle; then launch sends SIGTERM."""
RESPAWN_DELAY_SECONDS = 2.0
CONFIG = [FindPackageShare('mask3d_ros'), 'config']
OF_PARAMS_FILE = 'empty: that of params_file.'
FAST_DDS_VARIABLE = ('FASTRTPS_DEFAULT_PROFILES_FILE'
                     if os.environ.get('ROS_DISTRO') in ('humble', 'iron', 'jazzy')
                     else 'FASTDDS_DEFAULT_PROFILES_FILE')
"""What Fast DDS 2 and 3 read; with both, 3 reads the file twice and logs errors."""
BOOLEANS = {'true': True, 'false': False}
PARAMETERS = {'weights': str, 'device': str, 'num_queries': int, 'score_threshold': float,
              'use_sim_time': BOOLEANS.__getitem__, 'autostart': BOOLEANS.__getitem__}
"""Parameters of the node that are launch arguments, and what reads their text."""


def declare_arguments() -> list[DeclareLaunchArgument]:
    """Return the arguments, listed by `ros2 launch mask3d_ros segment.launch.py --show-args`."""
    return [
        DeclareLaunchArgument(
            'cloud', default_value='points',
            description='Input topic, a sensor_msgs/PointCloud2, for example /rtabmap/cloud_map.'),
        DeclareLaunchArgument(
            'weights', default_value='',
            description='Path of the weights file; empty: that of params_file, by default the '
                        'weights that ship with the package.'),
        DeclareLaunchArgument(
            'device', default_value='',
            description=f'Device of the model: auto, cpu, cuda or cuda:N; {OF_PARAMS_FILE}'),
        DeclareLaunchArgument(
            'num_queries', default_value='',
            description=f'Queries of a tile, one mask each; {OF_PARAMS_FILE}'),
        DeclareLaunchArgument(
            'score_threshold', default_value='',
            description=f'Minimum score of an instance, 0 to 1; {OF_PARAMS_FILE}'),
        DeclareLaunchArgument(
            'use_sim_time', default_value='',
            description=f'Take the time from /clock: true or false; {OF_PARAMS_FILE}'),
        DeclareLaunchArgument(
            'params_file', default_value=PathJoinSubstitution([*CONFIG, 'segment.yaml']),
            description='Parameter file of the node.'),
        DeclareLaunchArgument(
            'name', default_value='segment_node',
            description='Name of the node, with which its topics start: /segment_node/instances.'),
        DeclareLaunchArgument(
            'namespace', default_value='', description='Namespace of the node.'),
        DeclareLaunchArgument(
            'autostart', default_value='',
            description='Configure and activate the node at start: true, or false, which leaves '
                        f'it to a lifecycle manager; {OF_PARAMS_FILE}'),
        DeclareLaunchArgument(
            'respawn', default_value='false', choices=list(BOOLEANS),
            description='Start the node again if its process ends by itself.'),
        DeclareLaunchArgument(
            'fast_dds', default_value='false', choices=list(BOOLEANS),
            description='Give the node more shared memory with config/fast_dds.xml: true where '
                        'clouds have megabytes and /dev/shm has room.'),
        DeclareLaunchArgument(
            'log_level', default_value='info',
            choices=['debug', 'info', 'warn', 'error', 'fatal'],
            description='Log level of the node.'),
        DeclareLaunchArgument(
            'rviz', default_value='false', choices=list(BOOLEANS),
            description='Start RViz with config/segment.rviz.'),
        DeclareLaunchArgument(
            'fixed_frame', default_value='',
            description='Fixed frame of RViz; empty: that of config/segment.rviz, map.'),
    ]


def given_parameters(context: LaunchContext) -> dict[str, str | int | float | bool]:
    """Return the parameters given as launch arguments; they take precedence over the file."""
    given = {}
    for name, read in PARAMETERS.items():
        text = context.launch_configurations[name]
        try:
            if text:
                given[name] = read(text)
        except (KeyError, ValueError) as error:
            expected = 'true or false' if isinstance(error, KeyError) else 'a number'
            raise RuntimeError(f'{name} is {text!r}, expected {expected}') from error
    return given


def start_nodes(context: LaunchContext) -> list[Node]:
    """Return RViz, if it is wanted, and the node."""
    arguments = context.launch_configurations
    if not Path(arguments['params_file']).is_file():
        raise RuntimeError(f'params_file {arguments["params_file"]} does not exist')
    given = given_parameters(context)
    node = LifecycleNode(
        package='mask3d_ros', executable='segment_node',
        name=arguments['name'], namespace=arguments['namespace'],
        parameters=[arguments['params_file'], *([given] if given else [])],
        remappings=[('points', arguments['cloud'])],
        ros_arguments=['--log-level', arguments['log_level']],
        output='screen',
        additional_env=({FAST_DDS_VARIABLE: PathJoinSubstitution([*CONFIG, 'fast_dds.xml'])}
                        if BOOLEANS[arguments['fast_dds']] else {}),
        respawn=BOOLEANS[arguments['respawn']], respawn_delay=RESPAWN_DELAY_SECONDS,
        sigterm_timeout=SIGTERM_TIMEOUT_SECONDS,
    )
    # RViz first: without rviz2 launch fails here, before it has started anything
    return [rviz(arguments, given), node] if BOOLEANS[arguments['rviz']] else [node]


def rviz(arguments: dict[str, str], given: dict[str, str | int | float | bool]) -> Node:
    """Return RViz with the topics of the node."""
    frame = ['-f', arguments['fixed_frame']] if arguments['fixed_frame'] else []
    return Node(
        package='rviz2', executable='rviz2', namespace=arguments['namespace'],
        arguments=['-d', PathJoinSubstitution([*CONFIG, 'segment.rviz']), *frame],
        parameters=[{name: given[name] for name in ('use_sim_time',) if name in given}],
        remappings=[('/points', arguments['cloud']),
                    ('/segment_node/cloud', f'{arguments["name"]}/cloud'),
                    ('/segment_node/markers', f'{arguments["name"]}/markers')])


def generate_launch_description() -> LaunchDescription:
    """Return the launch arguments and actions."""
    return LaunchDescription([*declare_arguments(), OpaqueFunction(function=start_nodes)])
