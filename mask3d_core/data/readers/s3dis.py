"""Read S3DIS as it is shipped: Area_5/office_1/Annotations/chair_1.txt."""

from __future__ import annotations

from functools import partial
from pathlib import Path
import re

from mask3d_core.data.benchmark import Benchmark, OriginalModels
from mask3d_core.data.protocol import Protocol
from mask3d_core.data.readers.number_table import read_number_table, TableLines
from mask3d_core.data.readers.raw_scan import (
    color_bytes,
    list_folder,
    MissingSource,
    RawScan,
    RawSource,
)
from mask3d_core.errors import InputError
import numpy as np
from numpy.typing import NDArray

AREAS = tuple(f'Area_{number}' for number in range(1, 7))
VALIDATION_AREA = 'Area_5'
READER_VERSION = '2'
"""Increased when files give other scans than before: stored ones are made again."""
MIN_REPEATED_SHARE = 0.95
"""Of the points of an annotation that are in another one, from which on it repeats that one."""
USUAL_NAME = re.compile(r'[A-Za-z]+_\d+\.txt')
SAME_CLASS = {'stairs': 'clutter'}
"""Rooms have a class that the benchmark does not know."""


def s3dis_sources(raw: Path, classes: dict[str, int]) -> list[RawSource]:
    """
    List the rooms of all areas; each area is a fold, Area_5 the validation split.

    Parameters
    ----------
    raw : path
        `Stanford3dDataset_v1.2`, its aligned version, or the folder around it.
    classes : mapping of name to id

    Raises
    ------
    InputError
        When there is no area.

    """
    roots = [raw, *raw.glob('Stanford3dDataset*')]
    root = next((root for root in roots if any((root / area).is_dir() for area in AREAS)), None)
    if root is None:
        raise InputError(f'{raw} is not S3DIS: expected the folders {", ".join(AREAS)}')
    sources = []
    for area in AREAS:
        split = 'validation' if area == VALIDATION_AREA else 'train'
        if not (root / area).is_dir():
            missing = MissingSource(root / area, 'expected rooms there')
            sources.append(RawSource(area, split, (), missing, area))
            continue
        for room in filter(Path.is_dir, list_folder(root / area)):
            name = f'{area}_{room.name}'
            sources.append(RawSource(name, split, tuple(_annotations(room)),
                                     partial(read_s3dis_room, room, name, classes), area,
                                     version=READER_VERSION))
    return sources


def _annotations(room: Path) -> list[Path]:
    folder = room / 'Annotations'
    if not folder.is_dir():
        return []
    return [file for file in list_folder(folder) if file.suffix == '.txt']


def read_s3dis_room(room: Path, name: str, classes: dict[str, int]) -> list[RawScan]:
    """
    Read one room: each file of its Annotations is an instance, named after its class.

    Raises
    ------
    InputError
        With the name of the file, when one is missing, damaged or of an unknown class.

    """
    files = _annotations(room)
    if not files:
        raise InputError(f'{room}: expected files like Annotations/chair_1.txt, got none')
    labels: list[int] = []
    parts: list[tuple[NDArray, NDArray]] = []
    notes: list[str] = []
    for file in files:
        labels.append(_class_id(file, classes))
        lines = TableLines()
        parts.append(_points(file, lines))
        notes += [f'{file.name}: {note}' for note in lines.notes()]
    left_out = _left_out([file.name for file in files], [xyz for xyz, _ in parts])
    notes += [f'{files[place].name} {why}' for place, why in left_out.items()]
    kept = [place for place in range(len(files)) if place not in left_out]
    if not kept:
        raise InputError(f'{room}: all annotations are empty')
    sizes = [len(parts[place][0]) for place in kept]
    notes += _check_whole(room, sum(sizes))
    return [RawScan(name, {
        'xyz': np.concatenate([parts[place][0] for place in kept]),
        'color': np.concatenate([parts[place][1] for place in kept]),
        'label': np.repeat([labels[place] for place in kept], sizes),
        'instance': np.repeat(np.arange(len(sizes)), sizes),
    }, tuple(notes))]


def _left_out(names: list[str], clouds: list[NDArray[np.float32]]) -> dict[int, str]:
    """
    Return which annotations are not read, and why: empty ones, and those that repeat another.

    An annotation repeats a larger one, or an equal one that is named as the data set does it, if
    `MIN_REPEATED_SHARE` of its points are in that one, too.
    """
    left_out = {place: 'is empty: left out' for place, xyz in enumerate(clouds) if not len(xyz)}
    keys = [_point_keys(xyz) for xyz in clouds]
    unique, counts = np.unique(np.concatenate(keys), return_counts=True)
    repeated = unique[counts > 1]
    suspects = [place for place, key in enumerate(keys)
                if len(key) and np.isin(key, repeated).mean() >= MIN_REPEATED_SHARE]
    # The one to keep comes first: larger, then of a usual name, then of a lower number.
    suspects.sort(key=lambda place: (-len(keys[place]), USUAL_NAME.fullmatch(names[place]) is None,
                                     place))
    for rank, place in enumerate(suspects):
        for other in suspects[:rank]:
            if other not in left_out and (
                    np.isin(keys[place], keys[other]).mean() >= MIN_REPEATED_SHARE):
                left_out[place] = f'repeats the points of {names[other]}: left out'
                break
    return left_out


def _point_keys(xyz: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Return a number for each point [N, 3] that another position has hardly ever."""
    words = np.ascontiguousarray(xyz, np.float32).view(np.uint32).astype(np.uint64)
    key = np.zeros(len(xyz), np.uint64)
    for column in words.T:
        key = (key ^ column) * np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(29)
    return key


def _class_id(file: Path, classes: dict[str, int]) -> int:
    word = file.name.split('_')[0]
    word = SAME_CLASS.get(word, word)
    if word not in classes:
        raise InputError(f'{file}: expected a name like chair_1.txt that begins with one of '
                         + ', '.join(classes))
    return classes[word]


def _points(file: Path, lines: TableLines) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    blocks = [(rows[:, :3].astype(np.float32), color_bytes(rows[:, 3:], file))
              for rows in read_number_table(file, 6, lines)]
    return (np.concatenate([xyz for xyz, _ in blocks]),
            np.concatenate([color for _, color in blocks]))


def _check_whole(room: Path, points: int) -> list[str]:
    """Compare with the file of the whole room, which has a line for each point."""
    whole = room / f'{room.name}.txt'
    if not whole.is_file():
        return []
    count, last = 0, b'\n'
    with whole.open('rb') as file:
        while block := file.read(1 << 24):
            count += block.count(b'\n')
            last = block
    count += not last.endswith(b'\n')
    return [] if count == points else [
        f'the annotations have {points} points, {whole.name} has {count} lines']


BENCHMARKS = (Benchmark(
    's3dis', 'S3DIS', 's3dis',
    Protocol(confidence=0.8, top_k=-1, dbscan_eps=0.6, num_queries=100),
    'S3DIS: RAW/Area_1/office_1/Annotations/chair_1.txt …',
    lambda raw, classes: s3dis_sources(raw, dict(zip(classes.names, classes.ids))),
    submission='none', original=OriginalModels(num_classes=13)),)
