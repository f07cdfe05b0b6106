"""Read a scan in any supported format, chosen by the suffix of the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mask3d_core.errors import InputError
from mask3d_core.files.bag import BAG_SUFFIXES, read_bag
from mask3d_core.files.npz import read_npz
from mask3d_core.files.pcd import read_pcd
from mask3d_core.files.ply import read_ply
from mask3d_core.files.source import FilePath
from mask3d_core.scan import Scan

READERS: dict[str, Callable[[FilePath], Scan]] = {
    '.ply': read_ply, '.pcd': read_pcd, '.npz': read_npz}


def scan_name(path: FilePath) -> str:
    """Return the name of a scan: its file name without the suffix, or the folder of its bag."""
    path = Path(path).resolve()  # `.` has no name before that
    return path.name if path.is_dir() else path.stem


def read_scan(path: FilePath, topic: str | None = None) -> Scan:
    """
    Read a scan from a .ply, .pcd, .npz, .mcap or .db3 file, or from the folder of a ROS 2 bag.

    Parameters
    ----------
    path : path
    topic : str, optional
        Bags only: the `PointCloud2` topic whose last cloud is read.

    Returns
    -------
    Scan
        Metres, in the frame of the file.

    Raises
    ------
    InputError
        For an unknown suffix, and for everything that the reader of the format rejects.

    """
    file = Path(path)
    suffix = file.suffix.lower()
    if not file.exists():
        raise InputError(f'{file}: no such file')
    if file.is_dir() or suffix in BAG_SUFFIXES:
        return read_bag(file, topic)
    if topic is not None:
        raise InputError(f'{file}: a topic ({topic}) was given, but only bags have topics')
    if suffix in READERS:
        return READERS[suffix](file)
    hint = ('; convert a ROS 1 bag with `rosbags-convert --src IN.bag --dst OUT`'
            if suffix == '.bag' else '')
    known = ', '.join((*READERS, *BAG_SUFFIXES))
    raise InputError(f'{file}: unknown format {suffix or "without suffix"!r}, expected {known} or '
                     f'the folder of a ROS 2 bag{hint}')
