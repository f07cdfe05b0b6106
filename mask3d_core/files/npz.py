"""Read scans from .npz archives of numpy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from zipfile import BadZipFile
import zlib

from mask3d_core.errors import InputError
from mask3d_core.files.source import file_errors, FilePath
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray

ARRAY_NAMES = {
    'xyz': ('xyz', 'points', 'centers'), 'color': ('color', 'colors'), 'segment': ('segment',)}
"""Accepted array names for each attribute of a scan; the first one present is used."""


def read_npz(path: FilePath) -> Scan:
    """
    Read a scan from the arrays of an .npz file.

    `xyz` (or `points`): [N, 3] float, metres; `color` (or `colors`), optional: [N, 3] uint8 0..255
    or float 0..1; `segment`, optional: [N] integer. Pickled objects are never loaded.

    Raises
    ------
    InputError
        With the file name: for a damaged archive, missing `xyz`, and all that `Scan` rejects.

    """
    with file_errors(path):
        with open_npz(path) as archive:
            arrays = {attribute: archive[name] for attribute, names in ARRAY_NAMES.items()
                      for name in reversed(names) if name in archive}
        if 'xyz' not in arrays:
            raise InputError("expected an array 'xyz' or 'points' of shape [N, 3]")
        return Scan.from_points(arrays['xyz'], arrays.get('color'), arrays.get('segment'))


@contextmanager
def open_npz(path: FilePath) -> Iterator[Mapping[str, NDArray]]:
    """
    Open an archive whose arrays are read on access; pickled objects are never loaded.

    Raises
    ------
    InputError
        If the file is not an archive, or an array that is accessed is damaged.

    """
    try:
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise InputError('expected an .npz archive, got a single .npy array')
        with archive:
            yield archive
    except InputError:
        raise
    except (BadZipFile, EOFError, NotImplementedError, ValueError, zlib.error) as error:
        raise InputError(f'not a readable .npz archive: {error}') from error
