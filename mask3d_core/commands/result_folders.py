"""Where the results of each scan of a call are written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
import os
from pathlib import Path

from mask3d_core.errors import InputError


@dataclass(frozen=True)
class Place:
    """
    A scan, and where its results go.

    Attributes
    ----------
    file : Path
    name : str
        Name of the scan.
    folder : Path
        Folder for the results.

    """

    file: Path
    name: str
    folder: Path


def num_bytes(path: Path) -> int:
    """Return the size of a file, or of the files of a bag; 0 if there is none."""
    files = path.glob('*') if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def result_places(files: Sequence[Path], out: Path) -> list[Place]:
    """
    Return where the results of each scan go, in the order of the files.

    Those of a single scan go to `out`, those of several to folders in it that are named as the
    scans. Scans of the same name are told apart by the rest of their paths: `out/kitchen_map` and
    `out/hall_map` for kitchen/map.ply and hall/map.ply. A file that is given twice counts once.

    Raises
    ------
    InputError
        If the results of two scans would go to one folder.

    """
    from mask3d_core.files.formats import scan_name

    first: dict[Path, Path] = {}
    for file in files:
        first.setdefault(file.resolve(), file)
    unique = list(first.values())
    if len(unique) == 1:
        return [Place(file, scan_name(file), out) for file in unique]
    same_name: dict[str, list[Path]] = defaultdict(list)
    for file in unique:
        same_name[scan_name(file)].append(file.resolve())
    places: dict[Path, Place] = {}
    for file in unique:
        name = scan_name(file)
        folder = out / _distinct_name(file.resolve(), name, same_name[name])
        if folder in places:
            raise InputError(f'the results of {places[folder].file} and of {file} would both go '
                             f'to {folder}: segment them in two calls')
        places[folder] = Place(file, name, folder)
    return list(places.values())


def _distinct_name(path: Path, name: str, same_name: Sequence[Path]) -> str:
    """Return the name of a scan, or what its path and those of its namesakes do not share."""
    if len(same_name) == 1:
        return name
    shared = os.path.commonpath([other.parent for other in same_name])
    names = ['_'.join((*other.parent.relative_to(shared).parts, name)) for other in same_name]
    if len(set(names)) == len(names):
        return names[same_name.index(path)]
    return '_'.join(path.relative_to(shared).parts)  # with the suffix
