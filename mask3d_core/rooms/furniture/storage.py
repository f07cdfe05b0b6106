"""Cabinets, wardrobes, chests of drawers; and the list of all storage."""

from __future__ import annotations

from dataclasses import dataclass

from mask3d_core.rooms.furniture.joinery import chance, finish, Front, LegStyle
from mask3d_core.rooms.furniture.shelves import bookshelf, BookStyle, cube_shelf, rack, wall_shelf
from mask3d_core.rooms.materials import hsv, lacquer, Material, metal, wood
from mask3d_core.rooms.mesh import Mesh
from mask3d_core.rooms.piece import Piece, Top
from mask3d_core.rooms.solids import box, panel
import numpy as np

Size = tuple[float, float, float]
"""Width, depth and height, metres."""
Layout = list[tuple[float, list[tuple[float, str]]]]
"""Columns of a front: share of the width, and rows from below: share of the height, kind."""
CABINET_BOARD = 0.02
"""Thickness of boards, metres."""
GAP_MATERIAL = Material((0.03, 0.03, 0.03))
"""Of the gaps between fronts."""
AJAR_PROBABILITY = 0.03
"""That a door is open."""


@dataclass(frozen=True)
class Cell:
    """A rectangle of a cabinet's front, metres: its left lower corner, its size, what it is."""

    x: float
    z: float
    width: float
    height: float
    kind: str


def grid(size: Size, columns: Layout) -> list[Cell]:
    """
    Divide a front into cells.

    The kinds of a row: 'left' or 'right' for the side of a door's hinge, 'drawer', 'open'.
    """
    cells, x = [], -size[0] / 2
    whole = sum(share for share, _ in columns)
    for share, rows in columns:
        width, z = size[0] * share / whole, 0.0
        for part, kind in rows:
            height = size[2] * part / sum(other for other, _ in rows)
            cells.append(Cell(x, z, width, height, kind))
            z += height
        x += width
    return cells


def carcass(rng: np.random.Generator, size: Size, cells: list[Cell], material: Material,
            front: Front) -> tuple[list[Mesh], list[Top]]:
    """Make the body of a cabinet, its front in the plane y = -depth / 2; tops in open cells."""
    parts, tops = [], []
    depth = size[1]
    for cell in cells:
        middle = cell.x + cell.width / 2
        angle = 0.0
        if cell.kind in ('left', 'right'):
            angle = rng.uniform(0.2, 1.7) if chance(rng, AJAR_PROBABILITY) else 0.0
            hinge = -1 if cell.kind == 'left' else 1
            edge = hinge * cell.width / 2
            door = front.door(cell.width, cell.height, hinge).moved(x=-edge)
            parts += [door.turned(hinge * angle).moved(middle + edge, -depth / 2, cell.z)]
        elif cell.kind == 'drawer':
            parts += [front.drawer(cell.width, cell.height).moved(middle, -depth / 2, cell.z)]
        if cell.kind == 'open' or angle:
            made, places = _open(rng, cell, depth, material)
            parts += [part.moved(middle, z=cell.z) for part in made]
            tops += [Top((middle, 0.0, cell.z + z), (cell.width * 0.85, depth * 0.8), room)
                     for z, room in places]
        else:
            body = box((cell.width, depth - 0.001, cell.height), material)
            gap = panel(cell.width, cell.height, GAP_MATERIAL)
            parts += [body.moved(middle, z=cell.z), gap.moved(middle, -depth / 2 - 0.001, cell.z)]
    return parts, tops


def _open(rng: np.random.Generator, cell: Cell, depth: float, material: Material,
          ) -> tuple[list[Mesh], list[tuple[float, float]]]:
    """Make an open compartment over x = 0: its parts, and (height, room) of its empty boards."""
    side = box((CABINET_BOARD, depth, cell.height), material)
    side = side.moved(x=cell.width / 2 - CABINET_BOARD / 2)
    count = max(1, round(cell.height / rng.uniform(0.28, 0.4)))
    edges = np.linspace(0, cell.height - CABINET_BOARD, count + 1)
    board = box((cell.width - 2 * CABINET_BOARD, depth, CABINET_BOARD), material)
    parts = [side, side.scaled(x=-1), box((cell.width, 0.01, cell.height), material).moved(
        y=depth / 2 - 0.005), *(board.moved(z=z) for z in edges)]
    free = []
    row = BookStyle.of(rng, cell.width * count)
    for low, high in zip(edges, edges[1:]):
        room = high - low - CABINET_BOARD
        if chance(rng, 0.35) and room > 0.16:
            books = row.books(rng, cell.width - 2 * CABINET_BOARD, min(depth - 0.03, 0.25), room)
            parts += [book.moved(y=-depth / 2 + 0.03 + min(depth - 0.03, 0.25) / 2,
                                 z=low + CABINET_BOARD) for book in books]
        elif chance(rng, 0.7):
            free.append((low + CABINET_BOARD, room))
    return parts, free


