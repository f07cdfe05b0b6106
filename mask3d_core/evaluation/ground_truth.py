"""Ground truth: the labelled objects of a scan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mask3d_core.classes import ClassTable
from mask3d_core.data.labels import LabelledScan
from mask3d_core.errors import InputError
from mask3d_core.evaluation.predictions import read_numbers
from mask3d_core.files.source import file_errors
import numpy as np
from numpy.typing import ArrayLike, NDArray

VOID = -1
"""A point without object: ignored in predictions that cover it."""
NOT_EVALUATED = -2
"""A point that is not evaluated at all, e.g. outside the inner part of a block."""


@dataclass(frozen=True, eq=False)
class Truth:
    """
    The ground-truth objects of one scan.

    Attributes
    ----------
    object : [N] int64
        For each point of the input cloud the row of its object, `VOID` or `NOT_EVALUATED`.
    class_id : [T] int64
        Class of each object.

    """

    object: NDArray[np.int64]
    class_id: NDArray[np.int64]


def make_truth(label: ArrayLike, instance: ArrayLike, inside: ArrayLike | None = None) -> Truth:
    """
    Make the ground truth of a scan from the labels of its points.

    An object is a pair of class and instance; objects are ordered by class, then instance.

    Parameters
    ----------
    label : [N] integer
        Class id; negative: none.
    instance : [N] integer
        Negative: none.
    inside : [N] bool, optional
        Points that are evaluated; all by default.

    Raises
    ------
    InputError
        If the shapes of the arrays do not match.

    """
    labels, instances = np.asarray(label), np.asarray(instance)
    if labels.ndim != 1 or labels.shape != instances.shape:
        raise InputError(f'expected a label and an instance per point, got shapes '
                         f'{list(labels.shape)} and {list(instances.shape)}')
    labels, instances = labels.astype(np.int64), instances.astype(np.int64)
    known = (labels >= 0) & (instances >= 0)
    rows = np.full(len(labels), VOID, np.int64)
    base = int(instances.max(initial=0)) + 1
    keys, rows[known] = np.unique((labels * base + instances)[known], return_inverse=True)
    if inside is not None:
        rows[~np.asarray(inside, bool)] = NOT_EVALUATED
    return Truth(rows, keys // base)


def truth_of(labelled: LabelledScan, inside: NDArray[np.bool_] | None = None) -> Truth:
    """
    Make the ground truth of a labelled scan, over the points of its input cloud.

    Parameters
    ----------
    labelled : LabelledScan
    inside : [N] bool, optional
        Points of the scan that are evaluated; all by default.

    """
    scan = labelled.scan
    truth = make_truth(labelled.label, labelled.instance, inside)
    rows = np.full(scan.input_size, NOT_EVALUATED, np.int64)
    rows[scan.kept] = truth.object
    return Truth(rows, truth.class_id)


def read_scannet_truth(path: Path, classes: ClassTable) -> Truth:
    """
    Read ground truth as ScanNet's evaluator does: per point 1000 x class + instance + 1.

    Numbers below 1000 are void. For class tables with a class 0 (S3DIS), the files contain
    class + 1, as those that the original Mask3D prepares.

    Raises
    ------
    InputError
        With the name of the file, if it is not one such number per line.

    """
    numbers = read_numbers(path)
    with file_errors(path):
        if len(numbers) and numbers.min() < 0:
            raise InputError(f'expected 1000 x class + instance + 1, got {numbers.min()}')
    label = np.where(numbers < 1000, -1, numbers // 1000 - (1 if 0 in classes.ids else 0))
    return make_truth(label, numbers % 1000)
