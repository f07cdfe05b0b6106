"""Mask3D as ROS 2 nodes: the only place that imports rclpy and message packages."""

from pkgutil import extend_path

# The generated messages (mask3d_ros.msg) live in another folder than the nodes whenever Python
# runs beside the source tree: one package, two folders.
__path__ = extend_path(__path__, __name__)
