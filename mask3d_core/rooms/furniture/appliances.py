"""A kitchen's machines: stoves, refrigerators, dishwashers, washing machines, hoods."""

from __future__ import annotations

from mask3d_core.rooms.furniture.desk_things import casing
from mask3d_core.rooms.materials import (
    hsv,
    Material,
    metal,
    one_of,
    screen,
)
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.piece import assemble, Piece, Top
from mask3d_core.rooms.solids import box, cylinder, lathe, prism
import numpy as np


def enamel(rng: np.random.Generator) -> Material:
    """Return the skin of large machines: white for the most part, steel, seldom another."""
    if rng.random() < 0.6:
        return Material(hsv(0.6, rng.uniform(0, 0.04), rng.uniform(0.8, 1)), gloss=0.3)
    return one_of(rng, metal, casing)(rng)


def stove(height: float, width: float, rng: np.random.Generator) -> Piece:
    """Make a stove: oven door with window and handle, knobs, plates or glass on top."""
    depth = 0.58
    skin, trim, dark = enamel(rng), metal(rng), Material((0.04, 0.04, 0.05), gloss=0.5)
    parts = [box((width, depth, height), skin),
             box((width * 0.92, 0.02, height * 0.55), dark if rng.random() < 0.6 else skin).moved(
                 0, -depth / 2 - 0.01, height * 0.15),
             box((width * 0.6, 0.006, height * 0.28), screen(rng)).moved(
                 0, -depth / 2 - 0.021, height * 0.26),
             box((width * 0.8, 0.03, 0.02), trim).moved(0, -depth / 2 - 0.04, height * 0.68),
             box((width * 0.96, depth * 0.92, 0.006), dark).moved(z=height)]
    knob = cylinder(0.02, 0.025, trim, segments=8).turned(np.pi / 2, 'x')
    parts += [knob.moved(x * width, -depth / 2, height * 0.88) for x in (-.35, -.18, .18, .35)]
    grate = rng.random() < 0.4
    for x in (-0.23, 0.23):
        for y in (-0.2, 0.2):
            radius = rng.uniform(0.06, 0.1)
            ring = lathe([(radius, 0), (radius, 0.012 + 0.02 * grate), (radius * 0.8, 0.012)],
                         casing(rng), 12)
            parts.append(ring.moved(x * width, y * depth, height + 0.004))
    return Piece('otherfurniture', join(parts).settled())


def oven(rng: np.random.Generator) -> Piece:
    """Make a stove that stands alone, with a panel behind at times."""
    height, width = rng.uniform(0.85, 0.92), rng.uniform(0.5, 0.76)
    mesh = stove(height, width, rng).mesh
    if rng.random() < 0.4:
        mesh = join([mesh, box((width, 0.05, 0.16), casing(rng)).moved(
            y=mesh.bounds[1][1] - 0.025, z=height)])
    return assemble('otherfurniture', mesh)


def dishwasher(rng: np.random.Generator) -> Piece:
    """Make a dishwasher of a worktop's height, without one."""
    width, depth, height = rng.uniform(0.45, 0.6), 0.57, rng.uniform(0.8, 0.86)
    return assemble('otherfurniture', *machine_with_flap(width, depth, height, rng))


def machine_with_flap(width: float, depth: float, height: float, rng: np.random.Generator,
                      ) -> list[Mesh]:
    """Make a dishwasher's body, flap and panel, centred on its body, metres."""
    skin = enamel(rng)
    y = -depth / 2 - 0.01
    return [box((width, depth, height), skin),
            box((width * 0.97, 0.02, height * 0.72), skin).moved(0, y, height * 0.1),
            box((width * 0.97, 0.02, height * 0.14), casing(rng)).moved(0, y, height * 0.84),
            box((width * 0.6, 0.03, 0.02), metal(rng)).moved(0, y - 0.02, height * 0.78)]


def washing_machine(rng: np.random.Generator) -> Piece:
    """Make a washing machine or dryer with its round door."""
    width, depth, height = rng.uniform(0.58, 0.62), rng.uniform(0.5, 0.62), rng.uniform(0.83, 0.88)
    return assemble('otherfurniture', *machine_with_drum(width, depth, height, rng))


def machine_with_drum(width: float, depth: float, height: float, rng: np.random.Generator,
                      ) -> list[Mesh]:
    """Make a washing machine's body, round door and panel, centred on its body, metres."""
    skin = enamel(rng)
    ring = lathe([(0.2, 0), (0.2, 0.03), (0.15, 0.045), (0.14, 0.02)], casing(rng), 20)
    glass = lathe([(0.15, 0.02), (0.1, 0.0), (0, 0.01)], screen(rng), 20)
    door = join([ring, glass]).turned(np.pi / 2, 'x').moved(0, -depth / 2, height * 0.48)
    knob = cylinder(0.03, 0.025, metal(rng), segments=10).turned(np.pi / 2, 'x')
    return [box((width, depth, height), skin), door, knob.moved(0, -depth / 2, height * 0.9),
            box((width * 0.3, 0.006, height * 0.1), casing(rng)).moved(
                -width * 0.32, -depth / 2, height * 0.85), box(
                    (width * 0.2, 0.006, 0.05), screen(rng)).moved(
                        width * 0.28, -depth / 2, height * 0.87)]


