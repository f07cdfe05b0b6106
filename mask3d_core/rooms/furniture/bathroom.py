"""Bathrooms: toilets, bathtubs, wash basins, showers, rails, mirrors."""

from __future__ import annotations

from collections.abc import Sequence

from mask3d_core.rooms.furniture.hangings import mirror, shower_curtain
from mask3d_core.rooms.furniture.kitchen import Fronts, sink_bowl
from mask3d_core.rooms.furniture.soft_things import bumpy
from mask3d_core.rooms.furniture.vessels import hollow
from mask3d_core.rooms.materials import (
    ceramic,
    fabric,
    lacquer,
    Material,
    metal,
    one_of,
    plastic,
    stone,
    wood,
)
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.piece import assemble, Piece, Top
from mask3d_core.rooms.solids import ball, box, cushion, cylinder, sheet, tube
import numpy as np

Ring = tuple[float, float, float, float]
"""Half width, half depth, shift along y and height of an oval, metres."""


def ovals(rings: Sequence[Ring], material: Material, power: float = 1.0, segments: int = 20,
          ) -> Mesh:
    """Make the surface through ovals above each other; power 1 ellipses, less is more angular."""
    turn = np.linspace(0, 2 * np.pi, segments + 1)

    def bent(wave: np.ndarray) -> np.ndarray:
        return np.sign(wave) * np.abs(wave) ** power

    points = [np.column_stack([x * bent(np.cos(turn)), shift + y * bent(np.sin(turn)),
                               np.full(len(turn), z)]) for x, y, shift, z in rings]
    return sheet(np.array(points), material)


def toilet(rng: np.random.Generator) -> Piece:
    """Make a toilet: bowl with its hollow, seat, lid down or up, tank or a box in the wall."""
    skin, height = ceramic(rng), rng.uniform(0.38, 0.44)
    x, y = rng.uniform(0.17, 0.2), rng.uniform(0.22, 0.27)
    hung = rng.random() < 0.25
    foot = [(x * 0.55, y * 0.7, 0.08, 0.1 if hung else 0.0), (x * 0.6, y * 0.75, 0.06, height / 2),
            (x * 0.95, y * 0.97, 0, height * 0.9), (x, y, 0, height), (x * 0.72, y * 0.78, 0,
                                                                       height),
            (x * 0.6, y * 0.65, 0, height * 0.7), (x * 0.2, y * 0.2, 0.03, height * 0.45),
            (0, 0, 0.03, height * 0.45)]
    lid = one_of(rng, plastic, wood)(rng) if rng.random() < 0.25 else Material(
        (0.95, 0.95, 0.94), gloss=0.3)
    seat = ovals([(x, y, 0, 0), (x, y, 0, 0.02), (x * 0.7, y * 0.75, 0, 0.02)], lid)
    parts = [ovals(foot, skin), seat.moved(z=height)]
    cover = ovals([(x, y, 0, 0), (x * 0.97, y * 0.97, 0, 0.018), (0, 0, 0, 0.022)], lid)
    if rng.random() < 0.6:
        parts.append(cover.moved(z=height + 0.02))
    else:
        parts.append(cover.moved(y=-y).turned(-np.pi / 2 - 0.1, 'x').moved(
            0, y * 0.95, height + 0.02))
    back = y + 0.01
    if rng.random() < 0.75 and not hung:
        tank = rng.uniform(0.3, 0.42)
        parts += [cushion((rng.uniform(0.34, 0.46), 0.18, tank), skin, 0.15, 6).moved(
            0, back + 0.09, height), cylinder(0.025, 0.015, metal(rng), segments=8).moved(
                0, back + 0.09, height + tank - 0.003), box((x * 1.3, 0.2, 0.08), skin).moved(
                    0, back + 0.06, height - 0.08)]
    else:
        parts.append(box((x * 1.4, 0.1, height * 0.7), skin).moved(0, back - 0.03, height * 0.2))
    if hung:
        parts.append(box((x * 1.2, 0.15, height), skin).moved(0, back))
    return assemble('toilet', *parts)


