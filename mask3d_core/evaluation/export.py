"""Predictions in the format in which ScanNet and ScanNet200 take submissions."""

from __future__ import annotations

from pathlib import Path
import re

from mask3d_core.errors import InputError
from mask3d_core.evaluation.predictions import Found
from mask3d_core.files.source import naming
from mask3d_core.files.target import writing
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
    with naming(folder):
        (folder / MASKS).mkdir(parents=True, exist_ok=True)
        for file in (folder / MASKS).iterdir():  # of an earlier export, which may have had more
            if re.fullmatch(rf'{re.escape(name)}_\d+\.txt', file.name):
                file.unlink()
    lines: list[str] = []
    for index, packed in enumerate(found.masks):
        mask = np.unpackbits(packed, count=found.num_points)
        if np.count_nonzero(mask) < min_points:
            continue
        place = f'{MASKS}/{name}_{len(lines):03}.txt'
        text = np.full((found.num_points, 2), ord('\n'), np.uint8)
        text[:, 0] = ord('0') + mask
        with writing(folder / place) as out:
            out.write(text.tobytes())
        lines.append(f'{place} {found.class_id[index]} {float(found.score[index]):.9g}\n')
    with writing(folder / f'{name}.txt') as out:
        out.write(''.join(lines).encode('ascii'))
