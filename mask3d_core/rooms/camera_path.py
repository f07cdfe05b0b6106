"""Camera paths of robots and people through a room."""

from __future__ import annotations

from mask3d_core.rooms.depth_camera import camera_pose, Lens, render_frame
from mask3d_core.rooms.scene import Scene
import numpy as np
from numpy.typing import NDArray

PATH_KINDS = ('robot', 'person', 'corner', 'close', 'frame')
NUM_CANDIDATES = 400
"""Surface points sampled as candidates for the targets of a path."""
MAX_TARGET_HEIGHT = 1.9
"""Metres above the floor."""
NUM_VIEWS = 5
"""Candidate views; the one that shows most instances is used."""
PREVIEW_LENS = Lens(32, 24, 28)
"""Low-resolution camera that rates candidate views."""
MAX_PREVIEW_DEPTH, MIN_PREVIEW_PIXELS = 4.0, 4
"""Metres and pixels: instances that are farther or smaller in a preview do not count."""
MAX_CLOSE_UP_TRIES = 10
"""Camera positions to try until the target of a close-up is not occluded."""
MAX_TARGET_OFFSET = 0.3
"""Metres between a visible target and the surface in the middle of the image."""


def random_path(scene: Scene, rng: np.random.Generator, kind: str, frames: int,
                ) -> NDArray[np.float64]:
    """
    Generate the camera poses of a scan, [frames, 4, 4].

    Parameters
    ----------
    scene : Scene
        With at least one standpoint. If no target is visible, 'close' becomes 'frame'.
    rng : Generator
    kind : str
        'robot': from many positions at low height, horizontally; 'person': at eye level, downwards
        and all around; 'corner': part of the room from one position; 'close': a table top at close
        range; 'frame': into the room from one position.
    frames : int
        Number of poses.

    """
    if kind in ('robot', 'person'):
        return _room_path(scene, rng, frames, person=kind == 'person')
    if kind == 'corner':
        return _corner_path(scene, rng, frames)
    if kind == 'close' and len(scene.targets):
        return _close_up_path(scene, rng, frames)
    return _corner_path(scene, rng, frames, spread=0.1)


def add_drift(poses: NDArray, rng: np.random.Generator, distance: float, angle: float,
          ) -> NDArray[np.float64]:
    """
    Add the drift of odometry to poses [F, 4, 4]: a random walk.

    Parameters
    ----------
    poses : [F, 4, 4]
    rng : Generator
    distance, angle : float
        Standard deviation of the last pose along each axis, metres and radians.

    """
    steps = rng.normal(0, 1 / np.sqrt(len(poses)), (2, len(poses), 3))
    shift, turn = np.cumsum(steps, axis=1) * np.array([distance, angle])[:, None, None]
    drifted = poses.copy()
    drifted[:, :3, :3] = _small_rotations(turn) @ poses[:, :3, :3]
    drifted[:, :3, 3] += shift
    return drifted


def _small_rotations(turn: NDArray) -> NDArray[np.float64]:
    """Convert rotation vectors [F, 3], radians, to matrices [F, 3, 3] by Rodrigues' formula."""
    cross = np.zeros((len(turn), 3, 3))
    x, y, z = turn.T
    cross[:, 0, 1], cross[:, 0, 2], cross[:, 1, 2] = -z, y, -x
    cross -= cross.transpose(0, 2, 1)
    angle = np.linalg.norm(turn, axis=1)[:, None, None]
    return (np.eye(3) + np.sinc(angle / np.pi) * cross
            + 0.5 * np.sinc(angle / 2 / np.pi) ** 2 * cross @ cross)


def _room_path(scene: Scene, rng: np.random.Generator, frames: int, person: bool,
               ) -> NDArray[np.float64]:
    """Look from several stops towards points all over the room."""
    stops = _choose_stops(scene.standpoints, rng, max(1, round(frames / rng.uniform(2, 6))))
    targets = _sample_far_apart(_sample_surface(scene, rng), frames, rng)
    offset = targets[:, None, :2] - stops  # [frames, stops, 2]
    distance = np.linalg.norm(offset, axis=2)
    # Each target is seen from the stop whose distance is closest to a random one.
    stop = np.abs(distance - rng.uniform(1.2, 3.0, (len(targets), 1))).argmin(1)
    offset = offset[np.arange(len(targets)), stop]
    height = rng.uniform(1.3, 1.7) if person else rng.uniform(0.3, 1.2)
    level = rng.uniform(-0.05, 0.35)
    yaw = np.arctan2(offset[:, 1], offset[:, 0]) + rng.normal(0, 0.15, len(targets))
    # Some views have a random direction instead of a target.
    yaw = np.where(rng.random(len(targets)) < 0.15, rng.uniform(-np.pi, np.pi, len(targets)), yaw)
    fall = np.arctan2(height - targets[:, 2], np.linalg.norm(offset, axis=1).clip(0.3))
    pitch = fall.clip(0.17, 0.65) if person else np.full(len(targets), level)
    order = np.lexsort((yaw, stop))
    poses = []
    for row in order:
        x, y = stops[stop[row]] + rng.normal(0, 0.06, 2)
        z = height + rng.normal(0, 0.05 if person else 0.003)
        shake = rng.normal(0, 0.04 if person else 0.01, 2)
        poses.append(camera_pose((x, y, z), yaw[row], pitch[row] + shake[0], shake[1]))
    return np.array(poses)


