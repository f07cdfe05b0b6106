"""Results of `mask3d segment`, read to be shown and corrected."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mask3d_core.classes import class_table_names, ClassTable, load_classes
from mask3d_core.colors import instance_color
from mask3d_core.data.labels import LabelledScan, read_labelled
from mask3d_core.errors import InputError
from mask3d_core.extraction.postprocess import measure_masks
from mask3d_core.files.color_fields import plain_names
from mask3d_core.files.columns import RESULT_COLUMNS
from mask3d_core.files.npz import open_npz
from mask3d_core.files.ply import read_vertices
from mask3d_core.files.source import file_errors
from mask3d_core.viewer.scene import Layer, Scene, truth_layer
import numpy as np
from numpy.typing import NDArray


def result_folders(folder: Path) -> list[Path]:
    """Return what `mask3d segment -o` wrote: the folder, or those of several scans in it."""
    return sorted(path.parent for pattern in ('', '*/')
                  for path in folder.glob(f'{pattern}instances.npz'))


def result_file(folder: Path) -> Path:
    """Return the coloured scan in the folder of a result; raise InputError unless it is one."""
    files = [path for path in sorted(folder.glob('*.ply')) if has_scores(path)]
    if len(files) != 1:
        raise InputError(f'{folder}: expected one .ply that `mask3d segment` wrote, got '
                         + (', '.join(path.name for path in files) or 'none'))
    return files[0]


def is_labelled(path: Path) -> bool:
    """Return whether a .ply has labels."""
    return path.suffix.lower() == '.ply' and {'label', 'instance'} <= set(
        plain_names(read_vertices(path)))


def has_scores(path: Path) -> bool:
    """Return whether a .ply is a result of `mask3d segment`."""
    return set(RESULT_COLUMNS) <= set(plain_names(read_vertices(path)))


def read_result(path: Path, classes: ClassTable | None = None) -> Scene:
    """
    Read a labelled scan: as a prediction if its points have scores, else as truth.

    Parameters
    ----------
    path : path
        A .ply file. Names of classes are read from `instances.npz` beside it.
    classes : ClassTable, optional
        Names of the classes, if there is no such file.

    """
    labelled = read_labelled(path)
    table = classes or _table_beside(path.parent / 'instances.npz', labelled)
    truth = truth_layer(labelled, table)
    vertices = plain_names(read_vertices(path))
    if 'score' not in vertices:
        return Scene(path.stem, labelled.scan, truth=truth)
    layer = _result_layer(labelled, vertices['score'][labelled.scan.kept], table)
    return Scene(path.stem, labelled.scan, layer)


def _result_layer(labelled: LabelledScan, score: NDArray, table: ClassTable) -> Layer:
    """Return instances by their ids in the file, best score first."""
    ids, row, counts = np.unique(labelled.instance, return_inverse=True, return_counts=True)
    masks = np.split(np.argsort(row.reshape(-1), kind='stable'), np.cumsum(counts)[:-1])
    found = [(int(one), mask) for one, mask in zip(ids, masks) if one >= 0]
    found.sort(key=lambda pair: (-float(score[pair[1][0]]), pair[0]))
    instances = measure_masks([mask for _, mask in found], labelled.scan, table)
    first = np.array([mask[0] for _, mask in found], np.int64)
    return Layer(replace(instances, class_id=labelled.label[first].astype(np.int32),
                         score=score[first].astype(np.float32)),
                 np.array([1 + one for one, _ in found], np.int64))


def _table_beside(path: Path, labelled: LabelledScan) -> ClassTable:
    """Return the classes of a result, with the colours that classes of these names have."""
    names: dict[int, str] = {}
    if path.is_file():
        with file_errors(path), open_npz(path) as archive:
            stored = archive['class_names'] if 'class_names' in archive else ()
            names = {index: str(name) for index, name in enumerate(stored) if str(name)}
    for class_id in np.unique(labelled.label[labelled.label >= 0]).tolist():
        names.setdefault(class_id, f'class {class_id}')
    known = {name: color for table in map(load_classes, class_table_names())
             for name, color in zip(table.names, table.colors)}
    ids = sorted(names)
    return ClassTable(tuple(ids), tuple(names[one] for one in ids),
                      tuple(known.get(names[one], instance_color(one)) for one in ids))
