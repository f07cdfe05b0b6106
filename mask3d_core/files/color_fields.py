"""The fields of a cloud that hold its colour: one table of names for all formats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
import re
from typing import TypeVar

from mask3d_core.errors import InputError
from mask3d_core.scan import MAX_COLOR_ROUNDING
import numpy as np
from numpy.typing import NDArray

PACKED_COLORS = {'rgb': False, 'rgba': False, 'argb': False, 'bgr': True, 'bgra': True,
                 'abgr': True}
"""Names of colours packed in 4 bytes as 0xAARRGGBB, and whether red and blue are exchanged."""
COLOR_ARRAYS = ('color', 'colors', 'colour', 'colours', 'rgb', 'rgba', 'bgr', 'bgra',
                'point_color', 'point_colors', 'vertex_color', 'vertex_colors')
"""Names of fields with several values, and of arrays [N, 3]; the first one present is used."""
CHANNELS = (('red', 'green', 'blue'), ('r', 'g', 'b'))
PREFIXES = ('', 'diffuse', 'color', 'colour', 'colors', 'colours', 'col', 'rgb', 'rgba', 'vertex',
            'vertex_color', 'point', 'point_color', 'ambient')
"""Of the names of channels: `diffuse_red`, `color_r`; colours are read from the first there is."""
SUFFIXES = ('', 'color', 'colour', 'f', '8', '16')
SCAN_COLORS = ('scan_red', 'scan_green', 'scan_blue')
"""Original colours, in a result file whose red, green, blue show the instances."""
HARMONICS = ('f_dc_0', 'f_dc_1', 'f_dc_2')
"""Spherical harmonics of degree 0, of files of Gaussian splatting."""
HARMONIC = 0.28209479177387814
"""Value of that harmonic: a colour is 0.5 + HARMONIC * f_dc."""
COLOR_WORD = re.compile(
    r'(?<![a-z])(a?rgba?s?|a?bgra?|hsv|colou?rs?|red|green|blue|albedo|f_dc|sh0)(?![a-z])')
"""In names of fields that seem to hold colours."""
MAX_INTEGERS = (1023, 4095, 65535)
"""Largest values of channels in 10, 12 and 16 bits."""
MIN_FLOAT_255 = 16.0
"""Largest value from which on a colour channel in floating point is one of 0..255, not 0..1."""
NAN_BITS = 0x7fc00000
"""Of a packed colour that is a plain NaN: unknown."""
REMEDY = 'scale the colours, or leave them out'
CHECKED_POINTS = 1000
"""Points of which it is seen first whether a packed colour was written as a number."""
Column = TypeVar('Column')


def plain_name(name: str) -> str:
    """Return a field name in lower case, without blanks and CloudCompare's prefix `scalar_`."""
    return re.sub(r'[\s.:\-]+', '_', name.strip().lower()).removeprefix('scalar_')


def plain_names(columns: Mapping[str, Column]) -> dict[str, Column]:
    """Rename columns by `plain_name`; a column that has that name already keeps it."""
    plain = {plain_name(name): column for name, column in columns.items()}
    return plain | {name: column for name, column in columns.items() if name in plain}


def _table_of_channels() -> tuple[tuple[str, str, str], ...]:
    """Return all accepted triples of names, preferred ones first."""
    table = [SCAN_COLORS]
    for prefix in PREFIXES:
        for suffix in SUFFIXES:
            for between in ('_', ''):
                for words in CHANNELS:
                    red, green, blue = (between.join(filter(None, (prefix, word, suffix)))
                                        for word in words)
                    table.append((red, green, blue))
        if prefix and not prefix.startswith(('diffuse', 'ambient')):
            table.append((f'{prefix}_0', f'{prefix}_1', f'{prefix}_2'))  # as ParaView writes them
    return tuple(dict.fromkeys(table))


CHANNEL_NAMES = _table_of_channels()
"""Accepted names of separate channels; the first triple whose fields are all there is used."""


