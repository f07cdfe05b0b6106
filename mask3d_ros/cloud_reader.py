"""Clouds as they come in: decoded, transformed into the target frame, and checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
import time

from builtin_interfaces.msg import Time as Stamp
from mask3d_core.conventions import Conventions, parse_unit
from mask3d_core.errors import InputError
from mask3d_core.files import decode_pointcloud2
from mask3d_core.scan import Scan
from mask3d_core.scan_checks import Doubt, find_doubts
from mask3d_ros.transforms import FramePose
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

CHECK_SECONDS = 10.0
"""Time between two checks of a frame; a cloud of twice the points is checked earlier."""
MAX_FRAMES = 100
"""Frames of which it is remembered what was said; beyond them all is forgotten."""
REMEDIES = {
    'axes': 'publish the cloud in a frame with z up, or set target_frame to one, such as map, '
            'odom or base_link',
    'units': 'publish the cloud in metres',
    'degrees': 'publish the cloud in metres',
    'colour': 'publish the colour of every point, or use weights without colour',
    'fields': 'name them r, g and b, or rgb if they are packed',
    'header': 'write in it which columns are x y z red green blue, or delete it',
    'clouds': 'check why these have no points',
    'outliers': 'check the sensor, or filter the cloud',
    'precision': 'publish the cloud in a frame near its points, such as map',
}
"""What to do about a doubt, by its kind."""
LEVELLING = {'y': '--roll 1.5708', '-y': '--roll -1.5708', '-z': '--roll 3.1416',
             'x': '--pitch -1.5708', '-x': '--pitch 1.5708'}
"""Rotation of a frame in one with z up, by its axis that points up."""

WaitForPose = Callable[[str, str, Stamp], FramePose]
"""Returns the pose of a frame, the first argument, in another at a time; raises InputError."""


class CloudReader:
    """
    Makes scans of clouds, and warns about what is wrong with them, once per frame.

    Parameters
    ----------
    wait_for_pose : callable
    warn : callable
        Logs a warning.
    voxel_size : float
        Of the weights, metres: tells what size a map may have.
    clock : callable
        Returns seconds.
    unit : str
        Of the coordinates of the clouds, as `parse_unit` reads it.

    Attributes
    ----------
    conventions : Conventions
        Of the clouds.

    """

    def __init__(self, wait_for_pose: WaitForPose, warn: Callable[[str], object],
                 voxel_size: float, clock: Callable[[], float] = time.monotonic,
                 unit: str = 'm') -> None:
        self.conventions = Conventions(unit=parse_unit(unit))
        self._wait_for_pose = wait_for_pose
        self.warn = warn
        self._voxel_size = voxel_size
        self._clock = clock
        self._said: dict[str, set[str]] = {}                    # kinds of doubts of each frame
        self._checked: dict[str, tuple[int, float]] = {}        # points and time of the last check

    def read(self, cloud: PointCloud2, target_frame: str = '') -> tuple[PointCloud2, Scan]:
        """
        Decode a cloud.

        Parameters
        ----------
        cloud : PointCloud2
        target_frame : str
            The frame that it is transformed into; '': it stays in its own.

        Returns
        -------
        cloud : PointCloud2
            With the target frame in its header; its data are shared, and stay as they are.
        scan : Scan
            In the target frame.

        Raises
        ------
        InputError
            If the cloud cannot be decoded, or the transform is not available.

        """
        scan = decode_pointcloud2(cloud, self.conventions)
        frame = cloud.header.frame_id.lstrip('/')
        if target_frame and frame != target_frame:
            if not frame:
                raise InputError('the cloud has no frame_id, so it cannot be transformed into '
                                 f'target_frame {target_frame}: set it where it is published')
            pose = self._wait_for_pose(frame, target_frame, cloud.header.stamp)
            scan = replace(scan, xyz=pose.from_frame(scan.xyz))
        if target_frame and cloud.header.frame_id != target_frame:
            cloud = _in_frame(cloud, target_frame)
        scan = replace(scan, frame=cloud.header.frame_id)
        self.check(scan)
        return cloud, scan

    def check(self, scan: Scan) -> None:
        """Warn about a scan, unless the same was said of its frame."""
        points, seconds = self._checked.get(scan.frame, (0, 0.0))
        now = self._clock()
        if points and len(scan) < 2 * points and now - seconds < CHECK_SECONDS:
            return
        if scan.frame not in self._said and len(self._said) >= MAX_FRAMES:
            self._said.clear()
            self._checked.clear()
        self._checked[scan.frame] = len(scan), now
        said = self._said.setdefault(scan.frame, set())
        for doubt in find_doubts(scan, self._voxel_size):
            if not said.issuperset(doubt.kinds):
                said.update(doubt.kinds)
                remedies = '; '.join(_remedy(doubt, kind) for kind in doubt.kinds)
                cloud = f'the cloud in frame {scan.frame!r}' if scan.frame else 'the cloud'
                self.warn(f'{cloud} {doubt.finding}; {remedies}')


def _remedy(doubt: Doubt, kind: str) -> str:
    """Return what to do about a kind of a doubt, with the values that mend it if known."""
    remedy = REMEDIES[kind]
    if kind == 'axes' and doubt.up in LEVELLING:
        remedy += (f'; where tf has none, {LEVELLING[doubt.up]} of `ros2 run tf2_ros '
                   'static_transform_publisher --frame-id level --child-frame-id FRAME` makes one')
    if kind == 'units':
        remedy += f', or set input_unit to {doubt.unit or "its unit"}'
    return remedy


def _in_frame(cloud: PointCloud2, frame: str) -> PointCloud2:
    """Return a cloud with another frame in its header; the data are shared."""
    return PointCloud2(
        header=Header(stamp=cloud.header.stamp, frame_id=frame), height=cloud.height,
        width=cloud.width, fields=cloud.fields, is_bigendian=cloud.is_bigendian,
        point_step=cloud.point_step, row_step=cloud.row_step, data=cloud.data,
        is_dense=cloud.is_dense)
