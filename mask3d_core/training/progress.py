"""The progress line of a run: step, loss, speed, time left."""

from __future__ import annotations

from collections import deque
import sys
import time

SPEED_WINDOW = 50
"""Steps over which the speed is averaged."""
MIN_LINE_INTERVAL = 30.0
"""Seconds between two progress lines if stderr is a file, not a terminal."""


class Progress:
    """
    Show step, loss, speed and time left on stderr; on a terminal the line is updated in place.

    Parameters
    ----------
    num_steps : int
        Steps of the whole run.
    steps_per_epoch : int

    """

    def __init__(self, num_steps: int, steps_per_epoch: int) -> None:
        self.num_steps, self.steps_per_epoch = num_steps, steps_per_epoch
        self.times: deque[float] = deque([time.monotonic()], SPEED_WINDOW + 1)
        self.shown = 0.0
        self.width = 0

    @property
    def seconds(self) -> float:
        """Return the seconds per step, averaged over the last ones."""
        return (self.times[-1] - self.times[0]) / max(len(self.times) - 1, 1)

    def show(self, done: int, loss: float, rate: float, waiting: float) -> None:
        """Show that `done` steps are done; the last one waited `waiting` seconds for data."""
        now = time.monotonic()
        self.times.append(now)
        each = self.seconds
        terminal = sys.stderr.isatty()
        if not terminal and done < self.num_steps and now - self.shown < MIN_LINE_INTERVAL:
            return
        self.shown = now
        epochs = self.num_steps // self.steps_per_epoch
        epoch, place = divmod(done - 1, self.steps_per_epoch)
        line = (f'epoch {epoch + 1}/{epochs} step {place + 1}/{self.steps_per_epoch}  '
                f'loss {loss:.2f}  rate {rate:.1e}  {each:.2f} s/step'
                f' (data {100 * waiting / max(each, 1e-9):.0f} %)  '
                f'{_duration(each * (self.num_steps - done))} left')
        print('\r' + line.ljust(self.width) if terminal else line,
              end='' if terminal else '\n', file=sys.stderr, flush=True)
        self.width = len(line) if terminal else 0

    def exclude(self, seconds: float) -> None:
        """Exclude the last seconds from the time per step: they were spent on validation."""
        self.times = deque((moment + seconds for moment in self.times), self.times.maxlen)

    def message(self, text: str) -> None:
        """Print a message on a line of its own."""
        print('\n' * bool(self.width) + f'mask3d: {text}', file=sys.stderr, flush=True)
        self.width = 0


def _duration(seconds: float) -> str:
    days, rest = divmod(int(seconds), 86400)
    hours, rest = divmod(rest, 3600)
    return f'{days} d {hours} h' if days else f'{hours}:{rest // 60:02}:{rest % 60:02}'
