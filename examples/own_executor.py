"""
Run segment_node in a process together with other nodes, in one executor.

    python3 examples/own_executor.py --ros-args -r points:=/rtabmap/cloud_map

Component containers load C++ nodes only; two nodes in Python share a process like this. The worker
thread of segment_node segments, so its callbacks do not hold up those of the other nodes.
"""

from mask3d_ros.msg import InstanceArray
from mask3d_ros.segment_node import SegmentNode
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Counter(Node):
    """Stands for your own node: logs how many objects there are."""

    def __init__(self) -> None:
        super().__init__('counter')
        self.create_subscription(InstanceArray, 'segment_node/instances', self.on_instances,
                                 LATCHED)

    def on_instances(self, message: InstanceArray) -> None:
        """Count the objects of a map."""
        self.get_logger().info(f'{len(message.instances)} objects')


def main() -> None:
    """Spin both nodes until Ctrl-C."""
    rclpy.init()
    executor = SingleThreadedExecutor()
    executor.add_node(Counter())
    node = SegmentNode()        # these two lines are all that it takes
    executor.add_node(node)
    node.autostart()            # or let a lifecycle manager configure and activate it
    try:
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.close()            # ends the worker thread
        rclpy.try_shutdown()


if __name__ == '__main__':
    main()
