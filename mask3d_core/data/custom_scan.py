"""Read a labelled scan of a custom data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mask3d_core.classes import ClassTable
from mask3d_core.conventions import AS_IS, Conventions
from mask3d_core.data.labels import (
    byte_color,
    LabelledScan,
    NO_ID,
    read_labelled,
    read_zero_is_none,
)
from mask3d_core.data.readers.label_boxes import LabelBox, read_label_boxes
from mask3d_core.data.readers.raw_scan import RawScan
from mask3d_core.errors import InputError
from mask3d_core.files.npz import npz_columns
from mask3d_core.files.ply import read_faces, read_ply, read_vertices
from mask3d_core.files.source import file_errors
from mask3d_core.scan import Scan
from mask3d_core.scan_checks import describe_doubts
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

MIN_PATCH_POINTS = 20
"""A mesh consists mostly of connected patches of at least this many points."""
MAX_FLOAT32_COORDINATE = 4096.0
"""Metres; beyond it the resolution of float32 is coarser than half a millimetre."""


def box_file(scan: Path) -> Path:
    """Return where labelCloud's boxes of a scan are, if there are any."""
    return scan.with_suffix('.json')


@dataclass(frozen=True)
class ReadOptions:
    """
    How labelled files are read.

    Attributes
    ----------
    faces : bool
        Whether to read the faces of a .ply without `segment`, for superpoints. They are ignored
        if they leave out a tenth of the points, or connect only a few points each.
    conventions : Conventions
    voxel_size : float
        Of the training, metres: for doubts about the unit.

    """

    faces: bool = False
    conventions: Conventions = AS_IS
    voxel_size: float = 0.02


def read_custom_scan(file: Path, classes: ClassTable, options: ReadOptions | None = None,
                     ) -> list[RawScan]:
    """
    Read a labelled scan; a label 0 that is no class means unlabelled.

    If there is a .json with boxes of labelCloud next to a .ply, the boxes are the instances: a
    point belongs to the smallest box around it, and labels in the .ply are ignored.

    Parameters
    ----------
    file : path
    classes : ClassTable
    options : ReadOptions, optional

    Raises
    ------
    InputError
        With the name of the file, when it is damaged, or has labels that are not in the table.

    """
    options = options or ReadOptions()
    boxes = read_label_boxes(box_file(file)) if box_file(file).is_file() else None
    if boxes is None or file.suffix.lower() != '.ply':
        labelled, notes = _read_labelled(file, options.conventions)
    else:
        labelled, notes = _label_by_boxes(file, boxes, classes, options.conventions)
    scan = labelled.scan
    notes += [f'warning: {doubt}' for doubt in describe_doubts(scan, options.voxel_size)]
    unknown, counts = np.unique(labelled.label[~np.isin(labelled.label, (NO_ID, 0, *classes.ids))],
                                return_counts=True)
    if len(unknown):
        raise InputError(f'{file}: label {unknown[0]} ({counts[0]} points) is not in the class '
                         'table: correct the label, or add the class')
    if not (labelled.label > NO_ID).any() and not (labelled.instance > NO_ID).any():
        raise InputError(f'{file}: nothing is labelled: every point has label and instance 0')
    xyz = scan.xyz
    if np.abs(xyz).max() > MAX_FLOAT32_COORDINATE:
        origin = np.floor(xyz.min(0))
        xyz = xyz - origin
        notes.append('moved by ({:.0f}, {:.0f}, {:.0f}) m towards 0'.format(*-origin))
    columns: dict[str, NDArray] = {
        'xyz': xyz.astype(np.float32), 'label': labelled.label,
        'instance': labelled.instance}
    if scan.color is not None:
        columns['color'] = byte_color(scan.color)
    if scan.segment is not None:
        columns['segment'] = scan.segment
    triangles = None
    if options.faces and scan.segment is None and file.suffix.lower() == '.ply':
        triangles = _faces_of_points(read_faces(file), scan)
        if triangles is not None and not _is_mesh(triangles, len(scan)):
            notes.append('the faces do not connect the points: superpoints do without them')
            triangles = None
    return [RawScan(labelled.name, columns, tuple(notes), faces=triangles)]


def _read_labelled(file: Path, conventions: Conventions) -> tuple[LabelledScan, list[str]]:
    """
    Read a file that is labelled point by point.

    In a .npz without negative instances, 0 is none, as in the other formats, unless labels are
    negative and points of instance 0 have a class; in one with them, as `mask3d prepare` writes
    it, -1 is.
    """
    if file.suffix.lower() != '.npz':
        return read_zero_is_none(file, conventions), []
    columns = npz_columns(file)
    label, instance = (columns.values.get(name, np.zeros(0)) for name in ('label', 'instance'))
    if instance.size and not (instance < 0).any() and (
            label.shape != instance.shape or not (label < 0).any()
            or not (label[instance == 0] > 0).any()):
        return read_zero_is_none(file, conventions), ['instance 0 is read as none']
    labelled = read_labelled(file)
    if conventions == AS_IS:
        return labelled, []
    with file_errors(file):
        scan = columns.scan(conventions)
        rows = np.searchsorted(labelled.scan.kept, scan.kept)
        return replace(labelled, scan=scan, label=labelled.label[rows],
                       instance=labelled.instance[rows]), []


def _label_by_boxes(file: Path, boxes: Sequence[LabelBox], classes: ClassTable,
                    conventions: Conventions) -> tuple[LabelledScan, list[str]]:
    scan = read_ply(file, conventions)
    vertices = read_vertices(file)  # the boxes are in the frame of the file
    xyz = np.stack([vertices[axis] for axis in 'xyz'], axis=1)[scan.kept]
    label, instance = (np.full(len(scan), NO_ID, np.int32) for _ in range(2))
    ids = dict(zip(classes.names, classes.ids))
    empty = 0
    for number, box in sorted(enumerate(boxes), key=lambda pair: -pair[1].volume):
        if box.name not in ids:
            raise InputError(f'{box_file(file)}: {box.name!r} is not in the class table')
        inside = box.contains(xyz)
        label[inside], instance[inside] = ids[box.name], number
        empty += not inside.any()
    notes = [f'labelled by the {len(boxes)} boxes of {box_file(file).name}'
             + (f', {empty} of them without points' if empty else '')]
    return LabelledScan(scan, label, instance, file.stem), notes


def _faces_of_points(faces: NDArray[np.int64] | None, scan: Scan) -> NDArray[np.int64] | None:
    """Renumber the corners of faces from rows of the file to points of the scan."""
    if faces is None or len(scan) == scan.input_size:
        return faces
    place = np.full(scan.input_size, -1)
    place[scan.kept] = np.arange(len(scan))
    moved = place[faces]
    return moved[(moved >= 0).all(1)]


def _is_mesh(faces: NDArray[np.int64], count: int) -> bool:
    sides = faces[:, [0, 1, 1, 2]].reshape(-1, 2)
    graph = coo_array((np.ones(len(sides), bool), tuple(sides.T)), (count, count))
    patch = connected_components(graph, directed=False)[1]
    return float((np.bincount(patch)[patch] >= MIN_PATCH_POINTS).mean()) > 0.9
