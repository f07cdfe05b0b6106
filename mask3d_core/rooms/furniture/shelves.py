"""Shelves and the books on them."""

from __future__ import annotations

from dataclasses import dataclass

from mask3d_core.rooms.furniture.joinery import chance, finish, Front, mirrored
from mask3d_core.rooms.materials import (
    cardboard,
    fabric,
    hsv,
    lacquer,
    Material,
    metal,
    paper,
    plastic,
    wood,
)
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.piece import Piece, Top
from mask3d_core.rooms.solids import box
import numpy as np

MAX_BOOKS = 130
"""Of one piece, to limit its triangles."""


@dataclass(frozen=True)
class BookStyle:
    """Style of the books in a piece: jackets, mean thickness in metres, filled share of boards."""

    jackets: tuple[Material, ...]
    thickness: float
    filled: float

    @classmethod
    def of(cls, rng: np.random.Generator, total: float) -> BookStyle:
        """Draw a style for boards of a total length, metres."""
        jackets = tuple(paper(rng) if chance(rng, 0.3) else Material(
            hsv(rng.random(), rng.uniform(0, 0.9) * rng.integers(2), rng.uniform(0.08, 0.95)),
            gloss=rng.uniform(0, 0.3)) for _ in range(int(rng.integers(6, 14))))
        filled = rng.uniform(0.4, 0.97)
        return cls(jackets, max(rng.uniform(0.018, 0.035), total * filled / MAX_BOOKS), filled)

    def books(self, rng: np.random.Generator, width: float, depth: float, room: float,
              ) -> list[Mesh]:
        """Make the books of one board over z = 0: upright, leaning, in piles, with gaps."""
        parts: list[Mesh] = []
        x, end = -width / 2 + rng.uniform(0, 0.03), width / 2
        usual = room * rng.uniform(0.6, 0.9)
        while True:
            if chance(rng, 0.05):
                pile = self._pile(rng, depth, room)
                wide = max(book.size[0] for book in pile)
                if x + wide > end:
                    break
                parts += [book.moved(x=x + wide / 2) for book in pile]
                x += wide + 0.01
                continue
            book = self._book(rng, depth, min(usual * rng.uniform(0.8, 1.15), room - 0.01))
            thick, high = book.size[0], book.size[2]
            if x + thick > end:
                break
            lean = rng.uniform(0.08, 0.35) if chance(rng, 0.06) else 0.0
            wide = thick * np.cos(lean) + high * np.sin(lean)
            if lean and x + wide < end:
                leaning = book.turned(rng.choice([-1, 1]) * lean, 'y')
                parts += [leaning.moved(x=x - leaning.bounds[0][0], z=-leaning.bounds[0][2])]
                x += wide
            else:
                parts += [book.moved(x=x + thick / 2)]
                x += thick + 0.001
            if chance(rng, (1 - self.filled) * 0.25):
                x += rng.uniform(0.05, 0.4)
        return parts

    def _book(self, rng: np.random.Generator, depth: float, height: float) -> Mesh:
        thick = self.thickness * rng.uniform(0.5, 1.7)
        deep = min(depth, height * rng.uniform(0.65, 0.8)) * rng.uniform(0.9, 1)
        jacket = self.jackets[rng.integers(len(self.jackets))]
        # Books stand near the front edge.
        back = (depth - deep) * rng.uniform(0.0, 0.5)
        return box((thick, deep, height), jacket).moved(y=-(depth - deep) / 2 + back)

    def _pile(self, rng: np.random.Generator, depth: float, room: float) -> list[Mesh]:
        pile, z = [], 0.0
        long = rng.uniform(0.16, 0.26)
        for _ in range(int(rng.integers(2, 6))):
            thick = self.thickness * rng.uniform(0.7, 1.4)
            if z + thick > room - 0.02:
                break
            jacket = self.jackets[rng.integers(len(self.jackets))]
            lying = box((long * rng.uniform(0.85, 1), min(0.18, depth * 0.9), thick), jacket)
            pile += [lying.turned(rng.normal(0, 0.05)).moved(y=-0.02, z=z)]
            z += thick
        return pile


def _levels(rng: np.random.Generator, low: float, high: float, spacing: float) -> list[float]:
    """Return the heights of boards, about evenly spaced; the first and the last are given."""
    count = max(1, round((high - low) / spacing))
    levels = np.linspace(low, high, count + 1)
    levels[1:-1] += rng.normal(0, 0.02, count - 1)
    return [float(level) for level in levels]


