"""The progress line of a run: step, loss, speed, time left."""

from __future__ import annotations

from collections import deque
import time

from mask3d_core.progress import duration, ProgressLine

SPEED_WINDOW = 50
"""Steps over which the speed is averaged."""


class Progress(ProgressLine):
    """
    Show step, loss, speed and time left on stderr; on a terminal the line is updated in place.

    Parameters
    ----------
    num_steps : int
        Steps of the whole run.
    steps_per_epoch : int

    """

    def __init__(self, num_steps: int, steps_per_epoch: int) -> None:
        super().__init__()
        self.num_steps, self.steps_per_epoch = num_steps, steps_per_epoch
        self.times: deque[float] = deque([time.monotonic()], SPEED_WINDOW + 1)

    @property
    def seconds(self) -> float:
        """Return the seconds per step, averaged over the last ones."""
        return (self.times[-1] - self.times[0]) / max(len(self.times) - 1, 1)

    def show_step(self, done: int, loss: float, rate: float, waiting: float) -> None:
        """Show that `done` steps are done; the last one waited `waiting` seconds for data."""
        self.times.append(time.monotonic())
        each = self.seconds
        epochs = self.num_steps // self.steps_per_epoch
        epoch, place = divmod(done - 1, self.steps_per_epoch)
        self.show(f'epoch {epoch + 1}/{epochs} step {place + 1}/{self.steps_per_epoch}  '
                  f'loss {loss:.2f}  rate {rate:.1e}  {each:.2f} s/step'
                  f' (data {100 * waiting / max(each, 1e-9):.0f} %)  '
                  f'{duration(each * (self.num_steps - done))} left', done == self.num_steps)

    def exclude(self, seconds: float) -> None:
        """Exclude the last seconds from the time per step: they were spent on validation."""
        self.times = deque((moment + seconds for moment in self.times), self.times.maxlen)
