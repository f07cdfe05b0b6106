"""Folders with Gazebo models, such as those of the worlds of AWS RoboMaker."""

from __future__ import annotations

from pathlib import Path
import re

from mask3d_core.errors import InputError
from mask3d_core.files.source import file_errors
from mask3d_core.rooms.models.catalogue_model import CatalogueModel
from mask3d_core.rooms.models.facing import turns_to_back
from mask3d_core.rooms.models.gazebo_mesh import COLLADA, read_triangles, require_collada
from mask3d_core.rooms.models.gazebo_sdf import SDF
import numpy as np

CATEGORY = 'Gazebo'
"""Of all models; Gazebo has no categories."""
DEPTH = 2
"""Levels of folders in which models are looked for: world/models/Chair."""
Z_UP_TO_Y_UP = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
"""Turns z up, front towards -y into y up, front towards +z."""
QUARTER_TURN = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]])
"""Counter-clockwise about z."""


def find_gazebo_models(folder: Path, depth: int = DEPTH) -> list[Path]:
    """Return the model.sdf of each model in a folder, sorted by path."""
    if (folder / SDF).is_file():
        return [folder / SDF]
    if not depth:
        return []
    with file_errors(folder):
        folders = sorted(path for path in folder.iterdir() if path.is_dir())
    return [file for inner in folders for file in find_gazebo_models(inner, depth - 1)]


def read_gazebo_models(folder: Path) -> tuple[list[CatalogueModel], list[str]]:
    """
    Return what `read_catalogue` does for a folder; all meshes are read for their sizes.

    Raises
    ------
    InputError
        If the libraries that read .dae files are not installed.

    """
    require_collada(folder / f'mesh{COLLADA}')
    models, damaged = [], []
    for file in find_gazebo_models(folder):
        try:
            models.append(_model(folder, file))
        except InputError as error:
            damaged.append(f'the Gazebo model {file.parent.name} is left out: {error}')
    return models, damaged


def _model(folder: Path, file: Path) -> CatalogueModel:
    triangles = read_triangles(file)
    turn = np.linalg.matrix_power(QUARTER_TURN, turns_to_back(triangles))
    width, depth, height = (np.abs(turn) @ np.ptp(triangles, axis=(0, 1))).tolist()
    return CatalogueModel(folder, file.parent.name, words_of(file.parent.name), CATEGORY,
                          str(file.relative_to(folder)), (width, depth, height),
                          rotation=tuple((Z_UP_TO_Y_UP @ turn).reshape(-1).tolist()))


def words_of(name: str) -> str:
    """Return the words of a model's name: 'TV Cabinet 01' of 'aws_robomaker_home_TVCabinet_01'."""
    name = re.sub('^aws_robomaker_[a-z]+_', '', name)
    return re.sub(r'(?<=[a-z])(?=[A-Z0-9])|(?<=[A-Z])(?=[A-Z][a-z])|[_\s]+', ' ', name).strip()
