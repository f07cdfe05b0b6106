"""Read formats of surveying and modelling by their libraries, the extra `formats`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
import io
import os
from pathlib import Path
import re
from typing import Any

from mask3d_core.errors import InputError
from mask3d_core.files.color_fields import find_color, plain_name
from mask3d_core.files.columns import AXES, FileColumns
from mask3d_core.files.source import file_errors, FilePath
from mask3d_core.scan import MAX_COLOR_ROUNDING
import numpy as np
from numpy.typing import NDArray

MESH_SUFFIXES = ('.obj', '.glb', '.gltf', '.off', '.stl')
MAX_SPACING = 0.03
"""Of the vertices of a mesh, in its unit: those of a finer one are the points of the scan."""
SAMPLE_SPACING = 0.02
"""Of points on the surface of a coarser mesh, in its unit."""
MAX_PLY_SPACING = 0.1
"""
Of the vertices of a .ply with faces, in its unit, as if they were on its bounding box. Up to it
they are the points: results belong to the vertices, as in ScanNet.
"""
LABEL_NAMES = {'label', 'instance', 'segment'}
"""Columns that belong to the vertices of a mesh."""
MIN_SAMPLES, MAX_SAMPLES = 20_000, 500_000
"""Points on a surface; meshes in millimetres have large ones."""
FOOT_IN_WKT = re.compile(r'UNIT\["[^"]*(?:foot|feet|ft)[^"]*",\s*([0-9.]+)', re.IGNORECASE)
"""A unit of length in the text of a coordinate system, with its metres."""
LENGTH_KEY = 3076
"""GeoTIFF's ProjLinearUnitsGeoKey."""
FEET = {9002: 0.3048, 9003: 1200 / 3937}
"""Metres of the international foot and of the US survey foot, by their EPSG codes."""
CAPITAL_AXIS = re.compile(rb'(?<=[\r\n])property\s+\w+\s+[XYZ](?=\s)')
"""In the header of a .ply."""
OBJ_HEAD_BYTES = 1 << 20
"""Of an .obj, in which its colours are looked at."""
CHANNELS = ('red', 'green', 'blue')
USED_IN_E57 = ('cartesian', 'spherical', 'color')
"""Beginnings of the names of fields that are read."""
INVALID_STATES = ('cartesianInvalidState', 'sphericalInvalidState')
"""Fields of an .e57 that are not 0 where a point has no position."""


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
            with laspy.open(os.fspath(path)) as reader:
                count = reader.header.point_count
                cloud = reader.read()
            if len(cloud) != count:
                raise InputError(f'expected {count} points, got {len(cloud)}: the file is '
                                 'truncated')
            columns = {axis: np.asarray(getattr(cloud, axis)) for axis in 'xyz'}
            for name in cloud.point_format.dimension_names:
                if plain_name(name) not in columns and name not in 'XYZ':
                    columns[plain_name(name)] = np.asarray(cloud[name])
            unit = _unit_of_las(cloud.header)
        return FileColumns(columns, tuple(columns), unit)


def _unit_of_las(header: Any) -> float:
    """Return the metres of the foot that a coordinate system names, in WKT or GeoTIFF; else 1."""
    for vlr in header.vlrs:
        foot = FOOT_IN_WKT.search(str(getattr(vlr, 'string', '')))
        if foot:
            return float(foot[1])
        for key in getattr(vlr, 'geo_keys', ()):
            if key.id == LENGTH_KEY and key.value_offset in FEET:
                return FEET[key.value_offset]
    return 1.0


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
            others = {plain_name(field): None for number in range(file.scan_count)
                      for field in file.get_header(number).point_fields
                      if not field.startswith(USED_IN_E57)}
        if not scans:
            raise InputError('expected scans, got none')
        names = dict.fromkeys(name for scan in scans for name in scan)
        return FileColumns({name: np.concatenate([
            scan.get(name, np.full(len(scan['x']), np.nan, np.float32)) for scan in scans])
            for name in names}, (*names, *others))


def _e57_scan(file: Any, number: int) -> dict[str, NDArray]:
    """Return the columns of a scan; points that it says are invalid have no position, NaN."""
    header = file.get_header(number)
    colored = {'colorRed', 'colorGreen', 'colorBlue'} <= set(header.point_fields)
    points = file.read_scan(number, colors=colored, ignore_missing_fields=True)
    columns = {axis: np.asarray(points[f'cartesian{axis.upper()}']) for axis in 'xyz'}
    if colored:
        columns |= {name: np.asarray(points[f'color{name.capitalize()}']) for name in CHANNELS}
    if len(columns['x']) == header.point_count:
        return columns
    valid = _e57_valid(file, header)  # pye57 leaves the others out
    rows = {name: np.zeros(len(valid), column.dtype) for name, column in columns.items()}
    for name, column in columns.items():
        rows[name][valid] = column
        if name in AXES:
            rows[name][~valid] = np.nan
    return rows


