"""A map of toy rooms far apart, each of which is one tile."""

from mask3d_ros.msg import InstanceArray
import numpy as np
from ros_client import cloud
from sensor_msgs.msg import PointCloud2

ROOM_POINTS = 4000
SPACING = 20.0
"""Metres between the corners of rooms."""


def toy_map(rooms: int, stamp: int = 1, *, moved: int = 0, noise: float = 0.0) -> PointCloud2:
    """
    Return a map of rooms of 3 x 3 m along the x axis, with two boxes in each.

    Parameters
    ----------
    rooms : int
        The first rooms of a larger map are the same points.
    stamp : int
        Seconds.
    moved : int
        Number of half metres by which a box in the first room is moved.
    noise : float
        Metres; above 0 the order of the points is random, too.

    """
    parts = []
    for number in range(rooms):
        rng = np.random.default_rng(number)
        start = 0.5 * moved if number == 0 else 0.0
        box = np.array([0.5 + start, 0.5, 0])
        parts += [rng.uniform((0, 0, 0), (3, 3, 0.02), (ROOM_POINTS // 2, 3)),
                  rng.uniform(box, box + (0.5, 0.5, 0.6), (ROOM_POINTS // 4, 3)),
                  rng.uniform((2, 2, 0), (2.4, 2.6, 1), (ROOM_POINTS // 4, 3))]
        parts[-3:] = [part + (number * SPACING, 0, 0) for part in parts[-3:]]
    xyz = np.concatenate(parts)
    color = np.repeat(np.tile([[130, 130, 130], [200, 30, 30], [30, 60, 200]], (rooms, 1)),
                      [len(part) for part in parts], axis=0).astype(np.uint8)
    if noise:
        rng = np.random.default_rng(stamp)
        order = rng.permutation(len(xyz))
        xyz, color = (xyz + rng.normal(0, noise, xyz.shape))[order], color[order]
    return cloud(xyz, color, stamp)


def rooms(message: InstanceArray, state: int | None = None) -> set[int]:
    """Return the rooms that have instances, those of one state or all."""
    return {int(instance.centroid.x // SPACING) for instance in message.instances
            if state in (None, instance.state)}
