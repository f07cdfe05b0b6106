"""
Publish only the points of wanted objects, coloured and labelled: a map of chairs and tables.

    ros2 launch mask3d_ros segment.launch.py cloud:=/rtabmap/cloud_map
    python3 examples/wanted_objects.py --ros-args -p classes:="['chair', 'table']"

Parameters: `classes` (chair) and `min_score` (0.3). It reads `segment_node/cloud`, whose points
have the fields label, instance and score, and `segment_node/instances` for the names. The result
on `~/cloud` has the stamp, the frame and all fields of the map.
"""

from mask3d_ros.msg import InstanceArray
import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import PointCloud2
from sensor_msgs_py.point_cloud2 import create_cloud, read_points

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""As segment_node publishes: a late subscriber gets the last message."""


class WantedObjects(Node):
    """Subscribes to the labelled cloud and the instances; publishes `~/cloud`."""

    def __init__(self) -> None:
        super().__init__('wanted_objects')
        self.declare_parameter('classes', ['chair'])
        self.declare_parameter('min_score', 0.3)
        self.cloud = PointCloud2()
        self.found = InstanceArray()
        self.publisher = self.create_publisher(PointCloud2, '~/cloud', LATCHED)
        self.create_subscription(PointCloud2, 'segment_node/cloud', self.on_cloud, LATCHED)
        self.create_subscription(
            InstanceArray, 'segment_node/instances', self.on_instances, LATCHED)

    def on_cloud(self, message: PointCloud2) -> None:
        """Take the labelled cloud of a map."""
        self.cloud = message
        self.publish_wanted()

    def on_instances(self, message: InstanceArray) -> None:
        """Take the instances of a map."""
        self.found = message
        self.publish_wanted()

    def publish_wanted(self) -> None:
        """Publish the wanted points, once cloud and instances are of the same map."""
        if not self.found.instances or self.cloud.header != self.found.header:
            return
        names = self.get_parameter('classes').value
        min_score = self.get_parameter('min_score').value
        ids = [instance.id for instance in self.found.instances
               if instance.class_name in names and instance.score >= min_score]
        points = read_points(self.cloud)
        kept = points[np.isin(points['instance'], ids)]
        self.publisher.publish(create_cloud(self.cloud.header, self.cloud.fields, kept))
        self.get_logger().info(f'{len(kept)} points of {len(ids)} objects')


if __name__ == '__main__':
    rclpy.init()
    try:
        rclpy.spin(WantedObjects())
    except (KeyboardInterrupt, ExternalShutdownException):
        rclpy.try_shutdown()