def _e57_valid(file: Any, header: Any) -> NDArray[np.bool_]:
    """Return which points have a position, by the field of their state: [N]."""
    name = next(name for name in INVALID_STATES if name in header.point_fields)
    states, buffers = file.make_buffers([name], header.point_count)
    header.points.reader(buffers).read()
    return np.asarray(states[name] == 0)


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
            if os.fspath(path).lower().endswith('.obj'):
                _check_obj_colors(path)
            scene = trimesh.load_scene(**_mesh_file(path), process=False)
            points, colors = _points_of_scene(scene)
        if not len(points):
            raise InputError('expected a mesh or points, got none')
        columns: dict[str, NDArray] = {axis: points[:, place]
                                       for place, axis in enumerate('xyz')}
        if colors is not None:
            columns |= {name: colors[:, place] for place, name in enumerate(CHANNELS)}
        return FileColumns.of(columns)


def _mesh_file(path: FilePath) -> dict[str, Any]:
    """Return what trimesh is to load: a copy of a .ply with axes in capitals, which it lacks."""
    if os.fspath(path).lower().endswith('.ply'):
        header, mark, rows = Path(path).read_bytes().partition(b'end_header')
        renamed = CAPITAL_AXIS.sub(lambda found: found[0].lower(), header)
        if renamed != header:
            return {'file_obj': io.BytesIO(renamed + mark + rows), 'file_type': 'ply'}
    return {'file_obj': os.fspath(path)}


def surface_columns(path: FilePath, vertices: FileColumns) -> FileColumns:
    """
    Return points on the surface of a .ply mesh if it is coarse, else its vertices.

    Coarse is one of fewer than `MIN_SAMPLES` vertices, further apart than `MAX_PLY_SPACING`.
    Labels belong to vertices, which stay the points of a labelled mesh.

    Parameters
    ----------
    path : path
    vertices : FileColumns
        What `ply_columns` has read.

    Raises
    ------
    InputError
        With the file name: for damaged faces of a coarse mesh, or if trimesh is not installed.

    """
    count = len(vertices.values['x'])
    is_labelled = vertices.values.keys() & LABEL_NAMES
    if is_labelled or not (vertices.num_faces and 0 < count < MIN_SAMPLES):
        return vertices
    xyz = np.stack([vertices.values[axis] for axis in AXES], axis=1).astype(np.float64)
    x, y, z = np.ptp(xyz, axis=0)
    spacing = np.sqrt(2 * (x * y + y * z + z * x) / count)
    if not MAX_PLY_SPACING < spacing < np.inf:
        return vertices
    try:
        surface = mesh_columns(path)
    except InputError as error:
        raise InputError(f'{error}; the mesh has only {count} vertices, so points are sampled '
                         'on its faces') from error
    color = find_color(vertices.values)
    if color is None or (find_color(surface.values) is not None and all(
            vertices.values[name].dtype == np.uint8 for name in color.names)):
        return surface
    from scipy.spatial import cKDTree

    points = np.stack([surface.values[axis] for axis in AXES], axis=1)
    nearest = cKDTree(xyz).query(points)[1]  # trimesh knows red, green, blue of one byte only
    return FileColumns.of({axis: surface.values[axis] for axis in AXES}
                          | {name: vertices.values[name][nearest] for name in color.names})


def _check_obj_colors(path: FilePath) -> None:
    """Raise InputError for colours of 0..255, `v x y z r g b`: trimesh would make all white."""
    with open(path, 'rb') as file:
        words = [line.split() for line in file.read(OBJ_HEAD_BYTES).split(b'\n')[:-1]]
    channels = [float(word) for line in words if line[:1] == [b'v'] and len(line) == 7
                for word in line[4:]]
    if channels and max(channels) > 1 + MAX_COLOR_ROUNDING:
        raise InputError(f'expected colours of vertices of 0..1, got up to {max(channels):g}: '
                         'divide them by 255')


def _points_of_scene(scene: Any) -> tuple[NDArray[np.float64], NDArray | None]:
    """Return the points of all meshes, and their colours, NaN where a mesh has none."""
    parts = [_points_of_mesh(part) for part in scene.dump()]
    points = np.concatenate([points for points, _ in parts] or [np.zeros((0, 3))])
    if all(color is None for _, color in parts):
        return points, None
    return points, np.concatenate([np.full((len(points), 3), np.nan, np.float32)
                                   if color is None else color for points, color in parts])


def _points_of_mesh(mesh: Any) -> tuple[NDArray[np.float64], NDArray[np.uint8] | None]:
    sample = import_module('trimesh.sample')
    points = np.asarray(mesh.vertices, np.float64)
    faces = getattr(mesh, 'faces', None)
    if faces is None or not len(faces):
        color = getattr(mesh, 'colors', None)
        return points, None if color is None or not len(color) else np.asarray(color)[:, :3]
    colored = mesh.visual.kind in ('vertex', 'face', 'texture')
    if mesh.visual.kind == 'texture' and hasattr(mesh.visual.material, 'to_simple'):
        mesh.visual.material = mesh.visual.material.to_simple()  # of glTF; only these have images
    if mesh.visual.kind == 'texture' and (mesh.visual.uv is None
                                          or mesh.visual.material.image is None):
        mesh.visual = mesh.visual.to_color()
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
    except (InputError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise InputError(f'not a readable {what} file ({type(error).__name__}: {error})'
                         ) from error
