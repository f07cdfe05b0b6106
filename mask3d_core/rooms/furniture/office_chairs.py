"""Swivel chairs; they face -y."""

from __future__ import annotations

from mask3d_core.rooms.furniture.joinery import bar, chance, finish, mirrored, upholstery
from mask3d_core.rooms.materials import Material, metal, plastic
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.piece import Piece
from mask3d_core.rooms.solids import ball, box, cushion, cylinder, sheet, tube
import numpy as np


def office_chair(rng: np.random.Generator) -> Piece:
    """Make a swivel chair on five castors."""
    base, soft = (plastic(rng), upholstery(rng))
    if chance(rng, 0.6):
        base = Material((0.07, 0.07, 0.08), gloss=0.2)
    if chance(rng, 0.5):
        soft = Material((0.08, 0.08, 0.09), speckle=0.03)
    width, depth = rng.uniform(0.44, 0.54), rng.uniform(0.44, 0.52)
    height, back = rng.uniform(0.42, 0.54), rng.uniform(0.4, 0.7)
    pad = rng.uniform(0.05, 0.12)
    parts = [star(rng, base), cylinder(0.025, height - pad - 0.08, metal(rng), segments=8).moved(
        z=0.08), box((0.2, 0.22, 0.05), base).moved(z=height - pad - 0.05),
        cushion((width, depth, pad), soft, 0.3, 8).moved(z=height - pad)]
    start = rng.choice([0.02, rng.uniform(0.1, 0.2)])
    lean, rear = rng.uniform(0.05, 0.25), depth / 2 - 0.02
    rest = _office_back(rng, width * rng.uniform(0.82, 1.0), back, soft, base).moved(z=start)
    parts += [rest.turned(-lean, 'x').moved(y=rear, z=height),
              tube([(0, 0.05, height - pad - 0.02), (0, rear + 0.04, height - pad - 0.01),
                    (0, rear + 0.07, height + 0.05),
                    (0, rear + 0.06 + lean * 0.3, height + start + 0.12)], 0.022, base, 6)]
    if chance(rng, 0.7):
        parts += [_office_arms(rng, width, height, base)]
    return finish('chair', parts)


def star(rng: np.random.Generator, material: Material) -> Mesh:
    """Make the five arms and castors."""
    radius, turn = rng.uniform(0.27, 0.34), rng.uniform(0, 2 * np.pi)
    arm = [bar((0.02, 0, 0.1), (radius, 0, 0.065), 0.035, material),
           ball(0.028, material, 6).moved(radius - 0.01)]
    return join([join(arm).turned(turn + number * 2 * np.pi / 5) for number in range(5)]
                + [cylinder(0.035, 0.06, material, segments=8).moved(z=0.07)])


def _office_back(rng: np.random.Generator, width: float, height: float, soft: Material,
                 base: Material) -> Mesh:
    """Make a back over y = 0: a cushion, or a bent net in a frame; at times a head rest."""
    parts = []
    if chance(rng, 0.55):
        parts += [cushion((width, rng.uniform(0.06, 0.12), height), soft, 0.35, 8)]
    else:
        x, z = np.meshgrid(np.linspace(-1, 1, 7), np.linspace(0, 1, 7))
        narrow = 1 - 0.2 * np.abs(2 * z - 0.9) ** 3
        bent = -0.05 * x ** 2 - 0.04 * np.cos(2.5 * np.pi * (z - 0.3)) * (1 - z)
        points = np.stack([x * narrow * width / 2, bent, z * height], axis=2)
        parts += [sheet(points, soft)]
        rim = np.concatenate([points[0], points[1:, -1], points[-1, -2::-1], points[-2:0:-1, 0],
                              points[:1, 0]])
        parts += [tube(rim, 0.012, base, 5)]
    if height < 0.6 and chance(rng, 0.25):
        parts += [cushion((0.26, 0.07, 0.14), soft, 0.4, 8).moved(y=-0.01, z=height + 0.04),
                  bar((0, 0.02, height - 0.1), (0, 0.02, height + 0.1), 0.03, base)]
    return join(parts)


def _office_arms(rng: np.random.Generator, width: float, height: float, material: Material,
                 ) -> Mesh:
    """Make arm rests on posts or as loops."""
    x, up = width / 2 + 0.035, height + rng.uniform(0.17, 0.24)
    if chance(rng, 0.6):
        side = [box((rng.uniform(0.05, 0.09), rng.uniform(0.22, 0.3), 0.03), material).moved(
            x, 0.02, up), tube([(0.1, 0.03, height - 0.1), (x, 0.03, height - 0.08),
                                (x, 0.03, up)], 0.02, material, 5)]
    else:
        side = [tube([(0.1, -0.1, height - 0.09), (x, -0.13, height - 0.05), (x, -0.17, up),
                      (x, 0.15, up), (x, 0.1, height - 0.05), (0.1, 0.08, height - 0.09)], 0.018,
                     material, 5)]
    return mirrored(join(side))
