"""Generated rooms: training data without a download or a licence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mask3d_core.classes import load_classes
from mask3d_core.data.benchmark import Benchmark
from mask3d_core.data.labels import NO_ID
from mask3d_core.data.protocol import CUSTOM
from mask3d_core.data.readers.raw_scan import RawScan, RawSource
from mask3d_core.errors import InputError
from mask3d_core.tiling.settings import TileSettings
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mask3d_core.rooms.room import FurnisherMaker
    from mask3d_core.rooms.storey import StoreyPart

GENERATOR_VERSION = 5
"""Increased when a seed gives different rooms: prepared ones are then generated again."""
ROOMS = Benchmark('rooms', 'rooms', 'rooms', replace(CUSTOM, num_queries=200),
                  tiles=TileSettings())
"""Their classes are ScanNet's 20 and hand-size objects; their data sets are 'rooms SEED'."""
BENCHMARKS = (ROOMS,)
MODELS_VERSION = 1
"""As `GENERATOR_VERSION`, of rooms with models of catalogues."""
NUM_POINTS = (25_000, 250_000)
"""Range of the number of points of a scan, drawn log-uniformly."""
MIN_VISIBLE_POINTS = 30
"""Instances with fewer visible points are unlabelled: they cannot be recognized."""
MAX_ATTEMPTS = 5
STOREY_ROOMS, STOREY_SCANS = 1, 2
"""Third number of the seeds of storeys; seeds of single rooms have two numbers."""
PARTS_SPLIT = 'validation_rooms'
"""Split of the rooms of held-out floors, one by one."""


@dataclass(frozen=True)
class RoomReader:
    """
    Generates and scans one room, determined by the attributes.

    Attributes
    ----------
    name : str
    generate : callable
        Returns the columns of a room from the next two, as `generate_room` does.
    seed : int
        Of the whole data set.
    number : int
        Of the room in it.

    """

    name: str
    generate: Callable[[int, int], dict[str, NDArray]]
    seed: int
    number: int

    def __call__(self) -> Sequence[RawScan]:
        """Generate the room and scan it."""
        return [RawScan(self.name, self.generate(self.seed, self.number))]


@dataclass(frozen=True)
class FloorReader:
    """
    Generates and scans one floor: rooms along a corridor.

    Attributes
    ----------
    name : str
    seed : int
        Of the whole data set.
    number : int
        Of the floor in it; below 0: held out, so its parts are scans, too.
    rooms : int
    models : tuple of Path
        As of `room_sources`.

    """

    name: str
    seed: int
    number: int
    rooms: int
    models: tuple[Path, ...] = ()

    def __call__(self) -> Sequence[RawScan]:
        """Generate the floor and scan it; the first scan is the whole floor."""
        parts = generate_storey(self.seed, self.number, self.rooms, self.models)
        floor = RawScan(self.name, {key: np.concatenate([part[key] for part in parts])
                                    for key in parts[0]})
        if self.number >= 0:
            return [floor]
        names = [*(f'room_{place:02}' for place in range(self.rooms)), 'corridor']
        return [floor, *(RawScan(f'{self.name}_{name}', part)
                         for name, part in zip(names, parts))]


def room_sources(count: int, held_out: int, seed: int, models: Sequence[Path] = (),
                 ) -> list[RawSource]:
    """
    List the rooms of a data set, still to be generated.

    Parameters
    ----------
    count, held_out : int
        Rooms of the splits 'train' and 'validation'. Both are numbered separately: a larger count
        leaves the other rooms unchanged.
    seed : int
        0 or more.
    models : sequence of Path
        Catalogues of 3D models to furnish the rooms with, beside our own pieces: .sh3f files and
        folders with Gazebo models.

    """
    generate = partial(generate_room, models=tuple(models)) if models else generate_room
    version = f'{GENERATOR_VERSION}, seed {seed}{models_version(models)}'
    return [RawSource(name, split, (), RoomReader(name, generate, seed, number), version=version)
            for split, number, name in numbered(count, held_out, 'room', 'held_out')]


def floor_sources(count: int, held_out: int, seed: int, rooms: int,
                  models: Sequence[Path] = ()) -> list[RawSource]:
    """
    List the floors of a data set, still to be generated.

    The rooms and the corridor of each held-out floor are further scans: the same points with the
    same instances, in the split `PARTS_SPLIT`.

    Parameters
    ----------
    count, held_out : int
        Floors of the splits 'train' and 'validation', numbered separately as rooms are.
    seed : int
        0 or more.
    rooms : int
        Of each floor, 1 or more.
    models : sequence of Path
        As of `room_sources`.

    """
    version = (f'{GENERATOR_VERSION}, seed {seed}, floor of {rooms} rooms'
               f'{models_version(models)}')
    return [RawSource(name, split, (), FloorReader(name, seed, number, rooms, tuple(models)),
                      version=version,
                      parts_split='' if number >= 0 else PARTS_SPLIT)
            for split, number, name in numbered(count, held_out, 'floor', 'held_out_floor')]


