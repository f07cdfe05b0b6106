"""
Measure reading and building of clouds beside `sensor_msgs_py`, in turns, and compare the results.

Usage: . .venv/ros.sh && python tools/cloud_times.py [POINTS ...]

It prints medians (fastest) in milliseconds. A fifth of the points is NaN. `sensor_msgs_py` comes
with ROS 2; test/ros/test_sensor_msgs_py.py says how to get it elsewhere.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
import statistics
import sys
import time

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'test' / 'support'))

from mask3d_core.colors import faded_colors
from mask3d_core.files import decode_pointcloud2
from mask3d_core.files.columns import scan_from_columns
from mask3d_core.scan import Scan
from mask3d_core.tracking import untracked
from mask3d_ros.clouds import labelled_cloud, scan_cloud
from mask3d_ros.result import SegmentationResult
import numpy as np
from sensor_msgs.msg import PointCloud2
from sensor_msgs_py.point_cloud2 import create_cloud, dtype_from_fields, read_points
from std_msgs.msg import Header
from tiny_result import tiny_result

SIZES = (300_000, 2_000_000)
NUM_INSTANCES = 100
REPEATS = 15
COLUMNS = ['x', 'y', 'z', 'rgb']


def make_result(count: int) -> SegmentationResult:
    """Return a result whose instances cover a third of the points."""
    random = np.random.default_rng(0)
    xyz = random.normal(size=(count, 3)).astype(np.float32)
    xyz[random.random(count) < 0.2] = np.nan
    color = random.integers(0, 256, (count, 3), dtype=np.uint8)
    scan = Scan.from_points(xyz, color)
    tiny, each = tiny_result(), count // (3 * NUM_INSTANCES)
    rows = tuple(np.sort(random.choice(scan.kept, each, replace=False)).astype(np.int32)
                 for _ in range(NUM_INSTANCES))
    score = np.linspace(0.9, 0.1, NUM_INSTANCES, dtype=np.float32)
    instances = replace(tiny.instances.take([0] * NUM_INSTANCES), rows=rows, num_points=count,
                        score=score)
    whole = Scan(xyz, (color / 255).astype(np.float32), None, np.arange(count), count)
    cloud = scan_cloud(Header(frame_id='map'), whole)
    cloud.is_dense = False
    return SegmentationResult(cloud, scan, untracked(instances, 0), {})


def packed(color: np.ndarray) -> np.ndarray:
    """Return colours [N, 3] uint8 packed as float32: [N]."""
    red, green, blue = color.astype(np.uint32).T
    return (red << 16 | green << 8 | blue).view(np.float32)


def read_their_way(cloud: PointCloud2) -> Scan:
    """Return a cloud as a scan, read by read_points."""
    points = read_points(cloud, COLUMNS)
    return scan_from_columns({name: points[name] for name in COLUMNS})


def scan_cloud_their_way(scan: Scan, like: PointCloud2) -> PointCloud2:
    """Return the points of a scan as a cloud by create_cloud, field by field."""
    points = np.empty(len(scan), dtype_from_fields(like.fields))
    for place, axis in enumerate('xyz'):
        points[axis] = scan.xyz[:, place]
    points['rgb'] = packed(np.rint(scan.color * 255).astype(np.uint8))
    return create_cloud(like.header, like.fields, points)


def labelled_their_way(result: SegmentationResult, like: PointCloud2) -> PointCloud2:
    """Return the labelled cloud by create_cloud, field by field."""
    scan, instances = result.scan, result.instances
    points = np.zeros(scan.input_size, dtype_from_fields(like.fields))
    for place, axis in enumerate('xyz'):
        points[axis] = np.nan
        points[axis][scan.kept] = scan.xyz[:, place]
    best = instances.point_instance()
    inside = best >= 0
    points['rgb'][scan.kept] = packed(faded_colors(scan.color, len(scan)))
    points['rgb'][inside] = packed(result.colors).take(best[inside])
    for name, values in (('label', instances.class_id), ('instance', result.ids),
                         ('score', instances.score)):
        points[name][inside] = values.take(best[inside])
    return create_cloud(like.header, like.fields, points)


def measure(calls: dict[str, Callable[[], object]]) -> None:
    """Print the time of each call, measured in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(REPEATS):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    for name, times in seconds.items():
        print(f'  {name:50} {1e3 * statistics.median(times):8.2f} ({1e3 * min(times):.2f})')


def compare(count: int) -> None:
    """Compare and time both ways with a cloud of some size."""
    result = make_result(count)
    cloud, header = result.cloud, result.cloud.header
    labelled, plain = labelled_cloud(result), scan_cloud(header, result.scan)
    points = read_points(labelled)
    scan, theirs = decode_pointcloud2(cloud), read_their_way(cloud)
    assert np.array_equal(scan.xyz, theirs.xyz) and np.array_equal(scan.color, theirs.color)
    assert labelled_their_way(result, labelled).data == labelled.data
    assert scan_cloud_their_way(result.scan, plain).data == plain.data
    print(f'{count} points')
    measure({
        'read a scan: decode_pointcloud2': lambda: decode_pointcloud2(cloud),
        'read a scan: read_points': lambda: read_their_way(cloud),
        'read_points alone, skip_nans': lambda: read_points(cloud, COLUMNS, skip_nans=True),
        'labelled cloud: labelled_cloud': lambda: labelled_cloud(result),
        'labelled cloud: create_cloud': lambda: labelled_their_way(result, labelled),
        'cloud of a scan: scan_cloud': lambda: scan_cloud(header, result.scan),
        'cloud of a scan: create_cloud': lambda: scan_cloud_their_way(result.scan, plain),
        'create_cloud alone, of a finished labelled array':
            lambda: create_cloud(header, labelled.fields, points)})


if __name__ == '__main__':
    for size in [int(argument) for argument in sys.argv[1:]] or SIZES:
        compare(size)
