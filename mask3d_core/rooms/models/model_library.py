"""The models of some catalogues as pieces of furniture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from mask3d_core.errors import InputError
from mask3d_core.progress import warn
from mask3d_core.rooms.models.catalogue import CatalogueModel, read_catalogue
from mask3d_core.rooms.models.color_variation import vary_colors
from mask3d_core.rooms.models.kinds import Kind, kind_of
from mask3d_core.rooms.models.model_mesh import read_model_mesh
from mask3d_core.rooms.models.tops import find_top
from mask3d_core.rooms.piece import Piece
import numpy as np

SCALES, SIDE_SCALES = (0.9, 1.1), (0.96, 1.04)
"""Minimum and maximum factors on the size of a model, and on each of its sides."""
PLACES_WITH_TOPS = ('wall', 'floor', '')
MAX_PIECES = 600
"""Pieces in memory; one has 0.15 MB on average."""
KnownModel = tuple[CatalogueModel, Kind]


class ModelLibrary:
    """
    Makes pieces of the models of some catalogues.

    Attributes
    ----------
    models : list of (CatalogueModel, Kind)
        All that are used, in the order of the catalogues.

    """

    def __init__(self, models: Iterable[CatalogueModel]) -> None:
        self.models: list[KnownModel] = [
            (model, kind) for model in models if (kind := kind_of(model)) is not None]
        self._of_place = _grouped((kind.place, (model, kind)) for model, kind in self.models)
        self._of_maker = _grouped((maker, (model, kind)) for model, kind in self.models
                                  for maker in kind.stands_for)

    def for_place(self, place: str) -> Sequence[KnownModel]:
        """Return the models for a place, see `Kind.place`."""
        return self._of_place.get(place, [])

    def for_maker(self, maker: str) -> Sequence[KnownModel]:
        """Return the models that can stand for a piece of our own, see `Kind.stands_for`."""
        return self._of_maker.get(maker, [])

    def make(self, known: KnownModel, rng: np.random.Generator) -> Piece | None:
        """Make a piece of a model in a random size and colour; None for a damaged model."""
        model, kind = known
        scale = rng.uniform(*SCALES) * rng.uniform(*SIDE_SCALES, 3)
        state = int(rng.integers(1 << 31))
        piece = _read_piece(model, kind)
        if piece is None:
            return None
        return replace(
            piece, mesh=vary_colors(piece.mesh.scaled(*scale), np.random.default_rng(state)),
            tops=tuple(replace(top, center=tuple((scale * top.center).tolist()),
                               size=tuple((scale[:2] * top.size).tolist()))
                       for top in piece.tops))


def _grouped(pairs: Iterable[tuple[str, KnownModel]]) -> dict[str, list[KnownModel]]:
    groups: dict[str, list[KnownModel]] = {}
    for key, known in pairs:
        groups.setdefault(key, []).append(known)
    return groups


@lru_cache(maxsize=4)
def load_library(files: tuple[Path, ...]) -> ModelLibrary:
    """
    Read the lists of catalogues; meshes are read when they are needed.

    Raises
    ------
    InputError
        For a file that is no catalogue.

    """
    return ModelLibrary(model for file in files for model in read_catalogue(file)[0])


@lru_cache(maxsize=MAX_PIECES)
def _read_piece(model: CatalogueModel, kind: Kind) -> Piece | None:
    """Read a model in its real size; name a damaged one once, and return None."""
    try:
        mesh = read_model_mesh(model)
    except InputError as error:
        warn(f'{model.name} ({model.key}) is left out: {error}')
        return None
    top = find_top(mesh) if kind.place in PLACES_WITH_TOPS else None
    return Piece(kind.name, mesh, () if top is None else (top,))