@dataclass(frozen=True)
class ColorFields:
    """
    Where the colour of a cloud is.

    Attributes
    ----------
    names : tuple of str
        One packed field, three channels, or three harmonics.

    """

    names: tuple[str, ...]

    @property
    def packed(self) -> bool:
        """Whether one field holds all channels."""
        return len(self.names) == 1


def find_color(names: Iterable[str]) -> ColorFields | None:
    """Return the fields that hold the colour, given plain names; None if there are none."""
    present = set(names)
    if present.issuperset(SCAN_COLORS):
        return ColorFields(SCAN_COLORS)
    for name in PACKED_COLORS:
        if name in present:
            return ColorFields((name,))
    for triple in (*CHANNEL_NAMES, HARMONICS):
        if present.issuperset(triple):
            return ColorFields(triple)
    return None


def unknown_colors(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of fields that look like colour, but are not read as such."""
    names = [plain_name(name) for name in names]
    if find_color(names) is not None:
        return ()
    triples = {stem + channel for stem in {name[:-1] for name in names} for channel in 'rgb'
               if sum(stem + other in names for other in 'rgb') >= (3 if stem else 2)}
    return tuple(name for name in names if COLOR_WORD.search(name) or name in triples)


def read_color(columns: Mapping[str, NDArray], fields: ColorFields) -> NDArray:
    """
    Return the colours of a cloud: [N, 3] uint8, or float32 in 0..1 with NaN where unknown.

    Channels are bytes, 0..255 or 0..65535 in larger integers, or numbers in floating point of
    0..1, 0..255 or 0..65535. Which it is follows from the largest value of the cloud.

    Raises
    ------
    InputError
        For other types and values.

    """
    if fields.packed:
        return _unpack(fields.names[0], columns[fields.names[0]])
    channels = [columns[name].reshape(-1) for name in fields.names]
    if fields.names == HARMONICS:
        rows = np.stack(channels, axis=1).astype(np.float32)
        return np.clip(np.float32(0.5) + np.float32(HARMONIC) * rows, 0, 1)
    kinds = {'i' if channel.dtype.kind in 'iu' else channel.dtype.kind for channel in channels}
    if len(kinds) > 1 or not kinds <= {'i', 'f'}:
        raise InputError(f'expected {", ".join(fields.names)} as integers 0..255 or 0..65535, or '
                         'as float 0..1, got '
                         + ', '.join(sorted({channel.dtype.name for channel in channels}))
                         + f'; {REMEDY}')
    return color_rows(channels, ', '.join(fields.names))


def color_rows(channels: list[NDArray], name: str) -> NDArray:
    """Return channels of one kind as rows: [N, 3] uint8, or float32 in 0..1; `read_color`."""
    channels = [channel.view(np.uint8) if channel.dtype == np.int8 else channel
                for channel in channels]
    dtype = np.result_type(*channels).newbyteorder('=')
    rows = np.empty((len(channels[0]), 3), dtype)
    for place, channel in enumerate(channels):
        rows[:, place] = channel
    if dtype == np.uint8 or not rows.size:
        return rows.astype(np.uint8 if dtype.kind in 'iu' else np.float32, copy=False)
    return _bytes_or_units(rows, name) if dtype.kind in 'iu' else _units(rows, name)


def _bytes_or_units(rows: NDArray, name: str) -> NDArray:
    low, high = int(rows.min()), int(rows.max())
    if low < 0 or high > 65535:
        raise InputError(f'expected {name} of 0..255 or 0..65535, got {low} to {high}; {REMEDY}')
    if high <= 256:  # some programs scale by it
        return np.minimum(rows, 255).astype(np.uint8)
    most = next(limit for limit in MAX_INTEGERS if high <= limit)
    return rows.astype(np.float32) / np.float32(most)


def _units(rows: NDArray, name: str) -> NDArray[np.float32]:
    known = rows[np.isfinite(rows)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    rows = rows.astype(np.float32, copy=False)
    if low >= -MAX_COLOR_ROUNDING:
        if high <= 1 + MAX_COLOR_ROUNDING:
            return np.clip(rows, 0, 1)
        whole = bool((known == np.rint(known)).all())
        if high <= 255 * (1 + MAX_COLOR_ROUNDING) and (whole or high >= MIN_FLOAT_255):
            return np.clip(rows / np.float32(255), 0, 1)
        if high <= MAX_INTEGERS[-1] and whole:
            most = next(limit for limit in MAX_INTEGERS if high <= limit)
            return np.clip(rows / np.float32(most), 0, 1)
    raise InputError(f'expected {name} of 0..1, 0..255 or 0..65535, got {low:g} to {high:g}; '
                     + REMEDY)


def _unpack(name: str, packed: NDArray) -> NDArray:
    """
    Unpack 0xAARRGGBB into red, green, blue: [N] -> [N, 3].

    0xRRGGBBAA is recognized, if all points are opaque.
    """
    bits = _packed_bits(name, packed.reshape(-1))
    if 'a' in name and (bits & 255 == 255).all() and len(np.unique(bits >> 24)) > 1:
        bits = bits >> np.uint32(8)
    channels = bits.astype('<u4').view(np.uint8).reshape(-1, 4)[:, :3]   # bytes b g r a
    color = channels if PACKED_COLORS[name] else channels[:, ::-1]
    unknown = bits == NAN_BITS if packed.dtype.kind == 'f' else np.zeros(0, np.bool_)
    if not unknown.any():
        return color
    units = color.astype(np.float32) / np.float32(255)
    units[unknown] = np.nan
    return units


def _packed_bits(name: str, packed: NDArray) -> NDArray[np.uint32]:
    if written_as_integers(packed):
        if packed.dtype.itemsize < 8 and np.nanmax(packed) >= 2 ** 25:
            raise InputError(f'{name} has whole numbers of more than 24 bits in '
                             f'{packed.dtype.name}, which rounds them: the colours are lost; '
                             'write rgb without alpha, or as UINT32')
        integers = np.where(np.isnan(packed), NAN_BITS, packed)
        return integers.astype(np.int64).astype(np.uint32)
    if packed.dtype.kind in 'iu' and packed.dtype.itemsize == 8 and (
            not packed.size or 0 <= packed.min() and packed.max() < 2 ** 32):
        return packed.astype(np.uint32)
    if packed.dtype == np.float64:  # bits of float32, as numpy makes of a mixed table
        with np.errstate(over='ignore', under='ignore', invalid='ignore'):
            narrow = packed.astype(np.float32)
        if ((narrow == packed) | np.isnan(packed)).all():
            packed = narrow
    if packed.dtype.itemsize != 4:
        raise InputError(f'expected field {name!r} packed in 4 bytes (FLOAT32 or UINT32), '
                         f'got {packed.dtype.name}')
    # Reinterpret the bits: with alpha 255 the float is a NaN, whose bits a conversion may change.
    native = packed.view(np.dtype(np.uint32).newbyteorder(packed.dtype.byteorder))
    return native.astype(np.uint32)


def written_as_integers(packed: NDArray) -> bool:
    """
    Return whether floating-point numbers are packed colours as their value, not in their bits.

    As in text files that give rgb the type float: 8349792 instead of 1.17e-38.
    """
    if packed.dtype.kind != 'f':
        return False
    for some in (packed[::max(1, len(packed) // CHECKED_POINTS)], packed):
        known = some[~np.isnan(some)]
        if not (known.size and known.min() >= 0 and 1 <= known.max() < 2 ** 32
                and (known == np.rint(known)).all()):
            return False
    return True


def packed_from_text(values: NDArray[np.float64]) -> NDArray:
    """Return a packed colour that a text file declares as float, with its bits: [N]."""
    if written_as_integers(values):
        return values
    with np.errstate(over='ignore', under='ignore'):
        return values.astype(np.float32)
