"""Create a Scan from named columns, the representation that all point formats share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from mask3d_core.conventions import AS_IS, Conventions
from mask3d_core.errors import InputError
from mask3d_core.files.color_fields import (
    COLOR_ARRAYS,
    find_color,
    plain_name,
    read_color,
    SCAN_COLORS,
    unknown_colors,
)
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray

AXES = ('x', 'y', 'z')
POSITIONS = ('xyz', 'points', 'centers', 'coords', 'coord', 'positions', 'position', 'pos',
             'vertices', 'point_cloud', 'pointcloud', 'arr_0')
"""Accepted names of the array of positions, as plain names; the first one present is used."""
RESULT_COLUMNS = ('label', 'instance', 'score')
"""Columns that a result file, a .ply of `mask3d segment`, has."""
INT32 = np.iinfo(np.int32)


@dataclass(frozen=True)
class FileColumns:
    """
    What a file holds.

    Attributes
    ----------
    values : mapping of plain name to array [N]
        Those that were read.
    names : strings
        Of all fields of the file, plain.
    unit : float
        Metres of the unit of length that the file names; 1 if it names none.
    unknown_header : str
        A line of text that seems to name the columns, but not x, y and z.
    num_faces : int
        Of the mesh whose vertices these are.

    """

    values: dict[str, NDArray]
    names: tuple[str, ...]
    unit: float = 1.0
    unknown_header: str = ''
    num_faces: int = 0

    @classmethod
    def of(cls, values: dict[str, NDArray]) -> FileColumns:
        """Return the columns of a file of which all fields were read."""
        return cls(values, tuple(values))

    def scan(self, conventions: Conventions = AS_IS) -> Scan:
        """Create a scan, as `scan_from_columns`, also of whole numbers as positions."""
        whole = {axis: self.values[axis].astype(np.float64) for axis in AXES
                 if axis in self.values and self.values[axis].dtype.kind in 'iu'
                 and self.values[axis].dtype.itemsize > 1}
        scan = scan_from_columns(self.values | whole, self.names, conventions)
        return replace(scan, declared_unit=self.unit, unknown_header=self.unknown_header)


def used_names(names: Iterable[str]) -> set[str]:
    """Return which of the plain names a scan can use: axes, colour and superpoints."""
    names = set(names)
    color = find_color(names)
    return names & {*AXES, 'segment', *(color.names if color else ())}


def expand_field(name: str, columns: list[NDArray]) -> dict[str, NDArray]:
    """
    Return the columns of a field of several values.

    Those of a position are x, y, z, of a colour its channels; of others it is the first value.
    """
    if len(columns) == 3 and plain_name(name) in POSITIONS:
        return dict(zip(AXES, columns))
    if len(columns) in (3, 4) and plain_name(name) in COLOR_ARRAYS:
        order = 'bgr' if plain_name(name).startswith('bgr') else 'rgb'
        return dict(zip(order, columns))
    return {name: columns[0]}


def require_axes(names: Iterable[str]) -> None:
    """Raise InputError if x, y or z is not among the names."""
    names = list(names)
    if not set(AXES) <= set(names):
        raise InputError('expected the fields x, y and z, got: '
                         + (', '.join(names) if names else 'no fields'))


def scan_from_columns(columns: Mapping[str, NDArray], names: Iterable[str] | None = None,
                      conventions: Conventions = AS_IS) -> Scan:
    """
    Create a scan from named columns.

    Parameters
    ----------
    columns : mapping of str to array
        All of one shape, [N] or [height, width], any strides and byte order. `x`, `y`, `z` float32
        or float64. Colour, if any: fields as in `color_fields.py`, by plain names. `segment`, if
        any: integer superpoint ids.
    names : strings, optional
        Of all fields of the source, if it has more than these columns.
    conventions : Conventions
        Of the source: which axis points up, and the unit.

    Raises
    ------
    InputError
        For missing axes, unsupported types, and everything that `Scan.from_points` rejects.

    """
    require_axes(columns)
    for axis in AXES:
        if columns[axis].dtype.kind != 'f':
            raise InputError(f'expected field {axis!r} as float32 or float64, '
                             f'got {columns[axis].dtype.name}')
    count = columns['x'].size
    for name in sorted(used_names(columns)):
        if columns[name].size != count:
            raise InputError(f'expected {name} with {count} values, one for each point, got '
                             f'{columns[name].size}')
    segment = columns.get('segment')
    xyz = conventions.to_metres(_side_by_side([columns[axis] for axis in AXES]))
    scan = Scan.from_points(xyz, _color(columns),
                            None if segment is None else _segment_ids(segment.reshape(-1)))
    names = list(columns if names is None else names)
    unknown = unknown_colors(names)
    used = {*used_names(columns), *POSITIONS, *COLOR_ARRAYS, *unknown}
    return replace(scan, unknown_colors=unknown, conventions=conventions,
                   unused_fields=tuple(dict.fromkeys(name for name in names if name not in used)))


def _segment_ids(segment: NDArray) -> NDArray:
    return whole_numbers(segment, 'segment') if segment.dtype.kind == 'f' else segment


def whole_numbers(column: NDArray, name: str) -> NDArray[np.int64]:
    """
    Convert ids that may be stored as float; NaN, CloudCompare's "not set", becomes 0.

    Raises
    ------
    InputError
        For fractions, and for numbers that do not fit into 32 bits.

    """
    values = np.where(np.isnan(column), 0, column) if column.dtype.kind == 'f' else column
    if values.size and values.max() > INT32.max:
        raise InputError(f'expected {name} as numbers up to {INT32.max}, got {values.max():g}')
    if values.size and values.min() < INT32.min:
        raise InputError(f'expected {name} as numbers from {INT32.min}, got {values.min():g}')
    whole = values.astype(np.int64)
    fractions = np.flatnonzero(whole != values)
    if len(fractions):
        raise InputError(f'expected {name} as whole numbers, got {values[fractions[0]]:g}: was '
                         'the cloud resampled or interpolated after labelling?')
    return whole


def _side_by_side(columns: list[NDArray]) -> NDArray:
    """Copy columns into one array of native byte order: [N, len(columns)]."""
    dtype = np.result_type(*columns).newbyteorder('=')
    rows = np.empty((*columns[0].shape, len(columns)), dtype)
    for place, column in enumerate(columns):
        rows[..., place] = column
    return rows.reshape(-1, len(columns))


def _color(columns: Mapping[str, NDArray]) -> NDArray | None:
    fields = find_color(columns)
    if fields is None:
        return None
    if fields.names == SCAN_COLORS:
        return _side_by_side([_bytes(columns[name], name) for name in SCAN_COLORS])
    color = read_color(columns, fields)
    if columns.keys() >= set(RESULT_COLUMNS) and _is_paint(color, columns['instance']):
        return None
    return color


def _is_paint(color: NDArray, instance: NDArray) -> bool:
    """
    Return whether colours [N, 3] show the instances [N], as in result files of colourless scans.

    Then each instance has one colour, and so have all points of none.
    """
    order = np.argsort(instance, kind='stable')
    first = np.flatnonzero(np.diff(instance[order], prepend=np.nan) != 0)
    sizes = np.diff(first, append=len(order))
    same = np.repeat(color[order[first]], sizes, axis=0) == color[order]
    return len(first) > 1 and bool(same.all())


def _bytes(column: NDArray, name: str) -> NDArray[np.uint8]:
    """Convert a channel 0..255, which CloudCompare may have stored as float, to uint8."""
    values = whole_numbers(column, name)
    if values.size and not (0 <= values.min() and values.max() <= 255):
        raise InputError(f'expected {name} of 0..255, got {values.min()} to {values.max()}')
    return values.astype(np.uint8)
