"""Start segment_node, and RViz if `rviz` is true."""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

SIGTERM_TIMEOUT_SECONDS = '30'
"""Time the node has after SIGINT to finish the cloud in progress; then launch sends SIGTERM."""
CONFIG = [FindPackageShare('mask3d_ros'), 'config']


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
            description='Device of the model: auto, cpu, cuda or cuda:N; empty: that of '
                        'params_file.'),
        DeclareLaunchArgument(
            'params_file', default_value=PathJoinSubstitution([*CONFIG, 'segment.yaml']),
            description='Parameter file of the node.'),
        DeclareLaunchArgument(
            'name', default_value='segment_node',
            description='Name of the node, with which its topics start: /segment_node/instances.'),
        DeclareLaunchArgument(
            'namespace', default_value='', description='Namespace of the node.'),
        DeclareLaunchArgument(
            'autostart', default_value='true', choices=['true', 'false'],
            description='Configure and activate the node at start; false: left to a lifecycle '
                        'manager.'),
        DeclareLaunchArgument(
            'log_level', default_value='info',
            choices=['debug', 'info', 'warn', 'error', 'fatal'],
            description='Log level of the node.'),
        DeclareLaunchArgument(
            'rviz', default_value='false', choices=['true', 'false'],
            description='Start RViz with config/segment.rviz.'),
    ]


def segment_node(context: LaunchContext) -> list[LifecycleNode]:
    """Return the node; launch arguments take precedence over the parameter file."""
    given = {name: ParameterValue(LaunchConfiguration(name), value_type=str)
             for name in ('weights', 'device') if context.launch_configurations[name]}
    autostart = ParameterValue(LaunchConfiguration('autostart'), value_type=bool)
    return [LifecycleNode(
        package='mask3d_ros', executable='segment_node',
        name=LaunchConfiguration('name'), namespace=LaunchConfiguration('namespace'),
        parameters=[LaunchConfiguration('params_file'), {'autostart': autostart, **given}],
        remappings=[('points', LaunchConfiguration('cloud'))],
        ros_arguments=['--log-level', LaunchConfiguration('log_level')],
        output='screen',
        sigterm_timeout=SIGTERM_TIMEOUT_SECONDS,
    )]


def generate_launch_description() -> LaunchDescription:
    """Return the launch arguments and actions."""
    return LaunchDescription([
        *declare_arguments(),
        Node(  # first: without rviz2 launch fails here, before it has started anything
            package='rviz2', executable='rviz2', namespace=LaunchConfiguration('namespace'),
            arguments=['-d', PathJoinSubstitution([*CONFIG, 'segment.rviz'])],
            remappings=[('/points', LaunchConfiguration('cloud')),
                        ('/segment_node/cloud', [LaunchConfiguration('name'), '/cloud']),
                        ('/segment_node/markers', [LaunchConfiguration('name'), '/markers'])],
            condition=IfCondition(LaunchConfiguration('rviz'))),
        OpaqueFunction(function=segment_node),
    ])
