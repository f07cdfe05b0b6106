"""Read large text tables of numbers, skipping and reporting damaged lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mask3d_core.errors import InputError
from mask3d_core.files.source import file_errors, FilePath
import numpy as np
from numpy.typing import NDArray

READ_BYTES = 1 << 22
"""Bytes per read; the largest file of a data set has half a gigabyte."""
MAX_DAMAGED_SHARE = 0.01
"""Share of the lines; a file with more damaged lines is rejected as another format."""
BLANK_SEPARATORS = bytes(32 if byte <= 32 or byte == ord(',') else byte for byte in range(256))
"""Translation table that replaces separators and control characters by blanks."""
PRINTABLE_BYTES = bytes(byte for byte in range(256) if byte >= 32 or byte in b'\t\n\r')
CONTROL_BYTES = bytes(byte for byte in range(32) if byte not in b'\t\n\r')
NUMBER_BYTES = b'0123456789+-.eE,' + bytes(range(33))
MAX_VALUE = float(np.finfo(np.float32).max)
"""Values beyond the range of float32, inf and nan are not valid."""


@dataclass
class TableLines:
    """
    Which lines of a table were read, repaired and dropped; filled while it is read.

    Attributes
    ----------
    read : int
        Number of lines that gave a row.
    repaired : list of int
        Numbers (from 1) of lines that gave a row after their control characters were replaced by
        blanks or removed.
    dropped : list of int
        Numbers (from 1) of lines that gave no row.

    """

    read: int = 0
    repaired: list[int] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)

    def notes(self) -> list[str]:
        """Describe the repaired and the dropped lines; empty if there are none."""
        return [f'{action} {_line_list(lines)}' for action, lines in (
            ('repaired a control character in', self.repaired),
            ('dropped as damaged:', self.dropped)) if lines]


def _line_list(lines: list[int]) -> str:
    shown = ', '.join(map(str, lines[:5])) + (', …' if len(lines) > 5 else '')
    return f'line {shown}' if len(lines) == 1 else f'{len(lines)} lines ({shown})'


def read_number_table(path: FilePath, width: int, lines: TableLines) -> Iterator[NDArray]:
    """
    Read a table of numbers separated by blanks or commas.

    Parameters
    ----------
    path : path
    width : int
        Numbers per row. Empty lines are skipped.
    lines : TableLines
        Is updated with the result of each line.

    Yields
    ------
    [R, width] float64
        The rows of the file in order, in chunks.

    Raises
    ------
    InputError
        With the file name, if it cannot be read or too many lines are damaged.

    """
    with file_errors(path):
        done = 0
        with Path(path).open('rb') as file:
            rest = b''
            while chunk := file.read(READ_BYTES):
                whole, newline, rest = (rest + chunk).rpartition(b'\n')
                if newline:
                    yield _rows(whole, width, done, lines)
                    done += whole.count(b'\n') + 1
            yield _rows(rest, width, done, lines)
        damaged = len(lines.dropped)
        if damaged > MAX_DAMAGED_SHARE * (damaged + lines.read):
            raise InputError(f'{damaged} of {damaged + lines.read} lines are not rows of {width} '
                             f'numbers, the first is line {lines.dropped[0]}')


def _rows(text: bytes, width: int, done: int, lines: TableLines) -> NDArray[np.float64]:
    """Parse complete lines, the first of which has the number `done` + 1."""
    suspect: list[int] = []
    if text.translate(None, PRINTABLE_BYTES):
        text, suspect = _repaired(text, width)
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord('\n'))
    words = _words_per_line(np.frombuffer(text.translate(BLANK_SEPARATORS), np.uint8), ends)
    kept = words == width
    values = _values(text, kept, width)
    if values is None:  # some word is no number: check line by line, which is slow
        kept &= np.array([_is_row(line) for line in text.split(b'\n')])
        values = _values(text, kept, width)
        assert values is not None
    dropped = np.flatnonzero(~kept & (words > 0))
    lines.dropped += (dropped + 1 + done).tolist()
    lines.repaired += (np.setdiff1d(suspect, dropped) + 1 + done).astype(int).tolist()
    lines.read += int(kept.sum())
    return values


def _values(text: bytes, kept: NDArray[np.bool_], width: int) -> NDArray[np.float64] | None:
    """Parse all kept lines at once: [R, width]; None if a word in them is no number."""
    if not kept.all():
        every = text.split(b'\n')
        text = b'\n'.join(every[line] for line in np.flatnonzero(kept))
    if text.translate(None, NUMBER_BYTES):
        return None
    try:
        values = np.fromstring(text.translate(BLANK_SEPARATORS).decode(), sep=' ')
    except ValueError:  # 1.2.3
        return None
    valid = len(values) == width * kept.sum() and (np.abs(values) <= MAX_VALUE).all()
    return values.reshape(-1, width) if valid else None


def _repaired(text: bytes, width: int) -> tuple[bytes, list[int]]:
    """
    Replace control characters by blanks, or remove them if the line is a row only then.

    Returns the text, and the indices of the lines that had control characters.
    """
    suspect, every = [], text.split(b'\n')
    for number, line in enumerate(every):
        if not line.translate(None, PRINTABLE_BYTES):
            continue
        suspect.append(number)
        blanked, removed = line.translate(BLANK_SEPARATORS), line.translate(None, CONTROL_BYTES)
        if len(blanked.split()) != width == len(removed.translate(BLANK_SEPARATORS).split()):
            every[number] = removed
        else:
            every[number] = blanked
    return b'\n'.join(every), suspect


def _words_per_line(content: NDArray[np.uint8], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the words of each line: [bytes] uint8 and the positions of line ends -> [lines]."""
    inside = content != 32
    starts = np.flatnonzero(inside & ~np.concatenate([[False], inside[:-1]])[:len(inside)])
    return np.bincount(np.searchsorted(ends, starts), minlength=len(ends) + 1)


def _is_row(line: bytes) -> bool:
    try:
        return not line.translate(None, NUMBER_BYTES) and all(
            abs(float(word)) <= MAX_VALUE for word in line.translate(BLANK_SEPARATORS).split())
    except ValueError:
        return False
