"""Create a Scan from named columns, the representation that all point formats share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from mask3d_core.errors import InputError
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray

AXES = ('x', 'y', 'z')
PACKED_COLORS = ('rgb', 'rgba')
SEPARATE_COLORS = (('red', 'green', 'blue'), ('r', 'g', 'b'))
SCAN_COLORS = ('scan_red', 'scan_green', 'scan_blue')
"""Original colours, in a result file whose red, green, blue show the instances."""
RESULT_COLUMNS = ('label', 'instance', 'score')
"""Columns that identify a result file, a .ply of `mask3d segment`."""
SCAN_COLUMNS = frozenset((*AXES, *PACKED_COLORS, *SEPARATE_COLORS[0], *SEPARATE_COLORS[1],
                          *SCAN_COLORS, 'segment'))
"""Columns that a scan can use; readers skip all others."""
NAN_BITS = 0x7fc00000
"""Of a packed colour that is a plain NaN: unknown, so black as other colours that are NaN."""
INT32 = np.iinfo(np.int32)
Column = TypeVar('Column')


def plain_names(columns: Mapping[str, Column]) -> dict[str, Column]:
    """Rename columns to lower case without CloudCompare's prefix `scalar_`."""
    plain = {name.lower().removeprefix('scalar_'): column for name, column in columns.items()}
    return plain | {name: column for name, column in columns.items() if name in plain}


def require_axes(names: Iterable[str]) -> None:
    """Raise InputError if x, y or z is not among the names."""
    names = list(names)
    if not set(AXES) <= set(names):
        raise InputError('expected the fields x, y and z, got: '
                         + (', '.join(names) if names else 'no fields'))


def scan_from_columns(columns: Mapping[str, NDArray]) -> Scan:
    """
    Create a scan from named columns.

    Parameters
    ----------
    columns : mapping of str to array
        All of one shape, [N] or [height, width], any strides and byte order. `x`, `y`, `z` float32
        or float64, metres. Colour, if any: `rgb` or `rgba`, 4 bytes whose bits are 0xAARRGGBB,
        declared as integer or as float; or `red`, `green`, `blue` (also `r`, `g`, `b`) as uint8
        or as float 0..1. `segment`, if any: integer superpoint ids.

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
    segment = columns.get('segment')
    return Scan.from_points(
        _side_by_side([columns[axis] for axis in AXES]), _color(columns),
        None if segment is None else _segment_ids(segment.reshape(-1)))


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
    if columns.keys() >= set(SCAN_COLORS):
        return _side_by_side([_bytes(columns[name], name) for name in SCAN_COLORS])
    if columns.keys() >= set(RESULT_COLUMNS):
        return None
    for name in PACKED_COLORS:
        if name in columns:
            return _unpack(name, columns[name])
    for names in SEPARATE_COLORS:
        if columns.keys() >= set(names):
            channels = [columns[name] for name in names]
            types = {channel.dtype.name for channel in channels}
            if len(types) > 1 or not types <= {'uint8', 'float32', 'float64'}:
                raise InputError(f'expected {", ".join(names)} as uint8 0..255 or float 0..1, '
                                 f'got {", ".join(sorted(types))}')
            return _side_by_side(channels)
    return None


def _bytes(column: NDArray, name: str) -> NDArray[np.uint8]:
    """Convert a channel 0..255, which CloudCompare may have stored as float, to uint8."""
    values = whole_numbers(column, name)
    if values.size and not (0 <= values.min() and values.max() <= 255):
        raise InputError(f'expected {name} of 0..255, got {values.min()} to {values.max()}')
    return values.astype(np.uint8)


def _unpack(name: str, packed: NDArray) -> NDArray[np.uint8]:
    """Unpack 0xAARRGGBB into red, green, blue: [N] -> [N, 3]."""
    if packed.dtype.itemsize != 4:
        raise InputError(f'expected field {name!r} packed in 4 bytes (FLOAT32 or UINT32), '
                         f'got {packed.dtype.name}')
    # Reinterpret the bits: with alpha 255 the float is a NaN, whose bits a conversion may change.
    bits = packed.view(np.dtype(np.uint32).newbyteorder(packed.dtype.byteorder))
    little = bits.astype('<u4').reshape(-1)
    if packed.dtype.kind == 'f':
        little[little == NAN_BITS] = 0
    return little.view(np.uint8).reshape(-1, 4)[:, 2::-1]  # bytes b g r a -> r g b
