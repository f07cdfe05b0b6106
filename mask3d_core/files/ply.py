"""Read .ply files, and write point clouds as .ply."""

from __future__ import annotations

from dataclasses import dataclass
import os
from pathlib import Path

from mask3d_core.errors import InputError
from mask3d_core.files.columns import require_axes, scan_from_columns
from mask3d_core.files.source import FilePath, naming, reading
from mask3d_core.files.tokens import number_rows
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray

TYPES = {'char': 'i1', 'uchar': 'u1', 'short': 'i2', 'ushort': 'u2', 'int': 'i4', 'uint': 'u4',
         'float': 'f4', 'double': 'f8', 'int8': 'i1', 'uint8': 'u1', 'int16': 'i2', 'uint16': 'u2',
         'int32': 'i4', 'uint32': 'u4', 'float32': 'f4', 'float64': 'f8'}
NAMES = {'i1': 'char', 'u1': 'uchar', 'i2': 'short', 'u2': 'ushort', 'i4': 'int', 'u4': 'uint',
         'f4': 'float', 'f8': 'double'}
ORDERS = {'ascii': '=', 'binary_little_endian': '<', 'binary_big_endian': '>'}


@dataclass(frozen=True)
class Property:
    """A value of each row of an element, or a list of values where `length` is a type."""

    name: str
    dtype: np.dtype
    length: np.dtype | None = None


@dataclass(frozen=True)
class Element:
    """A table of the file."""

    name: str
    count: int
    properties: tuple[Property, ...]

    @property
    def has_lists(self) -> bool:
        """Whether rows may differ in length."""
        return any(p.length is not None for p in self.properties)


def read_ply(path: FilePath) -> Scan:
    """
    Read the vertices of a .ply file: ascii or binary, little or big endian.

    x, y, z as float or double, metres; colour as red, green, blue (or r, g, b), uchar or float
    0..1; `segment` (integer), optional. Other properties and elements, like faces, are skipped.

    Raises
    ------
    InputError
        With the name of the file, for a broken header, data that is cut, and what `Scan` refuses.

    """
    with reading(path) as content:
        return scan_from_columns(_vertex_columns(content))


def read_vertices(path: FilePath) -> dict[str, NDArray]:
    """
    Read all properties of the vertices of a .ply file that are single numbers: each [N].

    Raises
    ------
    InputError
        With the name of the file, for a broken header, no x, y, z, and data that is cut.

    """
    with reading(path) as content:
        return _vertex_columns(content)


def _vertex_columns(content: bytes) -> dict[str, NDArray]:
    encoding, elements, start = _header(content)
    for element in elements:
        if element.name == 'vertex':
            require_axes(p.name for p in element.properties)
        read = _text_rows if encoding == 'ascii' else _binary_rows
        columns, start = read(content, start, element)
        if element.name == 'vertex':
            return columns
    raise InputError('expected an element vertex, got: '
                     + (', '.join(e.name for e in elements) or 'no elements'))


def write_ply(path: FilePath, points: NDArray, comment: str = '') -> None:
    """
    Write a binary little-endian .ply file.

    Parameters
    ----------
    path : path
    points : [N] structured array
        Its fields become the vertices' properties.
    comment : str
        One line for the header.

    Raises
    ------
    InputError
        If the file cannot be written.

    """
    with naming(path):
        Path(os.fspath(path)).write_bytes(ply_bytes(points, comment))


def ply_bytes(points: NDArray, comment: str = '') -> bytes:
    """Return what `write_ply` writes."""
    little = points.astype(points.dtype.newbyteorder('<'))
    assert little.dtype.names is not None
    header = ['ply', 'format binary_little_endian 1.0',
              *([f'comment {comment}'] if comment else []), f'element vertex {len(points)}',
              *(f'property {NAMES[little.dtype[name].str[1:]]} {name}'
                for name in little.dtype.names), 'end_header', '']
    return '\n'.join(header).encode() + little.tobytes()


def _header(content: bytes) -> tuple[str, list[Element], int]:
    """Return the encoding, the elements, and where the data starts."""
    if content[:3] != b'ply':
        raise InputError("not a .ply file: it does not start with 'ply'")
    mark = content.find(b'end_header')
    if mark < 0:
        raise InputError('header has no end_header: the file is cut')
    lines = content[:mark].decode('latin-1').splitlines()
    start = content.find(b'\n', mark) + 1 or len(content)
    encoding, elements = '', []
    for line in lines[1:]:
        match line.split():
            case ['format', name, *_]:
                encoding = name
            case ['element', name, count]:
                elements.append(Element(name, _row_count(name, count), ()))
            case ['property', *words] if elements:
                last = elements[-1]
                elements[-1] = Element(last.name, last.count,
                                       (*last.properties, _property(line, words, encoding)))
            case [] | ['comment' | 'obj_info', *_]:
                pass
            case _:
                raise InputError(f'header line not understood: {line!r}')
    if encoding not in ORDERS:
        raise InputError(f'expected format {", ".join(ORDERS)}, got {encoding or "none"}')
    return encoding, elements, start


