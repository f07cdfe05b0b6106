"""Read .ply files, and write point clouds as .ply."""

from __future__ import annotations

import re

from mask3d_core.conventions import AS_IS, Conventions
from mask3d_core.errors import InputError
from mask3d_core.files.color_fields import plain_name, plain_names
from mask3d_core.files.columns import expand_field, FileColumns, require_axes
from mask3d_core.files.ply_rows import binary_rows, Element, Property, text_rows
from mask3d_core.files.source import file_content, file_errors, FilePath
from mask3d_core.files.target import atomic_write
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray

NUMPY_TYPES = {
    'char': 'i1', 'uchar': 'u1', 'short': 'i2', 'ushort': 'u2', 'int': 'i4', 'uint': 'u4',
    'float': 'f4', 'double': 'f8', 'int8': 'i1', 'uint8': 'u1', 'int16': 'i2', 'uint16': 'u2',
    'int32': 'i4', 'uint32': 'u4', 'float32': 'f4', 'float64': 'f8'}
PLY_TYPES = {
    'i1': 'char', 'u1': 'uchar', 'i2': 'short', 'u2': 'ushort', 'i4': 'int', 'u4': 'uint',
    'f4': 'float', 'f8': 'double'}
FACE_LISTS = ('vertex_indices', 'vertex_index')
"""Names of the property that lists the vertices of a face."""
LINE_END = re.compile(rb'\r\n|\n|\r')
BLANK_LINES = re.compile(rb'\n\s*\n')
BYTE_ORDERS = {'ascii': '=', 'binary_little_endian': '<', 'binary_big_endian': '>'}


def read_ply(path: FilePath, conventions: Conventions = AS_IS) -> Scan:
    """
    Read the vertices of a .ply file: ascii or binary, little or big endian.

    x, y, z as float or double; colour as red, green, blue or another name of `color_fields.py`,
    uchar, ushort or float; `segment` (whole numbers), optional. Other properties and elements,
    like faces, are skipped. From a result file of `mask3d segment` the original colours are read.

    Raises
    ------
    InputError
        With the file name: for an invalid header, truncated data, and all that `Scan` rejects.

    """
    columns = ply_columns(path)
    with file_errors(path):
        return columns.scan(conventions)


def ply_columns(path: FilePath) -> FileColumns:
    """Read all scalar properties of the vertices, as `read_vertices`, and lists of colours."""
    with file_content(path) as content:
        elements, tables = _tables(content, ('vertex',))
        columns: dict[str, NDArray] = {}
        for name, values in tables['vertex'].items():
            columns |= ({name: values} if values.ndim == 1 or not values.shape[1] else
                        expand_field(plain_name(name), list(values.T)))
        names = plain_names({p.name: p for p in elements['vertex'].properties})
        plain = plain_names(columns)
        return FileColumns(plain, (*names, *plain),
                           num_faces=elements['face'].count if 'face' in elements else 0)


def read_vertices(path: FilePath) -> dict[str, NDArray]:
    """
    Read all scalar properties of the vertices of a .ply file: name -> [N].

    Names are converted to lower case, without CloudCompare's prefix `scalar_`.

    Raises
    ------
    InputError
        With the file name: for an invalid header, missing x, y or z, and truncated data.

    """
    with file_content(path) as content:
        return _vertex_columns(content)


def read_faces(path: FilePath) -> NDArray[np.int64] | None:
    """
    Read the triangles of a .ply file: vertex indices [F, 3], or None without faces.

    Raises
    ------
    InputError
        With the file name: for an invalid header, truncated data, faces that are not triangles,
        and vertex indices out of range.

    """
    with file_content(path) as content:
        elements, tables = _tables(content, ('vertex', 'face'))
        if 'face' not in tables or not elements['face'].count:
            return None
        faces = next((tables['face'][name] for name in FACE_LISTS if name in tables['face']),
                     None)
        if faces is None or faces.ndim != 2 or faces.shape[1] != 3:
            raise InputError(f'expected triangles, lists {" or ".join(FACE_LISTS)} of 3 vertices '
                             'each: triangulate the mesh, or leave out its faces')
        if not (0 <= faces.min() and faces.max() < elements['vertex'].count):
            raise InputError(f'expected faces of vertices 0..{elements["vertex"].count - 1}, got '
                             f'{faces.min()}..{faces.max()}')
        return faces.astype(np.int64)


def _vertex_columns(content: bytes) -> dict[str, NDArray]:
    elements, tables = _tables(content, ('vertex',))
    return plain_names({p.name: tables['vertex'][p.name] for p in elements['vertex'].properties
                        if p.length is None})


