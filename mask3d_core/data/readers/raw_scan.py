"""Scans of a data set, in whatever layout it is shipped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
import re

from mask3d_core.errors import InputError
from mask3d_core.files.source import naming
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class RawScan:
    """
    A scan as it was read.

    Attributes
    ----------
    name : str
    columns : mapping of str to array
        xyz [N, 3], color [N, 3] uint8, label [N], instance [N] with -1 for none, segment [N];
        all but xyz optional.
    notes : strings
        What was odd about the files but could be mended.
    inner : 4 floats or None
        Of a block of a bigger scene: smallest x and y, largest x and y of the part that counts.
    faces : [F, 3] integer or None
        Triangles between the points, to make superpoints of where there is no `segment`.

    """

    name: str
    columns: dict[str, NDArray]
    notes: tuple[str, ...] = ()
    inner: tuple[float, float, float, float] | None = None
    faces: NDArray[np.integer] | None = None


@dataclass(frozen=True)
class RawSource:
    """
    Something to read, later and perhaps in another process.

    Attributes
    ----------
    name : str
        Unique in the data set.
    split : str
        'train', 'validation' or 'test'.
    fold : str
        Of cross-validation; empty: none.
    files : paths
        What is read.
    read : callable
        Returns one scan or several; can be pickled. Raises InputError for damaged files.
    version : str
        Of what is generated instead of read: another one gives other scans.

    """

    name: str
    split: str
    files: tuple[Path, ...]
    read: Callable[[], Sequence[RawScan]]
    fold: str = ''
    version: str = ''


@dataclass(frozen=True)
class Missing:
    """What the reader of a source that is not there does."""

    path: Path
    expected: str

    def __call__(self) -> Sequence[RawScan]:
        """Name what is missing."""
        raise InputError(f'{self.path}: missing, {self.expected}')


def list_folder(path: Path) -> list[Path]:
    """Return what a folder holds, hidden files left out, numbers in the order of counting."""
    with naming(path):
        return sorted((entry for entry in path.iterdir() if not entry.name.startswith('.')),
                      key=lambda entry: counting(entry.name))


def counting(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts names as people count: room_9 before room_10."""
    return [(int(part), '') if part.isdecimal() else (-1, part)
            for part in re.split(r'(\d+)', name) if part]


def byte_columns(color: NDArray, path: Path) -> NDArray[np.uint8]:
    """Return colours read as numbers 0..255 as bytes; InputError for others."""
    if color.size and not (color.min() >= 0 and color.max() <= 255):
        raise InputError(f'{path}: expected colours of 0..255, got {color.min():g} to '
                         f'{color.max():g}')
    return color.astype(np.uint8)
