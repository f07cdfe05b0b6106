"""Tables and their legs, and the list of all tables."""

from __future__ import annotations

from mask3d_core.rooms.furniture.desks import desk
from mask3d_core.rooms.furniture.joinery import (
    bar,
    chance,
    finish,
    leg,
    LegStyle,
    mirrored,
    rounded_board,
)
from mask3d_core.rooms.materials import lacquer, Material, metal, stone, wood
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.piece import Piece, Top
from mask3d_core.rooms.solids import box, cylinder, lathe, prism, tube
import numpy as np

Size = tuple[float, float, float]
"""Width, depth and height, metres."""


def board_material(rng: np.random.Generator) -> Material:
    """Return what table tops are made of."""
    makers = (wood, wood, wood, lacquer, lacquer, stone)
    return makers[rng.integers(len(makers))](rng)


def _four_legs(rng: np.random.Generator, size: Size, material: Material) -> Mesh:
    """Make legs under the corners, often with an apron between them."""
    width, depth, height = size
    narrow = min(width, depth)
    thick = min(rng.uniform(0.025, 0.09), 0.12 * narrow)
    style = LegStyle.of(rng, material, thick)
    inset = rng.choice([0.0, 0.02, 0.08]) * min(narrow, 1.0)
    parts = [style.four(width - inset, depth - inset, height)]
    if chance(rng, 0.6):
        high = rng.uniform(0.05, 0.1)
        x, y = width - inset - thick, depth - inset - thick
        side = box((0.02, y, high), material).moved(x=x / 2)
        front = box((x, 0.02, high), material).moved(y=y / 2)
        rails = join([mirrored(side), front, front.scaled(y=-1)])
        parts += [rails.moved(z=height - high)]
    return join(parts)


def _trestles(rng: np.random.Generator, size: Size, material: Material) -> Mesh:
    """Make a frame near each end: a post on a foot, a crossed pair, or an A; a beam between."""
    width, depth, height = size
    thick, x, y = rng.uniform(0.04, 0.1), width * rng.uniform(0.32, 0.42), depth * 0.4
    thick *= min(1, width)
    kind = rng.choice(['post', 'cross', 'frame'])
    if kind == 'post':
        parts = [box((thick, thick * rng.choice([1, 3]), height), material),
                 box((thick, 2 * y, thick), material),
                 box((thick, 2 * y, 0.04), material).moved(z=height - 0.04)]
    elif kind == 'cross':
        parts = [leg((0, -y, 0), (0, y, height), (thick / 2, thick / 2), material),
                 leg((0, y, 0), (0, -y, height), (thick / 2, thick / 2), material)]
    else:
        post = box((thick, 0.03, height), material).moved(y=y)
        rail = box((thick, 2 * y, 0.03), material)
        parts = [post, post.scaled(y=-1), rail, rail.moved(z=height - 0.03)]
    beams = [box((2 * x, 0.03, 0.08), material).moved(z=height * rng.uniform(0.15, 0.5))]
    return join([mirrored(join(parts).moved(x=x)), *(beams if chance(rng, 0.6) else [])])


def _pedestal(rng: np.random.Generator, size: Size, material: Material) -> Mesh:
    """Make one column on a disc or on a cross of feet."""
    reach, height = min(size[:2]) * rng.uniform(0.3, 0.42), size[2]
    radius = rng.uniform(0.03, 0.07)
    if chance(rng, 0.3):
        return lathe([(0, 0), (reach, 0), (reach, 0.02), (radius * 1.5, 0.08), (radius, 0.25),
                      (radius, height - 0.12), (reach * 0.8, height), (0, height)], material, 14)
    parts = [cylinder(radius, height, material, segments=10)]
    if chance(rng, 0.5):
        parts += [cylinder(reach, 0.03, material, segments=20)]
    else:
        number = int(rng.integers(3, 6))
        foot = leg((reach, 0, 0), (0.02, 0, 0.12), (0.025, 0.035), material)
        parts += [foot.turned(2 * np.pi * (spoke + 0.5) / number) for spoke in range(number)]
    return join(parts)