def _choose_stops(standpoints: NDArray, rng: np.random.Generator, count: int,
                  ) -> NDArray[np.float64]:
    """Choose standpoints far apart, ordered by nearest neighbor: [C, 2]."""
    left = list(_sample_far_apart(standpoints, min(count, len(standpoints)), rng))
    stops = [left.pop(0)]
    while left:
        nearest = int(np.linalg.norm(np.array(left) - stops[-1], axis=1).argmin())
        stops.append(left.pop(nearest))
    return np.array(stops)


def _sample_far_apart(points: NDArray, count: int, rng: np.random.Generator,
                      ) -> NDArray[np.float64]:
    """Choose points by randomized farthest point sampling: [P, D] -> [count, D]."""
    chosen = [int(rng.integers(len(points)))]
    distance = np.full(len(points), np.inf)
    while len(chosen) < count:
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
        chosen.append(int((distance * rng.uniform(0.6, 1, len(points))).argmax()))
    return points[chosen]


def _sample_surface(scene: Scene, rng: np.random.Generator) -> NDArray[np.float64]:
    """Sample points uniformly on surfaces with a class, below `MAX_TARGET_HEIGHT`: [C, 3]."""
    a, b, c = scene.mesh.vertices[scene.mesh.faces.T]
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) * (scene.label >= 0)
    face = rng.choice(len(area), NUM_CANDIDATES, p=area / area.sum())
    u, v = np.sort(rng.random((2, NUM_CANDIDATES, 1)), axis=0)  # uniform barycentric coordinates
    points = u * a[face] + (v - u) * b[face] + (1 - v) * c[face]
    low = points[points[:, 2] < MAX_TARGET_HEIGHT]
    return low if len(low) else points


def _corner_path(scene: Scene, rng: np.random.Generator, frames: int, spread: float = 0.5,
                 ) -> NDArray[np.float64]:
    """Look into the room from one position, in the candidate view with most instances."""
    targets = _sample_surface(scene, rng)
    views = [_random_view(scene, targets, rng) for _ in range(NUM_VIEWS)]
    place, yaw, height, pitch = max(
        views, key=lambda view: _count_visible_instances(scene, *view))
    poses = []
    for pan in np.linspace(-1, 1, frames) if frames > 1 else [0.0]:
        position = (*(place + rng.normal(0, 0.3 * spread, 2)),
                    height + rng.normal(0, 0.1 * spread))
        poses.append(camera_pose(
            position, yaw + pan * spread + rng.normal(0, 0.05),
            pitch + rng.normal(0, 0.2 * spread), rng.normal(0, 0.02)))
    return np.array(poses)


def _random_view(scene: Scene, targets: NDArray, rng: np.random.Generator,
                 ) -> tuple[NDArray[np.float64], float, float, float]:
    """Return a standpoint, a yaw towards a distant target, a height and a pitch."""
    place = scene.standpoints[rng.integers(len(scene.standpoints))]
    distance = np.linalg.norm(targets[:, :2] - place, axis=1)
    target = targets[(distance * rng.uniform(0.4, 1, len(targets))).argmax()]
    yaw = float(np.arctan2(target[1] - place[1], target[0] - place[0]))
    return place, yaw, rng.uniform(0.5, 1.7), rng.uniform(-0.05, 0.45)


def _count_visible_instances(scene: Scene, place: NDArray, yaw: float, height: float,
                             pitch: float) -> int:
    """Count the instances with enough pixels in a preview."""
    frame = render_frame(scene.mesh, camera_pose((*place, height), yaw, pitch), PREVIEW_LENS)
    visible = scene.instance[frame.face[(frame.face >= 0) & (frame.depth < MAX_PREVIEW_DEPTH)]]
    return int((np.bincount(visible[visible >= 0], minlength=1) >= MIN_PREVIEW_PIXELS).sum())


def _close_up_path(scene: Scene, rng: np.random.Generator, frames: int) -> NDArray[np.float64]:
    """Look down at a table top from a free standpoint nearby."""
    for _ in range(MAX_CLOSE_UP_TRIES):
        target = scene.targets[rng.integers(len(scene.targets))]
        away = scene.standpoints - target[:2]
        side = away[rng.choice(np.argsort(np.linalg.norm(away, axis=1))[:12])]
        azimuth = float(np.arctan2(side[1], side[0])) + rng.normal(0, 0.2)
        center = target + (*rng.normal(0, 0.1, 2), rng.uniform(0, 0.1))
        reach, fall = rng.uniform(0.6, 1.3), rng.uniform(0.35, 1.05)
        frame = render_frame(scene.mesh, _orbit_pose(center, reach, azimuth, fall), PREVIEW_LENS)
        image = frame.points().reshape(PREVIEW_LENS.height, PREVIEW_LENS.width, 3)
        middle = np.linalg.norm(image[8:16, 12:20] - center, axis=2)
        if np.median(middle) < MAX_TARGET_OFFSET:  # not occluded
            break
    else:
        return _corner_path(scene, rng, frames, spread=0.1)
    roll = rng.normal(0, 0.04)
    return np.array([_orbit_pose(center, reach, azimuth + rng.normal(0, 0.2 * (number > 0)),
                                 fall + rng.normal(0, 0.06 * (number > 0)), roll)
                     for number in range(frames)])


def _orbit_pose(target: NDArray, distance: float, azimuth: float, pitch: float,
                roll: float = 0.0) -> NDArray[np.float64]:
    """Return the pose of a camera at a distance and direction from a target, aimed at it."""
    back = (np.cos(azimuth) * np.cos(pitch), np.sin(azimuth) * np.cos(pitch), np.sin(pitch))
    return camera_pose(target + distance * np.array(back), azimuth + np.pi, pitch, roll)
