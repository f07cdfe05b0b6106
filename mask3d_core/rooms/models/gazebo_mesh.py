"""Read the mesh of a Gazebo model in metres, z up, as Gazebo shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any
import warnings
from xml.etree import ElementTree

from mask3d_core.errors import InputError
from mask3d_core.files.other_formats import library, library_errors
from mask3d_core.files.source import file_errors
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.models.gazebo_sdf import read_visuals
from mask3d_core.rooms.models.mesh_parts import mesh_parts
import numpy as np
from numpy.typing import NDArray

COLLADA = '.dae'


class ModelResolver:
    """
    A resolver of trimesh for the files beside a mesh, such as '../materials/textures/wood.png'.

    A texture that is not where the file says is looked for in the folder of the model's textures.

    Attributes
    ----------
    folder : Path
        Of the mesh file.

    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, name: str) -> bytes:
        """Return the content of a file; OSError if it cannot be read."""
        path = self.folder / name.strip()
        textures = self.folder.parent / 'materials' / 'textures'
        return (path if path.is_file() else textures / path.name).read_bytes()


def read_gazebo_mesh(file: Path) -> Mesh:
    """
    Read the mesh of a model, with its textures.

    Parameters
    ----------
    file : Path
        Its model.sdf.

    Returns
    -------
    Mesh
        Metres, z up.

    Raises
    ------
    InputError
        With the file name: for a damaged or missing file, or one without triangles.

    """
    parts: list[Mesh] = []
    for mesh_file, geometry, pose in _geometries(file):
        with file_errors(mesh_file), library_errors('mesh'), warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of textures that Pillow has doubts about
            parts += [replace(part, vertices=_moved(part.vertices, pose))
                      for part in mesh_parts(geometry)]
    return join(parts)


def read_triangles(file: Path) -> NDArray[np.float64]:
    """
    Read the corners of all triangles of a model: [F, 3, 3], metres, z up.

    Parameters and errors as of `read_gazebo_mesh`, which also decodes the textures.
    """
    return np.concatenate([
        _moved(np.asarray(geometry.vertices, np.float64)[np.asarray(geometry.faces)], pose)
        for _, geometry, pose in _geometries(file)])


def _moved(points: NDArray, pose: NDArray) -> NDArray[np.float64]:
    return points @ pose[:3, :3].T + pose[:3, 3]


def _geometries(file: Path) -> list[tuple[Path, Any, NDArray[np.float64]]]:
    """Return the file of each geometry with triangles, it, and its pose in the model, [4, 4]."""
    found = [(visual.file, geometry, visual.pose @ pose) for visual in read_visuals(file)
             for geometry, pose in _geometries_of_mesh(visual.file)]
    if not found:
        raise InputError(f'{file}: expected meshes with triangles, got none')
    return found


def _geometries_of_mesh(file: Path) -> Iterator[tuple[Any, NDArray[np.float64]]]:
    """Yield the geometries with triangles in a file, and the pose of each, [4, 4], metres."""
    with file_errors(file):
        kind = file.suffix.lower()
        if kind == COLLADA:
            require_collada(file)
        trimesh = library('trimesh', 'trimesh', file)
        content = file.read_bytes()
        with library_errors(kind):
            metres = np.diag([*[_unit(content) if kind == COLLADA else 1.0] * 3, 1.0])
            scene = trimesh.load_scene(BytesIO(content), file_type=kind[1:], process=False,
                                       resolver=ModelResolver(file.parent))
            for node in scene.graph.nodes_geometry:
                pose, name = scene.graph[node]
                if len(getattr(scene.geometry[name], 'faces', ())):
                    yield scene.geometry[name], metres @ pose


def require_collada(file: Path) -> None:
    """Raise InputError if the library that reads .dae files is not installed."""
    library('collada', 'pycollada', file)


def _unit(content: bytes) -> float:
    """
    Return the unit of a .dae file in metres.

    Its <up_axis> has no effect, as in Gazebo (gazebo-classic issue 1305): what stands upright
    there has z up in its coordinates, whatever the file says.
    """
    for _, element in ElementTree.iterparse(BytesIO(content)):
        if element.tag.rpartition('}')[2] == 'unit':
            return float(element.get('meter', 1))
    return 1.0