def _row_count(name: str, count: str) -> int:
    if not count.isdecimal():
        raise InputError(f'element {name} has {count!r} rows, expected a number')
    return int(count)


def _property(line: str, words: list[str], encoding: str) -> Property:
    order = ORDERS.get(encoding, '=')
    match words:
        case [kind, name] if kind in TYPES:
            return Property(name, np.dtype(order + TYPES[kind]))
        case ['list', length, kind, name] if kind in TYPES and TYPES.get(length, 'f')[0] in 'iu':
            return Property(name, np.dtype(order + TYPES[kind]), np.dtype(order + TYPES[length]))
    raise InputError(f'header line not understood: {line!r}')


Rows = tuple[dict[str, NDArray], int]
"""The scalar columns of an element, and where the next element starts."""


def _binary_rows(content: bytes, start: int, element: Element) -> Rows:
    if element.has_lists:
        return _binary_rows_with_lists(content, start, element)
    row = np.dtype([(f'{place}', p.dtype) for place, p in enumerate(element.properties)])
    size = row.itemsize * element.count
    if len(content) - start < size:
        raise _cut(element, f'{size} bytes', f'{len(content) - start}')
    table = np.ndarray((element.count,), row, content, start)
    return {p.name: table[f'{place}']
            for place, p in enumerate(element.properties)}, start + size


def _binary_rows_with_lists(content: bytes, start: int, element: Element) -> Rows:
    """Walk row by row: only the rows themselves say how long they are."""
    columns: dict[str, list] = {p.name: [] for p in element.properties if p.length is None}
    try:
        for _ in range(element.count):
            for p in element.properties:
                if p.length is None:
                    columns[p.name].append(np.ndarray((), p.dtype, content, start)[()])
                    start += p.dtype.itemsize
                else:
                    length = int(np.ndarray((), p.length, content, start)[()])
                    start += p.length.itemsize + max(length, 0) * p.dtype.itemsize
    except (TypeError, ValueError) as error:  # numpy: the row does not fit into the content
        raise _cut(element, f'{element.count} rows', 'fewer') from error
    if start > len(content):
        raise _cut(element, f'{element.count} rows', 'fewer')
    return _arrays(columns, element), start


def _text_rows(content: bytes, start: int, element: Element) -> Rows:
    """Read an element of one line per row."""
    end = start
    for _ in range(element.count):
        if end == len(content):
            break  # cut; a header can announce any number of rows
        end = content.find(b'\n', end) + 1 or len(content)
    if element.has_lists:
        return _text_rows_with_lists(content[start:end], element), end
    try:
        table = number_rows(content[start:end], element.count, len(element.properties))
    except InputError as error:
        raise InputError(f'element {element.name}: {error}') from error
    return {p.name: table[:, place].astype(p.dtype)
            for place, p in enumerate(element.properties)}, end


def _text_rows_with_lists(text: bytes, element: Element) -> dict[str, NDArray]:
    columns: dict[str, list] = {p.name: [] for p in element.properties if p.length is None}
    lines = text.splitlines()
    if len(lines) < element.count:
        raise _cut(element, f'{element.count} lines', f'{len(lines)}')
    for line in lines:
        words, place = line.split(), 0
        try:
            for p in element.properties:
                if p.length is None:
                    columns[p.name].append(float(words[place]))
                    place += 1
                else:
                    place += 1 + int(words[place])
            if place > len(words):
                raise IndexError
        except (IndexError, ValueError) as error:
            raise InputError(f'element {element.name} has the row {line[:80]!r}, expected '
                             + ' '.join(p.name for p in element.properties)) from error
    return _arrays(columns, element)


def _arrays(columns: dict[str, list], element: Element) -> dict[str, NDArray]:
    return {p.name: np.array(columns[p.name], p.dtype)
            for p in element.properties if p.length is None}


def _cut(element: Element, expected: str, got: str) -> InputError:
    return InputError(f'element {element.name}: expected {expected}, got {got}: the file is cut')
