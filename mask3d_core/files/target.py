"""The file something is written to: there whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import tempfile
from typing import BinaryIO

from mask3d_core.files.source import FilePath, naming


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
