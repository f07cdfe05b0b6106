"""Class tables: ids, names and colours of the classes that a model predicts."""

from __future__ import annotations

from collections.abc import Sequence
import csv
from dataclasses import dataclass
from importlib import resources
from typing import Any

from mask3d_core.errors import InputError


@dataclass(frozen=True)
class ClassTable:
    """
    The classes of a model, in the order of its class logits.

    Attributes
    ----------
    ids : K integers
        Class ids of the data set; `Instances.class_id` contains these.
    names : K strings
    colors : K triples
        Red, green, blue 0..255.

    """

    ids: tuple[int, ...]
    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]

    def __len__(self) -> int:
        return len(self.ids)

    def without(self, names: Sequence[str]) -> ClassTable:
        """Return the table without some classes, as without ScanNet's wall and floor."""
        rows = [row for row, name in enumerate(self.names) if name not in names]
        return ClassTable(tuple(self.ids[r] for r in rows), tuple(self.names[r] for r in rows),
                          tuple(self.colors[r] for r in rows))

    def rows(self, names: Sequence[str]) -> list[int]:
        """Return the rows of the named classes; raise InputError for an unknown name."""
        unknown = [name for name in names if name not in self.names]
        if unknown:
            raise InputError(f'unknown class {unknown[0]!r}; there are: '
                             + ', '.join(self.names))
        return [self.names.index(name) for name in names]

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, as stored in a weights file."""
        return {'ids': list(self.ids), 'names': list(self.names),
                'colors': [list(color) for color in self.colors]}

    @classmethod
    def from_dict(cls, table: dict[str, Any]) -> ClassTable:
        """Create a table from the output of `to_dict`."""
        return cls(tuple(int(i) for i in table['ids']), tuple(map(str, table['names'])),
                   tuple((int(r), int(g), int(b)) for r, g, b in table['colors']))


def class_table_names() -> list[str]:
    """Return the names of the tables that ship with the package, in alphabetical order."""
    folder = resources.files('mask3d_core') / 'class_tables'
    return sorted(file.name[:-4] for file in folder.iterdir() if file.name.endswith('.tsv'))


def load_classes(name: str) -> ClassTable:
    """
    Read one of the tables that ship with the package.

    Raises
    ------
    InputError
        When there is none of that name (`class_table_names`).

    """
    path = resources.files('mask3d_core') / 'class_tables' / f'{name}.tsv'
    if not path.is_file():
        raise InputError(f'no class table {name!r}; there are: {", ".join(class_table_names())}')
    rows = list(csv.DictReader(path.read_text().splitlines(), delimiter='\t'))
    return ClassTable(
        tuple(int(row['id']) for row in rows), tuple(row['name'] for row in rows),
        tuple((int(row['red']), int(row['green']), int(row['blue'])) for row in rows))
