"""Read ScanNet v2 as it is downloaded: scans/SCENE/SCENE_vh_clean_2.ply and what belongs to it."""

from __future__ import annotations

import csv
from functools import cache, partial
from importlib import resources
import json
from pathlib import Path
from typing import Any

from mask3d_core.data.benchmark import Benchmark, OriginalModels
from mask3d_core.data.protocol import Protocol
from mask3d_core.data.readers.raw_scan import MissingSource, RawScan, RawSource
from mask3d_core.errors import InputError
from mask3d_core.files.ply import read_faces, read_vertices
from mask3d_core.files.source import file_errors
import numpy as np
from numpy.typing import NDArray

FOLDERS = {'train': 'scans', 'validation': 'scans', 'test': 'scans_test'}
MESH = '_vh_clean_2.ply'
SEGMENTS = '_vh_clean_2.0.010000.segs.json'
GROUPS = '.aggregation.json'
LABELS = '_vh_clean_2.labels.ply'
WRONG_INSTANCES = {'scene0270_00': 50, 'scene0270_02': 50, 'scene0384_00': 149}
"""Annotations that are mistakes; the original leaves their points out of the training scans."""


def scannet_sources(raw: Path, ids: str) -> list[RawSource]:
    """
    List the scans of the official splits.

    Parameters
    ----------
    raw : path
        The folder with `scans` and `scans_test`.
    ids : str
        Which ids classes have: 'nyu40id' for ScanNet, 'id' for ScanNet200.

    Raises
    ------
    InputError
        When there is neither folder.

    """
    if not any((raw / folder).is_dir() for folder in FOLDERS.values()):
        raise InputError(f'{raw} is not ScanNet: expected the folders scans and scans_test')
    sources = []
    for split, folder in FOLDERS.items():
        if not (raw / folder).is_dir():
            missing = MissingSource(raw / folder, f'expected the scans for {split} there')
            sources.append(RawSource(f'{folder} ({split})', split, (), missing))
            continue
        for scene in _lines(f'scannet_{split}.txt'):
            endings = (MESH, SEGMENTS, *(() if split == 'test' else (GROUPS, LABELS)))
            files = tuple(raw / folder / scene / f'{scene}{ending}' for ending in endings)
            sources.append(RawSource(scene, split, files, partial(
                read_scannet_scan, raw / folder / scene, ids, split != 'test')))
    return sources


def read_scannet_scan(folder: Path, ids: str, labelled: bool) -> list[RawScan]:
    """
    Read one scan: the vertices of its mesh, their segments, classes and instances.

    The class is that of SCENE_vh_clean_2.labels.ply (nyu40 ids), or, for ScanNet200 and without
    that file, that of the instance's category. Instances are the groups of segments in
    SCENE.aggregation.json. Points of no class have label 0, which no class table has. Test scans
    come without segments: those are made of the faces, as ScanNet made the others.

    Raises
    ------
    InputError
        With the name of the file, when one is missing, damaged or of another scan.

    """
    scene = folder.name
    columns = _mesh(folder / f'{scene}{MESH}')
    count = len(columns['xyz'])
    segments = folder / f'{scene}{SEGMENTS}'
    if not labelled and not segments.exists():
        return [RawScan(scene, columns, faces=_faces(folder / f'{scene}{MESH}'))]
    columns['segment'] = _segments(segments, count)
    if not labelled:
        return [RawScan(scene, columns)]
    groups, categories = _groups(folder / f'{scene}{GROUPS}', columns['segment'])
    columns['instance'] = groups
    labels = folder / f'{scene}{LABELS}'
    if ids == 'nyu40id' and labels.exists():
        columns['label'] = _labels(labels, count)
    else:
        columns['label'] = _labels_of_groups(groups, categories, ids)
    notes: tuple[str, ...] = ()
    wrong = groups == WRONG_INSTANCES.get(scene, -2)
    if wrong.any():
        columns = {key: column[~wrong] for key, column in columns.items()}
        notes = (f'left out {wrong.sum()} points of a known wrong annotation',)
    return [RawScan(scene, columns, notes)]


def _mesh(path: Path) -> dict[str, NDArray]:
    vertices = read_vertices(path)
    if not {'red', 'green', 'blue'} <= set(vertices):
        raise InputError(f'{path}: expected coloured vertices')
    return {'xyz': np.stack([vertices[axis].astype(np.float32) for axis in 'xyz'], 1),
            'color': np.stack([vertices[name].astype(np.uint8)
                               for name in ('red', 'green', 'blue')], 1)}