def stand(rng: np.random.Generator, size: Size, material: Material, high_legs: float = 0.15,
          ) -> tuple[list[Mesh], float]:
    """Make what a body stands on, and its height: legs, a plinth, or nothing."""
    kind = rng.choice(['plinth', 'plinth', 'legs', 'none'])
    if kind == 'legs':
        height = rng.uniform(0.06, high_legs)
        style = LegStyle.of(rng, material if chance(rng, 0.6) else metal(rng), 0.04)
        return [style.four(size[0] * 0.96, size[1] * 0.94, height)], height
    if kind == 'plinth':
        height = rng.uniform(0.04, 0.09)
        return [box((size[0] - 0.02, size[1] - 0.05, height), material).moved(y=0.02)], height
    return [], 0.0


def fitted(rng: np.random.Generator, name: str, size: Size,
           columns: Layout, on_wall: bool = False) -> Piece:
    """Make a cabinet of columns of cells (see grid) within a size."""
    material = wood(rng) if chance(rng, 0.55) else lacquer(rng)
    front = Front.of(rng, material if chance(rng, 0.7) else lacquer(rng))
    feet, lift = ([], 0.0) if on_wall else stand(rng, size, material)
    plate = 0.0 if on_wall or chance(rng, 0.4) else rng.uniform(0.018, 0.035)
    inner = (size[0], size[1], size[2] - lift - plate)
    parts, tops = carcass(rng, inner, grid(inner, columns), material, front)
    meshes = [*feet, *(part.moved(z=lift) for part in parts)]
    tops = [Top((top.center[0], top.center[1], top.center[2] + lift), top.size, top.room)
            for top in tops]
    if plate:
        over = rng.choice([0.0, 0.02])
        meshes += [box((size[0] + 2 * over, size[1] + 0.02 + over, plate), material).moved(
            y=-0.01 - over / 2, z=size[2] - plate)]
    if size[2] < 1.5:
        tops = [Top((0.0, 0.0, size[2]), (size[0] * 0.94, size[1] * 0.9)), *tops]
    return finish(name, meshes, tops)


def _doors(number: int) -> list[str]:
    """Return kinds of doors side by side, in pairs that open away from each other."""
    return ['left' if place % 2 == 0 and number > 1 else 'right' for place in range(number)]


def low_cabinet(rng: np.random.Generator) -> Piece:
    """Make a sideboard or a small cabinet whose top is a place for things."""
    columns = int(rng.integers(1, 5))
    size = (columns * rng.uniform(0.38, 0.6), rng.uniform(0.35, 0.5), rng.uniform(0.65, 0.98))
    return fitted(rng, 'cabinet', size, _layout(rng, columns, 3, 0.6))


def high_cabinet(rng: np.random.Generator) -> Piece:
    """Make a cabinet as high as a person, or nearly."""
    columns = int(rng.integers(1, 4))
    size = (columns * rng.uniform(0.38, 0.6), rng.uniform(0.35, 0.5), rng.uniform(1.1, 2.1))
    return fitted(rng, 'cabinet', size, _layout(rng, columns, 6, rng.choice([0.6, 1.4])))


def _layout(rng: np.random.Generator, columns: int, drawers: int, open_share: float) -> Layout:
    """Draw what is behind doors, in drawers and open: `drawers` fill a column."""
    kind = str(rng.choice(['doors', 'doors', 'drawers above', 'mixed', 'open above']))
    layout: Layout = []
    for door in _doors(columns):
        rows = [(1.0, door)]
        if kind == 'drawers above':
            rows = [(drawers + 0.5, door), (1.0, 'drawer')]
        elif kind == 'open above':
            rows = [(1.0, door), (open_share, 'open')]
        elif kind == 'mixed':
            rows = [[(1.0, door)], [(1.0, 'open')], [(1.0, 'drawer')] * drawers,
                    [(1.0, door)]][rng.integers(4)]
        layout.append((1.0, rows))
    return layout


def wall_cabinet(rng: np.random.Generator) -> Piece:
    """Make a cabinet to hang on a wall above a counter; it hangs where it is put."""
    columns = int(rng.integers(1, 5))
    size = (columns * rng.uniform(0.35, 0.5), rng.uniform(0.28, 0.38), rng.uniform(0.45, 0.9))
    layout = [(1.0, [(1.0, 'open' if chance(rng, 0.12) else door)]) for door in _doors(columns)]
    return fitted(rng, 'cabinet', size, layout, on_wall=True)


def filing_cabinet(rng: np.random.Generator) -> Piece:
    """Make a steel cabinet with two to four drawers, or a small one on castors."""
    coat = Material(hsv(rng.random(), rng.uniform(0, 0.12), rng.choice([0.12, 0.35, 0.6, 0.85])),
                    gloss=0.2, speckle=0.01)
    drawers = int(rng.integers(2, 5))
    size = (rng.uniform(0.38, 0.5), rng.uniform(0.5, 0.65),
            drawers * rng.uniform(0.28, 0.33) if chance(rng, 0.7) else rng.uniform(0.52, 0.6))
    front = Front.of(rng, coat)
    parts, _ = carcass(rng, size, grid(size, [(1.0, [(1.0, 'drawer')] * drawers)]), coat, front)
    lift = rng.choice([0.02, 0.05])
    return finish('cabinet', [*(part.moved(z=lift) for part in parts),
                              box((size[0] - 0.06, size[1] - 0.06, lift), coat)],
                  [Top((0.0, 0.0, size[2] + lift), (size[0] * 0.92, size[1] * 0.92))])