def bookshelf(rng: np.random.Generator) -> Piece:
    """Make a shelf of one to three columns, filled with books, at times with doors below."""
    material = wood(rng) if chance(rng, 0.65) else lacquer(rng)
    columns = int(rng.choice([1, 1, 2, 2, 3]))
    each, depth = rng.uniform(0.4, 0.9), rng.uniform(0.22, 0.34)
    if columns > 1:
        each = min(each, 1.0 - 0.1 * columns)
    width, height, thick = columns * each, rng.uniform(0.75, 2.2), rng.uniform(0.016, 0.03)
    levels = _levels(rng, rng.uniform(0.0, 0.09), height - thick, rng.uniform(0.27, 0.4))
    side = box((thick, depth, height), material)
    uprights = [side.moved(x=x) for x in np.linspace(-width / 2 + thick / 2, width / 2 - thick / 2,
                                                     columns + 1)]
    board = box((width - thick, depth - 0.005, thick), material)
    parts = [*uprights, *(board.moved(z=z) for z in levels)]
    if chance(rng, 0.75):
        parts += [box((width, 0.008, height - 0.01), material).moved(y=depth / 2 - 0.004)]
    row = BookStyle.of(rng, width * (len(levels) - 1))
    closed = int(rng.integers(1, 3)) if len(levels) > 4 and chance(rng, 0.2) else 0
    if closed:
        parts += _doors(rng, material, columns, (each, depth, levels[0], levels[closed]))
    for low, high in zip(levels[closed:], levels[closed + 1:]):
        room = high - low - thick
        for column in range(columns):
            x = (column + 0.5) * each - width / 2
            parts += [part.moved(x, 0.0, low + thick)
                      for part in _contents(rng, row, (each - 1.5 * thick, depth - 0.02, room))]
    tops = [Top((0.0, 0.0, height), (width * 0.94, depth * 0.9), 0.4)] if height < 1.6 else []
    return finish('bookshelf', parts, tops)


def _doors(rng: np.random.Generator, material: Material, columns: int,
           room: tuple[float, float, float, float]) -> list[Mesh]:
    """Close the compartments of (width, depth, lower end, upper end) with a door each."""
    each, depth, low, high = room
    front = Front.of(rng, material)
    return [front.door(each, high - low, 1 if column % 2 else -1).moved(
        (column + 0.5 - columns / 2) * each, -depth / 2, low) for column in range(columns)]


def _contents(rng: np.random.Generator, row: BookStyle, room: tuple[float, float, float],
              ) -> list[Mesh]:
    """Fill a compartment of a size: books mostly, else binders, boxes, or nothing."""
    width, depth, height = room
    draw = rng.random()
    if draw < 0.72:
        return row.books(rng, width, depth, height)
    if draw < 0.8 and height > 0.29:
        return _binders(rng, width, depth)
    if draw < 0.9:
        return _boxes(rng, width, depth, height)
    return []


def _binders(rng: np.random.Generator, width: float, depth: float) -> list[Mesh]:
    """Make office binders side by side."""
    colors = [plastic(rng), plastic(rng)]
    number = int(width / 0.085 * rng.uniform(0.4, 1))
    start = -width / 2 if chance(rng, 0.7) else width / 2 - number * 0.085
    size = (0.075, min(depth, 0.28), 0.275)
    return [box(size, colors[rng.integers(2)]).moved(start + 0.085 * (place + 0.5), rng.normal(
        0, 0.004), 0) for place in range(number)]


def _boxes(rng: np.random.Generator, width: float, depth: float, height: float) -> list[Mesh]:
    """Make one to three storage boxes or baskets side by side."""
    number = max(1, min(3, int(width / rng.uniform(0.25, 0.4))))
    material = (cardboard, plastic, fabric)[rng.integers(3)](rng)
    each = width / number
    size = (each * rng.uniform(0.75, 0.95), depth * 0.92, height * rng.uniform(0.45, 0.9))
    lid = box((size[0] * 1.03, size[1], 0.03), material).moved(z=size[2] - 0.03)
    one = join([box(size, material), lid])
    return [one.moved((place + 0.5) * each - width / 2) for place in range(number)
            if chance(rng, 0.85)]