def _faces(path: Path) -> NDArray[np.int64]:
    faces = read_faces(path)
    if faces is None:
        raise InputError(f'{path}: expected faces, to make segments of, or the file '
                         f'{path.parent.name}{SEGMENTS}')
    return faces


def _segments(path: Path, count: int) -> NDArray[np.int64]:
    with file_errors(path):
        segment = _integers(_json(path), 'segIndices')
        if len(segment) != count:
            raise InputError(f'expected the segments of {count} vertices, got {len(segment)}')
        return segment


def _groups(path: Path, segment: NDArray[np.int64]) -> tuple[NDArray[np.int64], dict[int, str]]:
    """Return the instance of each vertex, -1 for none, and the category of each instance."""
    known, of_vertex = np.unique(segment, return_inverse=True)
    instance = np.full(len(known), -1, np.int64)
    categories = {}
    with file_errors(path):
        content = _json(path)
        groups = content.get('segGroups') if isinstance(content, dict) else None
        if not isinstance(groups, list):
            raise InputError("expected a list 'segGroups'")
        for group in groups:
            segments = _integers(group, 'segments')
            try:
                number, category = int(group['id']), str(group['label'])
                instance[np.isin(known, segments)] = number
            except (KeyError, OverflowError, TypeError, ValueError) as error:
                raise InputError(f"a group lacks 'id' or 'label': {error}") from error
            categories[number] = category
    return instance[of_vertex], categories


def _labels(path: Path, count: int) -> NDArray[np.int64]:
    label = read_vertices(path).get('label')
    with file_errors(path):
        if label is None or len(label) != count:
            raise InputError(f"expected the property 'label' of {count} vertices, got "
                             + ('none' if label is None else f'{len(label)}'))
        return label.astype(np.int64)


def _labels_of_groups(groups: NDArray[np.int64], categories: dict[int, str], ids: str,
                      ) -> NDArray[np.int64]:
    known = _category_ids(ids)
    numbers, of_vertex = np.unique(groups, return_inverse=True)
    labels = [known.get(categories.get(number, ''), 0) for number in numbers.tolist()]
    return np.array(labels, np.int64)[of_vertex]


@cache
def _category_ids(ids: str) -> dict[str, int]:
    """Return the class id of each category that annotators wrote."""
    rows = csv.DictReader(_lines('scannet_categories.txt'), delimiter='\t')
    return {row['raw_category']: int(row[ids]) for row in rows}


def _lines(name: str) -> list[str]:
    return (resources.files('mask3d_core') / 'class_tables' / name).read_text().splitlines()


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(f'not readable as json, is the file cut? {error}') from error


def _integers(content: Any, key: str) -> NDArray[np.int64]:
    values = content.get(key) if isinstance(content, dict) else None
    try:
        numbers = np.array(values)
    except ValueError:  # lists of different lengths
        numbers = np.array(None)
    if numbers.ndim != 1 or numbers.dtype.kind not in 'iu' and numbers.size:
        raise InputError(f'expected a list of integers {key!r}')
    return numbers.astype(np.int64)


def _frequency_groups() -> dict[str, tuple[str, ...]]:
    """Return the classes of ScanNet200 by how frequent they are: head, common and tail."""
    rows = list(csv.DictReader(_lines('scannet200.tsv'), delimiter='\t'))
    return {group: tuple(row['name'] for row in rows if row['split'] == group)
            for group in ('head', 'common', 'tail')}


SCANNET = Benchmark(
    'scannet', 'ScanNet', 'scannet20',
    Protocol(background=('wall', 'floor'), num_queries=150),
    'ScanNet v2, 20 classes: RAW/scans/scene0000_00/scene0000_00_vh_clean_2.ply …',
    lambda raw, _: scannet_sources(raw, 'nyu40id'), has_superpoints=True,
    original=OriginalModels(num_classes=18, scannet_colors=True))

SCANNET200 = Benchmark(
    'scannet200', 'ScanNet200', 'scannet200',
    Protocol(background=('wall', 'floor'), groups=_frequency_groups(), top_k=750,
             num_queries=150),
    'ScanNet v2, 200 classes: the same files',
    lambda raw, _: scannet_sources(raw, 'id'), has_superpoints=True,
    # wall and floor are the rows 0 and 2 of the table while the original shifts labels by two:
    # its last two logits stand for nothing
    original=OriginalModels(num_classes=200, scannet_colors=True))

BENCHMARKS = SCANNET, SCANNET200
