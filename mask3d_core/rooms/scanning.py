"""Simulate an RGB-D scan: from a scene to a labelled point cloud."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mask3d_core.errors import InputError
from mask3d_core.rooms import fusion
from mask3d_core.rooms.camera_path import add_drift, random_path
from mask3d_core.rooms.color_camera import (
    ambient_occlusion,
    random_exposure,
    render_colors,
    VisiblePoints,
)
from mask3d_core.rooms.depth_camera import camera_pose, face_normals, Lens, render_frame, unproject
from mask3d_core.rooms.fusion import FusedMap
from mask3d_core.rooms.scene import Scene
from mask3d_core.rooms.sensor import measure_depth, random_sensor, Sensor
import numpy as np
from numpy.typing import NDArray

PATH_PROBABILITIES = {'robot': 0.25, 'person': 0.25, 'corner': 0.08, 'close': 0.3, 'frame': 0.12}
"""Of each kind of camera path."""
SENSOR_FRAME_PROBABILITY = 0.6
"""Probability that a scan of few frames stays in the frame of its first camera."""
FUSIONS = ('map', 'mesh', 'raw')
COLOR_SAMPLES = 3
"""Readings whose colours are averaged for each point of a map."""
MAX_PATH_TRIES = 6
MIN_RETURN_SHARE = 0.3
"""Share of the pixels with a depth; a path with fewer is drawn again."""
DRIFT_STD = 0.012, np.radians(0.3)
"""Standard deviation of the drift at the end of a path along each axis: metres, radians."""
MESH_NOISE_FACTOR = 0.35
"""Factor on depth noise and edge jitter for meshes, which real systems fuse from more frames."""


@dataclass(frozen=True)
class ScanStyle:
    """
    The settings of a scan.

    Attributes
    ----------
    path : str
        One of `camera_path.PATH_KINDS`.
    frames : int
        Number of frames.
    width, height : int
        Size of a frame, pixels.
    field_of_view : float
        Horizontal, radians.
    fusion : str
        'map': means of the readings in voxels; 'mesh': vertices of a smooth surface; 'raw': all
        readings.
    max_points : int
        Maximum number of points of the cloud.
    voxel_size : float
        Smallest voxel size, metres; larger if the cloud would have more than `max_points`.
    max_range : float
        Maximum range of the sensor, metres.
    filtered : bool
        Whether isolated points are dropped; from meshes they always are.
    upright : bool
        Whether z is up; otherwise the cloud is in the frame of the first camera.

    """

    path: str = 'robot'
    frames: int = 28
    width: int = 160
    height: int = 120
    field_of_view: float = 1.05
    fusion: str = 'map'
    max_points: int = 50000
    voxel_size: float = 0.02
    max_range: float = 4.0
    filtered: bool = True
    upright: bool = True


def random_style(rng: np.random.Generator, max_points: int = 50000) -> ScanStyle:
    """Draw random settings: half of the scans cover most of a room, the others part or a table."""
    path = str(rng.choice(list(PATH_PROBABILITIES), p=list(PATH_PROBABILITIES.values())))
    fusion = str(rng.choice(['map', 'mesh'], p=[0.6, 0.4]))
    voxel_size = float(np.exp(rng.uniform(np.log(0.01), np.log(0.035))))
    style = ScanStyle(path, fusion=fusion, max_points=max_points,
                      field_of_view=rng.uniform(0.95, 1.3), max_range=rng.uniform(3.5, 5),
                      filtered=bool(rng.random() < 0.75))
    if path in ('robot', 'person'):
        frames = int(rng.integers(14, 34))
        width = 200 if frames <= 22 else 160
        return replace(style, frames=frames, width=width, height=width * 3 // 4,
                       voxel_size=max(voxel_size, 0.015))
    if path == 'corner':
        return replace(style, frames=int(rng.integers(3, 9)), width=240, height=180,
                       voxel_size=voxel_size)
    frames = int(rng.integers(1, 4)) if path == 'close' else 1
    if frames == 1 or rng.random() < 0.3:
        fusion = 'raw'
    # Close-up scans are often cropped behind the table.
    max_range = rng.uniform(1.3, 2.2) if path == 'close' and rng.random() < 0.5 else 5.0
    return replace(style, frames=frames, width=320, height=240, fusion=fusion,
                   voxel_size=min(voxel_size, 0.01), max_range=max_range,
                   upright=bool(rng.random() > SENSOR_FRAME_PROBABILITY))


def scan_scene(scene: Scene, rng: np.random.Generator, style: ScanStyle,
               pose: NDArray[np.float64] | None = None) -> dict[str, NDArray]:
    """
    Simulate a scan of a room.

    Parameters
    ----------
    scene : Scene
    rng : numpy Generator
    style : ScanStyle
    pose : [4, 4] float64, optional
        Of the scene in the map, for upright scans; random by default.

    Returns
    -------
    dict
        xyz [N, 3] float32, metres: if upright, z up, the floor near z = 0, rotated about z by a
        random angle and tilted by less than a degree; otherwise in the frame of the first camera
        (x right, y down, z forward); color [N, 3] uint8; label and instance [N] int32 as in the
        scene. Instances with few points are kept.

    Raises
    ------
    InputError
        If no surface is within range of the standpoints.

    """
    normals = face_normals(scene.mesh)
    sensor = random_sensor(rng, style.max_range, style.width, scene.mesh.materials)
    if style.fusion == 'mesh':
        sensor = replace(sensor, noise=MESH_NOISE_FACTOR * sensor.noise,
                         jitter=MESH_NOISE_FACTOR * sensor.jitter, flying=0.0, disparity_step=0.0)
    readings = _record_frames(scene, normals, sensor, style, rng)
    if not style.upright:
        frame = np.linalg.inv(readings.pose)
    else:
        frame = _random_map_pose(scene, rng) if pose is None else pose
    xyz = readings.xyz @ frame[:3, :3].T + frame[:3, 3]
    fused = _fuse(xyz, (normals @ frame[:3, :3].T)[readings.face], style, rng)
    face = readings.face[fused.nearest]
    colors = _colors(scene, normals, readings.visible, fused, style, rng)
    return {'xyz': fused.xyz.astype(np.float32),
            'color': (255 * colors + 0.5).astype(np.uint8),
            'label': scene.label[face].astype(np.int32),
            'instance': scene.instance[face].astype(np.int32)}


@dataclass(frozen=True, eq=False)
class Readings:
    """
    The depth readings of all frames: R pixels with a depth.

    Attributes
    ----------
    xyz : [R, 3] float64
        Measured positions, metres, in the drifting frame of the odometry.
    face : [R] int64
        Face that was measured; gives label and instance.
    visible : VisiblePoints
        Surface point in the pixel, which gives the colour; at depth edges it can be on another
        face.
    pose : [4, 4] float64
        Estimated pose of the first frame.

    """

    xyz: NDArray[np.float64]
    face: NDArray[np.int64]
    visible: VisiblePoints
    pose: NDArray[np.float64]


def _record_frames(scene: Scene, normals: NDArray, sensor: Sensor, style: ScanStyle,
           rng: np.random.Generator) -> Readings:
    """Record the frames of a random path on which enough pixels have a depth."""
    lens = Lens(style.width, style.height, style.width / 2 / np.tan(style.field_of_view / 2))
    for _ in range(MAX_PATH_TRIES):
        poses = random_path(scene, rng, style.path, style.frames)
        estimated = add_drift(poses, rng, *DRIFT_STD)
        parts = [_record_frame(scene, normals, sensor, lens, both, rng)
                 for both in zip(poses, estimated)]
        count = [len(part[0]) for part in parts]
        if sum(count) > MIN_RETURN_SHARE * style.frames * len(lens.rays):
            break
        # A range that ends behind a table shows little if the path has found no table.
        sensor = replace(sensor, max_range=1.25 * sensor.max_range)
    if not sum(count):
        raise InputError('expected surfaces within range of the standpoints, but no frame shows '
                         'any: move the standpoints closer to surfaces')
    xyz, face, seen, weight, side, offset = (np.concatenate(column) for column in zip(*parts))
    number = np.repeat(np.arange(style.frames), count)
    return Readings(xyz, face, VisiblePoints(seen, weight, side, number, offset), estimated[0])


def _record_frame(scene: Scene, normals: NDArray, sensor: Sensor, lens: Lens,
          poses: tuple[NDArray, NDArray], rng: np.random.Generator) -> tuple[NDArray, ...]:
    """Return the columns of the readings of one frame, given its true and its estimated pose."""
    true, estimated = poses
    frame = render_frame(scene.mesh, true, lens)
    rays = lens.rays @ true[:3, :3].T
    # Cosine between ray and normal, negative for a normal towards the camera: [P].
    cosine = np.einsum('pd,pd->p', normals[frame.face], rays) / np.linalg.norm(rays, axis=1)
    material = scene.mesh.material[frame.face]
    depth, source = measure_depth(frame, np.abs(cosine), material, sensor, rng)
    pixel = np.flatnonzero(np.isfinite(depth))
    source = source[pixel]
    visible = np.where(frame.face[pixel] >= 0, pixel, source)
    offset = np.linalg.norm(lens.rays[pixel, :2], axis=1) / np.linalg.norm(lens.rays[0, :2])
    return (unproject(lens, estimated, depth)[pixel], frame.face[source], frame.face[visible],
            frame.weight[visible], -np.sign(cosine[visible]), offset)


def _random_map_pose(scene: Scene, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a random pose [4, 4] of the room in the map: yaw, a small tilt, and a shift."""
    tilt = rng.normal(0, np.radians(0.3), 2).clip(-0.0120, 0.0120)
    level = camera_pose((0, 0, 0), 0, 0).T
    frame = camera_pose((0, 0, 0), rng.uniform(-np.pi, np.pi), *tilt) @ level
    middle = scene.standpoints.mean(0)
    frame[:3, 3] = (*rng.normal(0, 1, 2), rng.normal(0, 0.015))
    frame[:3, 3] -= frame[:3, :2] @ middle
    return frame


