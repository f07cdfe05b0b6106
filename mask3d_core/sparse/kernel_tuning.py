"""Tile sizes of the Triton kernels: measured once for each device, then read from a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
import json
import math
import os
from pathlib import Path
import re
from typing import NamedTuple

import torch

MIN_BLOCK = 16
"""Smallest side of a product on tensor cores."""
WARM_UP_MS, MEASURE_MS = 5, 20
"""Milliseconds that `triton.testing.do_bench` spends on each configuration."""
_tuning = False


class Config(NamedTuple):
    """Rows, output and input channels of a program's tile; warps; stages of the pipeline."""

    tile: int
    block_out: int
    block_in: int
    num_warps: int
    num_stages: int


Run = Callable[[Config, bool], None]
"""Runs a kernel with a configuration, or only compiles it."""


class Problem(NamedTuple):
    """What the best configuration depends on, besides the device and the number of rows."""

    kernel: str
    dtype: torch.dtype
    precision: str
    channels_in: int
    channels: int
    volume: int

    @property
    def configs(self) -> tuple[Config, ...]:
        """The configurations for any number of channels."""
        exact = self.dtype == torch.float32 and self.precision == 'ieee'
        return CONFIGS[self.kernel + ' exact' * exact]

    def __str__(self) -> str:
        dtype = str(self.dtype).removeprefix('torch.')
        return (f'{self.kernel} {dtype} {self.precision} '
                f'{self.channels_in}x{self.channels}x{self.volume}')


CONFIGS = {
    'gather': (Config(64, 64, 32, 4, 3), Config(128, 64, 32, 4, 3), Config(64, 128, 32, 4, 3),
               Config(128, 128, 32, 8, 3), Config(64, 64, 64, 4, 4), Config(128, 128, 64, 8, 3),
               Config(32, 64, 64, 4, 4), Config(32, 32, 64, 2, 4)),
    'gather exact': (Config(64, 64, 16, 4, 3), Config(128, 64, 16, 8, 3), Config(64, 32, 16, 4, 3),
                     Config(32, 32, 32, 4, 3)),
    'weight': (Config(64, 64, 64, 4, 3), Config(64, 128, 64, 4, 3), Config(64, 64, 128, 4, 3),
               Config(64, 128, 128, 8, 3), Config(64, 32, 32, 4, 4)),
    'weight exact': (Config(64, 32, 32, 4, 3), Config(64, 64, 32, 4, 3), Config(64, 64, 64, 8, 2))}
"""
By kernel; the first is used where nothing was measured. Exact ones, of float32, run without tensor
cores; they are fewer and smaller, as large ones compile slowly.
"""


@contextmanager
def tuning() -> Iterator[None]:
    """Measure configurations that are not known while the context lasts; for warm-ups."""
    global _tuning
    before, _tuning = _tuning, True
    try:
        yield
    finally:
        _tuning = before


def candidates(problem: Problem) -> list[Config]:
    """Return the configurations of a kernel, no larger than its channels need."""
    fitting = [config._replace(block_out=_fit(config.block_out, problem.channels),
                               block_in=_fit(config.block_in, problem.channels_in))
               for config in problem.configs]
    return list(dict.fromkeys(fitting))


def _fit(block: int, channels: int) -> int:
    return min(block, max(MIN_BLOCK, 1 << (channels - 1).bit_length()))


def choose_config(problem: Problem, rows: int, device: torch.device, run: Run,
                  tune: bool = False) -> Config:
    """
    Return the configuration for a problem with this many rows.

    It is measured with `run` if it is not known and either `tune` or a `tuning` context asks for
    it. Otherwise nothing waits: that of the nearest number of rows is used, or the default.
    """
    if device.type != 'cuda':  # the interpreter
        return candidates(problem)[0]
    choices = _choices(device.index or 0)
    known, size = choices.of(problem), rows.bit_length()
    if size not in known and (tune or _tuning):
        known[size] = _fastest(candidates(problem), run)
        choices.save()
    if not known:
        return candidates(problem)[0]
    return known[min(known, key=lambda other: abs(other - size))]


def _fastest(configs: list[Config], run: Run) -> Config:
    import triton
    from triton.errors import TritonError
    from triton.testing import do_bench

    if hasattr(triton, 'AsyncCompileMode'):  # Triton 3.5
        with ThreadPoolExecutor(os.cpu_count()) as pool, triton.AsyncCompileMode(
                pool, ignore_errors=True):
            for config in configs:
                run(config, True)

    def milliseconds(config: Config) -> float:
        try:
            return do_bench(lambda: run(config, False), WARM_UP_MS, MEASURE_MS)
        except TritonError:  # too large for this GPU
            return math.inf

    return min(configs, key=milliseconds)


class Choices:
    """
    The configurations that were measured on one device, kept in a file.

    A file that cannot be read or written, or is of another Triton, is no error: then they are
    measured again.

    Parameters
    ----------
    path : Path
    version : str
        Of what they were measured with.

    """

    def __init__(self, path: Path, version: str) -> None:
        self.path, self.version = path, version
        self._known: dict[str, dict[int, Config]] = {}
        try:
            stored = json.loads(path.read_text())
            if stored['version'] == version:
                self._known = {problem: {int(size): Config(*map(int, config))
                                         for size, config in known.items()}
                               for problem, known in stored['choices'].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass

    def of(self, problem: Problem) -> dict[int, Config]:
        """Return the configurations by the number of bits of the number of rows."""
        return self._known.setdefault(str(problem), {})

    def save(self) -> None:
        """Write the file."""
        temporary = self.path.with_suffix(f'.{os.getpid()}')
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps({'version': self.version, 'choices': self._known},
                                            indent=1))
            temporary.replace(self.path)
        except OSError:
            pass


@cache
def _choices(device: int) -> Choices:
    import triton

    name = re.sub(r'\W+', '_', torch.cuda.get_device_name(device))
    folder = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'mask3d'
    return Choices(folder / f'kernels_{name}.json',
                   f'triton {triton.__version__}, cuda {torch.version.cuda}, {CONFIGS}')
