"""What models are: their class, and where in a room they belong."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
import re

from mask3d_core.rooms.models.catalogue_model import CatalogueModel

MIN_EXTENT = 0.04
"""Metres; models are left out if less than two of their sides are as long: hardly visible."""
MAX_EXTENT = 3.5
"""Metres; models with a longer side are left out."""
PLACES = ('wall', 'floor', 'top', 'hung')


@dataclass(frozen=True)
class Kind:
    """
    What a model is.

    Attributes
    ----------
    name : str
        Class of the class table 'rooms'.
    place : str
        Where it is added to a furnished room: 'wall', standing with its back to a wall; 'floor',
        anywhere on the floor; 'top', on another piece; 'hung', on a wall; empty: nowhere.
    elevation : float
        Of what is hung, metres, if its catalogue does not say.
    stands_for : tuple of str
        Our own pieces whose place it takes, by the names of their functions: 'dining_chair'.

    """

    name: str
    place: str = ''
    elevation: float = 1.2
    stands_for: tuple[str, ...] = ()


def kind_of(model: CatalogueModel) -> Kind | None:
    """
    Return what a model is, None for one to leave out.

    The first row of `kinds.tsv` that fits decides: one of its words is in the name or is the id,
    its category is that of the model, and the model is lower than `below` centimetres; an empty
    cell fits all models.
    """
    sides = sorted(model.size)
    if sides[1] < MIN_EXTENT or sides[2] > MAX_EXTENT:
        return None
    for words, category, below, kind in _rows():
        if ((category in ('', model.category)) and 100 * model.size[2] < below
                and (words is None or model.key in words.split('|')
                     or re.search(rf'\b({words})\b', model.name, re.IGNORECASE))):
            return kind
    return None


@lru_cache(maxsize=1)
def _rows() -> list[tuple[str | None, str, float, Kind | None]]:
    text = (resources.files('mask3d_core') / 'rooms' / 'models' / 'kinds.tsv').read_text()
    return [(row['words'] or None, row['category'], float(row['below'] or 'inf'), _kind(row))
            for row in csv.DictReader(text.splitlines(), delimiter='\t')]


def _kind(row: dict[str, str]) -> Kind | None:
    if not row['class']:
        return None
    place, _, centimetres = row['place'].partition(' ')
    stands_for = tuple(filter(None, row['stands for'].split(',')))
    if centimetres:
        return Kind(row['class'], place, float(centimetres) / 100, stands_for)
    return Kind(row['class'], place, stands_for=stands_for)
