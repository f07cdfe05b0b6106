"""The stress set: generated rooms that are as hard as real scans, to evaluate on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mask3d_core.classes import load_classes
from mask3d_core.data.generated import (
    furnisher_with,
    models_version,
    numbered,
    RoomReader,
    ROOMS,
    scan_until_seen,
)
from mask3d_core.data.readers.raw_scan import RawSource
import numpy as np
from numpy.typing import NDArray

STRESS_VERSION = 1
"""Increased when a seed gives different rooms: prepared ones are then generated again."""
STRESS_ROOMS = 3
"""Third number of the seeds, after those in `mask3d_core.data.generated`."""


def stress_sources(count: int, held_out: int, seed: int, models: Sequence[Path] = (),
                   ) -> list[RawSource]:
    """
    List the rooms of a stress set, still to be generated; arguments as of `room_sources`.

    Both splits are numbered separately: a larger count leaves the other rooms unchanged.
    """
    generate = (partial(generate_stress_room, models=tuple(models)) if models else
                generate_stress_room)
    version = f'stress {STRESS_VERSION}, seed {seed}{models_version(models)}'
    return [RawSource(name, split, (), RoomReader(name, generate, seed, number), version=version)
            for split, number, name in numbered(count, held_out, 'stress', 'held_out_stress')]


def generate_stress_room(seed: int, number: int, models: tuple[Path, ...] = (),
                         ) -> dict[str, NDArray]:
    """
    Generate one room of the stress set and scan it; `models` as of `stress_sources`.

    Returns
    -------
    columns as of `generate_room`

    """
    # imported on use: the command line lists its options without the generator
    from mask3d_core.rooms.stress_room import make_stress_room
    from mask3d_core.rooms.stress_scan import scan_stress_room

    rng = np.random.default_rng([seed, number & 0xFFFFFFFF, STRESS_ROOMS])
    classes = load_classes(ROOMS.table)
    furnisher = furnisher_with(models)
    return scan_until_seen(
        lambda: scan_stress_room(make_stress_room(rng, classes, furnisher), rng),
        f'stress room {number} of seed {seed}')
