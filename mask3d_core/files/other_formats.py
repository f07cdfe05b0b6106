"""Read formats of surveying and modelling by their libraries, the extra `formats`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
import os
from typing import Any

from mask3d_core.errors import InputError
from mask3d_core.files.color_fields import plain_name
from mask3d_core.files.columns import FileColumns
from mask3d_core.files.source import file_errors, FilePath
import numpy as np
from numpy.typing import NDArray

MESH_SUFFIXES = ('.obj', '.glb', '.gltf', '.off', '.stl')
MAX_SPACING = 0.03
"""Of the vertices of a mesh, in its unit: those of a finer one are the points of the scan."""
SAMPLE_SPACING = 0.02
"""Of points on the surface of a coarser mesh, in its unit."""
MIN_SAMPLES, MAX_SAMPLES = 20_000, 500_000
"""Points on a surface; meshes in millimetres have large ones."""
CHANNELS = ('red', 'green', 'blue')


def las_columns(path: FilePath) -> FileColumns:
    """
    Read the points of a .las or .laz file by laspy, with their extra dimensions.

    Raises
    ------
    InputError
        With the file name: for a damaged file, or if laspy is not installed.

    """
    with file_errors(path):
        laspy = library('laspy', 'laspy[lazrs]', path)
        with library_errors('LAS'):
            cloud = laspy.read(os.fspath(path))
            columns = {axis: np.asarray(getattr(cloud, axis)) for axis in 'xyz'}
            for name in cloud.point_format.dimension_names:
                if plain_name(name) not in columns and name not in 'XYZ':
                    columns[plain_name(name)] = np.asarray(cloud[name])
        return FileColumns.of(columns)


def e57_columns(path: FilePath) -> FileColumns:
    """
    Read all scans of an .e57 file by pye57, in the frame of the file.

    Raises
    ------
    InputError
        With the file name: for a damaged file, or if pye57 is not installed.

    """
    with file_errors(path):
        if not os.path.isfile(path):
            raise InputError('no such file')
        pye57 = library('pye57', 'pye57', path)
        with library_errors('E57'):
            file = pye57.E57(os.fspath(path))
            scans = [_e57_scan(file, number) for number in range(file.scan_count)]
        if not scans:
            raise InputError('expected scans, got none')
        color = all(CHANNELS[0] in scan for scan in scans)
        names = ('x', 'y', 'z', *(CHANNELS if color else ()))
        return FileColumns.of({name: np.concatenate([scan[name] for scan in scans])
                               for name in names})


def _e57_scan(file: Any, number: int) -> dict[str, NDArray]:
    header = file.get_header(number)
    colored = {'colorRed', 'colorGreen', 'colorBlue'} <= set(header.point_fields)
    points = file.read_scan(number, colors=colored, ignore_missing_fields=True)
    columns = {axis: np.asarray(points[f'cartesian{axis.upper()}']) for axis in 'xyz'}
    if colored:
        columns |= {name: np.asarray(points[f'color{name.capitalize()}']) for name in CHANNELS}
    return columns


def mesh_columns(path: FilePath) -> FileColumns:
    """
    Read a mesh by trimesh: its vertices if they are dense, else points on its surface.

    Raises
    ------
    InputError
        With the file name: for a damaged file, a file without vertices, or if trimesh is not
        installed.

    """
    with file_errors(path):
        if not os.path.isfile(path):
            raise InputError('no such file')
        trimesh = library('trimesh', 'trimesh', path)
        with library_errors('mesh'):
            scene = trimesh.load_scene(os.fspath(path), process=False)
            points, colors = _points_of_scene(scene)
        if not len(points):
            raise InputError('expected a mesh or points, got none')
        columns: dict[str, NDArray] = {axis: points[:, place]
                                       for place, axis in enumerate('xyz')}
        if colors is not None:
            columns |= {name: colors[:, place] for place, name in enumerate(CHANNELS)}
        return FileColumns.of(columns)


def _points_of_scene(scene: Any) -> tuple[NDArray[np.float64], NDArray[np.uint8] | None]:
    parts = [_points_of_mesh(part) for part in scene.dump()]
    points = np.concatenate([points for points, _ in parts] or [np.zeros((0, 3))])
    colors = [color for _, color in parts if color is not None]
    return points, np.concatenate(colors) if colors and len(colors) == len(parts) else None


def _points_of_mesh(mesh: Any) -> tuple[NDArray[np.float64], NDArray[np.uint8] | None]:
    sample = import_module('trimesh.sample')
    points = np.asarray(mesh.vertices, np.float64)
    faces = getattr(mesh, 'faces', None)
    if faces is None or not len(faces):
        color = getattr(mesh, 'colors', None)
        return points, None if color is None or not len(color) else np.asarray(color)[:, :3]
    colored = mesh.visual.kind in ('vertex', 'face', 'texture')
    if np.sqrt(mesh.area / max(len(points), 1)) <= MAX_SPACING:
        textured = mesh.visual.kind == 'texture'
        visual = mesh.visual.to_color() if textured else mesh.visual
        return points, np.asarray(visual.vertex_colors)[:, :3] if colored else None
    count = int(np.clip(mesh.area / SAMPLE_SPACING ** 2, MIN_SAMPLES, MAX_SAMPLES))
    found = sample.sample_surface(mesh, count, sample_color=colored, seed=0)
    return (np.asarray(found[0], np.float64),
            np.asarray(found[2])[:, :3].astype(np.uint8) if colored else None)


def library(name: str, package: str, path: FilePath) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        suffix = os.path.splitext(path)[1].lower()
        raise InputError(f'reading {suffix} needs the package {name}: pip install '
                         f"'{package}', or 'mask3d_ros[formats]'") from error


@contextmanager
def library_errors(what: str) -> Iterator[None]:
    """Turn every exception of a library into an InputError; they have no common base class."""
    try:
        yield
    except (InputError, OSError, MemoryError):
        raise
    except Exception as error:
        raise InputError(f'not a readable {what} file ({type(error).__name__}: {error})'
                         ) from error
