"""Read point clouds from text: .xyz, .txt, .pts, .asc and .csv."""

from __future__ import annotations

from dataclasses import dataclass
import re

from mask3d_core.errors import InputError
from mask3d_core.files.color_fields import (
    PACKED_COLORS,
    packed_from_text,
    plain_name,
    plain_names,
)
from mask3d_core.files.columns import AXES, expand_field, FileColumns
from mask3d_core.files.number_columns import MIN_WIDTH, table_columns
from mask3d_core.files.source import file_content, FilePath
import numpy as np
from numpy.typing import NDArray

TEXT_SUFFIXES = ('.xyz', '.txt', '.pts', '.asc', '.csv', '.xyzrgb', '.xyzn')
OTHER_NAMES = {'easting': 'x', 'northing': 'y', 'height': 'z', 'elevation': 'z', '//x': 'x',
               'pos_x': 'x', 'pos_y': 'y', 'pos_z': 'z', 'classification': 'label',
               'class': 'label', 'class_id': 'label', 'instance_id': 'instance',
               'points:0': 'x', 'points:1': 'y', 'points:2': 'z', 'points_0': 'x',
               'points_1': 'y', 'points_2': 'z'}
"""Names of columns as other programs write them, if the file has no column of our name."""
MAX_HEADER_LINES = 50
SEPARATORS = re.compile(rb'[\s,;]+')
BLANKED = bytes(32 if byte in b'\t\r,;' else byte for byte in range(256))
DECIMAL_COMMA = re.compile(rb'\d,\d')


@dataclass(frozen=True)
class Header:
    """The lines before the numbers: where these start, and the names of the columns, if any."""

    start: int
    names: tuple[str, ...]


def text_columns(path: FilePath) -> FileColumns:
    """
    Read rows of numbers, separated by blanks, commas, semicolons or tabs.

    A line of names may precede them, also as a comment (`//X Y Z R G B label`, `# x y z`), and in
    .pts a line with their number. Without names columns are taken as `table_columns` says.

    Raises
    ------
    InputError
        With the file name: for lines of different lengths, words that are no numbers, less than
        three columns, and names without x, y and z.

    """
    with file_content(path) as content:
        text = content.removeprefix(b'\xef\xbb\xbf').replace(b'\r\n', b'\n').replace(b'\r', b'\n')
        header = _header(text)
        rows = _number_rows(text[header.start:], text[:header.start].count(b'\n'))
        if not header.names:
            return table_columns(rows)
        return _named(rows, header.names)


def _header(text: bytes) -> Header:
    names: tuple[str, ...] = ()
    start = 0
    for _ in range(MAX_HEADER_LINES):
        end = text.find(b'\n', start)
        line = text[start:end if end >= 0 else len(text)].strip()
        words = _words(line)
        if len(words) >= MIN_WIDTH and all(map(_is_number, words)):
            return Header(start, names)
        found = tuple(word.decode('latin-1').strip('"\'').lstrip('/#%!') for word in words)
        found = tuple(word for word in found if word)
        if {'x', 'y', 'z'} <= set(_plain(found)):
            names = found
        if end < 0:
            break
        start = end + 1
    raise InputError('expected rows of three numbers or more, x y z')


def _words(line: bytes) -> list[bytes]:
    if b';' in line or b'\t' in line:
        words = re.split(rb'[;\t]', line)
        return [word.strip().replace(b',', b'.') for word in words if word.strip()]
    if b',' in line:
        return [word.strip() for word in line.split(b',') if word.strip()]
    return line.split()


def _is_number(word: bytes) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _plain(names: tuple[str, ...]) -> dict[str, str]:
    """Return the plain names of columns, ours for those of other programs, and the original."""
    plain = {key: name for key, name in plain_names({name: name for name in names}).items()}
    for other, ours in OTHER_NAMES.items():
        if other in plain and ours not in plain:
            plain[ours] = plain.pop(other)
    return plain


def _named(rows: NDArray[np.float64], names: tuple[str, ...]) -> FileColumns:
    if len(names) != rows.shape[1]:
        raise InputError(f'the first line names {len(names)} columns ({", ".join(names)}), the '
                         f'rows have {rows.shape[1]} numbers')
    columns = {name: rows[:, place] for place, name in enumerate(names)}
    values = {plain: columns[name] for plain, name in _plain(names).items()}
    for name in PACKED_COLORS.keys() & values.keys():
        values[name] = packed_from_text(values[name])
    return FileColumns.of(values)


def _number_rows(text: bytes, skipped: int) -> NDArray[np.float64]:
    """Parse lines of numbers, all of one length; single numbers, as .pts has them, are counts."""
    first = text[:text.find(b'\n') + 1 or len(text)]
    if (b';' in first or b'\t' in first) and DECIMAL_COMMA.search(first):
        text, first = text.replace(b',', b'.'), first.replace(b',', b'.')
    width = len(first.translate(BLANKED).split())
    blanked = text.translate(BLANKED)
    rows = _parse(blanked, width)
    if rows is not None:
        return rows
    lines = blanked.split(b'\n')
    kept = []
    for number, line in enumerate(lines):
        words = line.split()
        if len(words) == width and all(map(_is_number, words)):
            kept.append(line)
        elif words and not (len(words) == 1 and words[0].isdigit()
                            or words[0].startswith((b'#', b'//'))):
            raise InputError(f'line {skipped + number + 1}: expected {width} numbers, got '
                             f'{line[:60].decode("latin-1").strip()!r}')
    rows = _parse(b'\n'.join(kept), width)
    assert rows is not None, 'all words of the kept lines are numbers'
    return rows


def _parse(text: bytes, width: int) -> NDArray[np.float64] | None:
    """Parse rows of numbers at once: [N, width]; None if some are longer or shorter, or not."""
    content = np.frombuffer(text, np.uint8)
    inside = content > 32
    starts = np.flatnonzero(inside & ~np.concatenate([[False], inside[:-1]])[:len(inside)])
    ends = np.flatnonzero(content == ord('\n'))
    words = np.bincount(np.searchsorted(ends, starts), minlength=1)
    if not np.isin(words, (0, width)).all():
        return None
    try:
        values = np.fromstring(text.decode('latin-1'), sep=' ')
    except (DeprecationWarning, ValueError):
        return None
    return values.reshape(-1, width) if len(values) == len(starts) else None


def npy_columns(path: FilePath) -> FileColumns:
    """
    Read a .npy array: rows of numbers [N, 3 or more], or a structured array with named fields.

    Raises
    ------
    InputError
        With the file name: for a damaged file, and arrays of another shape or type.

    """
    with file_content(path):
        try:
            array = np.load(path, allow_pickle=False)
        except (EOFError, ValueError) as error:
            raise InputError(f'not a readable .npy array: {error}') from error
        if not isinstance(array, np.ndarray):
            raise InputError('expected an .npy array, got an .npz archive: rename the file')
        if array.dtype.names:
            columns: dict[str, NDArray] = {}
            for name in array.dtype.names:
                field = array[name].reshape(len(array), -1)
                columns.update(expand_field(plain_name(name), list(field.T)))
            if not set(AXES) <= set(columns):
                raise InputError(f'expected the fields x, y and z, got: {", ".join(columns)}')
            return FileColumns.of(columns)
        if array.dtype.kind not in 'fiu':
            raise InputError(f'expected numbers, got {array.dtype}')
        return table_columns(array if array.dtype.kind == 'f' else array.astype(np.float64))
