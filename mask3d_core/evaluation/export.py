"""Write predictions in the submission format of ScanNet and ScanNet200."""

from __future__ import annotations

from pathlib import Path

from mask3d_core.errors import InputError
from mask3d_core.evaluation.predictions import PredictionsLike
from mask3d_core.files.source import file_errors
from mask3d_core.files.target import atomic_write
import numpy as np

MASK_FOLDER = 'predicted_masks'


def export_scene(folder: Path, name: str, predictions: PredictionsLike, min_points: int = 1,
                 ) -> None:
    """
    Write the predictions of one scene; `read_predictions` reads them.

    `folder/NAME.txt` has a line `predicted_masks/NAME_000.txt CLASS SCORE` for each instance, in
    their order; the mask files have a line 0 or 1 for each point of the scene. Every instance has
    its own mask file, because the benchmark identifies instances by it.

    Parameters
    ----------
    folder : path
        Created if missing.
    name : str
        Of the scene; the benchmark does not accept spaces.
    predictions : Instances or Predictions
        Over the points of the benchmark's cloud, in its order.
    min_points : int
        Smaller masks are not written.

    Raises
    ------
    InputError
        If the name has a space, or a file cannot be written.

    """
    if not name or any(character.isspace() or character in '/\\' for character in name):
        raise InputError(f'expected the name of a scene without spaces and slashes, got {name!r}')
    with file_errors(folder):
        (folder / MASK_FOLDER).mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    for index in range(len(predictions.score)):
        points = predictions.points(index)
        if len(points) < min_points:
            continue
        file = _mask_file(name, len(lines))
        text = np.full((predictions.num_points, 2), ord('\n'), np.uint8)
        text[:, 0] = ord('0')
        text[points, 0] = ord('1')
        with atomic_write(folder / file) as out:
            out.write(text.tobytes())
        lines.append(f'{file} {predictions.class_id[index]} '
                     f'{float(predictions.score[index]):.9g}\n')
    with atomic_write(folder / f'{name}.txt') as out:
        out.write(''.join(lines).encode('ascii'))
    number = len(lines)
    with file_errors(folder):
        # remove the masks of an earlier export that had more of them
        while (stale := folder / _mask_file(name, number)).exists():
            stale.unlink()
            number += 1


def _mask_file(name: str, number: int) -> str:
    return f'{MASK_FOLDER}/{name}_{number:03}.txt'
