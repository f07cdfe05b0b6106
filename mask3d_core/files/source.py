"""Input files, with the file name in every error message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path

from mask3d_core.errors import InputError

FilePath = str | os.PathLike[str]


@contextmanager
def file_errors(path: FilePath) -> Iterator[None]:
    """Prefix every InputError in the block with a file name; turn an OSError into one."""
    try:
        yield
    except InputError as error:
        raise InputError(f'{os.fspath(path)}: {error}') from error
    except OSError as error:
        raise InputError(f'{os.fspath(path)}: {error.strerror or error}') from error


def user_path(text: str) -> Path:
    """Return the path that a user wrote, `~` expanded; raise InputError without such a home."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise InputError(f'{text}: there is no such home folder; give the whole path') from error


@contextmanager
def file_content(path: FilePath) -> Iterator[bytes]:
    """Yield the content of a file, with `file_errors` for the block."""
    with file_errors(path):
        yield Path(path).read_bytes()
