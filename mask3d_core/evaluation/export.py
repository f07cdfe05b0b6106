"""Predictions in the format in which ScanNet and ScanNet200 take submissions."""

from __future__ import annotations

from pathlib import Path

from mask3d_core.errors import InputError
from mask3d_core.evaluation.predictions import Found
from mask3d_core.files.source import file_errors
from mask3d_core.files.target import atomic_write
import numpy as np

MASKS = 'predicted_masks'


def export_scene(folder: Path, name: str, found: Found, min_points: int = 1) -> None:
    """
    Write one scene.

    `folder/NAME.txt` has a line `predicted_masks/NAME_000.txt CLASS SCORE` for each instance, in
    their order; the mask files have a line 0 or 1 for each point of the scene. Each instance has a
    file of its own, since that is what the benchmark knows it by. Undone by `read_predictions`.

    Parameters
    ----------
    folder : path
        Made when missing.
    name : str
        Of the scene; without spaces, as the benchmark asks.
    found : Instances or Predictions
        Over the points of the benchmark's own cloud, in its order.
    min_points : int
        Smaller masks are left out; empty ones mean nothing to a benchmark.

    Raises
    ------
    InputError
        If the name has a space, or a file cannot be written.

    """
    if not name or any(character.isspace() or character in '/\\' for character in name):
        raise InputError(f'expected the name of a scene without spaces and slashes, got {name!r}')
    with file_errors(folder):
        (folder / MASKS).mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    for index, packed in enumerate(found.masks):
        mask = np.unpackbits(packed, count=found.num_points)
        if np.count_nonzero(mask) < min_points:
            continue
        file = _mask_file(name, len(lines))
        text = np.full((found.num_points, 2), ord('\n'), np.uint8)
        text[:, 0] = ord('0') + mask
        with atomic_write(folder / file) as out:
            out.write(text.tobytes())
        lines.append(f'{file} {found.class_id[index]} {float(found.score[index]):.9g}\n')
    with atomic_write(folder / f'{name}.txt') as out:
        out.write(''.join(lines).encode('ascii'))
    number = len(lines)
    with file_errors(folder):
        while (rest := folder / _mask_file(name, number)).exists():  # an earlier export had more
            rest.unlink()
            number += 1


def _mask_file(name: str, number: int) -> str:
    return f'{MASKS}/{name}_{number:03}.txt'
