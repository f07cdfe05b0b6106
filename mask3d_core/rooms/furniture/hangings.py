"""Objects on walls and at windows: pictures, boards, mirrors, curtains, coats."""

from __future__ import annotations

from mask3d_core.rooms.furniture.desk_things import casing
from mask3d_core.rooms.furniture.soft_things import bumpy, cloth
from mask3d_core.rooms.materials import (
    fabric,
    hsv,
    lacquer,
    Material,
    metal,
    one_of,
    paper,
    picture,
    plastic,
    wood,
)
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.piece import assemble, Piece
from mask3d_core.rooms.solids import box, cylinder, lathe, sheet, tube
import numpy as np


def whiteboard(rng: np.random.Generator) -> Piece:
    """Make a whiteboard, pin board or blackboard with frame and tray."""
    width, height = rng.uniform(0.6, 2.0), rng.uniform(0.5, 1.2)
    kind = rng.random()
    if kind < 0.6:
        board = Material((0.93, 0.94, 0.95), gloss=0.3, speckle=0.01)
    elif kind < 0.85:
        board = Material(hsv(0.09, 0.45, 0.7), hsv(0.08, 0.5, 0.6), 'blotches', 0.02)
    else:
        board = Material(hsv(0.4, 0.3, 0.2), hsv(0.4, 0.15, 0.35), 'blotches', 0.4)
    frame = one_of(rng, metal, wood, casing)(rng)
    parts = [box((width, 0.015, height), board), box((width * 0.7, 0.07, 0.012), frame).moved(
        y=-0.04)]
    parts += _frame(width, height, 0.03, 0.025, frame)
    for _ in range(rng.integers(0, 7)):
        x, z = rng.uniform(-0.4, 0.4) * width, rng.uniform(0.1, 0.6) * height
        note = box((rng.uniform(0.08, 0.25), 0.003, rng.uniform(0.08, 0.3)), paper(rng))
        parts.append(note.moved(x, -0.009, z))
    return assemble('otherfurniture', *parts)


def _frame(width: float, height: float, edge: float, depth: float, material: Material,
           ) -> list[Mesh]:
    """Make four bars along the edges of an upright rectangle, metres."""
    side = box((edge, depth, height), material)
    bar = box((width - 2 * edge, depth, edge), material)
    return [side.moved((edge - width) / 2), side.moved((width - edge) / 2), bar,
            bar.moved(z=height - edge)]


def mirror(rng: np.random.Generator) -> Piece:
    """Make a mirror, which shows some of the room: round, or with a frame."""
    width, height = rng.uniform(0.35, 0.9), rng.uniform(0.5, 1.6)
    glass = Material(hsv(0.55, 0.05, rng.uniform(0.4, 0.8)), hsv(0.1, 0.15, rng.uniform(0.2, 0.7)),
                     'blotches', 0.6, gloss=1.0)
    if rng.random() < 0.25:
        disc = lathe([(0, 0), (width / 2, 0), (width / 2, 0.02), (0, 0.02)], glass, 24)
        return assemble('otherfurniture', disc.turned(np.pi / 2, 'x'))
    return assemble('otherfurniture', box((width, 0.012, height), glass), *_frame(
        width, height, rng.uniform(0.015, 0.06), 0.03, one_of(rng, wood, metal, lacquer)(rng)))


def clock(rng: np.random.Generator) -> Piece:
    """Make a wall clock."""
    radius, dark = rng.uniform(0.1, 0.22), Material((0.05, 0.05, 0.05))
    face = Material(hsv(0.1, rng.uniform(0, 0.2), rng.uniform(0.7, 1)))
    disc = lathe([(0, 0), (radius, 0), (radius, 0.045), (radius * 0.9, 0.045)], casing(rng), 20)
    dial = lathe([(0, 0.035), (radius * 0.92, 0.035)], face, 20)
    hands = [box((0.01, length, 0.004), dark).moved(y=length / 2, z=0.037).turned(
        rng.uniform(0, 6.3)) for length in (0.5 * radius, 0.8 * radius)]
    return assemble('otherfurniture', join([disc, dial, *hands]).turned(np.pi / 2, 'x'))


def picture_frame(rng: np.random.Generator) -> Piece:
    """Make a picture with a frame, perhaps with a mat."""
    width, height = rng.uniform(0.2, 1.1), rng.uniform(0.2, 0.9)
    edge = rng.uniform(0.012, 0.05)
    parts = _frame(width, height, edge, rng.uniform(0.015, 0.035), one_of(
        rng, wood, metal, lacquer, casing)(rng))
    mat = rng.uniform(0.03, 0.08) if min(width, height) > 0.3 and rng.random() < 0.4 else 0
    if mat:
        parts.append(box((width, 0.008, height), Material((0.93, 0.92, 0.88))))
    parts.append(box((width - 2 * (edge + mat), 0.012, height - 2 * (edge + mat)), picture(
        rng)).moved(z=edge + mat))
    return assemble('picture', *parts)


def poster(rng: np.random.Generator) -> Piece:
    """Make a poster, calendar or canvas without a frame."""
    width, height = rng.uniform(0.25, 1.2), rng.uniform(0.3, 1.0)
    return assemble('picture', box((width, rng.choice([0.004, 0.004, 0.025]), height), picture(
        rng)))


