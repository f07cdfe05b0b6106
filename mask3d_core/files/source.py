"""The file a scan comes from: its errors carry its name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path

from mask3d_core.errors import InputError

FilePath = str | os.PathLike[str]


@contextmanager
def naming(path: FilePath) -> Iterator[None]:
    """Put the name of a file in front of every InputError; an OSError becomes one."""
    try:
        yield
    except InputError as error:
        raise InputError(f'{os.fspath(path)}: {error}') from error
    except OSError as error:
        raise InputError(f'{os.fspath(path)}: {error.strerror or error}') from error


@contextmanager
def reading(path: FilePath) -> Iterator[bytes]:
    """Give the bytes of a file; every InputError inside the block carries the file's name."""
    with naming(path):
        yield Path(path).read_bytes()
