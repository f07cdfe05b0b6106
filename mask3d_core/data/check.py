"""Check a prepared data set for mistakes before training on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
import re

from mask3d_core.data.dataset import Dataset
from mask3d_core.data.labels import byte_color, LabelledScan, NO_ID
from mask3d_core.errors import InputError
from mask3d_core.scan_checks import find_doubts
import numpy as np
from numpy.typing import NDArray

MIN_PLAUSIBLE_POINTS = 10
"""An instance with fewer points is reported as a probable labelling mistake."""
MIN_EXTENT_VOXELS, MAX_EXTENT_VOXELS = 25, 20000
"""Range of the longest side of a scan, in voxels; outside of it the unit is not metres."""
SCANNET_CAPTURE = re.compile(r'(scene\d{4})_\d\d')
"""Scans scene0000_00, scene0000_01, … of ScanNet show the same room."""


@dataclass(frozen=True)
class DatasetIssue:
    """
    A problem of a data set.

    Attributes
    ----------
    is_error : bool
        Whether the data set must be corrected; else it is a warning.
    where : str
        A scan, or 'dataset.json'.
    what : str

    """

    is_error: bool
    where: str
    what: str

    def __str__(self) -> str:
        return f'{"error" if self.is_error else "warning"}: {self.where}: {self.what}'


def check_dataset(data: Dataset) -> Iterator[DatasetIssue]:
    """
    Yield the problems of a data set: of dataset.json, of each scan, then leaks between splits.

    Scans are read one by one, so memory is bounded by the largest.
    """
    yield from _check_description(data)
    content: dict[int, list[str]] = defaultdict(list)
    seen: set[int] = set()
    splits = _splits_of_scans(data)
    for name in splits:
        try:
            labelled = data.read(name)
        except InputError as error:
            yield DatasetIssue(True, name, str(error))
            continue
        yield from (DatasetIssue(is_error, name, what)
                    for is_error, what in _check_scan(data, labelled))
        content[fingerprint(labelled.scan.xyz)].append(name)
        if name in data.splits.get('train', ()):
            seen.update(np.unique(labelled.label).tolist())
    yield from _check_leaks(splits, content)
    absent = [name for name, class_id in zip(data.classes.names, data.classes.ids)
              if class_id not in seen]
    if absent and data.splits.get('train'):
        yield DatasetIssue(False, 'dataset.json', 'no training scan has a point of: '
                      + ', '.join(absent))


def _splits_of_scans(data: Dataset) -> dict[str, list[str]]:
    splits = defaultdict(list)
    for split, names in data.splits.items():
        for name in names:
            splits[name].append(split)
    return splits


def _check_description(data: Dataset) -> Iterator[DatasetIssue]:
    where = 'dataset.json'
    if not data.splits.get('train'):
        only_evaluated = bool(data.splits.get('validation'))
        yield DatasetIssue(not only_evaluated, where, 'there is no training scan'
                           + (': the data set serves for evaluation only' if only_evaluated
                              else ''))
    if not data.splits.get('validation'):
        yield DatasetIssue(False, where, 'there is no validation scan: the weights cannot be '
                      'evaluated')
    for name in data.background:
        if name not in data.classes.names:
            yield DatasetIssue(True, where, f'the background {name!r} is not in the class table')
    files = {path.stem for path in (data.folder / 'scans').glob('*.npz')}
    for name in sorted(files - set(_splits_of_scans(data))):
        yield DatasetIssue(False, name, 'is in no split: left over from an earlier run')
    segments = [name for name, facts in data.scans.items() if facts.has_segments]
    if segments and not data.on_segments:
        yield DatasetIssue(False, where, f'{len(data.scans) - len(segments)} of {len(data.scans)} '
                      'scans have no segments: training on segments makes superpoints for them')


Problem = tuple[bool, str]


def _check_scan(data: Dataset, labelled: LabelledScan) -> Iterator[Problem]:
    bad_scale = list(_check_scale(labelled.scan.xyz, data.voxel_size))
    yield from bad_scale
    for doubt in find_doubts(labelled.scan, data.voxel_size):
        kinds = set(doubt.kinds) & {'axes', 'units', 'degrees', 'precision'}
        if kinds - (set() if data.upright else {'axes'}) - ({'units'} if bad_scale else set()):
            yield False, f'{doubt.finding}; prepare it anew: {doubt.remedy()}'
    yield from _check_color(labelled, data)
    if labelled.name not in data.splits.get('test', ()):
        yield from _check_labels(labelled, data)


def _check_scale(xyz: NDArray[np.floating], voxel_size: float) -> Iterator[Problem]:
    extent = float((xyz.max(0) - xyz.min(0)).max())
    if not MIN_EXTENT_VOXELS <= extent / voxel_size <= MAX_EXTENT_VOXELS:
        yield True, (f'is {extent:.4g} long, expected metres: with voxels of {voxel_size:g} m '
                     f'that is {extent / voxel_size:.4g} voxels')


def _check_color(labelled: LabelledScan, data: Dataset) -> Iterator[Problem]:
    only = labelled.scan.only_color
    if only is not None:
        yield False, f'has one colour everywhere, {round(255 * max(only))}'
        return
    if labelled.scan.color is None:
        if any(facts.color_mean is not None for facts in data.scans.values()):
            yield False, 'has no colour, others have'
        return
    color = byte_color(labelled.scan.color)
    if color.max() == 1:
        yield True, (f'has colours from {color.min()} to 1, expected 0..255: probably they were '
                     '0..1')


def _check_labels(labelled: LabelledScan, data: Dataset) -> Iterator[Problem]:
    label, instance = labelled.label, labelled.instance
    unknown = np.setdiff1d(label, [NO_ID, *data.classes.ids])
    if len(unknown):
        count = np.count_nonzero(np.isin(label, unknown))
        yield True, f'label {_listed(unknown)} ({count} points) is not in the class table'
    if not (label > NO_ID).any():
        yield True, 'has no labels'
    background = [data.classes.ids[row] for row, name in enumerate(data.classes.names)
                  if name in data.background]
    lonely = (instance == NO_ID) & (label != NO_ID) & ~np.isin(label, background)
    if lonely.any():
        yield False, (f'{np.count_nonzero(lonely)} points have a class but no instance: '
                      f'label {_listed(np.unique(label[lonely]))}')
    inside = instance > NO_ID
    if not inside.any():
        yield False, 'has no instances'
    ids, sizes = np.unique(instance[inside], return_counts=True)
    if (sizes < MIN_PLAUSIBLE_POINTS).any():
        yield False, (f'{_instances(ids[sizes < MIN_PLAUSIBLE_POINTS])} has fewer than '
                      f'{MIN_PLAUSIBLE_POINTS} points')
    pairs = np.unique(np.stack([instance[inside], label[inside]], 1), axis=0)
    ids, classes = np.unique(pairs[:, 0], return_counts=True)
    if (classes > 1).any():
        yield False, f'{_instances(ids[classes > 1])} has points of several classes'


def _instances(ids: NDArray) -> str:
    return f'instance {_listed(ids + 1)} (in the .npz {_listed(ids)})'


def _listed(ids: NDArray) -> str:
    return ', '.join(str(value) for value in ids[:8].tolist()) + (', …' if len(ids) > 8 else '')


def fingerprint(xyz: NDArray[np.floating]) -> int:
    """Return a hash of the points [N, 3] of a cloud that does not depend on their order."""
    points = np.ascontiguousarray(xyz, np.float32).view(np.uint32).astype(np.uint64)
    mixed = np.zeros(len(points), np.uint64)
    for column in points.T:
        mixed = (mixed ^ column) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return int(mixed.sum(dtype=np.uint64))


def _check_leaks(splits: dict[str, list[str]], content: dict[int, list[str]],
                 ) -> Iterator[DatasetIssue]:
    for name, of_scan in splits.items():
        if len(of_scan) > 1:
            yield DatasetIssue(True, name, f'is in the splits {" and ".join(of_scan)}')
    for names in content.values():
        for first, second in zip(names, names[1:]):
            leak = splits[first] != splits[second]
            yield DatasetIssue(leak, second, f'has the same points as {first}'
                          + (f': a leak from {splits[first][0]} to {splits[second][0]}'
                             if leak else ''))
    rooms: dict[str, list[str]] = defaultdict(list)
    for name in splits:
        if match := SCANNET_CAPTURE.fullmatch(name):
            rooms[match[1]].append(name)
    for names in rooms.values():
        for first, second in zip(names, names[1:]):
            if splits[first] != splits[second]:
                yield DatasetIssue(True, second, f'shows the same room as {first}: a leak from '
                              f'{splits[first][0]} to {splits[second][0]}')
