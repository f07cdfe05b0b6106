"""Read a scan from a numpy archive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from zipfile import BadZipFile
import zlib

from mask3d_core.errors import InputError
from mask3d_core.files.source import FilePath, naming
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray

KEYS = {'xyz': ('xyz', 'points', 'centers'), 'color': ('color', 'colors'), 'segment': ('segment',)}
"""What a scan needs, and the names it may have in the archive."""


def read_npz(path: FilePath) -> Scan:
    """
    Read a scan from the arrays of an .npz file.

    `xyz` (or `points`): [N, 3] float, metres; `color` (or `colors`), optional: [N, 3] uint8 0..255
    or float 0..1; `segment`, optional: [N] integer. Pickled objects are never loaded.

    Raises
    ------
    InputError
        With the name of the file, for a broken archive, no `xyz`, and what `Scan` refuses.

    """
    with naming(path):
        with open_npz(path) as archive:
            arrays = {use: archive[key] for use, keys in KEYS.items() for key in reversed(keys)
                      if key in archive}
        if 'xyz' not in arrays:
            raise InputError("expected an array 'xyz' or 'points' of shape [N, 3]")
        return Scan.from_points(arrays['xyz'], arrays.get('color'), arrays.get('segment'))


@contextmanager
def open_npz(path: FilePath) -> Iterator[Mapping[str, NDArray]]:
    """
    Give the arrays of an archive, each read when it is asked for; never pickled objects.

    Raises
    ------
    InputError
        If it is no archive, or damaged where it is read.

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
