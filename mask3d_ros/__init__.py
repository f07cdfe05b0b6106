"""Mask3D as ROS 2 nodes: the only package that imports rclpy and message packages."""

from pkgutil import extend_path

# The generated messages (mask3d_ros.msg) are in a folder of their own if Python runs in the source
# tree: one package with two folders.
__path__ = extend_path(__path__, __name__)
