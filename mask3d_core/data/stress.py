"""The stress set: generated rooms that are as hard as real scans, to evaluate on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mask3d_core.classes import load_classes
from mask3d_core.data.generated import drop_fragments, MAX_ATTEMPTS, ROOMS
from mask3d_core.data.readers.raw_scan import RawScan, RawSource
from mask3d_core.errors import InputError
import numpy as np
from numpy.typing import NDArray

STRESS_VERSION = 1
"""Increased when a seed gives different rooms: prepared ones are then generated again."""
STRESS_ROOMS = 3
"""Third number of the seeds, after those in `mask3d_core.data.generated`."""


@dataclass(frozen=True)
class StressReader:
    """
    Generates and scans one room of the stress set, determined by the three attributes.

    Attributes
    ----------
    name : str
    seed : int
        Of the whole data set.
    number : int
        Of the room in it.

    """

    name: str
    seed: int
    number: int

    def __call__(self) -> Sequence[RawScan]:
        """Generate the room and scan it."""
        return [RawScan(self.name, generate_stress_room(self.seed, self.number))]


def stress_sources(count: int, held_out: int, seed: int) -> list[RawSource]:
    """
    List the rooms of a stress set, still to be generated; arguments as of `room_sources`.

    Both splits are numbered separately: a larger count leaves the other rooms unchanged.
    """
    numbers = [*range(count), *(-1 - number for number in range(held_out))]
    return [RawSource(name, 'train' if number >= 0 else 'validation', (),
                      StressReader(name, seed, number),
                      version=f'stress {STRESS_VERSION}, seed {seed}')
            for number in numbers for name in [
                f'stress_{number:06}' if number >= 0 else f'held_out_stress_{-1 - number:06}']]


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
    for _ in range(MAX_ATTEMPTS):
        try:
            return drop_fragments(scan_stress_room(make_stress_room(rng, classes), rng))
        except InputError:  # no camera position sees enough
            continue
    raise InputError(f'no camera sees anything of stress room {number} of seed {seed}: take '
                     'another --seed')
