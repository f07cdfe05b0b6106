"""Stools and benches, and the list of all seats."""

from __future__ import annotations

from mask3d_core.rooms.furniture.chairs import dining_chair
from mask3d_core.rooms.furniture.joinery import (
    bar,
    chance,
    finish,
    leg,
    LegStyle,
    mirrored,
    rounded_board,
    upholstery,
)
from mask3d_core.rooms.furniture.office_chairs import office_chair, star
from mask3d_core.rooms.furniture.sofas import armchair, corner_sofa, sofa
from mask3d_core.rooms.materials import lacquer, Material, metal, wood
from mask3d_core.rooms.mesh import Mesh
from mask3d_core.rooms.piece import Piece
from mask3d_core.rooms.solids import box, cushion, cylinder, tube
import numpy as np


def stool(rng: np.random.Generator) -> Piece:
    """Make a low stool: of wood, a padded pouf, or a swivel stool."""
    height = rng.uniform(0.38, 0.5)
    width = rng.uniform(0.3, 0.45)
    kind = rng.choice(['legs', 'legs', 'pouf', 'swivel'])
    if kind == 'pouf':
        soft = upholstery(rng)
        if chance(rng, 0.5):
            return finish('chair', [cushion((width * 1.2, width * 1.2, height * 0.9), soft,
                                            rng.uniform(0.15, 0.5), 8)])
        return finish('chair', [cylinder(width * 0.6, height, soft, segments=20)])
    if kind == 'swivel':
        base = metal(rng)
        return finish('chair', [star(rng, base), cylinder(0.025, height, base, segments=8).moved(
            z=0.06), cylinder(width / 2, 0.07, upholstery(rng), segments=16).moved(z=height)])
    material = wood(rng) if chance(rng, 0.6) else lacquer(rng)
    return finish('chair', _stool(rng, width, height, material))


def _stool(rng: np.random.Generator, width: float, height: float, material: Material,
           ) -> list[Mesh]:
    """Make a seat on four legs with a ring of bars."""
    thick = rng.uniform(0.02, 0.04)
    style = LegStyle.of(rng, material if chance(rng, 0.7) else metal(rng), thick)
    round_one = chance(rng, 0.5)
    legs = style.four(width * (0.75 if round_one else 1), width * (0.75 if round_one else 1),
                      height)
    seat = cylinder(width / 2, 0.035, material, segments=16) if round_one else rounded_board(
        (width, width, 0.035), rng.choice([0, 0.04]), material)
    parts = [legs, seat.moved(z=height)]
    if chance(rng, 0.4):
        parts += [cushion((width, width, 0.06), upholstery(rng), 0.4 if not round_one else 0.8,
                          8).moved(z=height + 0.025)]
    if height > 0.55 or chance(rng, 0.4):
        share = rng.uniform(0.3, 0.5)
        half = width / 2 * (0.75 if round_one else 1) - thick / 2
        half += style.splay * height * (1 - share)
        low = share * height
        ring = [(half, -half, low), (half, half, low), (-half, half, low), (-half, -half, low)]
        parts += [bar(ring[number - 1], ring[number], 0.018, style.material)
                  for number in range(4)]
    return parts


def bar_stool(rng: np.random.Generator) -> Piece:
    """Make a high stool, on four legs or on a foot, at times with a low back."""
    width, height = rng.uniform(0.32, 0.42), rng.uniform(0.6, 0.8)
    if chance(rng, 0.5):
        material = wood(rng) if chance(rng, 0.6) else metal(rng)
        parts = _stool(rng, width, height, material)
    else:
        material = metal(rng)
        seat = cushion((width, width, 0.09), upholstery(rng), rng.choice([0.3, 0.8]), 8)
        foot_rest = np.linspace(0, 2 * np.pi, 11)
        ring = np.column_stack([0.14 * np.cos(foot_rest), 0.14 * np.sin(foot_rest) - 0.1,
                                np.full(11, 0.25)])
        parts = [cylinder(0.03, height, material, segments=8), seat.moved(z=height - 0.02),
                 cylinder(rng.uniform(0.19, 0.23), 0.02, material, segments=16),
                 tube(ring, 0.01, material, 5)]
    if chance(rng, 0.35):
        rest = rounded_board((width, 0.03, rng.uniform(0.12, 0.25)), 0, material)
        rise = rng.uniform(0.06, 0.15)
        parts += [rest.moved(y=width / 2, z=height + rise),
                  mirrored(bar((width * 0.4, width / 2 - 0.02, height),
                               (width * 0.4, width / 2, height + rise + 0.02), 0.02, material))]
    return finish('chair', parts)


def bench(rng: np.random.Generator) -> Piece:
    """Make a bench for a table or a hall, at times padded or with a back."""
    material = wood(rng) if chance(rng, 0.7) else lacquer(rng)
    width, depth = rng.uniform(0.9, 1.6), rng.uniform(0.3, 0.42)
    height, thick = rng.uniform(0.42, 0.48), rng.uniform(0.03, 0.05)
    parts = [box((width, depth, thick), material).moved(z=height - thick)]
    if chance(rng, 0.5):
        parts += [LegStyle.of(rng, material, 0.06).four(width, depth, height - thick)]
    else:
        side = box((rng.uniform(0.03, 0.06), depth * 0.9, height - thick), material)
        parts += [mirrored(side.moved(x=width * rng.uniform(0.38, 0.48))),
                  box((width * 0.8, 0.03, 0.08), material).moved(z=height * 0.5)]
    if chance(rng, 0.4):
        parts += [cushion((width, depth, 0.07), upholstery(rng), 0.2, 8).moved(z=height - 0.005)]
    if chance(rng, 0.3):
        post = leg((width / 2 - 0.03, depth / 2 - 0.02, height - 0.02),
                   (width / 2 - 0.03, depth / 2 + 0.04, height + 0.4), (0.02, 0.02), material)
        plank = box((width, 0.022, 0.09), material)
        parts += [mirrored(post)] + [plank.moved(y=depth / 2 + z * 0.15, z=height + z)
                                     for z in (0.12, 0.31)]
    return finish('chair', parts)


SEATS = (dining_chair, office_chair, armchair, stool, bar_stool, bench, sofa, corner_sofa)
