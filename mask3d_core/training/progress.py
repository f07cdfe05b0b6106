"""One line that says how far a run is, and when it will be done."""

from __future__ import annotations

from collections import deque
import sys
import time

RECENT = 50
"""Steps over which the speed is averaged."""
PATIENCE = 30.0
"""Seconds between lines where nobody can see a line change: in a file."""


class Progress:
    """
    Shows the step, the loss, the time left.

    Parameters
    ----------
    begin, end : int
        Steps done before, and at the end of the run.
    steps_per_epoch : int

    """

    def __init__(self, begin: int, end: int, steps_per_epoch: int) -> None:
        self.begin, self.end, self.steps_per_epoch = begin, end, steps_per_epoch
        self.times: deque[float] = deque([time.monotonic()], RECENT + 1)
        self.shown = 0.0
        self.width = 0

    @property
    def seconds(self) -> float:
        """Return the seconds of a step, over the last few."""
        return (self.times[-1] - self.times[0]) / max(len(self.times) - 1, 1)

    def show(self, done: int, loss: float, rate: float, waiting: float) -> None:
        """Say that so many steps are done; `waiting` is the part of the time spent on data."""
        now = time.monotonic()
        self.times.append(now)
        each = self.seconds
        terminal = sys.stderr.isatty()
        if not terminal and done < self.end and now - self.shown < PATIENCE:
            return
        self.shown = now
        epochs = self.end // self.steps_per_epoch
        epoch, place = divmod(done - 1, self.steps_per_epoch)
        line = (f'epoch {epoch + 1}/{epochs} step {place + 1}/{self.steps_per_epoch}  '
                f'loss {loss:.2f}  rate {rate:.1e}  {each:.2f} s/step'
                f' (data {100 * waiting / max(each, 1e-9):.0f} %)  '
                f'{_duration(each * (self.end - done))} left')
        print('\r' + line.ljust(self.width) if terminal else line,
              end='' if terminal else '\n', file=sys.stderr, flush=True)
        self.width = len(line) if terminal else 0

    def leave_out(self, seconds: float) -> None:
        """Count the last seconds to no step: they were spent on something else."""
        self.times = deque((moment + seconds for moment in self.times), self.times.maxlen)

    def say(self, text: str) -> None:
        """Print a line of its own."""
        print('\n' * bool(self.width) + f'mask3d: {text}', file=sys.stderr, flush=True)
        self.width = 0


def _duration(seconds: float) -> str:
    days, rest = divmod(int(seconds), 86400)
    hours, rest = divmod(rest, 3600)
    return f'{days} d {hours} h' if days else f'{hours}:{rest // 60:02}:{rest % 60:02}'
