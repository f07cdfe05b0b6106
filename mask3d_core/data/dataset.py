"""A prepared data set: a folder with dataset.json and scans/NAME.npz."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
import json
from pathlib import Path
from typing import Any

from mask3d_core.classes import ClassTable
from mask3d_core.data.labels import LabelledScan, read_labelled
from mask3d_core.errors import InputError
from mask3d_core.files.source import file_errors
from mask3d_core.files.target import atomic_write
import numpy as np
from numpy.typing import NDArray

SPLITS = ('train', 'validation', 'test')
Triple = tuple[float, float, float]
DEFAULT_COLORS: tuple[Triple, Triple] = ((0.5, 0.5, 0.5), (0.28, 0.28, 0.28))
"""Mean and standard deviation that data sets without colour get."""


@dataclass(frozen=True)
class ScanFacts:
    """
    Facts of a scan that dataset.json keeps, so that it need not be read.

    Attributes
    ----------
    points : int
    color_mean, color_square : 3 floats, or None without colour
        Mean of the colours and of their squares, 0..1.
    has_segments : bool
    inner : 4 floats or None
        Of a block cut from a larger scene: smallest x and y, largest x and y, metres, of the part
        that is evaluated; the margin around it belongs to other blocks.

    """

    points: int
    color_mean: Triple | None = None
    color_square: Triple | None = None
    has_segments: bool = False
    inner: tuple[float, float, float, float] | None = None

    @classmethod
    def of(cls, labelled: LabelledScan, inner: tuple[float, float, float, float] | None = None,
           ) -> ScanFacts:
        """Collect the facts of a scan."""
        scan = labelled.scan
        has_segments = scan.segment is not None
        if scan.color is None:
            return cls(len(scan), None, None, has_segments, inner)
        color = scan.color.astype(np.float64)
        return cls(len(scan), _triple(color.mean(0)), _triple((color ** 2).mean(0)),
                   has_segments, inner)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values without those that are None."""
        return {key: value for key, value in vars(self).items() if value is not None}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> ScanFacts:
        """Undo `to_dict`."""
        values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value
                                  for key, value in facts.items()}
        return cls(**values)


@dataclass(frozen=True)
class Dataset:
    """
    A prepared data set.

    Attributes
    ----------
    folder : Path
    name : str
        'scannet', 'scannet200', 's3dis', 'stpls3d', 'rooms SEED', 'rooms SEED, floors of N rooms',
        or that of a custom data set.
    classes : ClassTable
        All classes that occur as labels.
    background : tuple of str
        Names of the classes that are not objects (wall, floor): labelled, but never predicted.
    splits : mapping of 'train', 'validation', 'test' to names of scans
        Generated floors have 'validation_rooms', too: their rooms one by one.
    folds : mapping of str to names of scans
        For cross-validation: the areas of S3DIS. Empty for most.
    scans : mapping of str to ScanFacts
    color_mean, color_std : 3 floats
        Of the training scans, 0..1.
    voxel_size : float
        Suggested for training, metres.
    min_region_size : int
        Points of the smallest instance that counts in the evaluation.
    upright : bool
        Whether z points up in all scans; False: some are in the optical frame of a camera.

    """

    folder: Path
    name: str
    classes: ClassTable
    background: tuple[str, ...] = ()
    splits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    folds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    scans: Mapping[str, ScanFacts] = field(default_factory=dict)
    color_mean: Triple = DEFAULT_COLORS[0]
    color_std: Triple = DEFAULT_COLORS[1]
    voxel_size: float = 0.02
    min_region_size: int = 100
    upright: bool = True

    @classmethod
    def open(cls, folder: str | Path) -> Dataset:
        """
        Open the folder that `mask3d prepare` wrote.

        Raises
        ------
        InputError
            When it is none, or its dataset.json is damaged.

        """
        folder = Path(folder)
        path = folder / 'dataset.json'
        if not path.is_file():
            raise InputError(f'{folder} is not a prepared data set, it has no dataset.json: make '
                             'one with `mask3d prepare`')
        with file_errors(path):
            try:
                return _from_dict(folder, json.loads(path.read_text(encoding='utf-8')))
            except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
                raise InputError(f'not the description of a data set ({type(error).__name__}: '
                                 f'{error}): run `mask3d prepare` again') from error

    def save(self) -> None:
        """Write dataset.json, whole or not at all."""
        with atomic_write(self.folder / 'dataset.json') as file:
            file.write((json.dumps(_to_dict(self), indent=1) + '\n').encode())

    @property
    def objects(self) -> ClassTable:
        """Return the classes to predict: all but the background."""
        return self.classes.without(self.background)

    @property
    def on_segments(self) -> bool:
        """Return whether every scan has superpoints, as training on segments needs."""
        return bool(self.scans) and all(facts.has_segments for facts in self.scans.values())

    def split(self, name: str) -> list[str]:
        """
        Return the names of the scans of a split.

        Raises
        ------
        InputError
            For an unknown or an empty split.

        """
        if name not in self.splits:
            raise InputError(f'{self.folder} has no split {name!r}, it has: '
                             + ', '.join(self.splits))
        if not self.splits[name]:
            raise InputError(f'{self.folder}: the split {name!r} has no scans')
        return list(self.splits[name])

    def fold(self, name: str) -> Dataset:
        """
        Return the data set with one fold as validation and all others as training split.

        The colours' mean and deviation are those of the training split.

        Raises
        ------
        InputError
            For an unknown fold.

        """
        if name not in self.folds:
            raise InputError(f'{self.folder} has no fold {name!r}, it has: '
                             + (', '.join(self.folds) or 'none'))
        train = tuple(scan for fold, scans in self.folds.items() if fold != name
                      for scan in scans)
        mean, std = color_statistics(self.scans[scan] for scan in train)
        return replace(self, splits={'train': train, 'validation': tuple(self.folds[name])},
                       color_mean=mean, color_std=std)

    def path(self, name: str) -> Path:
        """Return the file of a scan."""
        return self.folder / 'scans' / f'{name}.npz'

    def read(self, name: str) -> LabelledScan:
        """
        Read a scan.

        Raises
        ------
        InputError
            When its file is missing or damaged.

        """
        return read_labelled(self.path(name))


