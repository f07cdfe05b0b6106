"""Upright bounding boxes: the rectangle of smallest area around points in the plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_OUTER_POINTS = 2000
"""Polygons of extreme points get more corners while they leave more points than this."""
AREA_TOLERANCE = 1e-9
"""Relative difference of areas that count as equal; the rectangle rotated least is taken."""


@dataclass(frozen=True)
class Rectangle:
    """
    A rectangle in the plane.

    Attributes
    ----------
    center : (float, float)
        Metres.
    size : (float, float)
        Length along the yaw direction, then across; the first is never the smaller, metres.
    yaw : float
        Direction of the longer side, radians in [-pi/2, pi/2).

    """

    center: tuple[float, float]
    size: tuple[float, float]
    yaw: float


def smallest_rectangle(x: NDArray[np.floating], y: NDArray[np.floating]) -> Rectangle:
    """
    Return the rectangle of smallest area around n >= 1 points.

    One of its sides lies on a side of the convex hull (Freeman and Shapira 1975), so only the
    directions of the hull's sides are tried.

    Parameters
    ----------
    x, y : [n] float
        Metres.

    """
    anchor = np.array([x[0], y[0]], np.float64)
    hull = convex_hull(np.stack([x - anchor[0], y - anchor[1]]))           # [2, H]
    along = np.roll(hull, -1, axis=1) - hull
    yaw = _quarter_turn(np.arctan2(along[1], along[0]))
    axes = np.stack([np.cos(yaw), np.sin(yaw)], axis=1)                     # [H, 2]
    across = np.stack([-axes[:, 1], axes[:, 0]], axis=1)
    sides = np.stack([axes @ hull, across @ hull])                          # [2, H, H]
    low, high = sides.min(axis=2), sides.max(axis=2)                        # [2, H]
    area = np.prod(high - low, axis=0)
    equal = np.flatnonzero(area <= area.min() * (1 + AREA_TOLERANCE))
    best = equal[np.abs(yaw[equal]).argmin()]
    middle = (low[:, best] + high[:, best]) / 2
    cos, sin = axes[best]
    center = anchor + (cos * middle[0] - sin * middle[1], sin * middle[0] + cos * middle[1])
    length, width = high[:, best] - low[:, best]
    angle = float(yaw[best])
    if width > length:
        length, width, angle = width, length, angle + np.pi / 2
    return Rectangle((float(center[0]), float(center[1])), (float(length), float(width)),
                     _half_turn(angle))


def _quarter_turn(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the angle in [-pi/4, pi/4) that gives the same rectangle."""
    return (angle + np.pi / 4) % (np.pi / 2) - np.pi / 4


def _half_turn(angle: float) -> float:
    """Return the angle in [-pi/2, pi/2) of the same line."""
    return angle - np.pi if angle >= np.pi / 2 else angle


def convex_hull(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the corners of the convex hull of [2, n >= 1] points, counter-clockwise: [2, h]."""
    points = _outer(points)
    points = points[:, np.lexsort(points[::-1])]
    new = (points[:, 1:] != points[:, :-1]).any(axis=0)
    points = points[:, np.concatenate([[True], new])]
    if points.shape[1] == 1:
        return points
    return np.concatenate([_lower_hull(points)[:, :-1], _lower_hull(points[:, ::-1])[:, :-1]],
                          axis=1)


def _outer(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Drop most points that are not on the hull: those inside the octagon of extreme points.

    Where it leaves many, the points furthest from its sides become corners, too (Quickhull).
    """
    if points.shape[1] < 32:
        return points
    x, y = points
    along = (x, x + y, y, y - x)
    corners = [int(v.argmax()) for v in along] + [int(v.argmin()) for v in along]
    points, corners = _outside(points, corners)
    while len(corners) < points.shape[1] > MAX_OUTER_POINTS:
        before = points.shape[1]
        points, corners = _outside(points, corners)
        if points.shape[1] > before / 2:
            break
    return points


def _outside(points: NDArray[np.float64], corners: list[int],
             ) -> tuple[NDArray[np.float64], list[int]]:
    """
    Drop the points inside a convex polygon of some of them.

    Returns
    -------
    points : [2, n]
    corners : list of int
        Those of the polygon, and the point furthest from each side.

    """
    x, y = points
    outer = np.zeros(len(x), bool)
    outer[corners] = True
    extended = []
    for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
        extended.append(a)
        if a != b:
            out_x, out_y = y[b] - y[a], x[a] - x[b]
            distance = out_x * x + out_y * y
            beyond = distance > out_x * x[a] + out_y * y[a]
            outer |= beyond
            furthest = int(distance.argmax())
            if beyond[furthest]:
                extended.append(furthest)
    kept = np.flatnonzero(outer)
    return points[:, kept], np.searchsorted(kept, extended).tolist()


def _lower_hull(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return the corners of the lower hull, from the first of sorted points to the last.

    A point on or above the line between its two neighbors is not a corner; all such points are
    dropped at once, until none is left.
    """
    while points.shape[1] > 2:
        ab, ac = points[:, 2:] - points[:, :-2], points[:, 1:-1] - points[:, :-2]
        corner = ab[0] * ac[1] < ab[1] * ac[0]
        if corner.all():
            break
        points = points[:, np.concatenate([[True], corner, [True]])]
    return points
