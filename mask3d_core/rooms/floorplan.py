"""Floor plans: the outlines of rooms and their walls."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

WALL_THICKNESS = 0.12
"""Metres between two connected rooms."""


@dataclass(frozen=True)
class Wall:
    """
    A straight wall; seen from `start` to `end`, the room is on the left.

    Attributes
    ----------
    start, end : (x, y), metres

    """

    start: tuple[float, float]
    end: tuple[float, float]

    @property
    def length(self) -> float:
        """Metres."""
        return float(np.hypot(self.end[0] - self.start[0], self.end[1] - self.start[1]))

    @property
    def angle(self) -> float:
        """Rotation of a piece, radians, that turns its back (+y) to the wall."""
        along = np.subtract(self.end, self.start)
        return float(np.arctan2(along[1], along[0]) + np.pi)

    def point_at(self, along: float, away: float) -> NDArray[np.float64]:
        """Return the point at a distance along the wall and a distance into the room, metres."""
        direction = np.subtract(self.end, self.start) / self.length
        inwards = np.array([-direction[1], direction[0]])
        return np.asarray(self.start) + along * direction + away * inwards

    def distance_along(self, point: ArrayLike) -> float | None:
        """Return the distance of a point on the wall from its start, metres; None if not on it."""
        inwards = np.subtract(self.point_at(0, 1), self.start)
        along, away = (float(np.subtract(point, self.start) @ axis)
                       for axis in ((inwards[1], -inwards[0]), inwards))
        return along if 0 <= along <= self.length and abs(away) < 0.01 else None


@dataclass(frozen=True, eq=False)
class FloorPlan:
    """
    The outline and the height of a room.

    Attributes
    ----------
    corners : [P, 2] float64
        Counter-clockwise, metres; walls are parallel to the axes.
    height : float
        Metres.

    """

    corners: NDArray[np.float64]
    height: float

    @cached_property
    def walls(self) -> list[Wall]:
        """Walls from each corner to the next."""
        points = [(float(x), float(y)) for x, y in self.corners]
        return [Wall(start, end) for start, end in zip(points, points[1:] + points[:1])]

    @cached_property
    def rectangles(self) -> list[NDArray[np.float64]]:
        """Rectangles (x0, y0, x1, y1) that cover the floor without overlap."""
        xs, ys = (np.unique(self.corners[:, axis]) for axis in (0, 1))
        return [np.array([x0, y0, x1, y1]) for x0, x1 in zip(xs, xs[1:])
                for y0, y1 in zip(ys, ys[1:])
                if self.contains(np.array([[(x0 + x1) / 2, (y0 + y1) / 2]]))[0]]

    @property
    def area(self) -> float:
        """Square metres."""
        return float(sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in self.rectangles))

    def contains(self, points: NDArray, margin: float = 0.0) -> NDArray[np.bool_]:
        """Return which points [N, 2] are inside and farther than a margin from all walls: [N]."""
        x, y = points.T
        inside = np.zeros(len(points), bool)
        near = np.zeros(len(points), bool)
        for (x0, y0), (x1, y1) in ((wall.start, wall.end) for wall in self.walls):
            if x0 == x1:  # even-odd rule with a ray along +x, which crosses walls along y only
                inside ^= (min(y0, y1) <= y) & (y < max(y0, y1)) & (x < x0)
            near |= ((x > min(x0, x1) - margin) & (x < max(x0, x1) + margin)
                     & (y > min(y0, y1) - margin) & (y < max(y0, y1) + margin))
        return inside & ~near if margin > 0 else inside


def random_plan(rng: np.random.Generator, width: float, depth: float) -> FloorPlan:
    """Generate a room of width x depth metres at the origin: a rectangle or an L."""
    height = rng.uniform(2.3, 3.0)
    if rng.random() < 0.7 or min(width, depth) < 3:
        corners = np.array([(0, 0), (width, 0), (width, depth), (0, depth)], float)
        return FloorPlan(corners, height)
    x, y = width * rng.uniform(0.4, 0.7), depth * rng.uniform(0.4, 0.7)
    corners = np.array([(0, 0), (width, 0), (width, y), (x, y), (x, depth), (0, depth)])
    if rng.random() < 0.5:  # mirrored; reversed to stay counter-clockwise
        corners = (corners * (-1, 1) + (width, 0))[::-1]
    return FloorPlan(corners, height)


def adjacent_plan(plan: FloorPlan, other: FloorPlan) -> FloorPlan:
    """Return the other room, shifted to y < 0 behind the wall of `plan` at y = 0."""
    shift = (0.0, -float(other.corners[:, 1].max()) - WALL_THICKNESS)
    return FloorPlan(other.corners + shift, other.height)
