"""Where robots and people hold a camera."""

from __future__ import annotations

from mask3d_core.rooms.depth_camera import Lens, look, take_frame
from mask3d_core.rooms.scene import Scene
import numpy as np
from numpy.typing import NDArray

PATHS = ('robot', 'person', 'corner', 'close', 'frame')
CANDIDATES = 400
"""Surface points of which those to look at are chosen."""
HIGHEST = 1.9
"""Metres: nobody looks at what is above it on purpose."""
VIEWS = 5
"""Views of which the one with most things in it is scanned."""
GLANCE = Lens(32, 24, 28)
FAR, GLIMPSE = 4.0, 4
"""Metres and pixels of a glance: what is farther or smaller does not count as a thing in it."""
TRIES = 10
"""Places from which to look at a table, until nothing is in the way."""
MISS = 0.3
"""Metres between what a camera sees in its middle and what it looks at, when it does see it."""


def random_path(scene: Scene, rng: np.random.Generator, kind: str, frames: int,
                ) -> NDArray[np.float64]:
    """
    Draw the poses of a scan, [frames, 4, 4].

    Parameters
    ----------
    scene : Scene
        With at least one standpoint. Without targets that can be seen, 'close' is a 'frame'.
    rng : Generator
    kind : str
        'robot': low, looking ahead, from many places; 'person': at the height of the eyes,
        looking down and all around; 'corner': a part of the room from one place; 'close': a table
        top from near by; 'frame': from one place into the room.
    frames : int

    """
    if kind in ('robot', 'person'):
        return _tour(scene, rng, frames, person=kind == 'person')
    if kind == 'corner':
        return _corner(scene, rng, frames)
    if kind == 'close' and len(scene.targets):
        return _close(scene, rng, frames)
    return _corner(scene, rng, frames, spread=0.1)


def drift(poses: NDArray, rng: np.random.Generator, distance: float, angle: float,
          ) -> NDArray[np.float64]:
    """
    Return what odometry makes of poses [F, 4, 4]: a random walk away from them.

    Parameters
    ----------
    poses : [F, 4, 4]
    rng : Generator
    distance, angle : float
        Standard deviation of the last pose along an axis, metres and radians.

    """
    steps = rng.normal(0, 1 / np.sqrt(len(poses)), (2, len(poses), 3))
    shift, turn = np.cumsum(steps, axis=1) * np.array([distance, angle])[:, None, None]
    believed = poses.copy()
    believed[:, :3, :3] = _small_turns(turn) @ poses[:, :3, :3]
    believed[:, :3, 3] += shift
    return believed


def _small_turns(turn: NDArray) -> NDArray[np.float64]:
    """Return rotations [F, 3, 3] of small rotation vectors [F, 3], radians."""
    cross = np.zeros((len(turn), 3, 3))
    x, y, z = turn.T
    cross[:, 0, 1], cross[:, 0, 2], cross[:, 1, 2] = -z, y, -x
    cross -= cross.transpose(0, 2, 1)
    angle = np.linalg.norm(turn, axis=1)[:, None, None]
    return (np.eye(3) + np.sinc(angle / np.pi) * cross
            + 0.5 * np.sinc(angle / 2 / np.pi) ** 2 * cross @ cross)


def _tour(scene: Scene, rng: np.random.Generator, frames: int, person: bool,
          ) -> NDArray[np.float64]:
    """Stop here and there, and turn around: towards points all over the room."""
    stops = _stops(scene.standpoints, rng, max(1, round(frames / rng.uniform(2, 6))))
    goals = _far_apart(_surface_points(scene, rng), frames, rng)
    way = goals[:, None, :2] - stops
    distance = np.linalg.norm(way, axis=2)
    stop = np.abs(distance - rng.uniform(1.2, 3.0, (len(goals), 1))).argmin(1)
    way = way[np.arange(len(goals)), stop]
    height = rng.uniform(1.3, 1.7) if person else rng.uniform(0.3, 1.2)
    level = rng.uniform(-0.05, 0.35)
    yaw = np.arctan2(way[:, 1], way[:, 0]) + rng.normal(0, 0.15, len(goals))
    # A person also looks where nothing was picked out.
    yaw = np.where(rng.random(len(goals)) < 0.15, rng.uniform(-np.pi, np.pi, len(goals)), yaw)
    fall = np.arctan2(height - goals[:, 2], np.linalg.norm(way, axis=1).clip(0.3))
    pitch = fall.clip(0.17, 0.65) if person else np.full(len(goals), level)
    order = np.lexsort((yaw, stop))
    poses = []
    for row in order:
        x, y = stops[stop[row]] + rng.normal(0, 0.06, 2)
        z = height + rng.normal(0, 0.05 if person else 0.003)
        shake = rng.normal(0, 0.04 if person else 0.01, 2)
        poses.append(look((x, y, z), yaw[row], pitch[row] + shake[0], shake[1]))
    return np.array(poses)


