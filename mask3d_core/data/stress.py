"""The stress set: generated rooms that are as hard as real scans, to evaluate on."""

from __future__ import annotations

from mask3d_core.classes import load_classes
from mask3d_core.data.generated import numbered, RoomReader, ROOMS, scan_until_seen
from mask3d_core.data.readers.raw_scan import RawSource
import numpy as np
from numpy.typing import NDArray

STRESS_VERSION = 1
"""Increased when a seed gives different rooms: prepared ones are then generated again."""
STRESS_ROOMS = 3
"""Third number of the seeds, after those in `mask3d_core.data.generated`."""


def stress_sources(count: int, held_out: int, seed: int) -> list[RawSource]:
    """
    List the rooms of a stress set, still to be generated; arguments as of `room_sources`.

    Both splits are numbered separately: a larger count leaves the other rooms unchanged.
    """
    return [RawSource(name, split, (), RoomReader(name, generate_stress_room, seed, number),
                      version=f'stress {STRESS_VERSION}, seed {seed}')
            for split, number, name in numbered(count, held_out, 'stress', 'held_out_stress')]


def generate_stress_room(seed: int, number: int) -> dict[str, NDArray]:
    """
    Generate one room of the stress set and scan it.

    Returns
    -------
    columns as of `generate_room`

    """
    # imported on use: the command line lists its options without the generator
    from mask3d_core.rooms.stress_room import make_stress_room
    from mask3d_core.rooms.stress_scan import scan_stress_room

    rng = np.random.default_rng([seed, number & 0xFFFFFFFF, STRESS_ROOMS])
    classes = load_classes(ROOMS.table)
    return scan_until_seen(lambda: scan_stress_room(make_stress_room(rng, classes), rng),
                           f'stress room {number} of seed {seed}')
