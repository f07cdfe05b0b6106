"""Run a node without ros2 run: python -m mask3d_ros segment_node --ros-args -p …."""

import sys

from mask3d_ros.start import start

if __name__ == '__main__':
    start(sys.argv.pop(1))