def _wavy(width: float, height: float, material: Material, rng: np.random.Generator) -> Mesh:
    """Hang a cloth in folds; it is gathered at half height at times."""
    folds = max(2, int(width / rng.uniform(0.09, 0.2)))
    columns, rows = min(6 * folds + 1, 80), 6
    across, down = np.linspace(-0.5, 0.5, columns), np.linspace(0, 1, rows)[:, None]
    depth = rng.uniform(0.02, 0.05) * (1.2 - 0.5 * down)
    phase = rng.normal(0, 0.5, columns) * 0.5
    waist = 1 - rng.choice([0, 0, 0.45]) * np.exp(-((down - 0.4) / 0.25) ** 2)
    x = width * waist * across[None] + 0 * down
    y = depth * np.sin(2 * np.pi * folds * across[None] + phase)
    return sheet(np.stack([x, y, height * down + 0 * x], axis=2), material)


def curtains(rng: np.random.Generator, width: float | None = None, height: float | None = None,
             ) -> Piece:
    """
    Make curtains on a rod: one or a pair, more or less drawn.

    Parameters
    ----------
    rng : numpy Generator
    width, height : float, optional
        Of what they belong to, metres; at random without.

    """
    width, height = width or rng.uniform(0.9, 2.4), height or rng.uniform(1.3, 2.4)
    cloth_ = fabric(rng) if rng.random() < 0.7 else Material((0.95, 0.95, 0.93), gloss=0.1)
    rod = tube([(-width / 2 - 0.08, 0, height), (0, 0, height), (width / 2 + 0.08, 0, height)],
               0.013, one_of(rng, metal, wood)(rng))
    parts, kind = [rod], rng.random()
    if kind < 0.65:
        for side in (-1, 1):
            part = width * rng.uniform(0.18, 0.5)
            parts.append(_wavy(part, height - 0.01, cloth_, rng).moved(side * (width - part) / 2))
    else:
        part = width * rng.uniform(0.3, 1)
        parts.append(_wavy(part, height - 0.01, cloth_, rng).moved(
            rng.choice([-1, 1]) * (width - part) / 2))
    return assemble('curtain', *parts)


def shower_curtain(rng: np.random.Generator, width: float | None = None) -> Piece:
    """Make a shower curtain on its rod, of a width, metres, or of a random one."""
    width, height = width or rng.uniform(0.7, 1.7), rng.uniform(1.7, 2.0)
    sheet_ = fabric(rng) if rng.random() < 0.6 else Material((0.93, 0.94, 0.95), gloss=0.3)
    rod = cylinder(0.012, width, metal(rng), segments=6).turned(np.pi / 2, 'y')
    part = width * rng.uniform(0.3, 0.98)
    return assemble('shower curtain', rod.moved(-width / 2, 0, height), _wavy(
        part, height, sheet_, rng).moved(rng.choice([-1, 1]) * (width - part) / 2))


def blinds(rng: np.random.Generator, width: float | None = None, height: float | None = None,
           ) -> Piece:
    """Make slatted or roller blinds, let down in part; width and height as of `curtains`."""
    width, height = width or rng.uniform(0.6, 1.8), height or rng.uniform(0.8, 1.6)
    skin = one_of(rng, lacquer, fabric, plastic, wood)(rng)
    drop, parts = height * rng.uniform(0.3, 1), []
    if rng.random() < 0.5:
        parts = [box((width, 0.003, drop), skin).moved(z=height - drop),
                 cylinder(0.025, width, skin).turned(np.pi / 2, 'y').moved(-width / 2, 0, height)]
    else:
        tilt = rng.uniform(0.2, 1.4)
        slat = box((width, 0.03, 0.002), skin).turned(tilt, 'x')
        parts = [slat.moved(z=height - number * 0.035) for number in range(int(drop / 0.035))]
        parts.append(box((width, 0.04, 0.04), skin).moved(z=height))
    return assemble('curtain', *parts)


def coat(rng: np.random.Generator) -> Piece:
    """Make coats, jackets or towels on a rail of hooks on a wall."""
    count, parts = int(rng.integers(1, 5)), []
    for number in range(count):
        width, height = rng.uniform(0.25, 0.45), rng.uniform(0.6, 1.1)
        folds = np.linspace(0, 2 * np.pi, 17)
        rings = [[(part * width / 2 * np.cos(a) * (1 + 0.12 * np.sin(5 * a + number)),
                   0.35 * part * width * np.sin(a), z) for a in folds]
                 for part, z in ((0.85, 0), (0.95, height * 0.3), (0.9, height * 0.7),
                                 (0.75, height * 0.88), (0.15, height))]
        parts.append(bumpy(sheet(rings, cloth(rng)), rng, 0.04, 0.2).moved(
            number * 0.22, 0, 1.1 - height))
    rail = box((count * 0.22 + 0.2, 0.02, 0.08), one_of(rng, wood, metal)(rng))
    return assemble('otherfurniture', *parts, rail.moved((count - 1) * 0.11, 0.12, 1.08))
