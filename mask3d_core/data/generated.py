"""Rooms to learn from: generated, scanned, labelled; no download and no licence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mask3d_core.classes import load_classes
from mask3d_core.data.benchmark import Benchmark
from mask3d_core.data.protocol import CUSTOM
from mask3d_core.data.readers.raw_scan import RawScan, RawSource
from mask3d_core.errors import InputError
import numpy as np
from numpy.typing import NDArray

VERSION = 5
"""Of the generator: raise it when a seed gives other rooms, so that they are made anew."""
ROOMS = Benchmark('rooms', 'rooms', 'rooms', replace(CUSTOM, num_queries=200))
"""Their classes are ScanNet's 20 and hand-size objects; their data sets are 'rooms SEED'."""
BENCHMARKS = (ROOMS,)
NONE = -1
POINTS = (25_000, 250_000)
"""Least and most points of a scan."""
FEWEST_POINTS = 30
"""An instance of which a scan shows less is not learned: nobody could tell what it is."""
TRIES = 5


@dataclass(frozen=True)
class RoomReader:
    """
    Makes one room; the same three values make the same one.

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
    List rooms to be made.

    Parameters
    ----------
    count, held_out : int
        Rooms of the splits 'train' and 'validation'. The latter have numbers of their own, so
        that more rooms to train on leave them as they are.
    seed : int
        0 or more.

    """
    numbers = [('train', number) for number in range(count)]
    numbers += [('validation', -1 - number) for number in range(held_out)]
    sources = []
    for split, number in numbers:
        name = f'room_{number:06}' if number >= 0 else f'held_out_{-1 - number:06}'
        sources.append(RawSource(name, split, (), RoomReader(name, seed, number),
                                 version=f'{VERSION}, seed {seed}'))
    return sources


def generate_room(seed: int, number: int) -> dict[str, NDArray]:
    """
    Make one room and scan it.

    Returns
    -------
    columns as of `LabelledScan.from_columns`
        xyz [N, 3] float32 m, z up; color [N, 3] uint8; label [N] int32, ids of the class table
        'rooms'; instance [N] int32, -1 for none.

    """
    # imported on use: listing the benchmarks needs no generator
    from mask3d_core.rooms.room import make_room
    from mask3d_core.rooms.scanning import random_style, scan

    classes = load_classes(ROOMS.table)
    rng = np.random.default_rng([seed, number & 0xFFFFFFFF])
    columns = None
    for _ in range(TRIES):
        style = random_style(rng, int(np.exp(rng.uniform(*np.log(POINTS)))))
        try:
            columns = scan(make_room(rng, classes, style.path == 'close'), rng, style)
        except InputError:  # from nowhere the camera saw anything
            continue
        columns = forget_fragments(columns)
        if len(np.unique(columns['instance'])) > 2:
            break
    if columns is None:
        raise InputError(f'no camera sees anything of room {number} of seed {seed}: take another '
                         '--seed')
    return columns


def forget_fragments(columns: dict[str, NDArray]) -> dict[str, NDArray]:
    """Take label and instance from what shows less than `FEWEST_POINTS` of an instance."""
    instance = columns['instance']
    _, place, count = np.unique(instance, return_inverse=True, return_counts=True)
    few = (count[place.reshape(-1)] < FEWEST_POINTS) & (instance != NONE)
    return columns | {'instance': np.where(few, NONE, instance).astype(np.int32),
                      'label': np.where(few, NONE, columns['label']).astype(np.int32)}
