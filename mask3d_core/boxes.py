"""Boxes around points: the smallest one that stands upright."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAME_AREA = 1e-9
"""Rectangles this close in area, relatively, are equal; the one turned least is taken."""
FLAT = 1e-9
"""Points this close to a line, relative to its length, lie on it."""


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
    Return the rectangle of least area around n >= 1 points.

    One of its sides lies on a side of the convex hull (Freeman and Shapira 1975), so the
    directions of the hull's sides are all there is to try.

    Parameters
    ----------
    x, y : [n] float
        Metres.

    """
    anchor = np.array([x[0], y[0]], np.float64)
    hull = _convex_hull(x - anchor[0], y - anchor[1])
    along = np.diff(hull, axis=0, append=hull[:1])
    yaw = np.unique(_quarter_turn(np.arctan2(along[:, 1], along[:, 0])))
    axes = np.stack([np.cos(yaw), np.sin(yaw)])                 # [2, A]
    sides = np.stack([hull @ axes, hull @ np.stack([-axes[1], axes[0]])])   # [2, H, A]
    low, high = sides.min(axis=1), sides.max(axis=1)            # [2, A]
    area = np.prod(high - low, axis=0)
    equal = np.flatnonzero(area <= area.min() * (1 + SAME_AREA))
    best = equal[np.abs(yaw[equal]).argmin()]
    middle = (low[:, best] + high[:, best]) / 2
    cos, sin = axes[:, best]
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


def _convex_hull(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the corners of the convex hull of n points, counter-clockwise: [h, 2]."""
    outer = _outer(x, y)
    points = np.stack([x[outer], y[outer]], axis=1)
    points = points[np.lexsort((points[:, 1], points[:, 0]))]
    new = (points[1:] != points[:-1]).any(axis=1)
    points = points[np.concatenate([[True], new])]
    ends = points[[0, -1]]
    length = np.hypot(*(ends[1] - ends[0]))
    if len(points) < 3 or np.abs(_turn(ends[0], ends[1], points)).max() <= FLAT * length ** 2:
        return ends[:1] if length == 0 else ends
    return np.concatenate([_lower_hull(points)[:-1], _lower_hull(points[::-1])[:-1]])


def _outer(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.int64]:
    """Leave out most points that are not on the hull: those inside the octagon of extremes."""
    if len(x) < 32:
        return np.arange(len(x))
    rising, falling = x + y, y - x
    octagon = [x.argmax(), rising.argmax(), y.argmax(), falling.argmax(),
               x.argmin(), rising.argmin(), y.argmin(), falling.argmin()]
    keep = np.zeros(len(x), bool)
    keep[octagon] = True
    for a, b in zip(octagon, octagon[1:] + octagon[:1], strict=True):
        across = (y[b] - y[a], x[a] - x[b])
        if any(across):
            keep |= across[0] * x + across[1] * y > across[0] * x[a] + across[1] * y[a]
    return np.flatnonzero(keep)


def _lower_hull(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return the corners a left turn leads along, from the first of sorted points to the last.

    A point on or above the line between its two neighbours is no corner; all such points go at
    once, until none is left.
    """
    while len(points) > 2:
        corner = _turn(points[:-2], points[2:], points[1:-1]) < 0
        if corner.all():
            break
        points = points[np.concatenate([[True], corner, [True]])]
    return points


def _turn(a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64],
          ) -> NDArray[np.float64]:
    """Return twice the area of triangles a, b, c: positive where c is left of the line a-b."""
    ab, ac = b - a, c - a
    return ab[..., 0] * ac[..., 1] - ab[..., 1] * ac[..., 0]