def _stops(standpoints: NDArray, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Choose standpoints far apart, in the order of a short way: [C, 2]."""
    left = list(_far_apart(standpoints, min(count, len(standpoints)), rng))
    way = [left.pop(0)]
    while left:
        nearest = int(np.linalg.norm(np.array(left) - way[-1], axis=1).argmin())
        way.append(left.pop(nearest))
    return np.array(way)


def _far_apart(points: NDArray, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Choose points one by one, each far from those before: [count, D]."""
    chosen = [int(rng.integers(len(points)))]
    distance = np.full(len(points), np.inf)
    while len(chosen) < count:
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
        chosen.append(int((distance * rng.uniform(0.6, 1, len(points))).argmax()))
    return points[chosen]


def _surface_points(scene: Scene, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw points evenly from the surfaces that have a class, below the heads: [C, 3]."""
    a, b, c = scene.mesh.vertices[scene.mesh.faces.T]
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) * (scene.label >= 0)
    face = rng.choice(len(area), CANDIDATES, p=area / area.sum())
    u, v = np.sort(rng.random((2, CANDIDATES, 1)), axis=0)
    points = u * a[face] + (v - u) * b[face] + (1 - v) * c[face]
    low = points[points[:, 2] < HIGHEST]
    return low if len(low) else points


def _corner(scene: Scene, rng: np.random.Generator, frames: int, spread: float = 0.5,
            ) -> NDArray[np.float64]:
    """Look from one place into the room: of some places and directions, where most things are."""
    goals = _surface_points(scene, rng)
    views = [_view(scene, goals, rng) for _ in range(VIEWS)]
    place, yaw, height, pitch = max(views, key=lambda view: _count_things(scene, *view))
    poses = []
    for share in np.linspace(-1, 1, frames) if frames > 1 else [0.0]:
        at = (*(place + rng.normal(0, 0.3 * spread, 2)), height + rng.normal(0, 0.1 * spread))
        poses.append(look(at, yaw + share * spread + rng.normal(0, 0.05),
                          pitch + rng.normal(0, 0.2 * spread), rng.normal(0, 0.02)))
    return np.array(poses)


def _view(scene: Scene, goals: NDArray, rng: np.random.Generator,
          ) -> tuple[NDArray[np.float64], float, float, float]:
    """Draw a standpoint, a direction into the larger part of the room, a height and a pitch."""
    place = scene.standpoints[rng.integers(len(scene.standpoints))]
    distance = np.linalg.norm(goals[:, :2] - place, axis=1)
    goal = goals[(distance * rng.uniform(0.4, 1, len(goals))).argmax()]
    yaw = float(np.arctan2(goal[1] - place[1], goal[0] - place[0]))
    return place, yaw, rng.uniform(0.5, 1.7), rng.uniform(-0.05, 0.45)


def _count_things(scene: Scene, place: NDArray, yaw: float, height: float, pitch: float) -> int:
    """Count the instances of which more than a glimpse is seen."""
    frame = take_frame(scene.mesh, look((*place, height), yaw, pitch), GLANCE)
    seen = scene.instance[frame.face[(frame.face >= 0) & (frame.depth < FAR)]]
    return int((np.bincount(seen[seen >= 0], minlength=1) >= GLIMPSE).sum())


def _close(scene: Scene, rng: np.random.Generator, frames: int) -> NDArray[np.float64]:
    """Look down at what stands on a table, from a side where there is room."""
    for _ in range(TRIES):
        target = scene.targets[rng.integers(len(scene.targets))]
        away = scene.standpoints - target[:2]
        side = away[rng.choice(np.argsort(np.linalg.norm(away, axis=1))[:12])]
        azimuth = float(np.arctan2(side[1], side[0])) + rng.normal(0, 0.2)
        goal = target + (*rng.normal(0, 0.1, 2), rng.uniform(0, 0.1))
        reach, fall = rng.uniform(0.6, 1.3), rng.uniform(0.35, 1.05)
        frame = take_frame(scene.mesh, _look_at(goal, reach, azimuth, fall), GLANCE)
        middle = frame.points().reshape(GLANCE.height, GLANCE.width, 3)[8:16, 12:20]
        if np.median(np.linalg.norm(middle - goal, axis=2)) < MISS:  # nothing is in the way
            break
    else:
        return _corner(scene, rng, frames, spread=0.1)
    roll = rng.normal(0, 0.04)
    return np.array([_look_at(goal, reach, azimuth + rng.normal(0, 0.2 * (number > 0)),
                              fall + rng.normal(0, 0.06 * (number > 0)), roll)
                     for number in range(frames)])


def _look_at(goal: NDArray, reach: float, azimuth: float, fall: float, roll: float = 0.0,
             ) -> NDArray[np.float64]:
    """Return the pose of a camera so far from a point, in that direction, and so steep."""
    back = (np.cos(azimuth) * np.cos(fall), np.sin(azimuth) * np.cos(fall), np.sin(fall))
    return look(goal + reach * np.array(back), azimuth + np.pi, fall, roll)
