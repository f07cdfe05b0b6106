"""From named columns to a Scan: what all point formats have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mask3d_core.errors import InputError
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray

AXES = ('x', 'y', 'z')
PACKED_COLORS = ('rgb', 'rgba')
SEPARATE_COLORS = (('red', 'green', 'blue'), ('r', 'g', 'b'))
USED = frozenset((*AXES, *PACKED_COLORS, *SEPARATE_COLORS[0], *SEPARATE_COLORS[1], 'segment'))
"""Names of the columns that a scan can use; readers skip all others."""


def require_axes(names: Iterable[str]) -> None:
    """Raise InputError if x, y or z is not among the names."""
    names = list(names)
    if not set(AXES) <= set(names):
        raise InputError('expected the fields x, y and z, got: '
                         + (', '.join(names) if names else 'no fields'))


def scan_from_columns(columns: Mapping[str, NDArray]) -> Scan:
    """
    Make a scan of named columns.

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
        For missing axes, unusable types, and whatever `Scan.from_points` refuses.

    """
    require_axes(columns)
    for axis in AXES:
        if columns[axis].dtype.kind != 'f':
            raise InputError(f'expected field {axis!r} as float32 or float64, '
                             f'got {columns[axis].dtype.name}')
    segment = columns.get('segment')
    return Scan.from_points(
        _side_by_side([columns[axis] for axis in AXES]), _color(columns),
        None if segment is None else segment.reshape(-1))


def _side_by_side(columns: list[NDArray]) -> NDArray:
    """Copy columns into one array of native byte order: [N, len(columns)]."""
    dtype = np.result_type(*columns).newbyteorder('=')
    rows = np.empty((*columns[0].shape, len(columns)), dtype)
    for place, column in enumerate(columns):
        rows[..., place] = column
    return rows.reshape(-1, len(columns))


def _color(columns: Mapping[str, NDArray]) -> NDArray | None:
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


def _unpack(name: str, packed: NDArray) -> NDArray[np.uint8]:
    """Split 0xAARRGGBB into red, green, blue: [N, 3]."""
    if packed.dtype.itemsize != 4:
        raise InputError(f'expected field {name!r} packed in 4 bytes (FLOAT32 or UINT32), '
                         f'got {packed.dtype.name}')
    # The bits, never the value: with alpha 255 the float is a NaN, which arithmetic would change.
    bits = packed.view(np.dtype(np.uint32).newbyteorder(packed.dtype.byteorder))
    little = bits.astype('<u4').reshape(-1)
    return little.view(np.uint8).reshape(-1, 4)[:, 2::-1]  # bytes b g r a -> r g b
