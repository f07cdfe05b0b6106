"""Generated rooms: training data without a download or a licence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mask3d_core.classes import load_classes
from mask3d_core.data.benchmark import Benchmark
from mask3d_core.data.labels import NO_ID
from mask3d_core.data.protocol import CUSTOM
from mask3d_core.data.readers.raw_scan import RawScan, RawSource
from mask3d_core.errors import InputError
import numpy as np
from numpy.typing import NDArray

GENERATOR_VERSION = 5
"""Increased when a seed gives different rooms: prepared ones are then generated again."""
ROOMS = Benchmark('rooms', 'rooms', 'rooms', replace(CUSTOM, num_queries=200))
"""Their classes are ScanNet's 20 and hand-size objects; their data sets are 'rooms SEED'."""
BENCHMARKS = (ROOMS,)
NUM_POINTS = (25_000, 250_000)
"""Range of the number of points of a scan, drawn log-uniformly."""
MIN_VISIBLE_POINTS = 30
"""Instances with fewer visible points are unlabelled: they cannot be recognized."""
MAX_ATTEMPTS = 5


@dataclass(frozen=True)
class RoomReader:
    """
    Generates and scans one room, determined by the three attributes.

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
        return [RawScan(self.name, generate_room(self.seed, self.number))]


def room_sources(count: int, held_out: int, seed: int) -> list[RawSource]:
    """
    List the rooms of a data set, still to be generated.

    Parameters
    ----------
    count, held_out : int
        Rooms of the splits 'train' and 'validation'. Both are numbered separately: a larger count
        leaves the other rooms unchanged.
    seed : int
        0 or more.

    """
    numbers = [('train', number) for number in range(count)]
    numbers += [('validation', -1 - number) for number in range(held_out)]
    sources = []
    for split, number in numbers:
        name = f'room_{number:06}' if number >= 0 else f'held_out_{-1 - number:06}'
        sources.append(RawSource(name, split, (), RoomReader(name, seed, number),
                                 version=f'{GENERATOR_VERSION}, seed {seed}'))
    return sources


def generate_room(seed: int, number: int) -> dict[str, NDArray]:
    """
    Generate one room and scan it.

    Returns
    -------
    columns as of `LabelledScan.from_columns`
        xyz [N, 3] float32 m, z up; color [N, 3] uint8; label [N] int32, ids of the class table
        'rooms'; instance [N] int32, -1 for none.

    """
    # imported on use: listing the benchmarks needs no generator
    from mask3d_core.rooms.room import make_room
    from mask3d_core.rooms.scanning import random_style, scan_scene

    classes = load_classes(ROOMS.table)
    rng = np.random.default_rng([seed, number & 0xFFFFFFFF])
    columns = None
    for _ in range(MAX_ATTEMPTS):
        style = random_style(rng, int(np.exp(rng.uniform(*np.log(NUM_POINTS)))))
        try:
            columns = scan_scene(make_room(rng, classes, style.path == 'close'), rng, style)
        except InputError:  # no camera position sees enough
            continue
        columns = drop_fragments(columns)
        if len(np.unique(columns['instance'])) > 2:
            break
    if columns is None:
        raise InputError(f'no camera sees anything of room {number} of seed {seed}: take another '
                         '--seed')
    return columns


def drop_fragments(columns: dict[str, NDArray]) -> dict[str, NDArray]:
    """Remove label and instance from instances with less than `MIN_VISIBLE_POINTS` points."""
    instance = columns['instance']
    _, place, count = np.unique(instance, return_inverse=True, return_counts=True)
    few = (count[place.reshape(-1)] < MIN_VISIBLE_POINTS) & (instance != NO_ID)
    return columns | {'instance': np.where(few, NO_ID, instance).astype(np.int32),
                      'label': np.where(few, NO_ID, columns['label']).astype(np.int32)}
