"""Detect from the surfaces of a scan whether z points up."""

from __future__ import annotations

from dataclasses import replace

from mask3d_core.geometry.normals import neighbor_normals
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

MIN_SPACING = 0.03
"""Smallest spacing of the points that normals are estimated from, metres."""
MAX_CELLS = 200
"""Most cells of that spacing along the longest side of a scan."""
NUM_NEIGHBORS = 12
"""Nearest points that a normal is fitted to."""
MIN_PLANE_SHARE, MIN_LEVEL_SHARE = 0.2, 0.03
"""A scan has planes if the largest holds this share of its normals; level ones likewise."""
MIN_SQUARE_SHARE, MIN_SQUARE_GAIN = 0.6, 0.2
"""
Another direction than z is up if this share of the normals is parallel or perpendicular to it, and
so much more than to z. In upright scans the best direction had at most 0.08 more than z.
"""
MIN_POINTS, MAX_SAMPLES = 300, 4000
"""With fewer points nothing is decided; normals are estimated at no more."""
ANGLE_TOLERANCE = np.radians(15)
"""Radians between directions that count as parallel."""


def doubt_upright(xyz: NDArray[np.floating]) -> str:
    """
    Return why z probably does not point up in a scan; '' if it may.

    A scan in the optical frame of a camera (z forward, y down) is recognized by one of three
    signs: all points lie in the viewing cone along z; there are planes, but none is level; or
    many more surfaces are parallel or perpendicular to another direction than to z, since most
    of a building is level or vertical. A map in an optical frame whose walls are perpendicular to
    its axes may show none of them.

    Parameters
    ----------
    xyz : [N, 3] float
        Metres.

    """
    size = xyz.max(0) - xyz.min(0)
    points = _thinned(xyz, max(MIN_SPACING, float(size.max()) / MAX_CELLS))
    if len(points) < MIN_POINTS:
        return ''
    normals = _normals(points)
    level = float((np.abs(normals[:, 2]) > np.cos(ANGLE_TOLERANCE)).mean())
    slab = level > 0.3 and size[2] < 0.5 * size.max()  # a table below the origin, say
    if not slab and (np.abs(xyz[:, :2]).max(1) < xyz[:, 2]).mean() > 0.999:
        return ('lies in front of a camera that looks along z: expected z up, as in the frame '
                'map or odom')
    plane = float((np.abs(normals @ normals[::20].T) > np.cos(ANGLE_TOLERANCE)).mean(0).max())
    best_square = float(_square_share(normals[::20], normals).max())
    square_to_z = float(_square_share(np.eye(3)[2:], normals)[0])
    no_level_plane = plane > MIN_PLANE_SHARE and level < MIN_LEVEL_SHARE
    other_direction = (best_square > MIN_SQUARE_SHARE
                       and square_to_z < best_square - MIN_SQUARE_GAIN)
    if no_level_plane or other_direction:
        return ('does not stand upright, by its surfaces: expected z up; is it in the frame of a '
                'camera (z forward)?')
    return ''


def upright(scan: Scan) -> Scan:
    """Rotate a scan to z up if it seems to be in the optical frame of a level camera."""
    if not doubt_upright(scan.xyz):
        return scan
    x, y, z = scan.xyz.T
    return replace(scan, xyz=np.stack([x, z, -y], axis=1))


def _square_share(directions: NDArray[np.float64], normals: NDArray[np.float64],
                     ) -> NDArray[np.float64]:
    """Return the share of the normals parallel or perpendicular to each direction: [D]."""
    cosine = np.abs(normals @ directions.T)
    parallel, perpendicular = cosine > np.cos(ANGLE_TOLERANCE), cosine < np.sin(ANGLE_TOLERANCE)
    share: NDArray[np.float64] = (parallel | perpendicular).mean(0)
    return share


def _thinned(xyz: NDArray[np.floating], cell: float) -> NDArray[np.floating]:
    """Keep the first point of each cell of a grid."""
    place = np.floor((xyz - xyz.min(0)) / cell).astype(np.int64)
    width = place.max(0) + 1
    return xyz[np.unique((place[:, 0] * width[1] + place[:, 1]) * width[2] + place[:, 2],
                         return_index=True)[1]]


def _normals(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Estimate normals at evenly chosen points: [at most MAX_SAMPLES, 3]."""
    some = points[::-(-len(points) // MAX_SAMPLES)]
    return neighbor_normals(points, cKDTree(points).query(some, NUM_NEIGHBORS)[1])
