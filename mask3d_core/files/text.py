"""Read point clouds from text: .xyz, .txt, .pts, .asc and .csv."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
import re

from mask3d_core.conventions import UNITS
from mask3d_core.errors import InputError
from mask3d_core.files.color_fields import (
    find_color,
    PACKED_COLORS,
    packed_from_text,
    plain_name,
    plain_names,
)
from mask3d_core.files.columns import AXES, expand_field, FileColumns
from mask3d_core.files.npz import describe_load_error
from mask3d_core.files.number_columns import channel_columns, MIN_WIDTH, table_columns
from mask3d_core.files.source import file_content, FilePath
from mask3d_core.files.tokens import plain_nan
import numpy as np
from numpy.typing import NDArray

TEXT_SUFFIXES = ('.xyz', '.txt', '.pts', '.asc', '.csv', '.xyzrgb', '.xyzn')
OTHER_NAMES = {'easting': 'x', 'northing': 'y', 'height': 'z', 'elevation': 'z', 'east': 'x',
               'north': 'y', 'altitude': 'z', 'classification': 'label', 'class': 'label',
               'class_id': 'label', 'instance_id': 'instance', 'points_0': 'x', 'points_1': 'y',
               'points_2': 'z'}
"""Names of columns as other programs write them, if the file has no column of our name."""
AXIS_NAME = re.compile(r'(?:(?:coord|coordinate|pos|position|point|p)s?_?)?([xyz])'
                       r'(?:_?(?:coord|coordinate|pos|position|m))?')
"""More of them, as plain names: coord_x, x_coord, posx, x_m."""
UNIT_IN_NAME = re.compile(r'\s*[\[(](mm|cm|dm|m|km|ft|in|met(?:er|re)s?|-)[\])]$',
                          re.IGNORECASE)
"""At the end of a name: `X [m]`, `Intensity [-]`."""
BLANK_BEFORE_BRACKET = re.compile(rb'[ ]+(?=[\[(])')
NOT_COLORS = {'id', 'index', 'label', 'instance', 'segment', 'score', 'intensity', 'reflectance',
              'nx', 'ny', 'nz'}
"""Plain names of columns that are no colour, whatever their values."""
MAX_HEADER_LINES = 50
BLANKED = bytes(32 if byte in b'\t\r,;' else byte for byte in range(256))
DECIMAL_COMMA = re.compile(rb'\d,\d')
NUMBER_WITH_COMMA = re.compile(rb'[-+]?\d+(,\d+)?([eE][-+]?\d+)?')
COMMENT = (b'#', b'//', b'%', b'!')
UTF16 = (b'\xff\xfe', b'\xfe\xff')
"""Byte order marks, as of the redirection of PowerShell."""


@dataclass(frozen=True)
class Header:
    """
    The lines before the numbers.

    Attributes
    ----------
    start : int
        Where the numbers start.
    names : tuple of str
        Of the columns; empty if no line has x, y and z.
    count : int
        Announced points.
    unknown : str
        A line that seems to name the columns, but not x, y and z.

    """

    start: int
    names: tuple[str, ...]
    count: int
    unknown: str = ''


def text_columns(path: FilePath) -> FileColumns:
    """
    Read rows of numbers, separated by blanks, commas, semicolons or tabs.

    A line of names may precede them, also as a comment (`//X Y Z R G B label`, `# x y z`), and in
    .pts a line with their number. Names may have a unit, `X [mm]`. Without names, and with a line
    that names other columns than x, y and z, columns are taken as `table_columns` says.

    Raises
    ------
    InputError
        With the file name: for lines of different lengths, words that are no numbers, less than
        three columns, axes in different units, and fewer points than announced.

    """
    with file_content(path) as content:
        if content.startswith(UTF16):
            content = content.decode('utf-16', 'replace').encode()
        text = content.removeprefix(b'\xef\xbb\xbf').replace(b'\r\n', b'\n').replace(b'\r', b'\n')
        text = plain_nan(text)
        header = _header(text)
        rows, count = _number_rows(text[header.start:], text[:header.start].count(b'\n'))
        if len(rows) < header.count + count:
            raise InputError(f'{header.count + count} points are announced, there are '
                             f'{len(rows)}: the file is truncated')
        if not header.names:
            return replace(table_columns(rows), unknown_header=header.unknown)
        return _named(rows, header.names)


def _header(text: bytes) -> Header:
    names: tuple[str, ...] = ()
    start = count = 0
    first = other = b''
    for number in range(MAX_HEADER_LINES):
        end = text.find(b'\n', start)
        line = text[start:end if end >= 0 else len(text)]
        words = _words(line)
        if len(words) >= MIN_WIDTH and all(map(_is_number, words)):
            named = len(_names(other, _words(other))) == len(words) and not names
            return Header(start, names, count, _quoted(other) if named else '')
        line = BLANK_BEFORE_BRACKET.sub(b'', line)
        words = _words(line)
        found = _names(line, words)
        if {'x', 'y', 'z'} <= set(_plain(found)):
            names = found
        elif words and not words[0].startswith(COMMENT):
            first = first or line.strip()
            other = line.strip() if len(words) >= MIN_WIDTH else other
            count += int(words[0]) if len(words) == 1 and words[0].isdigit() else 0
            if len(words) >= MIN_WIDTH and _is_number(words[0]):
                raise InputError(f'line {number + 1}: expected numbers, got {_quoted(line)}')
        if end < 0:
            break
        start = end + 1
    raise InputError('expected rows of three numbers or more, x y z'
                     + (f', got {_quoted(first)}' if first else ''))


def _names(line: bytes, words: list[bytes]) -> tuple[str, ...]:
    """Return the names in a line; the first one may be missing, as that of an index of pandas."""
    found = [word.decode('utf-8', 'replace').strip('"\'').lstrip('/#%!') for word in words]
    unnamed = ['unnamed'] if line.startswith((b',', b';', b'\t')) else []
    return tuple(unnamed + [word for word in found if word])


def _words(line: bytes) -> list[bytes]:
    if _has_decimal_commas(line):
        line = line.replace(b',', b'.')
    for separators in (b'[;\t]', b','):
        if re.search(separators, line):
            return [word.strip() for word in re.split(separators, line) if word.strip()]
    return line.split()


def _has_decimal_commas(line: bytes) -> bool:
    """Tell whether the commas in a line are decimal ones: something else separates numbers."""
    if not DECIMAL_COMMA.search(line):
        return False
    words = line.split()
    return (b';' in line or b'\t' in line
            or len(words) >= MIN_WIDTH and all(map(NUMBER_WITH_COMMA.fullmatch, words)))


def _quoted(line: bytes) -> str:
    return repr(line[:60].decode('utf-8', 'replace').strip())


def _is_number(word: bytes) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _plain(names: tuple[str, ...]) -> dict[str, str]:
    """Return the plain names of columns, ours for those of other programs, and the original."""
    bare = {UNIT_IN_NAME.sub('', name): name for name in names}
    plain = plain_names(bare if len(bare) == len(names) else {name: name for name in names})
    axes = {other: axis for other in plain if (axis := AXIS_NAME.fullmatch(other))}
    forms = {other: (other[:axis.start(1)], other[axis.end(1):]) for other, axis in axes.items()}
    sizes = Counter(forms.values())
    ours = {other: axes[other][1] if other in axes else OTHER_NAMES.get(other, other)
            for other in plain}

    def rank(other: str) -> int:
        """Return 0 for our own names, and the form of three axes before any of less."""
        if other in axes and sizes[forms[other]] < len(AXES):
            return 2  # in px py x_m y_m z_m the first two are pixels
        return int(ours[other] != other)

    found: dict[str, str] = {}
    for other in sorted(plain, key=rank):
        spare = f'other_{other}' if ours[other] == other else other
        found[spare if ours[other] in found else ours[other]] = plain[other]
    return found


def _unit(names: list[str]) -> float:
    """Return the metres of the unit in the names of the axes, 1 if they have none."""
    found = [UNIT_IN_NAME.search(name) for name in names]
    units = {unit[1].lower() if unit else '' for unit in found}
    if len(units) > 1:
        raise InputError(f'expected one unit of x, y and z, got: {", ".join(names)}')
    return UNITS.get(units.pop(), 1.0)


def _named(rows: NDArray[np.float64], names: tuple[str, ...]) -> FileColumns:
    if len(names) != rows.shape[1]:
        raise InputError(f'the first line names {len(names)} columns ({", ".join(names)}), the '
                         f'rows have {rows.shape[1]} numbers: write names without blanks')
    columns = {name: rows[:, place] for place, name in enumerate(names)}
    plain = _plain(names)
    values = {ours: columns[name] for ours, name in plain.items()}
    for name in PACKED_COLORS.keys() & values.keys():
        values[name] = packed_from_text(values[name])
    unit = _unit([plain[axis] for axis in AXES])
    return FileColumns(values, (*values, *_unknown_color(values)), unit)


def _unknown_color(values: dict[str, NDArray]) -> tuple[str, ...]:
    """Return a name for three columns of other names whose values look like a colour."""
    others = [name for name in values if name not in {*AXES, *NOT_COLORS}]
    if len(others) < 3 or find_color(values) is not None:
        return ()
    place = channel_columns(np.column_stack([values[name] for name in others]))
    return () if place is None else ('colour_in_' + '_'.join(others[place:place + 3]),)


def _number_rows(text: bytes, skipped: int) -> tuple[NDArray[np.float64], int]:
    """Parse lines of numbers, all of one length; return the sum of single ones, counts in .pts."""
    first = text[:text.find(b'\n') + 1 or len(text)]
    if _has_decimal_commas(first):
        text, first = text.replace(b',', b'.'), first.replace(b',', b'.')
    width = len(first.translate(BLANKED).split())
    blanked = text.translate(BLANKED)
    rows = _parse(blanked, width)
    if rows is not None:
        return rows, 0
    kept = []
    count = 0
    for number, line in enumerate(blanked.split(b'\n')):
        words = line.split()
        if len(words) == width and all(map(_is_number, words)):
            kept.append(line)
        elif len(words) == 1 and words[0].isdigit():
            count += int(words[0])
        elif words and not words[0].startswith(COMMENT):
            raise InputError(f'line {skipped + number + 1}: expected {width} numbers, got '
                             + _quoted(line))
    rows = _parse(b'\n'.join(kept), width)
    assert rows is not None, 'all words of the kept lines are numbers'
    return rows, count


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
            raise InputError(f'not a readable .npy array: {describe_load_error(error)}'
                             ) from error
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
