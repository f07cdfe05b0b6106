"""Furnish rooms with models that people made, beside our own pieces."""

from __future__ import annotations

from collections.abc import Iterator

from mask3d_core.rooms.arrangement import Arrangement, PlacedPiece
from mask3d_core.rooms.interiors import Furnisher, Maker
from mask3d_core.rooms.models.model_library import KnownModel, ModelLibrary
from mask3d_core.rooms.models.tops import find_top
from mask3d_core.rooms.piece import Piece
import numpy as np

MODEL_SHARE, SHARE_PER_MODEL = 0.5, 0.25
"""Probability of a model where some can stand for a piece of our own; less if there is only one,
so that it is not in every room."""
TOP_PROBABILITY = 0.4
"""That models are put on a piece with a top."""
SOFT_HOSTS = ('bed', 'sofa')
"""Our own pieces of these classes list no tops, but things lie on them."""
BATHROOM_CLASSES = ('toilet', 'bathtub', 'sink')
"""Rooms with one of these get what belongs into bathrooms."""


class ModelFurnisher(Furnisher):
    """
    Places furniture of which a part are models of catalogues.

    Attributes
    ----------
    library : ModelLibrary

    """

    def __init__(self, library: ModelLibrary, room: Arrangement, crowded: bool = False) -> None:
        super().__init__(room, crowded)
        self.library = library

    def make_with(self, maker: Maker, rng: np.random.Generator) -> Piece:
        """Make a model that can stand for the piece of a maker, or that piece."""
        models = self.library.for_maker(getattr(maker, '__name__', ''))
        piece = None
        if models and rng.random() < min(MODEL_SHARE, SHARE_PER_MODEL * len(models)):
            piece = self.library.make(models[int(rng.integers(len(models)))], rng)
        return maker(rng) if piece is None else piece

    def things(self, host: Piece) -> Iterator[Piece]:
        """Yield random models and objects of our own that can stand on a host; endless."""
        ours = super().things(host)
        while True:
            model = self._draw('top') if self.chance(MODEL_SHARE) else None
            yield model or next(ours)

    def add_pieces(self) -> None:
        """Put models along the walls, on the floor, on walls and on whatever is flat."""
        for _ in range(self.scaled_count(0, 3)):
            self._add_at_wall()
        for _ in range(self.scaled_count(0, 3)):
            piece = self._draw('floor')
            if piece is not None:
                self._fill(self.room.place_anywhere(piece))
        for _ in range(self.scaled_count(0, 2)):
            self._hang()
        for _ in range(self.scaled_count(0, 2)):
            piece = self._draw('top')
            if piece is not None:
                self.room.place_anywhere(piece)
        for placed in list(self.room.placed):
            if self.chance(TOP_PROBABILITY):
                self._put_on(placed)

    def _add_at_wall(self) -> None:
        known = self._choose('wall' if self.chance(0.7) else 'floor')
        piece = None if known is None else self.library.make(known, self.rng)
        if known is not None and piece is not None:
            self._fill(self.room.place_against_wall(piece, known[0].elevation or 0.0))

    def _hang(self) -> None:
        known = self._choose('hung')
        piece = None if known is None else self.library.make(known, self.rng)
        if known is not None and piece is not None:
            model, kind = known
            height = model.elevation if model.elevation else kind.elevation
            height = min(height + self.rng.normal(0, 0.1),
                         self.room.plan.height - piece.size[2] - 0.02)
            self.room.place_against_wall(piece, max(height, 0.0), 0.002)

    def _put_on(self, host: PlacedPiece) -> None:
        """Put some models on the tops of a piece; on a bed or a sofa, too."""
        tops = list(host.piece.tops)
        if not tops and host.piece.name in SOFT_HOSTS:
            top = find_top(host.piece.mesh)
            tops = [] if top is None else [top]
        if tops:
            top = tops[int(self.rng.integers(len(tops)))]
            drawn = [self._draw('top') for _ in range(int(self.rng.integers(1, 4)))]
            models = [piece for piece in drawn if piece is not None]
            self.room.place_on_top(host, top, iter(models), len(models))

    def _fill(self, placed: PlacedPiece | None) -> None:
        if placed is not None:
            self.fill_tops(placed, 3)

    def _draw(self, place: str) -> Piece | None:
        known = self._choose(place)
        return None if known is None else self.library.make(known, self.rng)

    def _choose(self, place: str) -> KnownModel | None:
        """Return a random model for a place; None if there is none that fits the room."""
        models = self.library.for_place(place)
        if not models:
            return None
        known = models[int(self.rng.integers(len(models)))]
        return known if place == 'top' or self._fits(known) else None

    def _fits(self, known: KnownModel) -> bool:
        return known[0].category != 'Bathroom' or any(
            piece.name in BATHROOM_CLASSES for placed in self.room.placed
            for piece in placed.piece.all())
