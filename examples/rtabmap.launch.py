r"""
Start RTAB-Map for an RGB-D camera, and segment_node on its map; not run by the tests.

It needs a camera, and rtabmap_ros (`ros-$ROS_DISTRO-rtabmap-ros`).

    ros2 launch examples/rtabmap.launch.py rgb_topic:=/camera/color/image_raw \
      depth_topic:=/camera/aligned_depth_to_color/image_raw \
      camera_info_topic:=/camera/color/camera_info frame_id:=camera_link rviz:=true
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

RTABMAP_ARGS = '--delete_db_on_start --Grid/3D true --Grid/CellSize 0.03'
"""
A new map at each start, in three dimensions, with points 3 cm apart: the voxels of the shipped
weights. RTAB-Map's own cells are 5 cm.
"""


def included(package: str, name: str, **arguments: str | LaunchConfiguration) -> GroupAction:
    """Include a launch file; the group keeps its arguments from the other files."""
    path = PathJoinSubstitution([FindPackageShare(package), 'launch', name])
    return GroupAction([IncludeLaunchDescription(path, launch_arguments=arguments.items())])


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and the two launch files."""
    camera = {
        'rgb_topic': ('/camera/rgb/image_rect_color', 'Colour images.'),
        'depth_topic': ('/camera/depth_registered/image_raw', 'Depth, aligned to the colour.'),
        'camera_info_topic': ('/camera/rgb/camera_info', 'Calibration of the colour camera.'),
        'frame_id': ('camera_link', 'Frame of the robot, or of the camera if it has no other.'),
        'approx_sync': ('false', 'true: colour and depth have different stamps.')}
    return LaunchDescription([
        *(DeclareLaunchArgument(name, default_value=default, description=description)
          for name, (default, description) in camera.items()),
        DeclareLaunchArgument('weights', default_value='', description='Empty: the shipped ones.'),
        DeclareLaunchArgument('rviz', default_value='false', description='Show the instances.'),
        included('rtabmap_launch', 'rtabmap.launch.py', namespace='rtabmap', rviz='false',
                 rtabmap_viz='false', args=RTABMAP_ARGS,
                 **{name: LaunchConfiguration(name) for name in camera}),
        # the namespace of rtabmap_launch, and the topic on which it publishes its map, latched
        included('mask3d_ros', 'segment.launch.py', cloud='/rtabmap/cloud_map',
                 weights=LaunchConfiguration('weights'), rviz=LaunchConfiguration('rviz')),
    ])
