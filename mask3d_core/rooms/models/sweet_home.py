"""Catalogues of Sweet Home 3D: .sh3f files, archives of .obj models."""

from __future__ import annotations

from collections.abc import Iterator
import math
from pathlib import Path
import re
import zipfile

from mask3d_core.errors import InputError
from mask3d_core.files.source import file_errors
from mask3d_core.rooms.models.catalogue_model import CatalogueModel, NO_ROTATION

SUFFIX = '.sh3f'
TABLE = 'PluginFurnitureCatalog.properties'
"""The file in a catalogue that lists its models."""


def read_sweet_home(file: Path) -> tuple[list[CatalogueModel], list[str]]:
    """
    Return what `read_catalogue` does for a .sh3f file.

    Raises
    ------
    InputError
        For a file that is no catalogue.

    """
    with file_errors(file):
        try:
            with zipfile.ZipFile(file) as archive:
                members = set(archive.namelist())
                if TABLE not in members:
                    raise InputError(f'expected a catalogue of models with {TABLE}, got an '
                                     'archive without it: give a .sh3f file of furniture')
                text = archive.read(TABLE).decode('latin-1')  # as Java reads .properties
        except zipfile.BadZipFile as error:
            raise InputError(f'expected a catalogue of models, a zip archive, got something '
                             f'else ({error}): download or install it again') from error
    models, damaged = [], []
    for number, entry in _entries(text).items():
        try:
            models.append(_model(file, entry, members))
        except InputError as error:
            damaged.append(f'model {number} of {file} is left out: {error}')
    return models, damaged


def _entries(text: str) -> dict[int, dict[str, str]]:
    """Return the properties of each model by its number: lines 'name#12=Bed'."""
    entries: dict[int, dict[str, str]] = {}
    for line in text.splitlines():
        match = re.match(r'\s*(\w+)#(\d+)\s*[=:]\s*(.*)', line)
        if match:
            key, number, value = match.groups()
            entries.setdefault(int(number), {})[key] = value.strip()
    return dict(sorted(entries.items()))


def _model(file: Path, entry: dict[str, str], members: set[str]) -> CatalogueModel:
    missing = [key for key in ('id', 'name', 'category', 'model') if not entry.get(key)]
    if missing:
        raise InputError(f'its entry has no {missing[0]!r}')
    member = entry['model'].lstrip('/')
    if not member.lower().endswith('.obj'):
        raise InputError(f'expected a model in an .obj file, got {member}')
    if member not in members:
        raise InputError(f'{member} is missing in the catalogue')
    width, depth, height = _numbers(entry, 'width', 'depth', 'height')
    if min(width, depth, height) <= 0:
        raise InputError(f'expected sizes above 0 cm, got {width:g} x {depth:g} x {height:g}')
    elevation = next(_numbers(entry, 'elevation')) / 100 if 'elevation' in entry else None
    rotation = NO_ROTATION
    if 'modelRotation' in entry:
        values = entry['modelRotation'].split()
        rotation = tuple(_number('modelRotation', value) for value in values)
        if len(rotation) != 9:
            raise InputError(f'expected 9 numbers in modelRotation, got {len(rotation)}')
    return CatalogueModel(file, entry['id'], _unescaped(entry['name']), entry['category'], member,
                          (width / 100, depth / 100, height / 100), elevation, rotation)


def _numbers(entry: dict[str, str], *keys: str) -> Iterator[float]:
    return (_number(key, entry.get(key, '')) for key in keys)


def _number(key: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f'expected a number for {key}, got {text!r}')
    return number


def _unescaped(text: str) -> str:
    """Resolve the escapes of .properties files."""
    return re.sub(r'\\u([0-9a-fA-F]{4})', lambda match: chr(int(match[1], 16)), text)
