"""Read class tables from .tsv files."""

from __future__ import annotations

import csv
from pathlib import Path

from mask3d_core.classes import ClassTable, load_classes
from mask3d_core.colors import instance_color
from mask3d_core.errors import InputError
from mask3d_core.files.source import file_errors

MAX_ID = 65535
"""Bounds the array of class names in `instances.npz`, which is indexed by class id."""


def read_class_table(source: str) -> ClassTable:
    """
    Read a class table from a .tsv file, or load one that ships with the package by its name.

    The columns, separated by tabs and named in the first line, are id and name, and optionally
    red, green, blue 0..255. Ids are 1..`MAX_ID`; 0 means unlabelled.

    Raises
    ------
    InputError
        For an unknown name, or with the file name and the number of the invalid line.

    """
    path = Path(source)
    if not path.suffix:
        return load_classes(source)
    with file_errors(path):
        try:
            rows = list(csv.DictReader(path.read_text(encoding='utf-8-sig').splitlines(),
                                       delimiter='\t'))
        except UnicodeDecodeError as error:
            raise InputError(f'expected text in UTF-8: {error}') from error
        if not rows:
            raise InputError("expected a line 'id<tab>name' and one line for each class")
        if not {'id', 'name'} <= set(rows[0]):
            raise InputError('line 1: expected the columns id and name, separated by tabs, and '
                             'optionally red, green, blue, got: '
                             + ', '.join(repr(name) for name in rows[0] if name))
        table = [_class_row(number, row) for number, row in enumerate(rows, 2)]
        ids, names, colors = zip(*table, strict=True)
        for kind, values in (('id', ids), ('name', names)):
            repeated = [value for value in values if values.count(value) > 1]
            if repeated:
                raise InputError(f'the {kind} {repeated[0]!r} appears more than once')
        return ClassTable(ids, names, colors)


def _class_row(number: int, row: dict[str, str]) -> tuple[int, str, tuple[int, int, int]]:
    try:
        class_id, name = int(row['id']), row['name'].strip()
        if row.get('red'):
            red, green, blue = (int(row[channel]) for channel in ('red', 'green', 'blue'))
        else:
            red, green, blue = instance_color(class_id)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f'line {number}: expected a whole number as id and a name, separated by '
                         'tabs, and optionally whole numbers as red, green, blue, got '
                         + ', '.join(repr(value) for value in row.values())) from error
    if not (1 <= class_id <= MAX_ID and name
            and all(0 <= value <= 255 for value in (red, green, blue))):
        raise InputError(f'line {number}: expected an id of 1 or more, up to {MAX_ID}, a name '
                         f'and colours of 0..255, got {class_id}, {name!r}, {red}, {green}, '
                         f'{blue}')
    return class_id, name, (red, green, blue)
