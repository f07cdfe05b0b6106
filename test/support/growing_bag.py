"""A bag with clouds of a map that grows."""

from collections.abc import Sequence
from pathlib import Path

from mask3d_core.scan import Scan
import numpy as np
import pytest

TOPIC = '/map'


def write_growing_bag(folder: Path, scans: Sequence[Scan]) -> Path:
    """Record clouds with colours, one every two seconds; return the folder of the bag."""
    rosbag2 = pytest.importorskip('rosbags.rosbag2', reason='needs the extra bags')
    typesys = pytest.importorskip('rosbags.typesys')
    store = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)
    types, name = store.types, 'sensor_msgs/msg/PointCloud2'
    field = types['sensor_msgs/msg/PointField']
    with rosbag2.Writer(folder, version=9) as writer:
        connection = writer.add_connection(TOPIC, name, typestore=store)
        for index, scan in enumerate(scans):
            points = np.zeros(len(scan), [('xyz', '<f4', 3), ('rgb', '<u4')])
            points['xyz'] = scan.xyz
            if scan.color is not None:
                red, green, blue = np.rint(255 * scan.color.T).astype(np.uint32)
                points['rgb'] = red << 16 | green << 8 | blue
            stamp = types['builtin_interfaces/msg/Time'](sec=10 + 2 * index, nanosec=0)
            cloud = types[name](
                header=types['std_msgs/msg/Header'](stamp=stamp, frame_id='map'), height=1,
                width=len(scan), is_bigendian=False, point_step=16, row_step=16 * len(scan),
                fields=[*(field(axis, 4 * place, 7, 1) for place, axis in enumerate('xyz')),
                        field('rgb', 12, 7, 1)],
                data=np.frombuffer(points.tobytes(), np.uint8), is_dense=True)
            writer.write(connection, 1 + index, store.serialize_cdr(cloud, name))
    return folder