def numbered(count: int, held_out: int, kind: str, held_out_kind: str,
             ) -> list[tuple[str, int, str]]:
    """
    Return split, number and name of rooms or floors.

    Numbers are from 0 to train on, held-out ones below 0; names are `kind` and six digits.
    """
    return [*(('train', number, f'{kind}_{number:06}') for number in range(count)),
            *(('validation', -1 - number, f'{held_out_kind}_{number:06}')
              for number in range(held_out))]


def models_version(models: Sequence[Path]) -> str:
    """Return what generated rooms depend on in catalogues of models: empty for none."""
    from mask3d_core.rooms.models.catalogue import fingerprint

    files = ', '.join(map(fingerprint, models))
    return f', models {MODELS_VERSION} of {files}' if models else ''


def furnisher_with(models: tuple[Path, ...]) -> FurnisherMaker:
    """Return what furnishes rooms, with the models of some catalogues if there are any."""
    from mask3d_core.rooms.interiors import Furnisher

    if not models:
        return Furnisher
    from mask3d_core.rooms.models.model_furnisher import ModelFurnisher
    from mask3d_core.rooms.models.model_library import load_library

    return partial(ModelFurnisher, load_library(models))


def generate_room(seed: int, number: int, models: tuple[Path, ...] = (),
                  ) -> dict[str, NDArray]:
    """
    Generate one room and scan it; `models` as of `room_sources`.

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
            room = make_room(rng, classes, style.path == 'close', furnisher_with(models))
            columns = scan_scene(room, rng, style)
        except InputError:  # no camera position sees enough
            continue
        columns = drop_fragments(columns)
        if len(np.unique(columns['instance'])) > 2:
            break
    if columns is None:
        raise InputError(f'no camera sees anything of room {number} of seed {seed}: take another '
                         '--seed')
    return columns


def generate_storey(seed: int, number: int, rooms: int, models: tuple[Path, ...] = (),
                    ) -> list[dict[str, NDArray]]:
    """
    Generate a storey and scan its rooms, and its corridor last, in one frame.

    Instances are numbered through, so that the parts joined are one scan. A storey of more rooms
    begins with the same rooms. `models` are as of `room_sources`.

    Returns
    -------
    list of columns as of `generate_room`

    """
    from mask3d_core.rooms.storey import make_storey

    scans, first = [], 0
    storey = (seed, number & 0xFFFFFFFF)
    parts = make_storey((*storey, STOREY_ROOMS), rooms, load_classes(ROOMS.table),
                        furnisher_with(models))
    for place, part in enumerate(parts):
        columns = _scan_part(part, np.random.default_rng([*storey, STOREY_SCANS, place]))
        instance = columns['instance']
        known, row = np.unique(instance[instance != NO_ID], return_inverse=True)
        instance[instance != NO_ID] = first + row.reshape(-1)
        first += len(known)
        scans.append(columns)
    return scans


def _scan_part(part: StoreyPart, rng: np.random.Generator) -> dict[str, NDArray]:
    from mask3d_core.rooms.scanning import scan_scene

    return scan_until_seen(lambda: scan_scene(part.scene, rng, part.style, part.pose),
                           'a room of this floor')


def scan_until_seen(scan: Callable[[], dict[str, NDArray]], what: str) -> dict[str, NDArray]:
    """Return the first scan whose camera positions see enough, without fragments of instances."""
    for _ in range(MAX_ATTEMPTS):
        try:
            return drop_fragments(scan())
        except InputError:  # no camera position sees enough
            continue
    raise InputError(f'no camera sees anything of {what}: take another --seed')


def drop_fragments(columns: dict[str, NDArray]) -> dict[str, NDArray]:
    """Remove label and instance from instances with less than `MIN_VISIBLE_POINTS` points."""
    instance = columns['instance']
    _, place, count = np.unique(instance, return_inverse=True, return_counts=True)
    few = (count[place.reshape(-1)] < MIN_VISIBLE_POINTS) & (instance != NO_ID)
    return columns | {'instance': np.where(few, NO_ID, instance).astype(np.int32),
                      'label': np.where(few, NO_ID, columns['label']).astype(np.int32)}
