"""Scan a room as a robot does: from a scene to a labelled cloud."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mask3d_core.errors import InputError
from mask3d_core.rooms import fusion
from mask3d_core.rooms.camera_path import drift, random_path
from mask3d_core.rooms.color_camera import crowding, photograph, random_exposure, Sight
from mask3d_core.rooms.depth_camera import face_normals, Lens, look, take_frame, unproject
from mask3d_core.rooms.fusion import Fused
from mask3d_core.rooms.scene import Scene
from mask3d_core.rooms.sensor import measure, random_sensor, Sensor
import numpy as np
from numpy.typing import NDArray

SHARES = {'robot': 0.25, 'person': 0.25, 'corner': 0.08, 'close': 0.3, 'frame': 0.12}
"""How often rooms are scanned along each kind of path."""
SENSOR_FRAME = 0.6
"""How often the scan of few frames stays in the frame of its camera."""
FUSIONS = ('map', 'mesh', 'raw')
COLOR_READINGS = 3
"""Readings whose colours a point of a map averages."""
ATTEMPTS = 6
ENOUGH = 0.3
"""Share of the pixels that must return something, or the path is drawn anew."""
DRIFT = 0.012, np.radians(0.3)
"""Metres and radians along an axis at the end of a path, standard deviation."""
CALM = 0.35
"""Factor on noise and frayed edges, where a mesh was fused from many more frames."""


@dataclass(frozen=True)
class ScanStyle:
    """
    How a room is scanned.

    Attributes
    ----------
    path : str
        One of `camera_path.PATHS`.
    frames : int
    width, height : int
        Pixels of a frame.
    view : float
        Angle across a frame, radians.
    fusion : str
        'map': means of voxels; 'mesh': vertices of a smooth surface; 'raw': all readings.
    points : int
        The most points a cloud may have.
    voxel : float
        Metres; larger where that gives more than `points`. A mesh has a vertex in each.
    farthest : float
        Metres: range of the sensor.
    filtered : bool
        Whether points far from all others are dropped; of meshes they always are.
    upright : bool
        Whether z is up, not in the frame of the first camera.

    """

    path: str = 'robot'
    frames: int = 28
    width: int = 160
    height: int = 120
    view: float = 1.05
    fusion: str = 'map'
    points: int = 50000
    voxel: float = 0.02
    farthest: float = 4.0
    filtered: bool = True
    upright: bool = True


def random_style(rng: np.random.Generator, points: int = 50000) -> ScanStyle:
    """Draw a style: half scan most of a room, the others a part of it or a table."""
    path = str(rng.choice(list(SHARES), p=list(SHARES.values())))
    fusion = str(rng.choice(['map', 'mesh'], p=[0.6, 0.4]))
    voxel = float(np.exp(rng.uniform(np.log(0.01), np.log(0.035))))
    style = ScanStyle(path, fusion=fusion, points=points, view=rng.uniform(0.95, 1.3),
                      farthest=rng.uniform(3.5, 5), filtered=bool(rng.random() < 0.75))
    if path in ('robot', 'person'):
        frames = int(rng.integers(14, 34))
        width = 200 if frames <= 22 else 160
        return replace(style, frames=frames, width=width, height=width * 3 // 4,
                       voxel=max(voxel, 0.015))
    if path == 'corner':
        return replace(style, frames=int(rng.integers(3, 9)), width=240, height=180, voxel=voxel)
    frames = int(rng.integers(1, 4)) if path == 'close' else 1
    if frames == 1 or rng.random() < 0.3:
        fusion = 'raw'
    # Scans of table tops are often cut off behind the table.
    farthest = rng.uniform(1.3, 2.2) if path == 'close' and rng.random() < 0.5 else 5.0
    return replace(style, frames=frames, width=320, height=240, fusion=fusion,
                   voxel=min(voxel, 0.01), farthest=farthest,
                   upright=bool(rng.random() > SENSOR_FRAME))


def scan(scene: Scene, rng: np.random.Generator, style: ScanStyle) -> dict[str, NDArray]:
    """
    Scan a room.

    Returns
    -------
    dict
        xyz [N, 3] float32, metres; if upright, z up, the floor near z = 0, turned by any angle
        around z and by less than a degree otherwise; if not, in the frame of the first camera
        (x right, y down, z ahead); color [N, 3] uint8; label and instance [N] int32 as in the
        scene. Instances are kept however little of them is seen.

    Raises
    ------
    InputError
        If nothing is within range of the standpoints.

    """
    normals = face_normals(scene.mesh)
    sensor = random_sensor(rng, style.farthest, style.width, scene.mesh.materials)
    if style.fusion == 'mesh':
        sensor = replace(sensor, noise=CALM * sensor.noise, jitter=CALM * sensor.jitter,
                         flying=0.0, step=0.0)
    readings = _sweep(scene, normals, sensor, style, rng)
    frame = _map_frame(scene, rng) if style.upright else np.linalg.inv(readings.pose)
    xyz = readings.xyz @ frame[:3, :3].T + frame[:3, 3]
    fused = _fuse(xyz, (normals @ frame[:3, :3].T)[readings.face], style, rng)
    face = readings.face[fused.nearest]
    colors = _colors(scene, normals, readings.sight, fused, style, rng)
    return {'xyz': fused.xyz.astype(np.float32),
            'color': (255 * colors + 0.5).astype(np.uint8),
            'label': scene.label[face].astype(np.int32),
            'instance': scene.instance[face].astype(np.int32)}


@dataclass(frozen=True, eq=False)
class Readings:
    """
    What the camera measured: R pixels.

    Attributes
    ----------
    xyz : [R, 3] float64
        Metres, where the camera believes to have seen something.
    face : [R] int64
        Whose surface it is.
    sight : Sight
        What gives its colour: on edges often the surface beside.
    pose : [4, 4] float64
        Of the first frame.

    """

    xyz: NDArray[np.float64]
    face: NDArray[np.int64]
    sight: Sight
    pose: NDArray[np.float64]


def _sweep(scene: Scene, normals: NDArray, sensor: Sensor, style: ScanStyle,
           rng: np.random.Generator) -> Readings:
    """Take the frames of a path on which there is something to see."""
    lens = Lens(style.width, style.height, style.width / 2 / np.tan(style.view / 2))
    for _ in range(ATTEMPTS):
        poses = random_path(scene, rng, style.path, style.frames)
        believed = drift(poses, rng, *DRIFT)
        parts = [_read(scene, normals, sensor, lens, (poses[number], believed[number]), rng)
                 for number in range(style.frames)]
        count = [len(part[0]) for part in parts]
        if sum(count) > ENOUGH * style.frames * len(lens.rays):
            break
        # What was to end behind a table shows little where the path found none.
        sensor = replace(sensor, farthest=1.25 * sensor.farthest)
    if not sum(count):
        raise InputError('expected surfaces within range of the standpoints, but no frame shows '
                         'any: move the standpoints to where there is something')
    xyz, face, seen, weight, side, offset = (np.concatenate(column) for column in zip(*parts))
    number = np.repeat(np.arange(style.frames), count)
    return Readings(xyz, face, Sight(seen, weight, side, number, offset), believed[0])


def _read(scene: Scene, normals: NDArray, sensor: Sensor, lens: Lens,
          poses: tuple[NDArray, NDArray], rng: np.random.Generator) -> tuple[NDArray, ...]:
    """Return the columns of the readings of one frame, seen from the first of two poses."""
    true, believed = poses
    frame = take_frame(scene.mesh, true, lens)
    rays = lens.rays @ true[:3, :3].T
    away = np.einsum('pd,pd->p', normals[frame.face], rays) / np.linalg.norm(rays, axis=1)
    depth, source = measure(frame, np.abs(away), scene.mesh.material[frame.face], sensor, rng)
    got = np.flatnonzero(np.isfinite(depth))
    source = source[got]
    sight = np.where(frame.face[got] >= 0, got, source)
    offset = np.linalg.norm(lens.rays[got, :2], axis=1) / np.linalg.norm(lens.rays[0, :2])
    return (unproject(lens, believed, depth)[got], frame.face[source], frame.face[sight],
            frame.weight[sight], -np.sign(away[sight]), offset)


def _map_frame(scene: Scene, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the pose [4, 4] of the room in the map: turned, a little tilted."""
    tilt = rng.normal(0, np.radians(0.3), 2).clip(-0.0120, 0.0120)
    level = look((0, 0, 0), 0, 0).T
    frame = look((0, 0, 0), rng.uniform(-np.pi, np.pi), *tilt) @ level
    middle = scene.standpoints.mean(0)
    frame[:3, 3] = (*rng.normal(0, 1, 2), rng.normal(0, 0.015))
    frame[:3, 3] -= frame[:3, :2] @ middle
    return frame


