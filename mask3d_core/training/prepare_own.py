"""Prepare one's own scans: bags to label, labelled files to train on."""

from __future__ import annotations

from collections.abc import Sequence
import csv
from functools import partial
from hashlib import sha256
from pathlib import Path

from mask3d_core.classes import ClassTable, load_classes
from mask3d_core.colors import instance_color
from mask3d_core.errors import InputError
from mask3d_core.files.bag import read_bag
from mask3d_core.files.raw_scan import list_folder, RawScan, RawSource
from mask3d_core.files.source import naming
from mask3d_core.training.labels import (
    byte_color,
    LabelledScan,
    NONE,
    read_labelled,
    write_labelled,
)
import numpy as np
from numpy.typing import NDArray

FORMATS = ('.ply', '.npz')
FAR = 4096.0
"""Metres: beyond it float32 positions are coarser than half a millimetre."""


def extract_map(bag: Path, topic: str | None, out: Path, name: str | None = None) -> Path:
    """
    Write the last cloud of a recorded topic as .ply, with label 0 and instance 0 at each point.

    Parameters
    ----------
    bag, topic
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
    path = out / f'{name or bag.stem}.ply'
    if path.exists():
        raise InputError(f'{path} exists and may hold labels: remove it, or give another --name')
    scan = read_bag(bag, topic)
    nothing = np.full(len(scan), NONE, np.int32)
    with naming(out):
        out.mkdir(parents=True, exist_ok=True)
    write_labelled(path, LabelledScan(scan, nothing, nothing, path.stem))
    return path


def read_class_table(source: str) -> ClassTable:
    """
    Read a class table: the name of one that ships with the package, or a .tsv file.

    The file's first line names its columns: id and name, and red, green, blue 0..255 where wanted,
    with tabs between. Ids begin with 1: 0 stands for no label.

    Raises
    ------
    InputError
        For an unknown name, or with the name of the file and the line that is wrong.

    """
    path = Path(source)
    if not path.suffix:
        return load_classes(source)
    with naming(path):
        try:
            rows = list(csv.DictReader(path.read_text(encoding='utf-8').splitlines(),
                                       delimiter='\t'))
        except UnicodeDecodeError as error:
            raise InputError(f'expected text in UTF-8: {error}') from error
        table = [_class_row(number, row) for number, row in enumerate(rows, 2)]
        if not table:
            raise InputError("expected a line 'id<tab>name' and one line for each class")
        ids, names, colors = zip(*table, strict=True)
        for kind, values in (('id', ids), ('name', names)):
            twice = [value for value in values if values.count(value) > 1]
            if twice:
                raise InputError(f'the {kind} {twice[0]!r} stands there twice')
        return ClassTable(ids, names, colors)


def _class_row(number: int, row: dict[str, str]) -> tuple[int, str, tuple[int, int, int]]:
    try:
        class_id, name = int(row['id']), row['name'].strip()
        if row.get('red'):
            red, green, blue = (int(row[channel]) for channel in ('red', 'green', 'blue'))
        else:
            red, green, blue = instance_color(class_id)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f'line {number}: expected the columns id and name, with tabs between, '
                         'and red, green, blue if any') from error
    if class_id < 1 or not name or not all(0 <= value <= 255 for value in (red, green, blue)):
        raise InputError(f'line {number}: expected an id of 1 or more, a name and colours of '
                         f'0..255, got {class_id}, {name!r}, {red}, {green}, {blue}')
    return class_id, name, (red, green, blue)


def folder_sources(folder: Path, classes: ClassTable, validation: Sequence[str] | float,
                   ) -> list[RawSource]:
    """
    List the labelled scans of a folder.

    Parameters
    ----------
    folder : path
        With .ply or .npz files as `read_labelled` reads them.
    classes : ClassTable
    validation : names, or float
        Of the scans to measure on; or the part of the scans, 0..1, chosen by a hash of their
        names, so that a new scan moves no other one.

    Raises
    ------
    InputError
        When there are no scans, two of one name, or an unknown name.

    """
    files = [file for file in list_folder(folder) if file.suffix.lower() in FORMATS]
    names = [file.stem for file in files]
    if not files:
        raise InputError(f'{folder}: expected labelled scans, .ply or .npz, got none')
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f'{folder}: two scans are called {twice[0]!r}')
    chosen = _validation_names(names, validation)
    return [RawSource(file.stem, 'validation' if file.stem in chosen else 'train', (file,),
                      partial(read_own_scan, file, classes)) for file in files]


def _validation_names(names: Sequence[str], validation: Sequence[str] | float) -> set[str]:
    if not isinstance(validation, float):
        unknown = [name for name in validation if name not in names]
        if unknown:
            raise InputError(f'no scan {unknown[0]!r} for validation, there are: '
                             + ', '.join(names))
        return set(validation)
    ranked = sorted(names, key=lambda name: sha256(name.encode()).digest())
    share = [name for name in ranked
             if int.from_bytes(sha256(name.encode()).digest()[:8], 'big') < validation * 2 ** 64]
    if 0 < validation and len(names) > 1:  # a few scans may all fall on one side
        share = (share or ranked[:1])[:len(names) - 1]
    return set(share)


def read_own_scan(file: Path, classes: ClassTable) -> list[RawScan]:
    """
    Read a labelled scan; a label 0 that is no class stands for none.

    Raises
    ------
    InputError
        With the name of the file, when it is damaged, or has labels that are not in the table.

    """
    labelled = read_labelled(file)
    scan = labelled.scan
    unknown, counts = np.unique(labelled.label[~np.isin(labelled.label, (NONE, 0, *classes.ids))],
                                return_counts=True)
    if len(unknown):
        raise InputError(f'{file}: label {unknown[0]} ({counts[0]} points) is not in the class '
                         'table: correct the label, or add the class')
    if not (labelled.label > NONE).any() and not (labelled.instance > NONE).any():
        raise InputError(f'{file}: nothing is labelled: every point has label and instance 0')
    xyz, notes = scan.xyz, []
    if np.abs(xyz).max() > FAR:
        origin = np.floor(xyz.min(0))
        xyz = xyz - origin
        notes.append('moved by ({:.0f}, {:.0f}, {:.0f}) m towards 0'.format(*-origin))
    columns: dict[str, NDArray] = {
        'xyz': xyz.astype(np.float32), 'label': labelled.label,
        'instance': labelled.instance}
    if scan.color is not None:
        columns['color'] = byte_color(scan.color)
    if scan.segment is not None:
        columns['segment'] = scan.segment
    return [RawScan(labelled.name, columns, tuple(notes))]
