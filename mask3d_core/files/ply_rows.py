"""Read the rows of an element of a .ply file, in text or binary encoding."""

from __future__ import annotations

from dataclasses import dataclass
import struct

from mask3d_core.errors import InputError
from mask3d_core.files.color_fields import PACKED_COLORS, packed_from_text, plain_name
from mask3d_core.files.tokens import number_rows
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Property:
    """A property of an element: a scalar, or a list whose length has the type `length`."""

    name: str
    dtype: np.dtype
    length: np.dtype | None = None


@dataclass(frozen=True)
class Element:
    """An element of a .ply file: a table with one column per property."""

    name: str
    count: int
    properties: tuple[Property, ...]

    @property
    def has_lists(self) -> bool:
        """Whether a property is a list, so that rows may differ in length."""
        return any(p.length is not None for p in self.properties)


Rows = tuple[dict[str, NDArray], int]
"""
The columns of an element, and the offset of the next element.

A list property is a column [rows, length] if all its lists have the same length; otherwise it is
left out.
"""


def binary_rows(content: bytes, start: int, element: Element) -> Rows:
    """
    Read an element in binary encoding.

    Raises
    ------
    InputError
        If the content is truncated.

    """
    if not element.has_lists:
        rows = _even_rows(content, start, element, [0] * len(element.properties))
        if rows is None:
            raise _cut(element, f'{_row(element, [])[0].itemsize * element.count} bytes',
                       f'{len(content) - start}')
        return rows
    try:
        lengths = _first_lengths(content, start, element) if element.count else []
        return (_even_rows(content, start, element, lengths)
                or _uneven_rows(content, start, element))
    except (TypeError, ValueError) as error:  # numpy: the row does not fit into the content
        raise _cut(element, f'{element.count} rows', 'fewer') from error


def _row(element: Element, lengths: list[int]) -> tuple[np.dtype, list[tuple[str, int]]]:
    """Return the dtype of a row with these list lengths, and its length fields (name, value)."""
    fields: list[tuple] = []
    counts = []
    for place, p in enumerate(element.properties):
        if p.length is None:
            fields.append((f'{place}', p.dtype))
        else:
            length = lengths[place] if lengths else 0
            fields += [(f'length {place}', p.length), (f'{place}', p.dtype, (length,))]
            counts.append((f'length {place}', length))
    return np.dtype(fields), counts


def _even_rows(content: bytes, start: int, element: Element, lengths: list[int]) -> Rows | None:
    """Read all rows as one array; None if they do not fit or a list has another length."""
    row, counts = _row(element, lengths)
    end = start + row.itemsize * element.count
    if end > len(content):
        return None
    table = np.ndarray((element.count,), row, content, start)
    if not all((table[name] == length).all() for name, length in counts):
        return None
    return {p.name: table[f'{place}'] for place, p in enumerate(element.properties)}, end


def _first_lengths(content: bytes, start: int, element: Element) -> list[int]:
    """Return the list lengths of the first row, 0 for scalars."""
    lengths = []
    for p in element.properties:
        length = 0
        if p.length is None:
            start += p.dtype.itemsize
        else:
            length = max(int(np.ndarray((), p.length, content, start)[()]), 0)
            start += p.length.itemsize + length * p.dtype.itemsize
        lengths.append(length)
    return lengths


def _uneven_rows(content: bytes, start: int, element: Element) -> Rows:
    """Read rows whose lists differ in length: first where each begins, then column by column."""
    parts, offsets = _parts(element)
    starts: list[int] = []
    try:
        for _ in range(element.count):
            for size, length, item in parts:
                starts.append(start)
                start += size
                if length is not None:
                    start += length.size + max(length.unpack_from(content, start)[0], 0) * item
    except struct.error as error:
        raise _cut(element, f'{element.count} rows', 'fewer') from error
    if start > len(content):
        raise _cut(element, f'{element.count} rows', 'fewer')
    place = np.array(starts, np.int64).reshape(element.count, len(parts))
    content_bytes = np.frombuffer(content, np.uint8)
    columns = {}
    for p, offset in zip(element.properties, offsets):
        if offset is not None:
            first = place[:, offset[0]] + offset[1]
            rows = content_bytes[first[:, None] + np.arange(p.dtype.itemsize)]
            columns[p.name] = rows.view(p.dtype).reshape(-1)
    return columns, start


