"""Desks; the back (+y) is towards the wall, the seat at -y."""

from __future__ import annotations

from mask3d_core.rooms.furniture.joinery import chance, finish, Front, LegStyle, mirrored
from mask3d_core.rooms.materials import lacquer, Material, metal, wood
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.piece import Piece, Top
from mask3d_core.rooms.solids import box
import numpy as np

DESK_BOARD = 0.022
"""Thickness of boards, metres."""


def drawer_block(rng: np.random.Generator, size: tuple[float, float, float], material: Material,
                 ) -> Mesh:
    """Make a closed block with two to four drawers in front."""
    width, depth, height = size
    front = Front.of(rng, material)
    shares = rng.choice([1.0, 1.0, 2.0], size=int(rng.integers(2, 5)))
    edges = 0.03 + (height - 0.03) * np.concatenate([[0], np.cumsum(shares) / shares.sum()])
    drawers = [front.drawer(width, top - low).moved(y=-depth / 2, z=low)
               for low, top in zip(edges, edges[1:])]
    return join([box((width, depth, height - 0.02), material).moved(z=0.02),
                 box((width - 0.04, depth - 0.04, 0.02), material), *drawers])


def _frame(rng: np.random.Generator, width: float, depth: float, height: float,
           material: Material) -> list[Mesh]:
    """Make the base of a desk: legs, T feet, closed sides or drawer units."""
    kind = rng.choice(['legs', 'feet', 'sides', 'block', 'block', 'blocks'])
    steel = metal(rng)
    end = (width - DESK_BOARD) / 2 - 0.01
    side = box((DESK_BOARD, depth - 0.02, height), material).moved(x=end)
    wide = rng.uniform(0.34, 0.45)
    block = drawer_block(rng, (wide, depth - 0.06, height), material)
    at = (width - wide) / 2 - 0.015
    if kind == 'legs':
        return [LegStyle.of(rng, steel if chance(rng, 0.6) else material, 0.045).four(
            width, depth, height)]
    if kind == 'feet':
        x = width * rng.uniform(0.36, 0.45)
        foot = join([box((0.06, depth * 0.85, 0.04), steel),
                     box((0.07, 0.09, height), steel),
                     box((0.05, depth * 0.7, 0.04), steel).moved(z=height - 0.04)])
        return [mirrored(foot.moved(x=x)),
                box((2 * x, 0.05, 0.05), steel).moved(z=height - 0.06)]
    if kind == 'sides':
        return [mirrored(side)]
    hand = rng.choice([-1, 1])
    if kind == 'blocks' and width > 1.25:
        return [block.moved(x=at), block.moved(x=-at)]
    return [block.moved(x=hand * at), side.scaled(x=-hand)]


def desk(rng: np.random.Generator) -> Piece:
    """Make a desk: with drawers, a panel, a hutch or a second wing at times."""
    material = wood(rng) if chance(rng, 0.6) else lacquer(rng)
    below = material if chance(rng, 0.7) else lacquer(rng)
    width, depth = rng.uniform(0.9, 1.8), rng.uniform(0.5, 0.8)
    height = rng.uniform(0.7, 0.78)
    parts = [box((width, depth, 0.028), material).moved(z=height - 0.028),
             *_frame(rng, width, depth, height - 0.028, below)]
    tops = [Top((0.0, -0.01, height), (width * 0.96, depth * 0.92))]
    if chance(rng, 0.5):
        high = rng.uniform(0.25, 0.6)
        parts += [box((width - 0.06, 0.018, high), below).moved(
            y=depth / 2 - rng.uniform(0.03, 0.2), z=height - 0.03 - high)]
    if chance(rng, 0.2) and width < 1.6:
        hutch, tops = _hutch(rng, width, depth, height, material)
        parts += hutch
    elif width > 1.3 and chance(rng, 0.35):
        wing, tops = _wing(rng, width, depth, height, material)
        parts += wing
    return finish('desk', parts, tops)


def _hutch(rng: np.random.Generator, width: float, depth: float, height: float,
           material: Material) -> tuple[list[Mesh], list[Top]]:
    """Make shelves on the rear of a desk; also return the remaining tops."""
    deep, high = rng.uniform(0.2, 0.28), rng.uniform(0.3, 0.7)
    y, clear = (depth - deep) / 2, rng.uniform(0.18, 0.28) if high < 0.45 else high * 0.55
    board = box((width - 0.02, deep, DESK_BOARD), material).moved(y=y)
    end = (width - DESK_BOARD) / 2 - 0.01
    side = box((DESK_BOARD, deep, high), material).moved(end, y, height)
    parts = [mirrored(side), board.moved(z=height + high - DESK_BOARD),
             board.moved(z=height + clear - DESK_BOARD)]
    if chance(rng, 0.6):
        parts += [box((width - 0.02, 0.012, high), material).moved(y=depth / 2 - 0.006, z=height)]
    tops = [Top((0.0, -deep / 2, height), (width * 0.94, depth - deep - 0.03)),
            Top((0.0, y, height + clear), (width * 0.9, deep * 0.9), high - clear - DESK_BOARD),
            Top((0.0, y, height + high), (width * 0.94, deep * 0.9), 0.4)]
    return parts, tops


def _wing(rng: np.random.Generator, width: float, depth: float, height: float,
          material: Material) -> tuple[list[Mesh], list[Top]]:
    """Make a second board to the front at one end; also return the tops, the seat's first."""
    wide, long = rng.uniform(0.45, 0.65), rng.uniform(0.5, 0.9)
    x = rng.choice([-1, 1]) * (width - wide) / 2
    y = -(depth + long) / 2
    parts = [box((wide, long, 0.028), material).moved(x, y, height - 0.028),
             box((wide - 0.04, DESK_BOARD, height - 0.03), material).moved(x, y - long / 2 + 0.03)]
    if chance(rng, 0.5):
        block = drawer_block(rng, (wide - 0.06, 0.42, height - 0.03), material)
        parts += [block.turned(np.sign(x) * -np.pi / 2).moved(x, y - long / 2 + 0.3)]
    free = width - wide
    return parts, [
        Top((float(-np.sign(x) * wide / 2), -0.01, height), (free * 0.94, depth * 0.92)),
        Top((float(x), y + depth / 2, height), (wide * 0.92, (long + depth) * 0.92))]
