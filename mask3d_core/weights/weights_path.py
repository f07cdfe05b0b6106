"""Whether a file is there, and is a weights file: told without torch, before it is imported."""

from __future__ import annotations

from pathlib import Path
from typing import Final
import zipfile
import zlib

from mask3d_core.errors import InputError

FORMAT: Final = 'mask3d weights'


def check_weights_path(path: Path | None) -> None:
    """Raise InputError if there is no such weights file; None: the shipped one is used."""
    if path is not None and not path.is_file():
        raise InputError(f'there is no weights file {path}: give the path of a file that '
                         '`mask3d train` or `mask3d convert` wrote')


def is_weights_file(path: str | Path) -> bool:
    """Tell whether `save_weights` wrote this file."""
    return mentions(Path(path), FORMAT)


def mentions(path: Path, word: str) -> bool:
    """Tell whether the pickled part of a file that torch saved contains a word."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(word.encode() in archive.read(name) for name in archive.namelist()
                       if name.endswith('/data.pkl'))
    except (zipfile.BadZipFile, zlib.error, ValueError, NotImplementedError, OSError):
        return False  # reading the file reports what is wrong with it
