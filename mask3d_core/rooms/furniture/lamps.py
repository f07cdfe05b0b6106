"""Lamps for floors, tables and ceilings."""

from __future__ import annotations

from mask3d_core.rooms.furniture.desk_things import casing
from mask3d_core.rooms.furniture.vessels import crockery
from mask3d_core.rooms.materials import (
    fabric,
    hsv,
    Material,
    metal,
    one_of,
    plastic,
    wood,
)
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.piece import assemble, Piece
from mask3d_core.rooms.solids import ball, box, cylinder, lathe, tube
import numpy as np


def _shade(radius: float, height: float, rng: np.random.Generator) -> Mesh:
    """Make a lamp shade: cone, drum, ball or bowl."""
    skin = fabric(rng) if rng.random() < 0.4 else Material(
        hsv(rng.uniform(0.08, 0.16), rng.uniform(0, 0.4), rng.uniform(0.75, 1)))
    kind = rng.random()
    if kind < 0.55:
        return lathe([(radius, 0), (radius * rng.uniform(0.4, 1), height)], skin, 18)
    if kind < 0.75:
        return ball(radius, skin, 14).scaled(z=height / (2 * radius))
    return lathe([(0, height * 0.2), (radius * 0.8, height * 0.3), (radius, height)], skin, 18)


def floor_lamp(rng: np.random.Generator) -> Piece:
    """Make a standing lamp, straight, bowed or on three legs."""
    height, trim = rng.uniform(1.25, 1.8), one_of(rng, metal, metal, wood)(rng)
    radius = rng.uniform(0.12, 0.27)
    shade = _shade(radius, rng.uniform(0.18, 0.38), rng)
    kind = rng.random()
    if kind < 0.2:
        reach = rng.uniform(0.4, 0.9)
        arc = [(reach * (1 - np.cos(a)) / 2, 0, height * np.sin(a) ** 0.5)
               for a in np.linspace(0, np.pi * 0.8, 10)]
        return assemble('otherfurniture', cylinder(0.16, 0.05, trim), tube(arc, 0.014,
                                                                           trim),
                        shade.moved(arc[-1][0], 0, arc[-1][2] - shade.size[2] + 0.05))
    if kind < 0.45:
        base = [tube([(0.28 * np.cos(a), 0.28 * np.sin(a), 0.01), (0, 0, height)], 0.013, trim)
                for a in (0.5, 2.6, 4.7)]
    else:
        base = [cylinder(rng.uniform(0.12, 0.18), 0.025, trim), cylinder(0.012, height, trim)]
    return assemble('otherfurniture', *base, shade.moved(z=height - 0.05))


def table_lamp(rng: np.random.Generator) -> Piece:
    """Make a lamp with a body and a shade."""
    height, radius = rng.uniform(0.14, 0.4), rng.uniform(0.07, 0.2)
    skin = one_of(rng, crockery, metal, wood)(rng)
    belly = rng.uniform(0.025, 0.11)
    body = lathe([(0, 0), (max(belly, 0.05), 0), (max(belly, 0.05), 0.012), (belly * 0.5, 0.03),
                  (belly, height * 0.4), (belly * 0.4, height * 0.8), (0.012, height)], skin, 14)
    return assemble('object' if height < 0.25 else 'otherfurniture', body, _shade(
        radius, radius * rng.uniform(0.9, 1.5), rng).moved(z=height * 0.85))


def desk_lamp(rng: np.random.Generator) -> Piece:
    """Make a lamp with a jointed arm."""
    trim = one_of(rng, metal, plastic)(rng)
    lower, upper = rng.uniform(0.2, 0.4, 2)
    lean, bend = rng.uniform(-0.2, 0.6), rng.uniform(0.8, 1.9)
    elbow = np.array([0, lower * np.sin(lean), lower * np.cos(lean)])
    wrist = elbow + (0, -upper * np.sin(bend), upper * np.cos(bend))
    wrist[2] = max(wrist[2], 0.2)
    head = cylinder(rng.uniform(0.05, 0.09), 0.12, trim, 0.025).moved(z=-0.1).turned(-0.4, 'x')
    lower_arm = tube(np.array([(0, 0, 0.02), elbow]), 0.01, trim)
    upper_arm = tube(np.array([elbow, wrist]), 0.009, trim)
    joint = ball(0.018, trim, 6).moved(*elbow).moved(z=-0.018)
    return assemble('otherfurniture', cylinder(0.09, 0.025, trim), lower_arm, upper_arm, joint,
                    head.moved(*wrist))


def ceiling_lamp(rng: np.random.Generator) -> Piece:
    """Make a lamp whose upper end is fixed to the ceiling: pendant, plate, tube, spider."""
    kind, trim = rng.random(), casing(rng)
    light = Material((1.0, 0.98, 0.9), speckle=0.0)
    if kind < 0.45:
        cord, radius = rng.uniform(0.2, 0.9), rng.uniform(0.12, 0.3)
        shade = _shade(radius, rng.uniform(0.15, 0.35), rng)
        height = shade.size[2]
        return assemble('otherfurniture', shade, cylinder(0.006, cord, trim, segments=5).moved(
            z=height * 0.8), cylinder(0.05, 0.03, trim).moved(z=height * 0.8 + cord - 0.03),
            ball(0.04, light, 8).moved(z=height * 0.3))
    if kind < 0.65:
        return assemble('otherfurniture', cylinder(rng.uniform(0.12, 0.25), 0.09, light))
    if kind < 0.85:
        size = (rng.uniform(0.6, 1.5), rng.uniform(0.12, 0.3), 0.07)
        return assemble('otherfurniture', box(size, trim), box((size[0] * 0.94, size[1] * 0.8,
                                                                0.004), light).moved(z=-0.002))
    arms = [join([tube([(0, 0, 0.2), (0.2, 0, 0.05), (0.36, 0, 0.12)], 0.009, trim),
                  ball(0.05, light, 8).moved(0.36, 0, 0.12)]).turned(turn)
            for turn in np.arange(5) * 2 * np.pi / 5]
    return assemble('otherfurniture', *arms, cylinder(0.012, 0.5, trim, segments=6).moved(z=0.15))
