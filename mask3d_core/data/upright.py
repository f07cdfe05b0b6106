"""Whether z points up in a scan, as far as its surfaces tell."""

from __future__ import annotations

from dataclasses import replace

from mask3d_core.geometry.normals import neighbour_normals
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

FINEST = 0.03
"""Metres between the points normals are fitted to, at least."""
ACROSS = 200
"""How many of them lie across a scan, at most."""
NEIGHBOURS = 12
PLANE, HARDLY = 0.2, 0.03
MOST, CLEARLY = 0.6, 0.2
"""Shares of the surface: where z was up, it had at most 0.08 less than the best direction."""
FEWEST, SAMPLE = 300, 4000
"""Points: with fewer there is nothing to tell; no more are looked at."""
CLOSE = np.radians(15)
"""How far a normal may be off, radians."""


def doubt_upright(xyz: NDArray[np.floating]) -> str:
    """
    Say why z hardly points up in a scan; '' where it may well.

    Three signs give the frame of a camera (z forward, y down) away. All points lie in the cone in
    front of it. There are planes, but none is level. Or the surfaces know another direction: most
    of what people build is level or plumb, so that many more surfaces along or across some
    direction than along or across z mean that z is neither up nor the normal of a wall. A map
    in such a frame whose walls happen to stand square to it may show none of them.

    Parameters
    ----------
    xyz : [N, 3] float
        Metres.

    """
    size = xyz.max(0) - xyz.min(0)
    points = _thinned(xyz, max(FINEST, float(size.max()) / ACROSS))
    if len(points) < FEWEST:
        return ''
    normals = _normals(points)
    level = float((np.abs(normals[:, 2]) > np.cos(CLOSE)).mean())
    slab = level > 0.3 and size[2] < 0.5 * size.max()  # a table below the origin, say
    if not slab and (np.abs(xyz[:, :2]).max(1) < xyz[:, 2]).mean() > 0.999:
        return ('lies in front of a camera that looks along z: expected z up, as in the frame '
                'map or odom')
    plane = float((np.abs(normals @ normals[::20].T) > np.cos(CLOSE)).mean(0).max())
    square = float(_share_square_to(normals[::20], normals).max())
    of_z = float(_share_square_to(np.eye(3)[2:], normals)[0])
    if plane > PLANE and level < HARDLY or square > MOST and of_z < square - CLEARLY:
        return ('does not stand upright, by its surfaces: expected z up; is it in the frame of a '
                'camera (z forward)?')
    return ''


def upright(scan: Scan) -> Scan:
    """Return a scan with z up if it seems to be in the frame of a level camera (y down)."""
    if not doubt_upright(scan.xyz):
        return scan
    x, y, z = scan.xyz.T
    return replace(scan, xyz=np.stack([x, z, -y], axis=1))


def _share_square_to(directions: NDArray[np.float64], normals: NDArray[np.float64],
                     ) -> NDArray[np.float64]:
    """Return which share of the normals lies along or across each direction."""
    cosine = np.abs(normals @ directions.T)
    share: NDArray[np.float64] = ((cosine > np.cos(CLOSE)) | (cosine < np.sin(CLOSE))).mean(0)
    return share


def _thinned(xyz: NDArray[np.floating], cell: float) -> NDArray[np.floating]:
    """Keep one point of each cell."""
    place = np.floor((xyz - xyz.min(0)) / cell).astype(np.int64)
    width = place.max(0) + 1
    return xyz[np.unique((place[:, 0] * width[1] + place[:, 1]) * width[2] + place[:, 2],
                         return_index=True)[1]]


def _normals(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Fit normals to some points: [up to SAMPLE, 3]."""
    some = points[::-(-len(points) // SAMPLE)]
    return neighbour_normals(points, cKDTree(points).query(some, NEIGHBOURS)[1])