def _fuse(xyz: NDArray, normals: NDArray, style: ScanStyle, rng: np.random.Generator) -> FusedMap:
    """Fuse readings and the normals of their surfaces, both [R, 3], into a map."""
    if style.fusion == 'raw':
        fused = fusion.keep_readings(xyz)
    else:
        voxel_size = fusion.choose_voxel_size(xyz, style.max_points, style.voxel_size)
        fused = fusion.average_in_voxels(xyz, voxel_size)
        if style.filtered or style.fusion == 'mesh':
            fused = fusion.drop_isolated(fused, voxel_size)
        if style.fusion == 'mesh':
            fused = fusion.snap_to_grid_lines(fused, normals[fused.nearest], voxel_size)
    if len(fused.xyz) > style.max_points:
        fused = fused.select(np.sort(rng.permutation(len(fused.xyz))[:style.max_points]))
    return fused


def _colors(scene: Scene, normals: NDArray, visible: VisiblePoints, fused: FusedMap,
            style: ScanStyle, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the colours of the map, averaged over some readings of each point: [N, 3]."""
    exposure = random_exposure(rng, style.frames)
    samples = 1 if style.fusion == 'raw' else COLOR_SAMPLES
    chosen = fused.draw_readings(samples, rng).reshape(-1)
    colors = render_colors(scene, normals, visible.select(chosen), exposure, rng)
    nearest = visible.select(fused.nearest)
    occluded = ambient_occlusion(nearest.interpolate(scene.mesh.faces, scene.mesh.vertices),
                                 normals[nearest.face] * nearest.side[:, None])
    return colors.reshape(samples, -1, 3).mean(0) * (1 - exposure.occlusion * occluded)[:, None]
