"""Bins, suitcases, baskets, rugs and racks, and lists of all decoration by where it is placed."""

from __future__ import annotations

from mask3d_core.rooms.furniture.desk_things import casing
from mask3d_core.rooms.furniture.hangings import (
    blinds,
    clock,
    coat,
    curtains,
    mirror,
    picture_frame,
    poster,
    shower_curtain,
    whiteboard,
)
from mask3d_core.rooms.furniture.lamps import ceiling_lamp, desk_lamp, floor_lamp, table_lamp
from mask3d_core.rooms.furniture.plants import floor_plant, flowers, small_plant
from mask3d_core.rooms.furniture.soft_things import bumpy, cloth, crumpled_cloth
from mask3d_core.rooms.furniture.vessels import hollow
from mask3d_core.rooms.materials import (
    carpet,
    fabric,
    hsv,
    lacquer,
    leather,
    Material,
    metal,
    one_of,
    plastic,
    wood,
)
from mask3d_core.rooms.mesh import join
from mask3d_core.rooms.piece import assemble, Piece, Top
from mask3d_core.rooms.solids import box, cushion, cylinder, lathe, sheet, tube
import numpy as np


def trash_bin(rng: np.random.Generator) -> Piece:
    """Make a waste bin: open, with a bag or contents, with a swing or pedal lid; round or not."""
    radius = rng.uniform(0.11, 0.2)
    height = radius * rng.uniform(1.6, 3.2)
    skin = one_of(rng, plastic, metal, casing)(rng)
    segments = int(rng.choice([4, 16, 16]))
    body = hollow([(radius * rng.uniform(0.7, 1), 0), (radius, height)], 0.004, skin,
                  segments=segments).turned(np.pi / 4)
    kind = rng.random()
    if kind < 0.35:
        parts = [body]
    elif kind < 0.6:
        liner = bumpy(lathe([(radius * 1.06, height * 0.75), (radius * 1.03, height + 0.006),
                             (radius * 0.9, height * 0.8), (0, height * 0.4)], plastic(rng),
                            14), rng, 0.012, 0.06)
        parts = [body, liner]
    else:
        lid = lathe([(radius * 1.02, 0), (radius * 0.95, 0.05), (0, rng.uniform(0.05, 0.16))],
                    one_of(rng, plastic, casing)(rng), segments).turned(np.pi / 4)
        parts = [body, lid.moved(z=height)]
    return assemble('otherfurniture', join(parts).scaled(y=rng.uniform(0.7, 1)))


def suitcase(rng: np.random.Generator) -> Piece:
    """Make a suitcase: upright with its grip out or in, or lying."""
    width, depth, height = rng.uniform((0.33, 0.18, 0.48), (0.52, 0.3, 0.75))
    skin, trim = one_of(rng, plastic, fabric, leather, lacquer)(rng), casing(rng)
    shell = cushion((width, depth, height), skin, rng.uniform(0.15, 0.35), 10).moved(z=0.04)
    wheels = [cylinder(0.025, 0.02, trim, segments=8).turned(np.pi / 2, 'y').moved(
        x * width * 0.38, y * depth * 0.35, 0.025) for x in (-1, 1) for y in (-1, 1)]
    rise = rng.choice([0.04, 0.35])
    grip = tube([(-0.1, 0, 0), (-0.1, 0, rise), (0.1, 0, rise), (0.1, 0, 0)], 0.01, trim).moved(
        0, depth * 0.35, height + 0.03)
    ribs = [box((0.02, depth + 0.006, height * 0.8), skin).moved(x * width * 0.22, 0,
                                                                 0.04 + height * 0.1)
            for x in (-1, 0, 1)] if rng.random() < 0.5 else []
    mesh = join([shell, *wheels, grip, *ribs])
    return assemble('otherfurniture', mesh.turned(-np.pi / 2, 'x') if rng.random() < 0.2 else mesh)


def laundry_basket(rng: np.random.Generator) -> Piece:
    """Make a tall or wide basket, often with laundry in it."""
    radius, height = rng.uniform(0.18, 0.28), rng.uniform(0.25, 0.65)
    color = hsv(rng.uniform(0.06, 0.6), rng.uniform(0, 0.4), rng.uniform(0.4, 0.95))
    weave = Material(color, (color[0] * 0.5, color[1] * 0.5, color[2] * 0.5), 'checks', 0.03)
    skin = one_of(rng, weave, plastic(rng), fabric(rng))
    body = hollow([(radius * rng.uniform(0.75, 1), 0), (radius, height)], 0.008, skin)
    parts = [body.scaled(y=rng.uniform(0.6, 1))]
    if rng.random() < 0.7:
        heap = crumpled_cloth(rng).mesh
        fit = 1.3 * radius / heap.size[:2].max()
        parts.append(heap.scaled(fit, fit, 1.2).moved(z=height * 0.85))
    return assemble('otherfurniture', *parts)