def _fuse(xyz: NDArray, normals: NDArray, style: ScanStyle, rng: np.random.Generator) -> Fused:
    """Make a map of readings in its frame, and the normals of what they are on: [R, 3] each."""
    if style.fusion == 'raw':
        fused = fusion.keep_readings(xyz)
    else:
        voxel = fusion.find_voxel(xyz, style.points, style.voxel)
        fused = fusion.average_voxels(xyz, voxel)
        if style.filtered or style.fusion == 'mesh':
            fused = fusion.drop_lonely(fused, voxel)
        if style.fusion == 'mesh':
            fused = fusion.to_grid_lines(fused, normals[fused.nearest], voxel)
    if len(fused.xyz) > style.points:
        fused = fused.rows(np.sort(rng.permutation(len(fused.xyz))[:style.points]))
    return fused


def _colors(scene: Scene, normals: NDArray, sight: Sight, fused: Fused,
            style: ScanStyle, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the mean colours of some readings of each point: [N, 3]."""
    exposure = random_exposure(rng, style.frames)
    rounds = 1 if style.fusion == 'raw' else COLOR_READINGS
    chosen = fused.draw_readings(rounds, rng).reshape(-1)
    colors = photograph(scene, normals, sight.rows(chosen), exposure, rng)
    seen = sight.rows(fused.nearest)
    crowded = crowding(seen.between(scene.mesh.faces, scene.mesh.vertices),
                       normals[seen.face] * seen.side[:, None])
    return colors.reshape(rounds, -1, 3).mean(0) * (1 - exposure.contact * crowded)[:, None]
