"""
How OpenMP's threads wait for work: set before torch loads an OpenMP runtime.

By default they spin for milliseconds after each parallel operation. Where other programs keep
the cores busy, a spinning thread takes a core from the thread it waits for, at each of a
thousand operations of a scan: it takes ten times as long (docs/log/busy_machine.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
import os
import sys

WAIT_VARIABLES = ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT', 'KMP_BLOCKTIME')
"""Variables a user may set: if one of them is set, all are left as they are."""
SHORT_WAIT = {'GOMP_SPINCOUNT': '100', 'KMP_BLOCKTIME': '0'}
"""
Rounds of spinning of GCC's runtime, on a Xeon 2 microseconds instead of 7 milliseconds;
milliseconds of Intel's and LLVM's, instead of 200.
"""


@cache
def wait_briefly() -> str:
    """
    Let OpenMP's threads sleep soon when they have nothing to do, unless the user set otherwise.

    The package calls it when it is imported; later calls change nothing.

    Returns
    -------
    str
        How they wait, and who set it, for `mask3d doctor`.

    """
    given = {name: os.environ[name] for name in WAIT_VARIABLES if name in os.environ}
    if given and given != SHORT_WAIT:  # the same: a process of mask3d has started this one
        return f'{_text(given)} (set by the user)'
    earlier = _loaded_earlier()
    if not given and earlier is not None:
        return f'threads wait as by default (mask3d was imported after {earlier}: no effect)'
    os.environ.update(SHORT_WAIT)
    return f'threads sleep after a short wait (set by mask3d: {_text(SHORT_WAIT)})'


def _text(settings: Mapping[str, str]) -> str:
    return ', '.join(f'{name}={value}' for name, value in settings.items())


def _loaded_earlier() -> str | None:
    """Return what has loaded an OpenMP runtime already: it reads its settings once."""
    if 'libgomp' in os.environ.get('LD_PRELOAD', ''):
        return 'libgomp, by LD_PRELOAD'
    return 'torch' if 'torch' in sys.modules else None
