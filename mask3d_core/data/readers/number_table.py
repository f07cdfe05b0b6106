"""Big tables of numbers as text, a row a line: damaged lines are named, the others read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mask3d_core.errors import InputError
from mask3d_core.files.source import FilePath, naming
import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 22
"""Bytes read at once; a data set's largest file has half a gigabyte."""
MOST_DAMAGED = 0.01
"""Part of the lines; beyond it this is another kind of file."""
BLANK = bytes(32 if byte <= 32 or byte == ord(',') else byte for byte in range(256))
PLAIN = bytes(byte for byte in range(256) if byte >= 32 or byte in b'\t\n\r')
CONTROL = bytes(byte for byte in range(32) if byte not in b'\t\n\r')
NUMBER = b'0123456789+-.eE,' + bytes(range(33))
LARGEST = float(np.finfo(np.float32).max)
"""What a number of a scan can be; neither inf nor nan is."""


@dataclass
class TableLines:
    """
    What became of the lines of a table; filled while it is read.

    Attributes
    ----------
    read : int
        Lines that gave a row.
    repaired : list of int
        Numbers, from 1, of lines that make a row once their control characters are taken for
        blanks or left out.
    dropped : list of int
        Numbers of lines that hold no row.

    """

    read: int = 0
    repaired: list[int] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)

    def notes(self) -> list[str]:
        """Say what was wrong, if anything was."""
        return [f'{fate} {_listed(lines)}' for fate, lines in (
            ('mended a control character in', self.repaired),
            ('dropped as damaged:', self.dropped)) if lines]


def _listed(lines: list[int]) -> str:
    shown = ', '.join(map(str, lines[:5])) + (', …' if len(lines) > 5 else '')
    return f'line {shown}' if len(lines) == 1 else f'{len(lines)} lines ({shown})'


def read_number_table(path: FilePath, width: int, lines: TableLines) -> Iterator[NDArray]:
    """
    Read a table of numbers with blanks or commas between them.

    Parameters
    ----------
    path : path
    width : int
        Numbers of each row. Empty lines are skipped.
    lines : TableLines
        Told what became of each line.

    Yields
    ------
    [R, width] float64
        The rows of the file in their order, some thousand at a time.

    Raises
    ------
    InputError
        With the name of the file, when it cannot be read or too many lines are damaged.

    """
    with naming(path):
        done = 0
        with Path(path).open('rb') as file:
            rest = b''
            while block := file.read(BLOCK):
                whole, newline, rest = (rest + block).rpartition(b'\n')
                if newline:
                    yield _rows(whole, width, done, lines)
                    done += whole.count(b'\n') + 1
            yield _rows(rest, width, done, lines)
        damaged = len(lines.dropped)
        if damaged > MOST_DAMAGED * (damaged + lines.read):
            raise InputError(f'{damaged} of {damaged + lines.read} lines are not rows of {width} '
                             f'numbers, the first is line {lines.dropped[0]}')


def _rows(text: bytes, width: int, done: int, lines: TableLines) -> NDArray[np.float64]:
    """Read whole lines; `done` of the file came before."""
    odd: list[int] = []
    if text.translate(None, PLAIN):
        text, odd = _mended(text, width)
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord('\n'))
    words = _words_per_line(np.frombuffer(text.translate(BLANK), np.uint8), ends)
    kept = words == width
    values = _values(text, kept, width)
    if values is None:  # look at every line: the slow way
        kept &= np.array([_is_row(line) for line in text.split(b'\n')])
        values = _values(text, kept, width)
        assert values is not None
    dropped = np.flatnonzero(~kept & (words > 0))
    lines.dropped += (dropped + 1 + done).tolist()
    lines.repaired += (np.setdiff1d(odd, dropped) + 1 + done).astype(int).tolist()
    lines.read += int(kept.sum())
    return values


def _values(text: bytes, kept: NDArray[np.bool_], width: int) -> NDArray[np.float64] | None:
    """Read the kept lines all at once: [R, width]; None where something in them is no number."""
    if not kept.all():
        every = text.split(b'\n')
        text = b'\n'.join(every[line] for line in np.flatnonzero(kept))
    if text.translate(None, NUMBER):
        return None
    try:
        values = np.fromstring(text.translate(BLANK).decode(), sep=' ')
    except ValueError:  # 1.2.3
        return None
    whole = len(values) == width * kept.sum() and (np.abs(values) <= LARGEST).all()
    return values.reshape(-1, width) if whole else None


def _mended(text: bytes, width: int) -> tuple[bytes, list[int]]:
    """Take control characters for blanks, or leave them out if the line is a row only then."""
    odd, every = [], text.split(b'\n')
    for number, line in enumerate(every):
        if not line.translate(None, PLAIN):
            continue
        odd.append(number)
        closed = line.translate(None, CONTROL)
        if len(line.translate(BLANK).split()) != width == len(closed.translate(BLANK).split()):
            every[number] = closed
        else:
            every[number] = line.translate(BLANK)
    return b'\n'.join(every), odd


def _words_per_line(content: NDArray[np.uint8], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    inside = content != 32
    starts = np.flatnonzero(inside & ~np.concatenate([[False], inside[:-1]])[:len(inside)])
    return np.bincount(np.searchsorted(ends, starts), minlength=len(ends) + 1)


def _is_row(line: bytes) -> bool:
    try:
        return not line.translate(None, NUMBER) and all(
            abs(float(word)) <= LARGEST for word in line.translate(BLANK).split())
    except ValueError:
        return False
