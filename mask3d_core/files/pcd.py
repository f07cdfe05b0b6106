"""Read .pcd files of the Point Cloud Library."""

from __future__ import annotations

from dataclasses import dataclass
import struct

from mask3d_core.conventions import AS_IS, Conventions
from mask3d_core.errors import InputError
from mask3d_core.files import lzf
from mask3d_core.files.color_fields import PACKED_COLORS, packed_from_text, plain_name, plain_names
from mask3d_core.files.columns import expand_field, FileColumns, require_axes
from mask3d_core.files.source import file_content, file_errors, FilePath
from mask3d_core.files.tokens import number_rows
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray

DTYPE_KINDS = {'F': 'f', 'I': 'i', 'U': 'u'}
"""numpy's kind for each TYPE of a field."""
PADDING_NAME = '_'
MAX_HEADER_LINE = 65536
"""Bytes."""


@dataclass(frozen=True)
class Field:
    """A field of a point; `count` is its number of values."""

    name: str
    dtype: np.dtype
    count: int

    @property
    def size(self) -> int:
        """Size of the field in one point, bytes."""
        return self.dtype.itemsize * self.count


def read_pcd(path: FilePath, conventions: Conventions = AS_IS) -> Scan:
    """
    Read a .pcd file: ascii, binary or binary_compressed, organized or not.

    The VIEWPOINT of the header (the pose of the sensor) is ignored: points stay in the frame of
    the file.

    Raises
    ------
    InputError
        With the file name: for an invalid header, truncated data, and all that `Scan` rejects.

    """
    columns = pcd_columns(path)
    with file_errors(path):
        return columns.scan(conventions)


def pcd_columns(path: FilePath) -> FileColumns:
    """
    Read all fields of a .pcd file, by their plain names; of several values the first one.

    Raises
    ------
    InputError
        With the file name: for an invalid header, and truncated data.

    """
    with file_content(path) as content:
        header, body = _header(content)
        fields = _fields(header)
        count = _count(header)
        encoding = ' '.join(header['DATA']).lower()
        if encoding not in DECODERS:
            raise InputError('expected DATA ascii, binary or binary_compressed, got '
                             f'{encoding or "nothing"}')
        return FileColumns.of(plain_names(DECODERS[encoding](body, fields, count)))


def _header(content: bytes) -> tuple[dict[str, list[str]], bytes]:
    """Split a file into the entries of its header and its data."""
    header: dict[str, list[str]] = {}
    start = 0
    while 'DATA' not in header:
        end = content.find(b'\n', start, start + MAX_HEADER_LINE)
        if end < 0:
            raise InputError('not a .pcd file: its header has no DATA line')
        words = content[start:end].decode('latin-1').split('#')[0].split()
        if words:
            header[words[0].upper()] = words[1:]
        start = end + 1
    return header, content[start:]


def _fields(header: dict[str, list[str]]) -> list[Field]:
    names = header.get('FIELDS') or header.get('COLUMNS') or []
    require_axes(map(plain_name, names))
    sizes, kinds = header.get('SIZE', []), header.get('TYPE', [])
    counts = header.get('COUNT') or ['1'] * len(names)
    if not len(names) == len(sizes) == len(kinds) == len(counts):
        raise InputError(f'header has {len(names)} FIELDS, {len(sizes)} SIZE, {len(kinds)} TYPE '
                         f'and {len(counts)} COUNT entries: expected one of each for each field')
    return [_field(*entry) for entry in zip(names, kinds, sizes, counts)]


def _field(name: str, kind: str, size: str, count: str) -> Field:
    try:
        dtype = np.dtype(f'<{DTYPE_KINDS[kind.upper()]}{int(size)}')
        if int(count) < 1:
            raise ValueError
        return Field(name, dtype, int(count))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f'field {name!r} has TYPE {kind}, SIZE {size}, COUNT {count}: expected '
                         'F, I or U of 1, 2, 4 or 8 bytes, and a number') from error


def _count(header: dict[str, list[str]]) -> int:
    try:
        if 'POINTS' in header:
            count = int(header['POINTS'][0])
        else:
            count = int(header['WIDTH'][0]) * int(header.get('HEIGHT', ['1'])[0])
        if count < 0:
            raise ValueError
    except (IndexError, KeyError, ValueError) as error:
        raise InputError('header does not say how many points follow: expected POINTS, or '
                         'WIDTH and HEIGHT') from error
    return count


def _ascii(body: bytes, fields: list[Field], count: int) -> dict[str, NDArray]:
    values = number_rows(body, count, sum(field.count for field in fields))
    columns: dict[str, NDArray] = {}
    place = 0
    for field in fields:
        parts = [_typed(values[:, place + part], field) for part in range(min(field.count, 4))]
        columns.update(expand_field(field.name, parts))
        place += field.count
    return columns


def _typed(values: NDArray[np.float64], field: Field) -> NDArray:
    """Return the values of a field in text in the type of the field."""
    if field.dtype.kind == 'f' and plain_name(field.name) in PACKED_COLORS and field.count == 1:
        return packed_from_text(values)
    with np.errstate(invalid='ignore', over='ignore'):  # a packed colour may be nan
        if field.dtype.kind in 'iu' and field.dtype.itemsize < 8:
            return values.astype(np.int64).astype(field.dtype)  # TYPE I may hold 0xFFrrggbb
        return values.astype(field.dtype)


def _binary(body: bytes, fields: list[Field], count: int) -> dict[str, NDArray]:
    step = sum(field.size for field in fields)
    if len(body) < step * count:
        raise InputError(f'expected {count} points of {step} bytes, {step * count} bytes, '
                         f'got {len(body)}: the file is truncated')
    if len(body) >= step * (count + 1):
        raise InputError(f'expected {count} points of {step} bytes, {step * count} bytes, '
                         f'got {len(body)}: correct FIELDS or POINTS in the header')
    layout = np.dtype([(str(place), field.dtype, (field.count,))
                       for place, field in enumerate(fields)])
    rows = np.frombuffer(body, layout, count)
    columns: dict[str, NDArray] = {}
    for place, field in enumerate(fields):
        columns.update(expand_field(field.name, list(rows[str(place)].T)))
    return columns


def _compressed(body: bytes, fields: list[Field], count: int) -> dict[str, NDArray]:
    """Decode compressed data, in which the values of each field are contiguous."""
    if len(body) < 8:
        raise InputError('the file is truncated: no compressed data')
    packed, size = struct.unpack_from('<II', body)
    if len(body) < 8 + packed:
        raise InputError(f'expected {packed} bytes of compressed data, got {len(body) - 8}: '
                         'the file is truncated')
    stored = [field for field in fields if field.name != PADDING_NAME]
    if sum(field.size for field in stored) * count != size:
        stored = fields  # some writers compress the padding as well
    if sum(field.size for field in stored) * count != size:
        raise InputError(f'expected {sum(field.size for field in stored) * count} bytes of data '
                         f'for {count} points, the file announces {size}')
    data = lzf.decompress(body[8:8 + packed], size)
    columns: dict[str, NDArray] = {}
    offset = 0
    for field in stored:
        values = np.ndarray((count, field.count), field.dtype, data, offset)
        columns.update(expand_field(field.name, list(values.T)))
        offset += field.size * count
    return columns


DECODERS = {'ascii': _ascii, 'binary': _binary, 'binary_compressed': _compressed}