def bathtub(rng: np.random.Generator) -> Piece:
    """Make a bathtub with its hollow: with an apron, or free on feet; taps at one end."""
    length, depth, height = rng.uniform((1.4, 0.68, 0.45), (1.85, 0.85, 0.62))
    skin, x, y = ceramic(rng), length / 2, depth / 2
    edge = rng.uniform(0.04, 0.09)
    inner = [(x - edge, y - edge, 0, height), (x - edge * 1.6, y - edge * 1.5, 0, height * 0.6),
             (x - edge - 0.17, y - edge - 0.08, 0, 0.13), (0, 0, 0, 0.12)]
    if rng.random() < 0.75:
        power = rng.choice([0.25, 0.5])
        hollow_ = ovals(inner, skin, power, 28)
        apron = one_of(rng, skin, skin, stone(rng), lacquer(rng))
        rim = ovals([(x, y, 0, height), *inner[:1]], skin, 0.06, 28)
        sides = [box((length, 0.02, height), apron).moved(y=s * (y - 0.01)) for s in (-1, 1)]
        sides += [box((0.02, depth, height), apron).moved(s * (x - 0.01)) for s in (-1, 1)]
        ring = ovals([(x, y, 0, height), inner[0]], skin, power, 28)
        parts = [hollow_, rim, ring, *sides]
    else:
        outer = [(x * 0.7, y * 0.6, 0, 0.06), (x * 0.85, y * 0.85, 0, height * 0.4),
                 (x, y, 0, height)]
        parts = [ovals([*outer, *inner], skin, 0.8, 28)]
        parts += [ball(0.04, metal(rng), 6).moved(sx * x * 0.5, sy * y * 0.4)
                  for sx in (-1, 1) for sy in (-1, 1)]
    trim, side = metal(rng), rng.choice([-1, 1])
    tap = tube([(0, 0, 0), (0, 0, 0.12), (-0.06 * side, 0, 0.15), (-0.16 * side, 0, 0.1)], 0.014,
               trim)
    parts.append(tap.moved(side * (x - edge / 2), 0, height))
    return assemble('bathtub', *parts)


def _tap(rng: np.random.Generator) -> Mesh:
    trim, rise = metal(rng), rng.uniform(0.08, 0.18)
    return join([tube([(0, 0, 0), (0, 0, rise), (0, -0.05, rise + 0.02), (0, -0.13, rise)], 0.013,
                      trim), tube([(0, 0, rise), (0, 0.02, rise + 0.05), (0, -0.02, rise + 0.07)],
                                  0.009, trim)])


def wash_basin(rng: np.random.Generator) -> Piece:
    """Make a wash basin with a tap on a pedestal, half a pedestal or just at the wall."""
    skin, height = ceramic(rng), rng.uniform(0.8, 0.9)
    x, y = rng.uniform(0.2, 0.34), rng.uniform(0.18, 0.25)
    deep, power = rng.uniform(0.12, 0.18), rng.uniform(0.3, 1.0)
    bowl = ovals([(x * 0.4, y * 0.4, 0.04, -deep - 0.03), (x * 0.9, y * 0.9, 0.01, -deep * 0.4),
                  (x, y, 0, 0), (x * 0.88, y * 0.78, -0.03, 0), (x * 0.8, y * 0.7, -0.03,
                                                                 -deep * 0.6),
                  (x * 0.3, y * 0.25, -0.02, -deep), (0, 0, -0.02, -deep)], skin, power)
    parts = [bowl.moved(z=height), _tap(rng).moved(0, y * 0.86, height),
             box((x * 1.2, 0.06, 0.1), skin).moved(0, y - 0.02, height - 0.1)]
    kind = rng.random()
    if kind < 0.5:
        parts.append(hollow([(0.1, 0), (0.075, 0.3), (0.09, height - deep)], 0.01, skin,
                            segments=12).moved(y=0.05))
    else:
        trap = tube([(0, 0.03, height - deep), (0, 0.03, 0.45), (0, 0.1, 0.4), (0, y, 0.45)], 0.02,
                    metal(rng))
        waste = tube([(0, y, 0.45), (0, y, 0.0)], 0.02, metal(rng)) if kind > 0.75 else box(
            (0.16, 0.12, height - deep), skin).moved(y=y - 0.08)
        parts += [trap, waste]
    return assemble('sink', *parts)