def wardrobe(rng: np.random.Generator) -> Piece:
    """Make a wardrobe with hinged or sliding doors, at times with mirrors or drawers below."""
    columns = int(rng.integers(1, 5))
    size = (columns * rng.uniform(0.42, 0.6), rng.uniform(0.52, 0.65), rng.uniform(1.75, 2.35))
    if columns > 1 and chance(rng, 0.35):
        return _sliding(rng, size)
    below = chance(rng, 0.3)
    layout = [(1.0, [(0.5, 'drawer'), (3.0, door)] if below else [(1.0, door)])
              for door in _doors(columns)]
    if chance(rng, 0.12):
        layout[-1] = (1.0, [(1.0, 'open')])
    return fitted(rng, 'cabinet', size, layout)


def _sliding(rng: np.random.Generator, size: Size) -> Piece:
    """Make a wardrobe whose two or three doors pass each other."""
    material = wood(rng) if chance(rng, 0.5) else lacquer(rng)
    width, depth, height = size
    number = 2 if width < 1.7 else 3
    wide = width / number + 0.03
    parts = [box((width, depth - 0.06, height), material).moved(y=0.03),
             box((width, 0.07, 0.05), material).moved(y=-depth / 2 + 0.035),
             box((width, 0.07, 0.05), material).moved(y=-depth / 2 + 0.035, z=height - 0.05)]
    other = lacquer(rng)
    for place in range(number):
        face = material if chance(rng, 0.5) else other
        if chance(rng, 0.2):
            face = Material((0.6, 0.65, 0.68), gloss=0.9)
        x = (place + 0.5) * width / number - width / 2
        y = -depth / 2 + (0.045 if place % 2 else 0.015)
        parts += [box((wide, 0.022, height - 0.1), face).moved(x, y, 0.05),
                  box((0.03, 0.03, height - 0.1), metal(rng)).moved(
                      x + wide / 2 - 0.015, y - 0.003, 0.05)]
    return finish('cabinet', parts)


def dresser(rng: np.random.Generator) -> Piece:
    """Make a chest of drawers in one to three columns."""
    columns, rows = int(rng.integers(1, 4)), int(rng.integers(3, 6))
    size = (columns * rng.uniform(0.45, 0.6) if columns > 1 else rng.uniform(0.45, 0.9),
            rng.uniform(0.38, 0.52), rows * rng.uniform(0.19, 0.25))
    stack = [(1.0, 'drawer')] * (rows - 1) + [(rng.uniform(0.6, 1.0), 'drawer')]
    return fitted(rng, 'cabinet', size, [(1.0, stack)] * columns)


def nightstand(rng: np.random.Generator) -> Piece:
    """Make a small cabinet beside a bed."""
    size = (rng.uniform(0.35, 0.6), rng.uniform(0.32, 0.45), rng.uniform(0.4, 0.68))
    rows = [[(1.0, 'drawer')] * 2, [(1.0, 'drawer')] * 3, [(1.3, 'open'), (1.0, 'drawer')],
            [(2.0, 'right'), (1.0, 'drawer')], [(1.0, 'open')]][rng.integers(5)]
    return fitted(rng, 'cabinet', size, [(1.0, rows)])


def tv_stand(rng: np.random.Generator) -> Piece:
    """Make a long low body for a television."""
    columns = int(rng.integers(2, 5))
    size = (columns * rng.uniform(0.38, 0.5), rng.uniform(0.35, 0.48), rng.uniform(0.35, 0.62))
    kinds = ['left', 'open', 'drawer', 'open']
    layout = []
    for _ in range(columns):
        kind = kinds[rng.integers(4)]
        layout += [(1.0, [(1.0, kind)] * (2 if kind == 'drawer' else 1))]
    return fitted(rng, 'cabinet', size, layout)


def shoe_cupboard(rng: np.random.Generator) -> Piece:
    """Make a thin tall cupboard with flaps, as for shoes."""
    size = (rng.uniform(0.5, 1.0), rng.uniform(0.17, 0.28), rng.uniform(0.8, 1.3))
    flaps = [(1.0, 'drawer')] * int(rng.integers(2, 4))
    return fitted(rng, 'cabinet', size, [(1.0, flaps)])


STORAGE = (low_cabinet, high_cabinet, wall_cabinet, filing_cabinet, wardrobe, dresser, nightstand,
           tv_stand, shoe_cupboard, bookshelf, cube_shelf, wall_shelf, rack)
