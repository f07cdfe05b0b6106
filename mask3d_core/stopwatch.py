"""Seconds of each stage of the pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import time

from mask3d_core.stop import begin_stage
import torch


class Stopwatch:
    """
    Seconds per stage; on a GPU a stage ends when its kernels have finished, not when queued.

    A request to stop takes effect where a stage begins.

    Attributes
    ----------
    seconds : dict of str to float

    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the body of the `with` statement."""
        begin_stage(name)
        start = time.perf_counter()
        yield
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)
        self.seconds[name] = time.perf_counter() - start
