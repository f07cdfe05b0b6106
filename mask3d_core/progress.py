"""Progress on stderr: stages, one line, and a bar with the time left; or nothing, if silenced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
import sys
import time

MIN_LINE_INTERVAL = 30.0
"""Seconds between two lines if stderr is a file, not a terminal."""
BAR_WIDTH = 30
"""Characters."""
_silenced = False


@contextmanager
def silenced(silent: bool = True) -> Iterator[None]:
    """Print no progress inside the context; warnings and errors are printed all the same."""
    global _silenced
    before = _silenced
    _silenced = silent or before
    try:
        yield
    finally:
        _silenced = before


def log(stage: str, prefix: str = 'mask3d: ') -> None:
    """Print what is being done to stderr, unless silenced; results go to stdout."""
    if not _silenced:
        report(stage, prefix)


def report(sentence: str, prefix: str = 'mask3d: ') -> None:
    """Print a sentence about a failure to stderr, also if silenced."""
    print(f'{prefix}{sentence}', file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """Print a warning to stderr, also if silenced."""
    report(f'warning: {text}')


class ProgressLine:
    """A line on stderr: updated in place on a terminal; in a file, a new line now and then."""

    def __init__(self) -> None:
        self._shown = 0.0
        self._width = 0

    def show(self, line: str, last: bool = False) -> None:
        """Show a line; in a file, only if the last one is old enough or this is the last."""
        if _silenced:
            return
        now = time.monotonic()
        terminal = sys.stderr.isatty()
        if not terminal and not last and now - self._shown < MIN_LINE_INTERVAL:
            return
        self._shown = now
        print('\r' + line.ljust(self._width) if terminal else line,
              end='' if terminal and not last else '\n', file=sys.stderr, flush=True)
        self._width = len(line) if terminal and not last else 0

    def end(self) -> None:
        """Let what is printed next begin on a line of its own."""
        print('\n' * bool(self._width), end='', file=sys.stderr, flush=True)
        self._width = 0

    def message(self, text: str) -> None:
        """Print what has been done on a line of its own, unless silenced."""
        self.end()
        log(text)

    def report(self, sentence: str) -> None:
        """Print a failure or a warning on a line of its own, also if silenced."""
        self.end()
        report(sentence)


class ProgressBar:
    """
    A bar with the time left.

    Parameters
    ----------
    noun : str
        What is counted.
    work : sequence of numbers
        Work of each, in any unit, in the order of their processing.
    num_processes : int
        Processes that work at the same pace; `work` is that of this one.
    total : int, optional
        Number over all processes.

    """

    def __init__(self, noun: str, work: Sequence[float], num_processes: int = 1,
                 total: int | None = None) -> None:
        self._noun, self._work, self._num_processes = noun, work, num_processes
        self._total = len(work) if total is None else total
        self._done = 0
        self._start = time.monotonic()
        self._line = ProgressLine()

    @property
    def line(self) -> ProgressLine:
        """The line of the bar, for what is printed beside it."""
        return self._line

    def advance(self) -> None:
        """Show that one more is done."""
        self._done += 1
        self.show()

    def show(self, part: float = 0.0) -> None:
        """Show that a part 0..1 of the next one is done."""
        done = sum(self._work[:self._done])
        done += part * sum(self._work[self._done:self._done + 1])
        fraction = done / max(sum(self._work), 1e-9)
        left = (time.monotonic() - self._start) * (1 - fraction) / max(fraction, 1e-9)
        filled = round(BAR_WIDTH * fraction)
        count = min(self._done * self._num_processes, self._total)
        self._line.show(f'{self._noun} {count}/{self._total} '
                        f'[{"#" * filled}{"-" * (BAR_WIDTH - filled)}] {duration(left)} left',
                        last=self._done == len(self._work))


def duration(seconds: float) -> str:
    """Format a duration: '1:02:03', '2 d 5 h'."""
    days, rest = divmod(int(seconds), 86400)
    hours, rest = divmod(rest, 3600)
    return f'{days} d {hours} h' if days else f'{hours}:{rest // 60:02}:{rest % 60:02}'
