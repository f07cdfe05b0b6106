"""Labelled scans: ground truth for training and evaluation, and the files they are kept in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mask3d_core.conventions import AS_IS, Conventions
from mask3d_core.errors import InputError
from mask3d_core.files.columns import FileColumns, INT32, whole_numbers
from mask3d_core.files.formats import read_columns
from mask3d_core.files.npz import open_npz
from mask3d_core.files.ply import ply_bytes
from mask3d_core.files.source import file_errors, FilePath
from mask3d_core.files.target import atomic_write
from mask3d_core.files.text import TEXT_SUFFIXES
from mask3d_core.scan import MAX_FLOAT32_POSITION, Scan
import numpy as np
from numpy.typing import NDArray

NO_ID = -1
"""Label of points of no class, and instance of points of none."""
COLORS = ('red', 'green', 'blue')
LABELLED_SUFFIXES = ('.npz', '.ply', '.pcd', '.las', '.laz', '.npy', *TEXT_SUFFIXES)


@dataclass(frozen=True, eq=False)
class LabelledScan:
    """
    The finite points of a scan with a class label and an instance id each.

    Attributes
    ----------
    scan : Scan
    label : [N] int32
        Id of the point's class in the class table; -1: unlabelled, or of a class that is not in
        the table.
    instance : [N] int32
        Id of the point's instance, any number from 0; -1: none. An instance whose label is -1
        supervises masks but not classes.
    name : str

    """

    scan: Scan
    label: NDArray[np.int32]
    instance: NDArray[np.int32]
    name: str

    def __len__(self) -> int:
        return len(self.scan)

    @classmethod
    def from_columns(cls, columns: Mapping[str, NDArray], name: str) -> LabelledScan:
        """
        Check and keep the points of a cloud that are finite.

        Parameters
        ----------
        columns : mapping of str to array
            `xyz`; optional `color`, `segment` as for `Scan.from_points`; optional `label` and
            `instance`, [M] integers, -1 for all points when absent.
        name : str

        Raises
        ------
        InputError
            As `Scan.from_points`, or for labels of another length or type.

        """
        scan = Scan.from_points(columns['xyz'], columns.get('color'), columns.get('segment'))
        label, instance = (_ids(columns.get(key), key, scan) for key in ('label', 'instance'))
        return cls(scan, label, instance, name)

    def take(self, rows: NDArray) -> LabelledScan:
        """Return some of the points: row numbers or a mask [N]."""
        scan = self.scan
        part = replace(
            scan, xyz=scan.xyz[rows], color=None if scan.color is None else scan.color[rows],
            segment=None if scan.segment is None else scan.segment[rows], kept=scan.kept[rows])
        return replace(self, scan=part, label=self.label[rows], instance=self.instance[rows])


def _ids(values: NDArray | None, key: str, scan: Scan) -> NDArray[np.int32]:
    if values is None:
        return np.full(len(scan), NO_ID, np.int32)
    if values.shape != (scan.input_size,) or values.dtype.kind not in 'iu':
        raise InputError(f'expected {key} as {scan.input_size} integers, got {values.dtype.name} '
                         f'of shape {list(values.shape)}')
    if values.size and (values.min() < NO_ID or values.max() > INT32.max):
        raise InputError(f'expected {key} from -1 (none) to {INT32.max}, got {values.min()} to '
                         f'{values.max()}')
    return values.astype(np.int32, copy=False)[scan.kept]


def read_labelled(path: FilePath) -> LabelledScan:
    """
    Read a labelled scan; its name is that of the file without the suffix.

    .npz: the arrays xyz [N, 3] float, color [N, 3] uint8 (optional), label and instance [N]
    integer with -1 for none, segment [N] integer (optional).

    .ply, and other formats of points with fields (.pcd, .las, text whose first line names the
    columns): points with x, y, z, red, green, blue (optional), and integers, also written as
    float: `label`: class id; `instance`: 0 for none; `segment` (optional). A point without an
    instance whose label is 0 has no label; nor has one whose label is negative. Files of
    `mask3d segment` are painted: their colours are scan_red, scan_green, scan_blue. Names may
    carry the prefix `scalar_` that CloudCompare puts there.

    Raises
    ------
    InputError
        With the name of the file: not readable, or not labelled.

    """
    file = Path(path)
    with file_errors(file):
        suffix = file.suffix.lower()
        if suffix not in LABELLED_SUFFIXES:
            raise InputError('expected a labelled scan as ' + ', '.join(LABELLED_SUFFIXES))
        if not file.is_file():
            raise InputError('no such file')
        if suffix == '.npz':
            return LabelledScan.from_columns(_npz_columns(file), file.stem)
    return read_zero_is_none(file)


def read_zero_is_none(path: FilePath, conventions: Conventions = AS_IS) -> LabelledScan:
    """
    Read a labelled scan whose instance 0 is none, as `read_labelled` does files that are no .npz.

    Raises
    ------
    InputError
        With the name of the file: not readable, or not labelled.

    """
    file = Path(path)
    columns = read_columns(file)
    with file_errors(file):
        return _from_vertices(columns, file.stem, conventions)


def _npz_columns(path: Path) -> dict[str, NDArray]:
    with open_npz(path) as archive:
        columns = dict(archive)
    missing = [key for key in ('xyz', 'label', 'instance') if key not in columns]
    if missing:
        raise InputError(f'expected the array {missing[0]!r}, got: {", ".join(columns)}')
    return columns


def _from_vertices(columns: FileColumns, name: str, conventions: Conventions) -> LabelledScan:
    vertices = columns.values
    missing = [key for key in ('label', 'instance') if key not in vertices]
    if missing:
        raise InputError(f'expected the field {missing[0]!r}, got: ' + ', '.join(columns.names)
                         + '; in text the first line names the columns, such as '
                         'x y z red green blue label instance')
    scan = columns.scan(conventions)
    label, instance = (whole_numbers(vertices[key].reshape(-1), key)
                       for key in ('label', 'instance'))
    for key, ids in (('label', label), ('instance', instance)):
        if len(ids) != scan.input_size:
            raise InputError(f'expected {key} with {scan.input_size} values, one for each point, '
                             f'got {len(ids)}')
    label[(label < 0) | ((label == 0) & (instance <= 0))] = NO_ID
    return LabelledScan(scan, label[scan.kept].astype(np.int32),
                        (np.maximum(instance, 0) - 1)[scan.kept].astype(np.int32), name)


def write_labelled(path: FilePath, labelled: LabelledScan) -> None:
    """
    Write a labelled scan as .npz or .ply, as `read_labelled` reads it; whole or not at all.

    An .npz keeps positions as float32. A .ply cannot hold label 0 without an instance, so own
    class tables begin with id 1.

    Raises
    ------
    InputError
        If the file cannot be written.

    """
    suffix = Path(path).suffix.lower()
    if suffix == '.npz':
        with atomic_write(path) as file:
            np.savez(file, allow_pickle=False, **_columns(labelled))
    elif suffix == '.ply':
        with atomic_write(path) as file:
            file.write(ply_bytes(_vertices(labelled), 'label: class id; instance: 0 none'))
    else:
        raise InputError(f'{path}: expected a name that ends with .npz or .ply')


def _columns(labelled: LabelledScan) -> dict[str, Any]:
    scan = labelled.scan
    double = bool(len(scan)) and float(np.abs(scan.xyz).max()) > MAX_FLOAT32_POSITION
    columns: dict[str, Any] = {
        'xyz': scan.xyz.astype(scan.xyz.dtype if double else np.float32, copy=False),
        'label': labelled.label, 'instance': labelled.instance}
    if scan.color is not None:
        columns['color'] = byte_color(scan.color)
    elif scan.only_color is not None:
        columns['color'] = np.tile(byte_color(np.array(scan.only_color, np.float32)),
                                   (len(scan), 1))
    if scan.segment is not None:
        columns['segment'] = np.unique(scan.segment, return_inverse=True)[1].astype(np.int32)
    return columns


def byte_color(color: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return colours 0..1 as 0..255."""
    return np.rint(color * np.float32(255)).astype(np.uint8)


def _vertices(labelled: LabelledScan) -> NDArray:
    scan = labelled.scan
    axis = scan.xyz.dtype.str[1:]
    fields = [(name, axis) for name in 'xyz']
    fields += [] if scan.color is None else [(name, 'u1') for name in COLORS]
    fields += [('label', 'i4'), ('instance', 'i4')]
    fields += [] if scan.segment is None else [('segment', 'i4')]
    points = np.empty(len(scan), fields)
    for place in range(3):
        points['xyz'[place]] = scan.xyz[:, place]
        if scan.color is not None:
            points[COLORS[place]] = byte_color(scan.color[:, place])
    points['instance'] = labelled.instance + 1
    points['label'] = np.where(labelled.instance < 0, np.maximum(labelled.label, 0),
                               labelled.label)
    if scan.segment is not None:
        points['segment'] = scan.segment
    return points
