"""Plants in pots: grasses, palms, bushes, small trees, cacti, cut flowers."""

from __future__ import annotations

from mask3d_core.rooms.furniture.vessels import crockery, hollow
from mask3d_core.rooms.materials import hsv, leaves, Material, wood
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.piece import assemble, Piece
from mask3d_core.rooms.solids import ball, cylinder, lathe, sheet, tube
import numpy as np


def leaf(length: float, width: float, rise: float, droop: float, material: Material) -> Mesh:
    """Bend a leaf from the origin along x: it starts at an angle of rise, radians, and droops."""
    part = np.linspace(0, 1, 5)
    half = width / 2 * np.sin(np.pi * (0.08 + 0.92 * part) ** 0.8)
    along = length * np.cos(rise) * part
    z = length * (np.sin(rise) * part - droop * part ** 2)
    return sheet([[(a, s * h, b) for a, h, b in zip(along, half, z)] for s in (-1, 1)], material)


def rosette(count: int, size: float, rng: np.random.Generator) -> list[Mesh]:
    """Make leaves that all start at one place, as of palms, lilies and grasses."""
    green = leaves(rng)
    slim, droop = rng.uniform(0.06, 0.3), rng.uniform(0.2, 0.9)
    return [leaf(length := size * rng.uniform(0.6, 1.1), length * slim, rng.uniform(0.3, 1.45),
                 droop * rng.uniform(0.5, 1.3), green).turned(rng.uniform(0, 6.3))
            for _ in range(count)]


def crown(count: int, size: tuple[float, float], rng: np.random.Generator) -> list[Mesh]:
    """Fill an ellipsoid of a radius and half height that stands on z = 0 with leaves, metres."""
    green = leaves(rng)
    length = size[0] * rng.uniform(0.25, 0.6)
    parts = []
    for _ in range(count):
        way = rng.normal(size=3)
        place = way / np.linalg.norm(way) * rng.uniform(0.35, 1) * (size[0], size[0], size[1])
        one = leaf(length, length * rng.uniform(0.4, 0.7), rng.uniform(-0.6, 0.8),
                   rng.uniform(0, 0.6), green)
        parts.append(one.turned(np.arctan2(way[1], way[0]) + rng.normal(0, 0.5)).moved(
            *place).moved(z=size[1]))
    return parts


def _pot(radius: float, height: float, rng: np.random.Generator) -> list[Mesh]:
    """Make a flower pot with earth in it."""
    skin = crockery(rng) if rng.random() < 0.6 else Material(
        hsv(rng.uniform(0.03, 0.07), rng.uniform(0.4, 0.7), rng.uniform(0.5, 0.8)))
    earth = Material(hsv(0.08, 0.5, rng.uniform(0.1, 0.3)), speckle=0.05)
    return [hollow([(radius * rng.uniform(0.6, 1), 0), (radius, height)], 0.006, skin,
                   segments=int(rng.choice([4, 14, 14, 14]))),
            lathe([(0, height * 0.88), (radius * 0.96, height * 0.88)], earth, 12)]


def _plant(radius: float, height: float, rng: np.random.Generator) -> list[Mesh]:
    """Make a pot of a radius and a plant of about a height, metres."""
    pot_height = radius * rng.uniform(1.3, 2.1)
    pot, kind = _pot(radius, pot_height, rng), rng.random()
    if kind < 0.4:
        return [*pot, *(part.moved(z=pot_height * 0.85) for part in rosette(
            int(rng.integers(14, 45)), min(height, 0.5 + height / 4), rng))]
    if kind < 0.7:
        wide = height * rng.uniform(0.35, 0.6)
        return [*pot, *(part.moved(z=pot_height * 0.7) for part in crown(
            int(rng.integers(35, 80)), (wide, height / 2), rng))]
    if kind < 0.92:
        trunk = height * rng.uniform(0.35, 0.7)
        bend = rng.normal(0, 0.04, (4, 2)) * height
        path = [(x, y, z) for (x, y), z in zip(bend, np.linspace(
            pot_height * 0.85, pot_height + trunk, 4))]
        top = crown(int(rng.integers(35, 75)), (height * 0.3, height * 0.28), rng) if (
            rng.random() < 0.6) else rosette(
                int(rng.integers(14, 30)), min(height * 0.5, 0.45), rng)
        sink = height * 0.15 if len(top) > 30 else 0
        return [*pot, tube(path, 0.01 + 0.01 * height, wood(rng)), *(part.moved(
            *bend[3]).moved(z=pot_height + trunk - sink) for part in top)]
    skin = leaves(rng)
    stem = cylinder(radius * 0.35, height * 0.6, skin, radius * 0.3, 8)
    parts = [stem.moved(z=pot_height * 0.8)]
    parts += [ball(radius * rng.uniform(0.25, 0.45), skin, 8).moved(
        *rng.uniform(-0.5, 0.5, 2) * radius).moved(z=pot_height * 0.8) for _ in range(4)]
    return [*pot, *parts]


def floor_plant(rng: np.random.Generator) -> Piece:
    """Make a plant that stands on the floor, 0.6 to 1.9 m tall."""
    return assemble('otherfurniture', *_plant(rng.uniform(0.11, 0.22), rng.uniform(0.4, 1.3), rng))


def small_plant(rng: np.random.Generator) -> Piece:
    """Make a plant for a sill or table."""
    return assemble('object', *_plant(rng.uniform(0.045, 0.1), rng.uniform(0.1, 0.4), rng))


def flowers(rng: np.random.Generator) -> Piece:
    """Make cut flowers in a vase."""
    height, radius = rng.uniform(0.14, 0.28), rng.uniform(0.03, 0.07)
    green = leaves(rng)
    blossom = Material(hsv(rng.random(), rng.uniform(0, 0.9), rng.uniform(0.6, 1)), speckle=0.04)
    parts = [hollow([(radius, 0), (radius * rng.uniform(0.7, 1.4), height / 2),
                     (radius * rng.uniform(0.6, 1.1), height)], 0.004, crockery(rng), segments=12)]
    for _ in range(rng.integers(3, 9)):
        reach = height * rng.uniform(1.3, 1.9)
        stem = join([tube([(0, 0, height / 2), (0, 0, height), (0.01, 0, reach)], 0.003, green, 4),
                     ball(rng.uniform(0.015, 0.035), blossom, 6).moved(0.01, 0, reach - 0.02),
                     leaf(0.09, 0.03, 0.7, 0.5, green).moved(z=height)])
        parts.append(stem.turned(rng.uniform(0, 0.3), 'y').moved(-radius * 0.3).turned(
            rng.uniform(0, 6.3)))
    return assemble('object', *parts)
