"""The models of some catalogues as pieces of furniture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from mask3d_core.errors import InputError
from mask3d_core.progress import warn
from mask3d_core.rooms.mesh import Mesh
from mask3d_core.rooms.models.catalogue import read_catalogue
from mask3d_core.rooms.models.catalogue_model import CatalogueModel
from mask3d_core.rooms.models.color_variation import vary_colors
from mask3d_core.rooms.models.gazebo_models import CATEGORY
from mask3d_core.rooms.models.gazebo_sdf import SDF
from mask3d_core.rooms.models.kinds import Kind, kind_of
from mask3d_core.rooms.models.model_mesh import read_model_mesh, require_trimesh
from mask3d_core.rooms.models.tops import find_boards, find_top, THICKEST_BOARD
from mask3d_core.rooms.piece import Piece, Top
import numpy as np

SCALES, SIDE_SCALES = (0.9, 1.1), (0.96, 1.04)
"""Minimum and maximum factors on the size of a model, and on each of its sides."""
PLACES_WITH_TOPS = ('wall', 'floor', '')
CLASSES_WITH_BOARDS = ('bookshelf', 'desk', 'table')
"""Their models have further tops; those of cabinets are behind doors."""
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
    damaged : tuple of str
        What is wrong with each entry that was left out.

    """

    def __init__(self, models: Iterable[CatalogueModel], damaged: Sequence[str] = ()) -> None:
        self.damaged = tuple(damaged)
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
                               size=tuple((scale[:2] * top.size).tolist()),
                               room=float(scale[2] * top.room))
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
        For a file that is no catalogue, if none of the models is of use, or if trimesh, or
        pycollada for Gazebo models, is not installed.

    """
    require_trimesh(files[0] / SDF if files[0].is_dir() else files[0])
    catalogues = [read_catalogue(file) for file in files]
    library = ModelLibrary(_distinct(model for models, _ in catalogues for model in models),
                           [sentence for _, damaged in catalogues for sentence in damaged])
    if not library.models:
        raise InputError(f'{", ".join(map(str, files))}: expected models of furniture or objects, '
                         'got none that belongs into a room: give other catalogues')
    return library


def _distinct(models: Iterable[CatalogueModel]) -> Iterable[CatalogueModel]:
    """Return each Gazebo model once: worlds share models. Those of .sh3f files all stay."""
    known: dict[tuple[object, ...], CatalogueModel] = {}
    for number, model in enumerate(models):
        size = tuple(round(side, 3) for side in model.size)
        known.setdefault((model.key, size) if model.category == CATEGORY else (number,), model)
    return known.values()


@lru_cache(maxsize=MAX_PIECES)
def _read_piece(model: CatalogueModel, kind: Kind) -> Piece | None:
    """Read a model in its real size; name a damaged one once, and return None."""
    try:
        mesh = read_model_mesh(model)
    except InputError as error:
        warn(f'{model.name} ({model.key}) is left out: {error}')
        return None
    return Piece(kind.name, mesh, tuple(_tops(mesh, kind)))


def _tops(mesh: Mesh, kind: Kind) -> list[Top]:
    """Return the main top first, then the boards above and below it."""
    top = find_top(mesh) if kind.place in PLACES_WITH_TOPS else None
    main = [] if top is None else [top]
    boards = find_boards(mesh) if kind.name in CLASSES_WITH_BOARDS else []
    return main + [board for board in boards if not main
                   or abs(board.center[2] - main[0].center[2]) > THICKEST_BOARD]