def _slabs(rng: np.random.Generator, size: Size, material: Material) -> Mesh:
    """Make closed ends with a panel between them."""
    width, depth, height = size
    thick = rng.uniform(0.025, 0.06)
    end = box((thick, depth * rng.uniform(0.75, 1), height), material)
    panel = box((width * 0.9, 0.02, height * rng.uniform(0.2, 0.7)), material)
    return join([mirrored(end.moved(x=width / 2 - thick / 2 - rng.choice([0, 0.1]))),
                 panel.moved(z=height - panel.size[2])])


def _loops(rng: np.random.Generator, size: Size, material: Material) -> Mesh:
    """Make a closed frame of steel under each end."""
    width, depth, height = size
    x, y, thick = width / 2 - rng.uniform(0.02, 0.15), depth / 2 - 0.03, rng.uniform(0.025, 0.05)
    skew = rng.choice([0, 0.06])
    ring = [(x, -y + skew, thick / 2), (x, -y, height), (x, y, height), (x, y - skew, thick / 2),
            (x, -y + skew, thick / 2)]
    return mirrored(join(bar(a, b, thick, material) for a, b in zip(ring, ring[1:])))


STANDS = (_four_legs, _four_legs, _four_legs, _trestles, _slabs, _loops)


def rectangular(rng: np.random.Generator, size: Size, material: Material,
                low: float | None = None) -> tuple[list[Mesh], list[Top]]:
    """Make a table with a rectangular top, at times with a board at a lower height."""
    width, depth, height = size
    thick = rng.uniform(0.018, 0.05)
    under = material if chance(rng, 0.5) else metal(rng) if chance(rng, 0.5) else wood(rng)
    stand = STANDS[rng.integers(len(STANDS))] if low is None else _four_legs
    over = rng.choice([0.0, 0.02, 0.08])
    top = rounded_board((width, depth, thick), rng.choice([0, 0, 0.04, 0.1]), material)
    over *= min(width, depth, 1.0)
    parts = [stand(rng, (width - over, depth - over, height - thick), under),
             top.moved(z=height - thick)]
    tops = [Top((0.0, 0.0, height), (width * 0.94, depth * 0.94))]
    if low is not None:
        edge = 0.41 * min(width, depth)
        parts += [box((width * 0.88, depth * 0.88, 0.018), material).moved(z=low - 0.018)]
        tops += [Top((0.0, 0.0, low), (width - edge, depth - edge), height - low - 0.17)]
    return parts, tops


def round_table(rng: np.random.Generator, name: str, diameter: float, height: float) -> Piece:
    """Make a round or an oval table."""
    material = board_material(rng)
    thick, long = rng.uniform(0.018, 0.04), rng.choice([1.0, 1.0, 1.0, rng.uniform(1.2, 1.6)])
    size = (diameter * long, diameter, height - thick)
    under = material if chance(rng, 0.5) else metal(rng) if chance(rng, 0.5) else wood(rng)
    inner = (size[0] * 0.68, size[1] * 0.68, size[2])
    stand = (_pedestal(rng, size, under) if chance(rng, 0.55) and long < 1.3
             else _four_legs(rng, inner, under))
    top = cylinder(diameter / 2, thick, material, segments=28).scaled(x=long)
    return finish(name, [stand, top.moved(z=size[2])],
                  [Top((0.0, 0.0, height), (size[0] * 0.68, size[1] * 0.68))])


def dining_table(rng: np.random.Generator) -> Piece:
    """Make a table to eat at: rectangular for four to ten, or round."""
    height = rng.uniform(0.7, 0.79)
    if chance(rng, 0.25):
        return round_table(rng, 'table', rng.uniform(0.75, 1.35), height)
    size = (rng.uniform(0.8, 2.2), rng.uniform(0.7, 1.0), height)
    parts, tops = rectangular(rng, size, board_material(rng))
    if chance(rng, 0.12):
        cloth = box((size[0] + 0.02, size[1] + 0.02, rng.uniform(0.1, 0.25)),
                    Material((0.9, 0.9, 0.86), (0.7, 0.3, 0.3), 'checks', 0.08))
        parts += [cloth.moved(z=height + 0.004 - cloth.size[2])]
    return finish('table', parts, tops)


