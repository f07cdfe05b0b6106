"""Join data sets, to train on all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
import os
from pathlib import Path
import shutil

from mask3d_core.data.dataset import color_statistics, Dataset
from mask3d_core.errors import InputError


def join_datasets(parts: Sequence[Dataset], folder: Path) -> Dataset:
    """
    Write a data set with the scans of several: hard links where the disk has them, else copies.

    Splits and folds are joined by name. Scans of the part in folder `data/rooms` are named
    `rooms_NAME`. Suggestions for training are those of the first part.

    Parameters
    ----------
    parts : sequence of Dataset
    folder : Path
        An earlier joined data set in it is replaced.

    Raises
    ------
    InputError
        For parts of different classes or background, folders of the same name, parts of which
        some have colour and others not, or a folder that is one of the parts.

    """
    _check(parts, folder)
    (folder / 'scans').mkdir(parents=True, exist_ok=True)
    splits: dict[str, tuple[str, ...]] = {}
    folds: dict[str, tuple[str, ...]] = {}
    scans = {}
    for part in parts:
        prefix = _prefix(part)
        for joined, groups in ((splits, part.splits), (folds, part.folds)):
            for group, names in groups.items():
                joined[group] = (*joined.get(group, ()), *(prefix + name for name in names))
        for name, facts in part.scans.items():
            scans[prefix + name] = facts
            _link(part.path(name), folder / 'scans' / f'{prefix}{name}.npz')
    mean, std = color_statistics(scans[name] for name in splits.get('train', ()))
    whole = replace(parts[0], folder=folder, name=' + '.join(part.name for part in parts),
                    splits=splits, folds=folds, scans=scans, color_mean=mean, color_std=std,
                    upright=all(part.upright for part in parts))
    whole.save()
    return whole


def _check(parts: Sequence[Dataset], folder: Path) -> None:
    first = parts[0]
    prefixes = [_prefix(part) for part in parts]
    if len(set(prefixes)) < len(prefixes):
        raise InputError('expected folders of different names, which the names of the scans begin '
                         f'with, got {", ".join(str(part.folder) for part in parts)}')
    for part in parts:
        if folder.resolve() == part.folder.resolve():
            raise InputError(f'{folder} is one of the data sets to join: give another folder')
        if _classes(part) != _classes(first):
            raise InputError(f'{part.folder} has other classes or another background than '
                             f'{first.folder}: prepare both with the same table of classes')
        if _has_color(part) != _has_color(first):
            colorless, colored = sorted((part, first), key=_has_color)
            raise InputError(f'{colored.folder} has colours and {colorless.folder} has none: '
                             'export the second with its colours, or leave it out')


def _classes(part: Dataset) -> tuple[tuple[int, ...], tuple[str, ...], frozenset[str]]:
    return part.classes.ids, part.classes.names, frozenset(part.background)


def _prefix(part: Dataset) -> str:
    return part.folder.resolve().name + '_'


def _has_color(part: Dataset) -> bool:
    return any(facts.color_mean is not None for facts in part.scans.values())


def _link(source: Path, target: Path) -> None:
    """Make a hard link; copy where that is not possible, as between disks."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except FileNotFoundError as error:
        raise InputError(f'{source} is missing: repeat `mask3d prepare` for it') from error
    except OSError:
        shutil.copyfile(source, target)
