"""Read a scan in any supported format, chosen by the suffix of the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mask3d_core.conventions import AS_IS, Conventions
from mask3d_core.errors import InputError
from mask3d_core.files.bag import BAG_SUFFIXES, is_bag_file, read_bag
from mask3d_core.files.columns import FileColumns
from mask3d_core.files.npz import npz_columns
from mask3d_core.files.other_formats import (
    e57_columns,
    las_columns,
    mesh_columns,
    MESH_SUFFIXES,
    surface_columns,
)
from mask3d_core.files.pcd import pcd_columns
from mask3d_core.files.ply import ply_columns
from mask3d_core.files.source import file_errors, FilePath
from mask3d_core.files.text import npy_columns, text_columns, TEXT_SUFFIXES
from mask3d_core.scan import Scan

READERS: dict[str, Callable[[FilePath], FileColumns]] = {
    '.ply': ply_columns, '.pcd': pcd_columns, '.npz': npz_columns, '.npy': npy_columns,
    **dict.fromkeys(TEXT_SUFFIXES, text_columns), '.las': las_columns, '.laz': las_columns,
    '.e57': e57_columns, **dict.fromkeys(MESH_SUFFIXES, mesh_columns)}
"""Readers of files with one cloud, by their suffix; docs/files.md lists what they read."""
Y_UP = ('.glb', '.gltf')
"""Formats that define y as up; files of others say nothing."""
REMEDIES = {
    '.bag': 'convert a ROS 1 bag with `rosbags-convert --src IN.bag --dst OUT`',
    '.ptx': 'convert it with CloudCompare, to .ply', '.rcp': 'export it as .e57',
    '.rcs': 'export it as .e57', '.fls': 'export it as .e57', '.fbx': 'export it as .glb',
    '.dae': 'export it as .glb', '.usdz': 'export it as .glb', '.splat': 'export it as .ply',
    '.gz': 'unpack it', '.zip': 'unpack it', '.tar': 'unpack it', '.xz': 'unpack it'}
"""What to do about files of other formats."""


def scan_name(path: FilePath) -> str:
    """Return the name of a scan: its file name without the suffix, or the folder of its bag."""
    path = Path(path).resolve()  # `.` has no name before that
    return path.name if path.is_dir() else path.stem


def read_scan(path: FilePath, topic: str | None = None, cloud: str | None = None,
              conventions: Conventions = AS_IS) -> Scan:
    """
    Read a scan from a file of one of the formats in `READERS`, or from a ROS 2 bag.

    Parameters
    ----------
    path : path
    topic : str, optional
        Bags only: the `PointCloud2` topic whose cloud is read.
    cloud : str, optional
        Bags only: which one, as for `read_bag`.
    conventions : Conventions
        Of the file: which axis points up, and the unit. By default z, or y in formats that define
        it, and metres.

    Returns
    -------
    Scan
        Metres, z up, in the frame of the file.

    Raises
    ------
    InputError
        For an unknown suffix, and for everything that the reader of the format rejects.

    """
    file = Path(path)
    if not file.exists():
        raise InputError(f'{file}: no such file')
    if file.is_dir() or is_bag_file(file):
        return read_bag(file, topic, cloud, conventions)
    if topic is not None:
        raise InputError(f'{file}: a topic ({topic}) was given, but only bags have topics')
    if cloud is not None:
        raise InputError(f'{file}: a cloud ({cloud}) was chosen, but only bags have several')
    columns = surface_columns(file, read_columns(file))
    if file.suffix.lower() in Y_UP and conventions.up is None:
        conventions = Conventions('y', conventions.unit)
    with file_errors(file):
        return columns.scan(conventions)


def read_columns(path: FilePath) -> FileColumns:
    """
    Read the columns of a file with one cloud, chosen by its suffix.

    Raises
    ------
    InputError
        For an unknown suffix, and for everything that the reader of the format rejects.

    """
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix in READERS:
        return READERS[suffix](file)
    hint = f'; {REMEDIES[suffix]}' if suffix in REMEDIES else ''
    known = ', '.join((*READERS, *BAG_SUFFIXES))
    raise InputError(f'{file}: unknown format {suffix or "without suffix"!r}, expected {known} or '
                     f'the folder of a ROS 2 bag{hint}')