def coffee_table(rng: np.random.Generator) -> Piece:
    """Make a low table, at times round, a solid block or with a board below."""
    height = rng.uniform(0.3, 0.5)
    if chance(rng, 0.25):
        return round_table(rng, 'table', rng.uniform(0.6, 1.0), height)
    size = (rng.uniform(0.6, 1.3), rng.uniform(0.45, 0.75), height)
    material = board_material(rng)
    if chance(rng, 0.15):
        block = box((size[0] - 0.02, size[1] - 0.02, height - 0.04), material)
        return finish('table', [block.moved(z=0.02), box((*size[:2], 0.02), material).moved(
            z=height - 0.02), box((size[0] - 0.08, size[1] - 0.08, 0.03), material)],
            [Top((0.0, 0.0, height), (size[0] * 0.94, size[1] * 0.94))])
    low = height * rng.uniform(0.25, 0.4) if chance(rng, 0.45) else None
    return finish('table', *rectangular(rng, size, material, low))


def side_table(rng: np.random.Generator) -> Piece:
    """Make a small table beside a seat: square, round, or a C that reaches over the seat."""
    height = rng.uniform(0.4, 0.65)
    if chance(rng, 0.45):
        return round_table(rng, 'table', rng.uniform(0.32, 0.55), height)
    size = (rng.uniform(0.35, 0.55), rng.uniform(0.3, 0.55), height)
    material = board_material(rng)
    if chance(rng, 0.2):
        steel, x, y = metal(rng), size[0] / 2 - 0.02, size[1] / 2 - 0.02
        side = tube([(-x, y, height - 0.02), (x, y, height - 0.02), (x, y, 0.012),
                     (-x, y, 0.012)], 0.012, steel, 5)
        return finish('table', [side, side.scaled(y=-1), bar((x, -y, 0.012), (x, y, 0.012), 0.024,
                                                             steel),
                                box((*size[:2], 0.02), material).moved(z=height - 0.02)],
                      [Top((0.0, 0.0, height), (size[0] * 0.94, size[1] * 0.94))])
    low = height * rng.uniform(0.2, 0.45) if chance(rng, 0.4) else None
    return finish('table', *rectangular(rng, size, material, low))


def console(rng: np.random.Generator) -> Piece:
    """Make a narrow table for a hall."""
    size = (rng.uniform(0.8, 1.5), rng.uniform(0.28, 0.42), rng.uniform(0.72, 0.92))
    low = rng.uniform(0.12, 0.25) if chance(rng, 0.4) else None
    return finish('table', *rectangular(rng, size, board_material(rng), low))


def conference_table(rng: np.random.Generator) -> Piece:
    """Make a big table: rectangular, with round ends, or wider in the middle."""
    width, depth, height = rng.uniform(1.8, 3.6), rng.uniform(0.9, 1.35), rng.uniform(0.71, 0.76)
    material, thick = board_material(rng), rng.uniform(0.025, 0.06)
    kind = rng.choice(['straight', 'round ends', 'boat'])
    under = material if chance(rng, 0.5) else metal(rng)
    if kind == 'boat':
        x = np.linspace(-width / 2, width / 2, 9)
        y = depth / 2 * (1 - 0.25 * (2 * x / width) ** 2)
        top = prism(np.column_stack([np.r_[x, x[::-1]], np.r_[-y, y[::-1]]]), thick, material)
    else:
        top = rounded_board((width, depth, thick), depth / 2 if kind == 'round ends' else 0.02,
                            material)
    inner = (width * 0.8, depth * 0.75, height - thick)
    if kind == 'straight' and chance(rng, 0.5):
        stand = _four_legs(rng, (width, depth, height - thick), under)
    else:
        makers = (_slabs, _trestles, _loops)
        stand = makers[rng.integers(len(makers))](rng, inner, under)
    return finish('table', [stand, top.moved(z=height - thick)],
                  [Top((0.0, 0.0, height), (width * 0.85, depth * 0.75))])


TABLES = (dining_table, coffee_table, side_table, console, conference_table, desk)
