"""Start the segmentation node on a robot, and RViz if asked for."""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

FINISH_SECONDS = '30'
"""How long the node may take to finish the cloud in work when it is told to end."""
CONFIG = [FindPackageShare('mask3d_ros'), 'config']


def declare_arguments() -> list[DeclareLaunchArgument]:
    """Return what `ros2 launch mask3d_ros segment.launch.py --show-args` lists."""
    return [
        DeclareLaunchArgument(
            'cloud', default_value='points',
            description='Topic of the map, a sensor_msgs/PointCloud2; as /rtabmap/cloud_map.'),
        DeclareLaunchArgument(
            'weights', default_value='',
            description='Path of the weights file; empty: as params_file says, by default those '
                        'that ship with the package.'),
        DeclareLaunchArgument(
            'device', default_value='',
            description='auto, cpu, cuda or cuda:N; empty: as params_file says.'),
        DeclareLaunchArgument(
            'params_file', default_value=PathJoinSubstitution([*CONFIG, 'segment.yaml']),
            description='Parameters of the node.'),
        DeclareLaunchArgument(
            'name', default_value='segment_node',
            description='Name of the node, and so of its topics: /segment_node/instances.'),
        DeclareLaunchArgument(
            'namespace', default_value='', description='Namespace of the node.'),
        DeclareLaunchArgument(
            'autostart', default_value='true', choices=['true', 'false'],
            description='Configure and activate at once; false: a lifecycle manager does it.'),
        DeclareLaunchArgument(
            'log_level', default_value='info',
            choices=['debug', 'info', 'warn', 'error', 'fatal'],
            description='Level of the log of the node.'),
        DeclareLaunchArgument(
            'rviz', default_value='false', choices=['true', 'false'],
            description='Start RViz with config/segment.rviz.'),
    ]


def segment_node(context: LaunchContext) -> list[LifecycleNode]:
    """Return the node; what was given on the command line wins over the parameter file."""
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
        sigterm_timeout=FINISH_SECONDS,
    )]


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and what they start."""
    return LaunchDescription([
        *declare_arguments(),
        Node(  # first: where there is no rviz2, launch ends here, before it has started anything
            package='rviz2', executable='rviz2', namespace=LaunchConfiguration('namespace'),
            arguments=['-d', PathJoinSubstitution([*CONFIG, 'segment.rviz'])],
            remappings=[('/points', LaunchConfiguration('cloud')),
                        ('/segment_node/cloud', [LaunchConfiguration('name'), '/cloud']),
                        ('/segment_node/markers', [LaunchConfiguration('name'), '/markers'])],
            condition=IfCondition(LaunchConfiguration('rviz'))),
        OpaqueFunction(function=segment_node),
    ])
