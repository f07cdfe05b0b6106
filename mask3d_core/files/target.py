"""The file something is written to: there whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import tempfile
from typing import BinaryIO

from mask3d_core.errors import InputError
from mask3d_core.files.source import FilePath, naming


def check_folder(folder: Path) -> None:
    """
    Look whether a folder can be written to, or made; nothing is made yet.

    Raises
    ------
    InputError
        If it cannot: it is a file, inside one, or not ours to write to.

    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise InputError(f'{folder} is a file or inside one: give a folder')
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f'{folder} cannot be written to: give another folder')


def check_target(target: Path, source: Path) -> None:
    """Raise InputError when what is to be written would take the place of what is read."""
    if target.exists() and source.exists() and target.samefile(source):
        raise InputError(f'{target} is read, and would be overwritten: write elsewhere')


@contextmanager
def writing(path: FilePath) -> Iterator[BinaryIO]:
    """
    Give a file to write to; it takes its place when the block ends, never half-written.

    Raises
    ------
    InputError
        With the name of the file, when it cannot be written.

    """
    path = Path(path)
    with naming(path):
        # Anyone may read what we write, as far as the user's umask lets them.
        handle, temporary = tempfile.mkstemp(prefix=f'.{path.name}.', dir=path.parent)
        try:
            with os.fdopen(handle, 'wb') as file:
                yield file
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