def _tables(content: bytes, wanted: tuple[str, ...],
            ) -> tuple[dict[str, Element], dict[str, dict[str, NDArray]]]:
    """Read the elements up to the last wanted one; only the element vertex is required."""
    encoding, elements, start = _header(content)
    by_name = {element.name: element for element in elements}
    if 'vertex' not in by_name:
        raise InputError('expected an element vertex, got: '
                         + (', '.join(by_name) or 'no elements'))
    require_axes(plain_names({p.name: p for p in by_name['vertex'].properties}))
    read = binary_rows
    if encoding == 'ascii':
        read, content, start = text_rows, _text_lines(content[start:]), 0
    tables: dict[str, dict[str, NDArray]] = {}
    for element in elements:
        if set(wanted) & set(by_name) <= set(tables):
            break
        tables[element.name], start = read(content, start, element)
    if elements[-1].name in tables and elements[-1].count:
        _check_rest(content[start:], elements[-1], encoding)
    return by_name, tables


def _check_rest(rest: bytes, last: Element, encoding: str) -> None:
    """Raise InputError if there are more rows than the header says."""
    row = sum(p.dtype.itemsize for p in last.properties)
    if len(rest.split(None, 1)) if encoding == 'ascii' else row <= len(rest):
        raise InputError(f'element {last.name}: expected {last.count} rows as its header says, '
                         f'got more, {len(rest)} bytes: correct the header')


def _text_lines(text: bytes) -> bytes:
    """Return text without blank lines, and with line feeds at their ends."""
    if b'\r' in text:
        text = text.replace(b'\r\n', b'\n').replace(b'\r', b'\n')
    return BLANK_LINES.sub(b'\n', text).lstrip() if BLANK_LINES.search(b'\n' + text) else text


def write_ply(path: FilePath, points: NDArray, comment: str = '') -> None:
    """
    Write a binary little-endian .ply file.

    Parameters
    ----------
    path : path
    points : [N] structured array
        Its fields become the properties of the vertices.
    comment : str
        One comment line in the header.

    Raises
    ------
    InputError
        If the file cannot be written.

    """
    with atomic_write(path) as file:
        file.write(ply_bytes(points, comment))


def ply_bytes(points: NDArray, comment: str = '') -> bytes:
    """Return the content of the file that `write_ply` writes."""
    little = points.astype(points.dtype.newbyteorder('<'))
    assert little.dtype.names is not None
    header = ['ply', 'format binary_little_endian 1.0',
              *([f'comment {comment}'] if comment else []), f'element vertex {len(points)}',
              *(f'property {PLY_TYPES[little.dtype[name].str[1:]]} {name}'
                for name in little.dtype.names), 'end_header', '']
    return '\n'.join(header).encode() + little.tobytes()


def _header(content: bytes) -> tuple[str, list[Element], int]:
    """Return the encoding, the elements, and the offset of the data."""
    if content[:3] != b'ply':
        raise InputError("not a .ply file: it does not start with 'ply'")
    lines, start = _header_lines(content)
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
    names = [element.name for element in elements]
    if len(set(names)) < len(names):
        raise InputError(f'expected each element once, got: {", ".join(names)}')
    if encoding not in BYTE_ORDERS:
        raise InputError(f'expected format {", ".join(BYTE_ORDERS)}, got {encoding or "none"}')
    return encoding, elements, start


def _header_lines(content: bytes) -> tuple[list[str], int]:
    """Return the lines up to `end_header`, which a comment may contain, and where the next is."""
    first = LINE_END.search(content)
    end = b'\r' if first is not None and first[0] == b'\r' else b'\n'
    lines: list[str] = []
    start = 0
    while True:
        stop = content.find(end, start)
        line = content[start:stop if stop >= 0 else len(content)].decode('latin-1').strip()
        start = stop + 1 if stop >= 0 else len(content)
        if line == 'end_header':
            return lines, start
        if stop < 0:
            raise InputError('header has no end_header: the file is truncated')
        lines.append(line)


def _row_count(name: str, count: str) -> int:
    if not count.isdecimal():
        raise InputError(f'element {name} has {count!r} rows, expected a number')
    return int(count)


def _property(line: str, words: list[str], encoding: str) -> Property:
    order = BYTE_ORDERS.get(encoding, '=')
    match words:
        case [kind, name] if kind in NUMPY_TYPES:
            return Property(name, np.dtype(order + NUMPY_TYPES[kind]))
        case ['list', length, kind, name] if (kind in NUMPY_TYPES
                                              and NUMPY_TYPES.get(length, 'f')[0] in 'iu'):
            return Property(name, np.dtype(order + NUMPY_TYPES[kind]),
                            np.dtype(order + NUMPY_TYPES[length]))
    raise InputError(f'header line not understood: {line!r}')
