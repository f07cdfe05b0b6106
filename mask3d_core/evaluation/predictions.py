"""Predictions to be evaluated: masks, classes and scores; read from files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mask3d_core.errors import InputError
from mask3d_core.files.npz import open_npz
from mask3d_core.files.source import file_errors
from mask3d_core.instances import Instances
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Predictions:
    """
    Masks with class and score, in the order of matching: best score first.

    `Instances` have the same fields and can be used instead.

    Attributes
    ----------
    masks : [P, ceil(N / 8)] uint8
        Packed bits over the N points of the cloud (`numpy.packbits` order).
    num_points : int
        N.
    class_id : [P] int32
    score : [P] float

    """

    masks: NDArray[np.uint8]
    num_points: int
    class_id: NDArray[np.int32]
    score: NDArray[np.floating]

    def points(self, index: int) -> NDArray[np.int64]:
        """Return the rows of the cloud that belong to one prediction, ascending."""
        mask = np.unpackbits(self.masks[index], count=self.num_points)
        return np.flatnonzero(mask.view(np.bool_))  # faster than of numbers


PredictionsLike = Instances | Predictions
"""Everything that can be evaluated."""


def read_predictions(path: Path) -> Predictions:
    """
    Read the output of `mask3d segment` (.npz) or a scene of a benchmark submission (.txt).

    Raises
    ------
    InputError
        With the name of the file, if it or one of its mask files is missing or malformed.

    """
    with file_errors(path):
        predictions = (_read_npz(path) if path.suffix.lower() == '.npz'
                       else _read_submission(path))
        score = predictions.score
        if not np.isfinite(score).all():
            raise InputError(f'expected finite scores, got {score[~np.isfinite(score)][0]}')
        return predictions


def _read_npz(path: Path) -> Predictions:
    with open_npz(path) as archive:
        missing = {'masks', 'num_points', 'class_id', 'score'} - set(archive)
        if missing:
            raise InputError('expected the output of `mask3d segment`, got an archive without '
                             f'{min(missing)!r}')
        try:
            num_points = int(archive['num_points'])
        except TypeError as error:
            raise InputError('expected num_points as one number, got '
                             f'{archive["num_points"].size}') from error
        predictions = Predictions(archive['masks'], num_points, archive['class_id'],
                                  archive['score'])
    count = len(predictions.score)
    expected = (count, (predictions.num_points + 7) // 8)
    if predictions.masks.shape != expected or len(predictions.class_id) != count:
        raise InputError(f'expected {count} packed masks and classes over '
                         f'{predictions.num_points} points, got masks of shape '
                         f'{list(predictions.masks.shape)} and {len(predictions.class_id)} '
                         'classes')
    if not (predictions.masks.dtype == np.uint8 and predictions.class_id.dtype.kind in 'iu'
            and predictions.score.dtype.kind in 'fiu'):
        raise InputError('expected masks as packed bytes, class ids as integers and scores as '
                         f'numbers, got {predictions.masks.dtype}, {predictions.class_id.dtype} '
                         f'and {predictions.score.dtype}')
    return predictions


def _read_submission(path: Path) -> Predictions:
    masks: list[NDArray[np.uint8]] = []
    classes: list[int] = []
    scores: list[float] = []
    num_points = 0
    for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), start=1):
        try:
            name, class_id, score = line.split()
            classes.append(int(class_id))
            scores.append(float(score))
        except ValueError as error:
            raise InputError(f'line {number}: expected a mask file, a class id and a score, got '
                             f'{line!r}') from error
        mask = read_numbers(path.parent / name) != 0
        if masks and len(mask) != num_points:
            raise InputError(f'line {number}: {name} has {len(mask)} points, the masks before it '
                             f'have {num_points}')
        num_points = len(mask)
        masks.append(np.packbits(mask))
    packed = np.stack(masks) if masks else np.zeros((0, 0), np.uint8)
    return Predictions(packed, num_points, np.array(classes, np.int32), np.array(scores))


def read_numbers(path: Path) -> NDArray[np.int64]:
    """Read a file of one integer a line; raise InputError, with its name, for anything else."""
    with file_errors(path):
        try:
            return np.array(path.read_bytes().split(), np.int64)
        except (OverflowError, ValueError) as error:
            raise InputError(f'expected one integer a line: {error}') from error