def inner_points(labelled: LabelledScan, facts: ScanFacts) -> NDArray[np.bool_]:
    """
    Return which points of a block are evaluated, not margin: [N].

    Points on the border belong to both neighboring blocks, as in the benchmark.
    """
    if facts.inner is None:
        return np.ones(len(labelled), np.bool_)
    x, y = labelled.scan.xyz[:, 0], labelled.scan.xyz[:, 1]
    left, front, right, back = facts.inner
    return (x >= left) & (x <= right) & (y >= front) & (y <= back)


def color_statistics(scans: Iterable[ScanFacts]) -> tuple[Triple, Triple]:
    """
    Return mean and standard deviation of the colours of some scans, 0..1.

    Every scan counts the same, however many points it has, as in the original.
    """
    colors = [(scan.color_mean, scan.color_square) for scan in scans
              if scan.color_mean is not None and scan.color_square is not None]
    if not colors:
        return DEFAULT_COLORS
    mean, square = np.mean(colors, axis=0)
    # A scan in one colour has no deviation to divide by.
    return _triple(mean), _triple(np.maximum(np.sqrt(np.maximum(square - mean ** 2, 0)), 0.01))


def _triple(values: NDArray) -> Triple:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _to_dict(data: Dataset) -> dict[str, Any]:
    return {
        'name': data.name, 'classes': data.classes.to_dict(), 'background': data.background,
        'color_mean': data.color_mean, 'color_std': data.color_std,
        'voxel_size': data.voxel_size, 'on_segments': data.on_segments,
        'min_region_size': data.min_region_size, 'upright': data.upright,
        'splits': dict(data.splits), 'folds': dict(data.folds),
        'scans': {name: facts.to_dict() for name, facts in data.scans.items()}}


def _from_dict(folder: Path, content: dict[str, Any]) -> Dataset:
    return Dataset(
        folder, str(content['name']), ClassTable.from_dict(content['classes']),
        tuple(content['background']), _names(content['splits']), _names(content['folds']),
        {name: ScanFacts.from_dict(facts) for name, facts in content['scans'].items()},
        _triple(content['color_mean']), _triple(content['color_std']),
        float(content['voxel_size']), int(content['min_region_size']),
        bool(content.get('upright', True)))


def _names(groups: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    return {group: tuple(map(str, names)) for group, names in groups.items()}
