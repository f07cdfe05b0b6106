"""Read scans from .npz archives of numpy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from zipfile import BadZipFile
import zlib

from mask3d_core.conventions import AS_IS, Conventions
from mask3d_core.errors import InputError
from mask3d_core.files.color_fields import COLOR_ARRAYS, PACKED_COLORS, plain_names
from mask3d_core.files.columns import AXES, expand_field, FileColumns, POSITIONS, used_names
from mask3d_core.files.number_columns import table_columns
from mask3d_core.files.source import file_errors, FilePath
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray

LABELS = ('label', 'instance')


def read_npz(path: FilePath, conventions: Conventions = AS_IS) -> Scan:
    """
    Read a scan from the arrays of an .npz file.

    `xyz` (or another name of `POSITIONS`): [N, 3] numbers; colour, optional: [N, 3] under a name
    of `COLOR_ARRAYS`, or three arrays [N], or packed in one; `segment`, optional: [N] integer.
    Names are compared in lower case. Pickled objects are never loaded.

    Raises
    ------
    InputError
        With the file name: for a damaged archive, missing `xyz`, and all that `Scan` rejects.

    """
    columns = npz_columns(path)
    with file_errors(path):
        return columns.scan(conventions)


def npz_columns(path: FilePath) -> FileColumns:
    """
    Read the arrays of an .npz file that a scan uses, and the labels, as columns.

    Raises
    ------
    InputError
        With the file name: for a damaged archive, missing `xyz`, and arrays of another shape.

    """
    with file_errors(path), open_npz(path) as archive:
        names = plain_names({name: name for name in archive})
        columns = _positions(archive, names)
        for name in COLOR_ARRAYS:
            if name in names:
                columns |= _color_columns(name, archive[names[name]], len(columns['x']))
                break
        else:
            for name in used_names(names) - {*AXES, 'segment'}:
                columns[name] = archive[names[name]]
        for name in ('segment', *LABELS):
            if name in names:
                columns[name] = archive[names[name]]
        return FileColumns(columns, (*names, *columns))


def _positions(archive: Mapping[str, NDArray], names: Mapping[str, str]) -> dict[str, NDArray]:
    for name in POSITIONS:
        if name in names:
            xyz = archive[names[name]]
            if xyz.ndim != 2 or xyz.shape[1] < 3:
                raise InputError(f'expected points of shape [N, 3], got {list(xyz.shape)}')
            if xyz.dtype.kind not in 'fiu':
                raise InputError(f'expected points as numbers, got {xyz.dtype}')
            xyz = xyz if xyz.dtype.kind == 'f' else xyz.astype(np.float64)
            return table_columns(xyz).values
    if set(AXES) <= set(names):
        return {axis: archive[names[axis]] for axis in AXES}
    raise InputError("expected an array 'xyz' or 'points' of shape [N, 3], got: "
                     + ', '.join(names))


def _color_columns(name: str, color: NDArray, count: int) -> dict[str, NDArray]:
    if color.ndim == 1 and name in PACKED_COLORS:
        return {name: color}
    if color.ndim != 2 or color.shape[1] not in (3, 4) or len(color) != count:
        raise InputError(f'expected the array {name!r} of shape [{count}, 3], got '
                         f'{list(color.shape)}')
    return expand_field(name, list(color.T))


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
        raise InputError(f'not a readable .npz archive: {describe_load_error(error)}') from error


def describe_load_error(error: Exception) -> str:
    """Return what numpy could not read, and what to do about Python objects in it."""
    if 'Object arrays' in str(error):
        return ('it holds Python objects, which are not loaded (allow_pickle=False): save '
                'numbers, with .astype(float)')
    return str(error)
