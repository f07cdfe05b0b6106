"""Where weights come from: checked before anything takes time, without torch."""

from __future__ import annotations

from pathlib import Path

from mask3d_core.errors import InputError


def check_weights_path(path: Path | None) -> None:
    """Raise InputError if there is no such weights file; None: the shipped one is used."""
    if path is not None and not path.is_file():
        raise InputError(f'there is no weights file {path}: give the path of a file that '
                         '`mask3d train` or `mask3d convert` wrote')