def vanity(rng: np.random.Generator) -> Piece:
    """Make a cabinet with a top that a basin is let into or stands on."""
    width, height, depth = rng.uniform(0.55, 1.4), rng.uniform(0.76, 0.88), rng.uniform(0.44, 0.54)
    style, legs = Fronts(rng), 0.1 if rng.random() < 0.6 else 0.3
    doors = max(1, round(width / 0.45))
    each = width / doors
    rows = int(rng.choice([1, 1, 2]))
    fronts = [style.make(each, height - legs - 0.03, rows).moved(
        (n - (doors - 1) / 2) * each, -depth / 2 + 0.01, legs) for n in range(doors)]
    # The basin hangs into the cabinet, so the board has a hole and the body no lid.
    wall, tall = 0.018, height - legs - 0.03
    body = [box((wall, depth - 0.02, tall), style.body).moved(s * (width - wall) / 2, 0, legs)
            for s in (-1, 1)]
    body += [box((width, depth - 0.02, wall), style.body).moved(z=legs),
             box((width, wall, tall), style.body).moved(y=depth / 2 - 0.02, z=legs)]
    feet = [box((0.04, 0.04, legs), style.body).moved(sx * width * 0.45, sy * depth * 0.4)
            for sx in (-1, 1) for sy in (-1, 1)]
    wide, deep = min(width * 0.8, rng.uniform(0.4, 0.58)), depth * 0.66
    plate = one_of(rng, ceramic, stone, wood)(rng)
    bars = [box(((width + 0.02 - wide * 0.9) / 2, depth, 0.03), plate).moved(
        s * (width + 0.02 + wide * 0.9) / 4) for s in (-1, 1)]
    bars += [box((wide * 0.9, (depth - deep * 0.9) / 2, 0.03), plate).moved(
        y=s * (depth + deep * 0.9) / 4) for s in (-1, 1)]
    bowl = sink_bowl(wide, deep, rng.uniform(0.1, 0.15), ceramic(rng), style.trim, rng)
    cabinet = join([*body, *feet, *fronts, *(bar.moved(z=height - 0.03) for bar in bars)])
    spare = (width - wide) / 2
    tops = tuple(Top((s * (wide + spare) / 2, 0, height), (spare * 0.8, depth * 0.8), 0.4)
                 for s in (-1, 1)) if spare > 0.12 else ()
    return Piece('cabinet', cabinet, tops, (Piece('sink', bowl.moved(z=height)),)).settled()


def shower_tray(rng: np.random.Generator) -> Piece:
    """Make a shower: tray, pipe and head, perhaps a pane of glass."""
    width, depth = rng.uniform(0.75, 1.2), rng.uniform(0.75, 0.95)
    height, skin, trim = rng.uniform(0.05, 0.16), ceramic(rng), metal(rng)
    x, y = width / 2, depth / 2
    parts = [ovals([(x, y, 0, 0), (x, y, 0, height), (x - 0.05, y - 0.05, 0, height),
                    (x - 0.08, y - 0.08, 0, height * 0.4), (0, 0, 0, height * 0.35)], skin, 0.06,
                   24)]
    pipe = [(0, y - 0.03, 1.0), (0, y - 0.03, 2.05), (0, y - 0.1, 2.1), (0, y - 0.3, 2.08)]
    parts += [tube(pipe, 0.012, trim), cylinder(0.09, 0.02, trim, 0.04).moved(0, y - 0.3, 2.05),
              box((0.2, 0.07, 0.06), trim).moved(0, y - 0.03, 1.05)]
    if rng.random() < 0.6:
        glass = Material((0.75, 0.82, 0.82), gloss=0.9)
        parts += [box((0.008, depth, 1.9), glass).moved(x - 0.02, 0, height),
                  *(box((0.02, 0.02, 1.9), trim).moved(x - 0.02, s * (y - 0.01), height)
                    for s in (-1, 1))]
    return assemble('otherfurniture', *parts)