Part = tuple[int, struct.Struct | None, int]


def _parts(element: Element) -> tuple[list[Part], list[tuple[int, int] | None]]:
    """
    Divide a row at its lists.

    Returns
    -------
    parts
        Bytes of the scalars, the length of the list that follows, if any, bytes of each value.
    offsets
        For each property its part and its offset in bytes there; None for lists.

    """
    parts: list[Part] = []
    offsets: list[tuple[int, int] | None] = []
    size = 0
    for p in element.properties:
        if p.length is None:
            offsets.append((len(parts), size))
            size += p.dtype.itemsize
        else:
            offsets.append(None)
            order = '>' if p.length.byteorder == '>' else '<'
            parts.append((size, struct.Struct(order + p.length.char.replace('l', 'i')),
                          p.dtype.itemsize))
            size = 0
    return [*parts, (size, None, 0)], offsets


def text_rows(content: bytes, start: int, element: Element) -> Rows:
    """
    Read an element in text encoding, one line per row.

    Raises
    ------
    InputError
        If the content is truncated or is not numeric.

    """
    end = start
    for _ in range(element.count):
        if end == len(content):
            break  # truncated: a header can declare any number of rows
        end = content.find(b'\n', end) + 1 or len(content)
    text = content[start:end]
    if element.has_lists:
        return _even_lines(text, element) or _uneven_lines(text, element), end
    try:
        table = number_rows(text, element.count, len(element.properties))
    except InputError as error:
        raise InputError(f'element {element.name}: {error}') from error
    return {p.name: _typed(table[:, place], p) for place, p in enumerate(element.properties)}, end


def _typed(values: NDArray[np.float64], p: Property) -> NDArray:
    if p.dtype.kind == 'f' and p.length is None and plain_name(p.name) in PACKED_COLORS:
        return packed_from_text(values.reshape(-1))
    if p.dtype.kind in 'iu' and values.size:
        low, high = np.iinfo(p.dtype).min, np.iinfo(p.dtype).max
        if not ((values >= low) & (values <= high)).all():
            raise InputError(f'property {p.name} has the value '
                             f'{values[~((values >= low) & (values <= high))][0]:g}, expected '
                             f'{low}..{high}')
    with np.errstate(over='ignore'):
        return values.astype(p.dtype)


def _even_lines(text: bytes, element: Element) -> dict[str, NDArray] | None:
    """Read all rows as one array; None if their list lengths differ from the first row's."""
    first = text[:text.find(b'\n') + 1 or len(text)].split()
    try:
        table = number_rows(text, element.count, len(first))
    except InputError:
        return None
    columns, place = {}, 0
    for p in element.properties:
        width = 1
        if p.length is not None:
            length = table[:1, place:place + 1]
            if not length.size:
                return None
            if not (0 <= length[0, 0] < len(first) and (table[:, place] == length[0, 0]).all()):
                return None
            width, place = int(length[0, 0]), place + 1
        columns[p.name] = _typed(table[:, place:place + width], p)
        if p.length is None:
            columns[p.name] = columns[p.name].reshape(-1)
        place += width
    return columns if place == len(first) else None


def _uneven_lines(text: bytes, element: Element) -> dict[str, NDArray]:
    words = text.split()
    try:
        values = np.array(words, np.float64)
    except ValueError as error:
        raise InputError(f'element {element.name}: expected numbers: {error}') from error
    columns: list[list[int]] = [[] for _ in element.properties]
    place = 0
    try:
        for _ in range(element.count):
            for p, column in zip(element.properties, columns):
                if p.length is None:
                    column.append(place)
                    place += 1
                else:
                    place += 1 + int(words[place])
    except (IndexError, ValueError) as error:
        raise InputError(f'element {element.name}: expected {element.count} rows of '
                         + ' '.join(p.name for p in element.properties)
                         + f', got {len(words)} numbers: the file is truncated, or the length '
                         'of a list is wrong') from error
    if place != len(words):
        raise _cut(element, f'{place} numbers', f'{len(words)}')
    return {p.name: _typed(values[column], p) for p, column in zip(element.properties, columns)
            if p.length is None}


def _cut(element: Element, expected: str, got: str) -> InputError:
    return InputError(f'element {element.name}: expected {expected}, got {got}: the file is '
                      'truncated')