def rug(rng: np.random.Generator) -> Piece:
    """Make a rug or door mat: it lies on the floor and counts as floor."""
    width, depth = rng.uniform(0.5, 2.6), rng.uniform(0.4, 1.8)
    skin = one_of(rng, fabric, carpet, carpet)(rng)
    if rng.random() < 0.2:
        return assemble('floor', cylinder(width / 2, 0.012, skin, segments=24))
    parts = [box((width, depth, 0.01), skin)]
    if rng.random() < 0.5:
        parts.append(box((width * 0.85, depth * 0.8, 0.012), fabric(rng)))
    return assemble('floor', *parts)


def coat_stand(rng: np.random.Generator) -> Piece:
    """Make a stand with hooks and what hangs on it."""
    height, trim = rng.uniform(1.6, 1.9), one_of(rng, wood, metal)(rng)
    parts = [cylinder(0.018, height, trim, segments=8)]
    for turn in np.arange(4) * np.pi / 2 + 0.4:
        foot = tube([(0, 0, 0.2), (0.15, 0, 0.1), (0.26, 0, 0.012)], 0.012, trim)
        hook = tube([(0, 0, 0), (0.1, 0, 0.07), (0.14, 0, 0.15)], 0.01, trim).moved(
            z=height - 0.15)
        parts += [foot.turned(turn), hook.turned(turn)]
    for number in range(int(rng.integers(0, 4))):
        jacket = cushion((0.16, 0.36, rng.uniform(0.5, 1.0)), cloth(rng), 0.5, 10)
        parts.append(bumpy(jacket, rng, 0.03, 0.15).moved(
            0.13, 0, height - 0.1 - jacket.size[2]).turned(0.4 + number * np.pi / 2))
    return assemble('otherfurniture', *parts)


def drying_rack(rng: np.random.Generator) -> Piece:
    """Make a folding rack with laundry over its bars."""
    length, width, height, trim = rng.uniform(1.0, 1.6), 0.55, rng.uniform(0.85, 1.0), metal(rng)
    bars = [tube([(-length / 2, y, height), (0, y, height), (length / 2, y, height)], 0.006, trim)
            for y in np.linspace(-width / 2, width / 2, 5)]
    legs = [tube([(x, -s * 0.28, 0.01), (x, s * 0.28, height)], 0.01, trim)
            for s in (-1, 1) for x in (-length * 0.3, length * 0.3)]
    parts = [*bars, *legs]
    for _ in range(rng.integers(2, 6)):
        wide, low = rng.uniform(0.2, 0.4), rng.uniform(0.15, 0.45)
        x, y = rng.uniform(-0.35, 0.35) * length, rng.uniform(-0.25, 0.25)
        line = [(-0.02, -low), (-0.012, 0), (0.012, 0), (0.02, -low * rng.uniform(0.5, 1))]
        hung = sheet([[(x + s * wide / 2, y + a, height + 0.012 + b) for a, b in line]
                      for s in (-1, 0, 1)], fabric(rng))
        parts.append(bumpy(hung, rng, 0.015, 0.15))
    return assemble('otherfurniture', *parts)


def plinth(rng: np.random.Generator) -> Piece:
    """Make a small column or plinth to put something on."""
    side, height = rng.uniform(0.2, 0.4), rng.uniform(0.3, 1.0)
    body = cylinder(side / 2, height, one_of(rng, wood, lacquer)(rng)) if (
        rng.random() < 0.4) else box((side, side, height), one_of(rng, wood, lacquer)(rng))
    return Piece('otherfurniture', body, (Top((0, 0, height), (side * 0.7, side * 0.7)),))


FLOOR_DECORATION = (
    floor_lamp, floor_lamp, floor_plant, floor_plant, trash_bin, trash_bin, trash_bin, suitcase,
    suitcase, laundry_basket, laundry_basket, coat_stand, drying_rack, plinth)
"""For floors."""
TABLE_DECORATION = (table_lamp, desk_lamp, small_plant, small_plant, flowers)
"""For tables, cabinets and sills."""
WALL_DECORATION = (picture_frame, picture_frame, picture_frame, picture_frame, poster, poster,
                   whiteboard, mirror, clock, coat)
"""To be hung on walls."""
CEILING_DECORATION = (ceiling_lamp,)
"""To be hung from ceilings by their upper ends."""
WINDOW_DECORATION = (curtains, curtains, blinds)
"""To be hung before windows; they take a width and a height."""
FLOOR_COVERS = (rug,)
"""To be laid under furniture."""
DECORATION = tuple(dict.fromkeys((
    *FLOOR_DECORATION, *TABLE_DECORATION, *WALL_DECORATION, *CEILING_DECORATION,
    *WINDOW_DECORATION, *FLOOR_COVERS, shower_curtain)))
"""All of them, each once."""
