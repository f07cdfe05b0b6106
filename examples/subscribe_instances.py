"""
Publish where the nearest chair is: a node that subscribes to the instances of segment_node.

    ros2 launch mask3d_ros segment.launch.py cloud:=/rtabmap/cloud_map
    python3 examples/subscribe_instances.py --ros-args -r pose:=/rtabmap/localization_pose

Parameters: `class_name` (chair) and `min_score` (0.3). The distance is measured from `pose`,
or from the origin of the map's frame while there is no pose in that frame.
"""

import math

from geometry_msgs.msg import Point, PointStamped, PoseWithCovarianceStamped
from mask3d_ros.msg import Instance, InstanceArray
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""As segment_node publishes: a late subscriber gets the last message."""


class NearestObject(Node):
    """Subscribes to `segment_node/instances` and `pose`; publishes `~/nearest`."""

    def __init__(self) -> None:
        super().__init__('nearest_object')
        self.declare_parameter('class_name', 'chair')
        self.declare_parameter('min_score', 0.3)
        self.found = InstanceArray()
        self.pose = PoseWithCovarianceStamped()
        self.publisher = self.create_publisher(PointStamped, '~/nearest', LATCHED)
        self.create_subscription(
            InstanceArray, 'segment_node/instances', self.on_instances, LATCHED)
        self.create_subscription(PoseWithCovarianceStamped, 'pose', self.on_pose, 1)

    def on_instances(self, message: InstanceArray) -> None:
        """Take the objects of a new map, and publish the nearest."""
        self.found = message
        self.publish_nearest()

    def on_pose(self, message: PoseWithCovarianceStamped) -> None:
        """Take the robot's new pose, and publish the nearest object."""
        self.pose = message
        self.publish_nearest()

    def publish_nearest(self) -> None:
        """Publish and log the nearest object of the class, if there is one."""
        name = self.get_parameter('class_name').value
        min_score = self.get_parameter('min_score').value
        same_frame = self.pose.header.frame_id == self.found.header.frame_id
        robot = self.pose.pose.pose.position if same_frame else Point()

        def distance(instance: Instance) -> float:
            center = instance.box_pose.position
            return math.dist((center.x, center.y, center.z), (robot.x, robot.y, robot.z))

        objects = [instance for instance in self.found.instances
                   if instance.class_name == name and instance.score >= min_score]
        if not objects:
            self.get_logger().info(f'no {name} among {len(self.found.instances)} instances')
            return
        nearest = min(objects, key=distance)
        at = nearest.box_pose.position
        self.publisher.publish(PointStamped(header=self.found.header, point=at))
        self.get_logger().info(f'nearest {name}: id {nearest.id} at {at.x:.2f} {at.y:.2f} '
                               f'{at.z:.2f} in {self.found.header.frame_id}, '
                               f'{distance(nearest):.2f} m away')


if __name__ == '__main__':
    rclpy.init()
    try:
        rclpy.spin(NearestObject())
    except (KeyboardInterrupt, ExternalShutdownException):
        rclpy.try_shutdown()