def towel_rail(rng: np.random.Generator) -> Piece:
    """Make a rail, or a heater of rungs, with towels; to be hung on a wall."""
    width, trim = rng.uniform(0.4, 0.7), metal(rng)
    parts = []
    if rng.random() < 0.5:
        height = rng.uniform(0.7, 1.4)
        parts += [cylinder(0.016, height, trim, segments=8).moved(s * width / 2) for s in (-1, 1)]
        levels = np.linspace(0.05, height - 0.05, int(height / 0.09))
    else:
        height = rng.uniform(0.35, 0.75)
        levels = np.array([height])
        parts += [box((0.02, 0.08, 0.04), trim).moved(s * width / 2, 0.03, height - 0.02)
                  for s in (-1, 1)]
    parts += [tube([(-width / 2, 0, z), (0, 0, z), (width / 2, 0, z)], 0.011, trim, 5)
              for z in levels]
    for _ in range(rng.integers(0 if height > 0.8 else 1, 3)):
        wide, low = width * rng.uniform(0.4, 0.85), min(height, rng.uniform(0.3, 0.7)) * 0.95
        line = [(-0.03, -low), (-0.025, -low / 2), (-0.013, 0.012), (0.013, 0.012),
                (0.02, -low / 2)]
        towel = sheet([[(s * wide / 2, a, b) for a, b in line] for s in (-1, -0.5, 0, 0.5, 1)],
                      fabric(rng)).moved(rng.uniform(-1, 1) * (width - wide) / 2, 0, height)
        parts.append(bumpy(towel, rng, 0.012, 0.12))
    return assemble('otherfurniture', *parts)


def bath_mirror(rng: np.random.Generator) -> Piece:
    """Make a mirror cabinet with a lamp, or a mirror; to be hung above a basin."""
    if rng.random() < 0.4:
        return mirror(rng)
    width, height = rng.uniform(0.45, 1.1), rng.uniform(0.5, 0.8)
    glass = Material((0.6, 0.65, 0.68), (0.4, 0.4, 0.4), 'blotches', 0.5, gloss=1.0)
    light = Material((1.0, 0.98, 0.92))
    doors = max(1, round(width / 0.4))
    panes = [box((width / doors - 0.006, 0.008, height - 0.01), glass).moved(
        (n - (doors - 1) / 2) * width / doors, -0.07, 0.005) for n in range(doors)]
    return assemble('cabinet', box((width, 0.13, height), lacquer(rng)), *panes, box(
        (width * 0.6, 0.06, 0.05), light).moved(0, -0.06, height))


def paper_holder(rng: np.random.Generator) -> Piece:
    """Make a holder with a roll of paper, or a soap dispenser; to be hung on a wall."""
    white = Material((0.94, 0.93, 0.91), speckle=0.02)
    if rng.random() < 0.5:
        roll = cylinder(rng.uniform(0.04, 0.06), 0.1, white).turned(np.pi / 2, 'y')
        return assemble('object', roll, box((0.13, 0.1, 0.012), metal(rng)).moved(
            0.05, 0.02, 0.06))
    return assemble('object', cushion((0.12, 0.1, 0.22), one_of(rng, plastic, metal)(rng), 0.2, 8))


BATHROOM_WALL_FLOOR = (toilet, wash_basin, vanity, bathtub, shower_tray)
"""What stands on the floor with its back at a wall."""
BATHROOM_WALL = (towel_rail, bath_mirror, paper_holder)
"""To be hung on walls."""
BASINS = (wash_basin, vanity, vanity)
BATHROOM = (*BATHROOM_WALL_FLOOR, *BATHROOM_WALL, shower_curtain)
"""All of them, each once."""