def refrigerator(rng: np.random.Generator) -> Piece:
    """Make a refrigerator: one door, two above each other or side by side."""
    width, depth, height = rng.uniform(0.54, 0.7), rng.uniform(0.56, 0.72), rng.uniform(1.3, 2.0)
    kind = rng.random()
    if kind < 0.15:
        height, width = rng.uniform(0.82, 0.88), rng.uniform(0.48, 0.6)
    elif kind < 0.3:
        width = rng.uniform(0.85, 0.95)
    skin, trim = enamel(rng), metal(rng)
    parts = [box((width, depth - 0.06, height), skin).moved(y=0.03)]
    split = rng.uniform(0.3, 0.42) if rng.random() < 0.5 else rng.uniform(0.62, 0.75)
    fields = [(0, width, 0.04, height)] if kind < 0.15 else [
        (-width / 4, width / 2, 0.04, height), (width / 4, width / 2, 0.04, height)] if (
            kind < 0.3) else [(0, width, 0.04, height * split), (0, width, height * split, height)]
    for x, wide, low, high in fields:
        parts.append(box((wide - 0.008, 0.06, high - low - 0.012), skin).moved(
            x, -depth / 2 + 0.03, low))
        edge = -np.sign(x) * wide * 0.4 if x else wide * 0.4
        parts.append(box((0.025, 0.04, min(0.4, (high - low) * 0.5)), trim).moved(
            x + edge, -depth / 2 - 0.02, low + (high - low) * 0.3))
    for _ in range(int(rng.integers(0, 5)) if rng.random() < 0.4 else 0):  # notes and magnets
        note = Material(hsv(rng.random(), rng.uniform(0, 0.7), 0.9))
        parts.append(box((*rng.uniform(0.04, 0.15, 1), 0.003, rng.uniform(0.04, 0.2)), note).moved(
            rng.uniform(-0.3, 0.3) * width, -depth / 2 - 0.002, height * rng.uniform(0.5, 0.8)))
    piece = assemble('refrigerator', *parts)
    return Piece(piece.name, piece.mesh, (Top((0, 0, height), (width * 0.9, depth * 0.7), 0.4),))


def range_hood(rng: np.random.Generator) -> Piece:
    """Make an extractor hood to be hung on a wall: a flat box or a pyramid with a chimney."""
    return hood_of(rng.uniform(0.55, 0.9), rng)


def hood_of(width: float, rng: np.random.Generator) -> Piece:
    """Make an extractor hood of a width, metres."""
    skin = one_of(rng, metal, casing)(rng)
    if rng.random() < 0.4:
        return assemble('otherfurniture', box((width, 0.45, 0.12), skin))
    x, y, rise = width / 2, 0.25, rng.uniform(0.15, 0.3)
    quad = prism([(-y, 0), (y, 0), (y, rise + 0.06), (y - 0.3, rise + 0.06), (-y, 0.05)], width,
                 skin).turned(np.pi / 2, 'x').turned(np.pi / 2).moved(-x)
    chimney = box((0.28, 0.26, rng.uniform(0.4, 0.7)), skin).moved(y=y - 0.13, z=rise)
    return assemble('otherfurniture', quad, chimney)


def oven_front(width: float, height: float, depth: float, rng: np.random.Generator) -> list[Mesh]:
    """Make the door, handle and knobs before an oven of a size, metres."""
    dark, trim = Material((0.05, 0.05, 0.06), gloss=0.6), metal(rng)
    y = -depth / 2 - 0.012
    knob = cylinder(0.018, 0.025, trim, segments=8).turned(np.pi / 2, 'x')
    return [box((width * 0.96, 0.024, height * 0.5), dark).moved(0, y, height * 0.26),
            box((width * 0.96, 0.024, height * 0.12), trim).moved(0, y, height * 0.8),
            box((width * 0.8, 0.03, 0.018), trim).moved(0, y - 0.025, height * 0.72),
            *(knob.moved(x * width, y, height * 0.86) for x in (-.35, -.2, .2, .35))]


def hob(width: float, rng: np.random.Generator) -> Mesh:
    """Make cooking plates that lie on a worktop."""
    skin = one_of(rng, Material((0.04, 0.04, 0.05), gloss=0.6), metal(rng))
    parts = [box((width * 0.95, 0.51, 0.008), skin)]
    for x, y in ((-.2, -.13), (-.2, .13), (.2, -.13), (.2, .13)):
        radius = rng.uniform(0.07, 0.1)
        parts.append(lathe([(radius * 0.8, 0), (radius, 0.01), (radius * 0.9, 0.018),
                            (radius * 0.3, 0.012)], casing(rng), 12).moved(x * width / 0.6, y,
                                                                           0.006))
    return join(parts)
