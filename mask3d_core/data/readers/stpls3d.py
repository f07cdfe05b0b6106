"""Read STPLS3D as it is shipped: Synthetic_v3_InstanceSegmentation/5_points_GTv3.txt."""

from __future__ import annotations

from functools import partial
import math
from pathlib import Path
import re

from mask3d_core.data.benchmark import Benchmark, OriginalModels
from mask3d_core.data.protocol import Protocol
from mask3d_core.data.readers.number_table import read_number_table, TableLines
from mask3d_core.data.readers.raw_scan import color_bytes, list_folder, RawScan, RawSource
from mask3d_core.errors import InputError
from mask3d_core.scan import MIN_POINTS
from mask3d_core.tiling.settings import TileSettings
import numpy as np
from numpy.typing import NDArray

FOLDER = 'Synthetic_v3_InstanceSegmentation'
SPLIT_FOLDERS = ('train', 'validation', 'test')
"""Subfolders of the splits, as the original expects them."""
VALIDATION_SCENES = (5, 10, 15, 20, 25)
LAST_LABELLED = 25
BLOCK_SIDE = 50.0
"""Metres: the part of a block whose instances count."""
BLOCK_MARGIN = 2.0
"""Metres around it, so that the network sees objects at its edge whole."""


def stpls3d_sources(raw: Path) -> list[RawSource]:
    """
    List the scenes: 5, 10, 15, 20 and 25 validate, those after 25 have no labels.

    Parameters
    ----------
    raw : path
        The folder with the .txt files, the one around it, or one with train, validation, test.

    Raises
    ------
    InputError
        When there are no scenes.

    """
    root = raw / FOLDER if (raw / FOLDER).is_dir() else raw
    folders = [root, *(root / split for split in SPLIT_FOLDERS if (root / split).is_dir())]
    scenes = [(int(match[0]), file) for folder in folders for file in list_folder(folder)
              if file.suffix == '.txt' and (match := re.match(r'\d+', file.name))]
    if not scenes:
        raise InputError(f'{root} is not STPLS3D: expected files like 1_points_GTv3.txt')
    sources = []
    for number, file in scenes:
        split = ('test' if number > LAST_LABELLED else
                 'validation' if number in VALIDATION_SCENES else 'train')
        sources.append(RawSource(file.stem, split, (file,), partial(
            read_stpls3d_scene, file, split != 'test', split != 'train')))
    return sources


def read_stpls3d_scene(file: Path, labelled: bool, blocks: bool) -> list[RawScan]:
    """
    Read one scene: lines of x, y, z, red, green, blue and, when labelled, class and instance.

    Parameters
    ----------
    file : path
    labelled : bool
    blocks : bool
        Whether to cut it into squares of 50 m, each with a margin of 2 m of its neighbors.
        Training crops the whole scene instead, anew each time.

    Returns
    -------
    list of RawScan
        x, y, z begin at 0. Points of the ground have label and instance -1. Blocks are named by
        the benchmark's number of their square.

    Raises
    ------
    InputError
        With the name of the file, when it is missing or damaged.

    """
    lines = TableLines()
    positions, others = [], []
    for rows in read_number_table(file, 8 if labelled else 6, lines):
        positions.append(rows[:, :3])
        color_bytes(rows[:, 3:6], file)
        others.append(rows[:, 3:].astype(np.int32))
    xyz, rest = np.concatenate(positions), np.concatenate(others)
    if not len(xyz):
        raise InputError(f'{file}: expected points, the file is empty')
    columns = {'xyz': (xyz - xyz.min(0)).astype(np.float32), 'color': rest[:, :3].astype(np.uint8)}
    if labelled:
        label, instance = rest[:, 3], rest[:, 4]
        columns['label'] = np.where(label > 0, label, -1)
        columns['instance'] = np.where((label > 0) & (instance >= 0), instance, -1)
    notes = tuple(lines.notes())
    if not blocks:
        return [RawScan(file.stem, columns, notes)]
    scans: list[RawScan] = []
    for number, rows, inner in _blocks(columns['xyz']):
        part = {key: column[rows] for key, column in columns.items()}
        scans.append(RawScan(f'{file.stem}_{number}', part, () if scans else notes, inner))
    return scans


Inner = tuple[float, float, float, float]


def _blocks(xyz: NDArray[np.float32]) -> list[tuple[int, NDArray[np.int64], Inner]]:
    """Return number, rows and inner square of each block that has points."""
    x, y = xyz[:, 0], xyz[:, 1]
    columns, depth = (max(1, math.ceil(float(axis.max()) / BLOCK_SIDE)) for axis in (x, y))
    blocks = []
    for column in range(columns):
        left, right = BLOCK_SIDE * column, BLOCK_SIDE * (column + 1)
        strip = np.flatnonzero((x >= left - BLOCK_MARGIN) & (x <= right + BLOCK_MARGIN))
        for place in range(depth):
            front, back = BLOCK_SIDE * place, BLOCK_SIDE * (place + 1)
            near = strip[(y[strip] >= front - BLOCK_MARGIN) & (y[strip] <= back + BLOCK_MARGIN)]
            inside = ((x[near] >= left) & (x[near] <= right)
                      & (y[near] >= front) & (y[near] <= back))
            if np.count_nonzero(inside) >= MIN_POINTS:
                blocks.append((depth * column + place, near, (left, front, right, back)))
    return blocks


def submitted_name(block: str) -> str:
    """Return the submitted name of a block, 26_points_GTv3_07_inst_nostuff for …_GTv3_7."""
    scene, number = block.rsplit('_', 1)
    return f'{scene}_0{number}_inst_nostuff'


BENCHMARKS = (Benchmark(
    'stpls3d', 'STPLS3D', 'stpls3d',
    Protocol(min_region=10, top_k=750, dbscan_eps=14.0, num_queries=160),
    'STPLS3D: RAW/Synthetic_v3_InstanceSegmentation/1_points_GTv3.txt …',
    lambda raw, _: stpls3d_sources(raw), voxel_size=0.333,
    tiles=TileSettings(50.0, 2.0, along_walls=False), submission='blocks',
    block_name=submitted_name, original=OriginalModels(num_classes=14, voxel_size=None)),)
