"""Custom data sets: clouds of bags to label, and folders of labelled files."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path

from mask3d_core.classes import ClassTable
from mask3d_core.conventions import AS_IS, Conventions
from mask3d_core.data.custom_scan import box_file, read_custom_scan, ReadOptions
from mask3d_core.data.labels import LABELLED_SUFFIXES, LabelledScan, NO_ID, write_labelled
from mask3d_core.data.readers.raw_scan import list_folder, RawSource
from mask3d_core.errors import InputError
from mask3d_core.files.bag import read_bag
from mask3d_core.files.formats import scan_name
from mask3d_core.files.source import file_errors
import numpy as np

READER_VERSION = 2
"""Increased when files give other scans than before: stored ones are made again."""
NO_SCANS = ('readme', 'license', 'licence', 'copying', 'notes', 'classes', 'labels')
"""Names, without suffix, of text files in a folder that are no scans."""


def extract_map(bag: Path, topic: str | None, out: Path, name: str | None = None,
                cloud: str | None = None, conventions: Conventions = AS_IS) -> Path:
    """
    Write a cloud of a recorded topic, by default the last, as .ply, with label and instance 0.

    Parameters
    ----------
    bag, topic, cloud, conventions
        As for `read_bag`.
    out : path
        A folder; made when missing.
    name : str, optional
        Of the scan; that of the bag when not given.

    Returns
    -------
    path
        Of the file.

    Raises
    ------
    InputError
        What `read_bag` refuses, or when the file exists: it may hold labels already.

    """
    path = out / f'{name or scan_name(bag)}.ply'
    if path.exists():
        raise InputError(f'{path} exists and may hold labels: remove it, or give another --name')
    scan = read_bag(bag, topic, cloud, conventions)
    nothing = np.full(len(scan), NO_ID, np.int32)
    with file_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    write_labelled(path, LabelledScan(scan, nothing, nothing, path.stem))
    return path


def folder_sources(folder: Path, classes: ClassTable, validation: Sequence[str] | float,
                   options: ReadOptions | None = None) -> list[RawSource]:
    """
    List the labelled scans of a folder.

    Parameters
    ----------
    folder : path
        With files as `read_custom_scan` reads them.
    classes : ClassTable
    validation : names, or float
        Validation scans; or their share of all scans, 0..1, chosen by a hash of the names, so
        that adding a scan moves no other one to another split.
    options : ReadOptions, optional

    Raises
    ------
    InputError
        When there are no scans, two of one name, or an unknown name.

    """
    options = options or ReadOptions()
    files = [file for file in list_folder(folder) if file.suffix.lower() in LABELLED_SUFFIXES
             and file.stem.lower() not in NO_SCANS]
    names = [file.stem for file in files]
    if not files:
        raise InputError(f'{folder}: expected labelled scans ({", ".join(LABELLED_SUFFIXES)}), '
                         'got none')
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f'{folder}: two scans are called {twice[0]!r}')
    chosen = _validation_names(names, validation)
    conventions = options.conventions
    version = f'{READER_VERSION}, up {conventions.up or "as defined"}, unit {conventions.unit}'
    return [RawSource(file.stem, 'validation' if file.stem in chosen else 'train',
                      (file, box_file(file)), partial(read_custom_scan, file, classes, options),
                      version=version)
            for file in files]


def _validation_names(names: Sequence[str], validation: Sequence[str] | float) -> set[str]:
    if not isinstance(validation, float):
        unknown = [name for name in validation if name not in names]
        if unknown:
            raise InputError(f'no scan {unknown[0]!r} for validation, there are: '
                             + ', '.join(names))
        if set(validation) == set(names):
            raise InputError('all scans are for validation: none is left to train on, name fewer')
        return set(validation)
    ranked = sorted(names, key=lambda name: sha256(name.encode()).digest())
    share = [name for name in ranked
             if int.from_bytes(sha256(name.encode()).digest()[:8], 'big') < validation * 2 ** 64]
    if 0 < validation and len(names) > 1:  # a few scans may all fall on one side
        share = (share or ranked[:1])[:len(names) - 1]
    return set(share)
