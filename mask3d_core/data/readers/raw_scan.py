"""Scans of a data set as distributed: the common output of all readers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
import re

from mask3d_core.errors import InputError
from mask3d_core.files.source import file_errors
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class RawScan:
    """
    A scan as it was read, before it is prepared for training.

    Attributes
    ----------
    name : str
    columns : mapping of str to array
        xyz [N, 3]; optional: color [N, 3] uint8, label [N], instance [N] with -1 for none,
        segment [N].
    notes : strings
        Defects of the files that were repaired.
    inner : 4 floats or None
        For a block cut from a larger scene: min x, min y, max x, max y of the part that is
        evaluated; the rest is context.
    faces : [F, 3] integer or None
        Triangles between the points; superpoints are computed from them if `segment` is missing.

    """

    name: str
    columns: dict[str, NDArray]
    notes: tuple[str, ...] = ()
    inner: tuple[float, float, float, float] | None = None
    faces: NDArray[np.integer] | None = None


@dataclass(frozen=True)
class RawSource:
    """
    A source of scans, to be read later and possibly in another process.

    Attributes
    ----------
    name : str
        Unique in the data set.
    split : str
        'train', 'validation' or 'test'.
    fold : str
        Cross-validation fold; empty: none.
    files : paths
        The files that `read` reads.
    read : callable
        Returns one scan or several; picklable. Raises InputError for damaged files.
    version : str
        Of generated scans: the version of the generator; a change makes them anew.
    parts_split : str
        Split of all scans but the one with the name of the source; empty: as `split`.

    """

    name: str
    split: str
    files: tuple[Path, ...]
    read: Callable[[], Sequence[RawScan]]
    fold: str = ''
    version: str = ''
    parts_split: str = ''

    def split_of(self, scan: str) -> str:
        """Return the split of one of its scans."""
        return self.parts_split if self.parts_split and scan != self.name else self.split


@dataclass(frozen=True)
class MissingSource:
    """Reader of a source whose file is missing: raises InputError when it is called."""

    path: Path
    expected: str

    def __call__(self) -> Sequence[RawScan]:
        """Raise InputError with the path and what was expected there."""
        raise InputError(f'{self.path}: missing, {self.expected}')


def list_folder(path: Path) -> list[Path]:
    """List a folder without hidden files, in natural order."""
    with file_errors(path):
        return sorted((entry for entry in path.iterdir() if not entry.name.startswith('.')),
                      key=lambda entry: natural_sort_key(entry.name))


def natural_sort_key(name: str) -> list[tuple[int, str]]:
    """Return a sort key for natural order: room_9 before room_10."""
    return [(int(part), '') if part.isdecimal() else (-1, part)
            for part in re.split(r'(\d+)', name) if part]


def color_bytes(color: NDArray, path: Path) -> NDArray[np.uint8]:
    """Convert colours 0..255 of any number type to uint8; InputError for other values."""
    if color.size and not (color.min() >= 0 and color.max() <= 255):
        raise InputError(f'{path}: expected colours of 0..255, got {color.min():g} to '
                         f'{color.max():g}')
    return color.astype(np.uint8)