def cube_shelf(rng: np.random.Generator) -> Piece:
    """Make a shelf of square compartments, with boxes, books, or open for things."""
    material = wood(rng) if chance(rng, 0.45) else lacquer(rng)
    columns, rows = int(rng.integers(1, 5)), int(rng.integers(1, 5))
    if columns * rows < 2:
        columns = 3
    cell, depth, thick = rng.uniform(0.32, 0.38), rng.uniform(0.28, 0.39), rng.uniform(0.016, 0.04)
    width, height = columns * cell + thick, rows * cell + thick
    side = box((thick, depth, height), material)
    board = box((width, depth, thick), material)
    parts = [side.moved(x=x) for x in (np.arange(columns + 1) - columns / 2) * cell]
    parts += [board.moved(z=cell * level) for level in range(rows + 1)]
    if chance(rng, 0.6):
        parts += [box((width, 0.006, height), material).moved(y=depth / 2 - 0.003)]
    row, basket = BookStyle.of(rng, width * rows), (fabric, plastic)[rng.integers(2)](rng)
    tops = [Top((0.0, 0.0, height), (width * 0.94, depth * 0.9), 0.6)] if height < 1.6 else []
    for column in range(columns):
        for level in range(rows):
            x, z = (column + 0.5 - columns / 2) * cell, level * cell + thick
            inner, draw = cell - thick, rng.random()
            if draw < 0.4:
                made = row.books(rng, inner, depth - 0.02, inner)
            elif draw < 0.65:
                made = [box((inner - 0.02, depth - 0.01, inner - 0.03), basket)]
            else:
                made = []
                tops += [Top((x, 0.0, z), (inner * 0.8, depth * 0.8), inner - 0.02)]
            parts += [part.moved(x=x, z=z) for part in made]
    return finish('bookshelf', parts, tops)


def wall_shelf(rng: np.random.Generator) -> Piece:
    """Make one to three boards to hang on a wall, with brackets; it hangs where it is put."""
    material, steel = wood(rng) if chance(rng, 0.6) else lacquer(rng), metal(rng)
    width, depth, thick = rng.uniform(0.5, 1.3), rng.uniform(0.15, 0.3), rng.uniform(0.018, 0.05)
    parts, tops = [], []
    number, spacing = int(rng.choice([1, 1, 2, 3])), rng.uniform(0.26, 0.36)
    row = BookStyle.of(rng, width * number)
    bracket = join([box((0.025, 0.012, 0.14), steel).moved(y=depth / 2 - 0.006),
                    box((0.025, depth * 0.85, 0.012), steel).moved(y=depth * 0.07, z=0.13)])
    for level in range(number):
        z = 0.14 + level * spacing
        parts += [box((width, depth, thick), material).moved(z=z),
                  mirrored(bracket.moved(x=width * 0.36, z=z - 0.14))]
        if chance(rng, 0.5):
            share = rng.uniform(0.4, 0.95)
            books = row.books(rng, width * share, depth - 0.02, spacing - thick - 0.02)
            parts += [book.moved(x=-width * (1 - share) / 2, z=z + thick) for book in books]
        else:
            tops += [Top((0.0, 0.0, z + thick), (width * 0.92, depth * 0.85),
                         spacing - thick - 0.03 if level < number - 1 else 0.4)]
    return finish('otherfurniture', parts, tops)


def rack(rng: np.random.Generator) -> Piece:
    """Make an open rack of posts and boards, with boxes, room for things."""
    material = metal(rng) if chance(rng, 0.6) else wood(rng)
    width, depth, height = rng.uniform(0.6, 1.3), rng.uniform(0.3, 0.5), rng.uniform(0.9, 2.0)
    thick = rng.uniform(0.025, 0.045)
    levels = _levels(rng, rng.uniform(0.05, 0.2), height - 0.05, rng.uniform(0.35, 0.55))
    post = box((thick, thick, height), material).moved((width - thick) / 2, (depth - thick) / 2)
    board = box((width, depth, 0.03), material if chance(rng, 0.5) else wood(rng))
    parts = [mirrored(join([post, post.scaled(y=-1)])), *(board.moved(z=z) for z in levels)]
    tops = []
    for number, low in enumerate(levels):
        room = levels[number + 1] - low - 0.05 if number + 1 < len(levels) else 0.4
        if chance(rng, 0.35) and number + 1 < len(levels):
            parts += [part.moved(z=low + 0.03)
                      for part in _boxes(rng, width * 0.95, depth * 0.95, room)]
        elif low < 1.7:
            tops += [Top((0.0, 0.0, low + 0.03), (width * 0.88, depth * 0.85), room)]
    return finish('otherfurniture', parts, tops)
