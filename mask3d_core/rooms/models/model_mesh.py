"""Read the mesh of a model, in its real size, with few triangles and plain materials."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
import os
from pathlib import Path
from typing import Any
import warnings
import zipfile

from mask3d_core.errors import InputError
from mask3d_core.files.other_formats import library, library_errors
from mask3d_core.files.source import file_errors
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.models.catalogue_model import CatalogueModel
from mask3d_core.rooms.models.gazebo_mesh import read_gazebo_mesh
from mask3d_core.rooms.models.gazebo_sdf import SDF
from mask3d_core.rooms.models.mesh_parts import mesh_parts
from mask3d_core.rooms.models.simplification import simplify
import numpy as np

Y_UP_TO_Z_UP = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float64)
"""Turns y up, front towards +z into z up, front towards -y."""


def require_trimesh(file: Path) -> Any:
    """Return the library that reads the models; InputError if it is not installed."""
    return library('trimesh', 'trimesh', file)


def read_model_mesh(model: CatalogueModel) -> Mesh:
    """
    Read the mesh of a model.

    Returns
    -------
    Mesh
        Of the size its catalogue gives, standing on z = 0, centered, with its back towards +y.

    Raises
    ------
    InputError
        With the file name: for a damaged model, or if trimesh is not installed.

    """
    if os.path.basename(model.member) == SDF:
        return simplify(_fitted(read_gazebo_mesh(model.file / model.member), model))
    with file_errors(model.file):
        trimesh = require_trimesh(model.file)
        with library_errors(f'model ({model.member})'), warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of textures that Pillow has doubts about
            scene = _load_scene(trimesh, model)
            parts = [part for geometry in scene.geometry.values()
                     for part in mesh_parts(geometry)]
        if not parts:
            raise InputError(f'{model.member}: expected triangles, got none')
        return simplify(_fitted(join(parts), model))


def _load_scene(trimesh: Any, model: CatalogueModel) -> Any:
    folder = os.path.dirname(model.member)
    with zipfile.ZipFile(model.file) as archive:
        beside = {os.path.relpath(name, folder): archive.read(name)
                  for name in archive.namelist()
                  if os.path.dirname(name) == folder and not name.endswith('/')}
    content = BytesIO(beside[os.path.basename(model.member)])
    return trimesh.load_scene(content, file_type='obj', process=False,
                              resolver=trimesh.resolvers.ZipResolver(beside))


def _fitted(mesh: Mesh, model: CatalogueModel) -> Mesh:
    """Turn a mesh upright, with its back towards +y, and scale it to the size of its model."""
    upright = np.array(model.rotation, np.float64).reshape(3, 3)
    used = np.unique(mesh.faces)
    vertices = mesh.vertices @ (Y_UP_TO_Z_UP @ upright).T
    extent = np.ptp(vertices[used], axis=0)
    factor = np.asarray(model.size) / np.where(extent > 0, extent, 1)
    if not np.isfinite(factor).all():
        raise InputError(f'{model.member}: expected finite coordinates, got others')
    return replace(mesh, vertices=vertices * factor)
