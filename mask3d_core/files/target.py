"""Output files: atomic writes, and checks before long computations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import glob
import os
from pathlib import Path
import tempfile
from typing import BinaryIO

from mask3d_core.errors import InputError
from mask3d_core.files.source import file_errors, FilePath


def check_folder(folder: Path) -> None:
    """
    Check that a folder is writable or can be created, without creating it.

    Raises
    ------
    InputError
        If the path is a file, is inside a file, or is not writable.

    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise InputError(f'{folder} is a file or inside one: give a folder')
    if not os.access(existing, os.W_OK | os.X_OK):
        raise InputError(f'{folder} cannot be written to: give another folder')


def check_target(target: Path, source: Path) -> None:
    """Raise InputError if the output file is the input file."""
    if target.exists() and source.exists() and target.samefile(source):
        raise InputError(f'{target} is read, and would be overwritten: give another output')


@contextmanager
def atomic_write(path: FilePath) -> Iterator[BinaryIO]:
    """
    Yield a temporary file that replaces `path` when the block ends without an exception.

    Raises
    ------
    InputError
        With the name of the file, if it cannot be written.

    """
    path = Path(path)
    with file_errors(path):
        handle, temporary = tempfile.mkstemp(prefix=f'.{path.name}.', dir=path.parent)
        try:
            with os.fdopen(handle, 'wb') as file:
                yield file
            os.chmod(temporary, 0o666 & ~_umask())  # mkstemp allows the owner only
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise


def remove_unfinished(path: FilePath) -> None:
    """Remove what writes of this file left behind whose process was killed; no other may write."""
    path = Path(path)
    for temporary in path.parent.glob(f'.{glob.escape(path.name)}.????????'):
        with file_errors(path):
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    """Return the umask of the process, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
