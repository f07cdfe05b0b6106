"""Catalogues of 3D models: .sh3f files of Sweet Home 3D, and folders with Gazebo models."""

from __future__ import annotations

from collections.abc import Sequence
import hashlib
from pathlib import Path

from mask3d_core.errors import InputError
from mask3d_core.files.source import file_errors
from mask3d_core.rooms.models.catalogue_model import CatalogueModel
from mask3d_core.rooms.models.gazebo_models import find_gazebo_models, read_gazebo_models
from mask3d_core.rooms.models.gazebo_sdf import SDF
from mask3d_core.rooms.models.sweet_home import read_sweet_home, SUFFIX


def list_catalogues(paths: Sequence[Path]) -> tuple[Path, ...]:
    """
    Return the catalogues among files and folders, sorted by name, each once.

    A folder stands for the .sh3f files in it; if it has Gazebo models, it is a catalogue, too.

    Raises
    ------
    InputError
        For a path that does not exist, another kind of file, or a folder without catalogues.

    """
    found = {catalogue.resolve(): None for path in paths for catalogue in _catalogues_at(path)}
    return tuple(sorted(found, key=lambda file: (file.name, str(file))))


def _catalogues_at(path: Path) -> list[Path]:
    if path.is_dir():
        catalogues = sorted(path.glob(f'*{SUFFIX}'))
        if find_gazebo_models(path):
            catalogues.append(path)
        if not catalogues:
            raise InputError(f'{path}: expected a folder with {SUFFIX} files or with Gazebo '
                             f'models ({SDF}), got neither; give the folder of the catalogues '
                             'or the files')
        return catalogues
    if not path.exists():
        raise InputError(f'{path}: no such file or folder')
    if path.suffix.lower() != SUFFIX:
        raise InputError(f'{path}: expected a catalogue of models ({SUFFIX}) or a folder, got '
                         f"a '{path.suffix}' file")
    return [path]


def fingerprint(catalogue: Path) -> str:
    """Return the name of a catalogue and a hash of its content, as 'Scopia.sh3f 1a2b3c4d'."""
    with file_errors(catalogue):
        if not catalogue.is_dir():
            return _fingerprint(catalogue.name, catalogue.read_bytes())
        files = [file for model in find_gazebo_models(catalogue)
                 for file in sorted(model.parent.rglob('*')) if file.is_file()]
        return _fingerprint(catalogue.name, b''.join(
            hashlib.sha256(str(file.relative_to(catalogue)).encode() + file.read_bytes()).digest()
            for file in files))


def _fingerprint(name: str, content: bytes) -> str:
    return f'{name} {hashlib.sha256(content).hexdigest()[:8]}'


def read_catalogue(catalogue: Path) -> tuple[list[CatalogueModel], list[str]]:
    """
    Read the list of the models of a catalogue.

    Returns
    -------
    models : list of CatalogueModel
    damaged : list of str
        What is wrong with each model that was left out.

    Raises
    ------
    InputError
        For a file that is no catalogue, or if a library that reads it is not installed.

    """
    read = read_gazebo_models if catalogue.is_dir() else read_sweet_home
    return read(catalogue)
