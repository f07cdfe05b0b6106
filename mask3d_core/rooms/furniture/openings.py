"""Doors and windows as they sit in or before a wall."""

from __future__ import annotations

from mask3d_core.rooms.materials import hsv, lacquer, Material, metal, one_of, stone, wood
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.piece import assemble, Piece
from mask3d_core.rooms.solids import ball, box, cylinder, tube
import numpy as np


def _surface(rng: np.random.Generator) -> Material:
    """Return what doors and window frames are made of: white for the most part."""
    if rng.random() < 0.45:
        return Material(hsv(rng.uniform(0, 0.2), rng.uniform(0, 0.08), rng.uniform(0.75, 1)),
                        gloss=0.2, speckle=0.01)
    return one_of(rng, wood, wood, lacquer, metal)(rng)


def _outside(rng: np.random.Generator) -> Material:
    """Return what is seen through a window: sky, trees, houses, bright or dark."""
    value = rng.uniform(0.75, 1) if rng.random() < 0.7 else rng.uniform(0.05, 0.5)
    return Material(hsv(rng.uniform(0.5, 0.62), rng.uniform(0, 0.25), value),
                    hsv(rng.uniform(0.1, 0.4), rng.uniform(0, 0.4), value * rng.uniform(0.6, 1)),
                    'blotches', rng.uniform(0.3, 1), gloss=rng.uniform(0.5, 1))


def frame_of(width: float, height: float, edge: float, depth: float, material: Material,
             ) -> list[Mesh]:
    """Make the left, right and upper bar of an opening whose outer size is given, metres."""
    side = box((edge, depth, height), material)
    return [side.moved((edge - width) / 2), side.moved((width - edge) / 2),
            box((width - 2 * edge, depth, edge), material).moved(z=height - edge)]


def _handle(material: Material, rng: np.random.Generator) -> Mesh:
    """Make the handle in front of the plane y = 0: a lever with its plate, a knob or a bar."""
    kind = rng.random()
    if kind < 0.6:
        lever = tube([(0, 0, 0), (0, -0.05, 0), (0.03, -0.055, 0), (0.13, -0.055, 0)], 0.009,
                     material)
        return join([lever, box((0.04, 0.008, 0.2), material).moved(z=-0.13)])
    if kind < 0.8:
        return join([ball(0.028, material, 8).moved(0, -0.055, -0.028), cylinder(
            0.03, 0.008, material).turned(np.pi / 2, 'x'), cylinder(
                0.01, 0.05, material, segments=6).turned(np.pi / 2, 'x')])
    bow = [(0, 0, -0.15), (0, -0.05, -0.13), (0, -0.05, 0.13), (0, 0, 0.15)]
    return tube(bow, 0.011, material)


def _leaf(width: float, height: float, rng: np.random.Generator, glazed: bool = False) -> Mesh:
    """Make a door leaf whose hinges are at x = 0 and which reaches to x = width."""
    skin, thick = _surface(rng), 0.04
    parts, kind = [], rng.random()
    if glazed:
        edge = rng.uniform(0.03, 0.13)
        low = rng.choice([edge, 0.4])
        parts += [bar.moved(z=low) for bar in frame_of(width, height - low, edge, thick, skin)]
        pane = box((width - 2 * edge, 0.008, height - low - edge), _outside(rng))
        parts += [box((width, thick, low), skin), pane.moved(z=low)]
        for number in range(int(rng.choice([0, 0, 2, 3]))):
            z = low + (height - low) * (number + 1) / 4
            parts.append(box((width, thick * 0.7, 0.025), skin).moved(z=z))
    else:
        parts.append(box((width, thick, height), skin))
        fields = [(0.16, 0.36), (0.58, 0.34)] if kind < 0.25 else [(0.06, 0.24), (0.36, 0.26), (
            0.68, 0.27)] if kind < 0.45 else []
        for start, part in fields:
            parts += [box((width * 0.64, thick + 0.012, 0.012), skin).moved(z=height * z)
                      for z in (start, start + part)]
            parts += [box((0.012, thick + 0.012, height * part), skin).moved(
                s * width * 0.32, 0, height * start) for s in (-1, 1)]
        if not fields and rng.random() < 0.15:
            parts.append(box((width * 0.3, thick + 0.006, height * 0.3), _outside(rng)).moved(
                z=height * 0.55))
    trim = metal(rng)
    grip = _handle(trim, rng).turned(0 if rng.random() < 0.5 else np.pi, 'y')
    if grip.bounds[1][0] > 0.06:
        grip = grip.scaled(x=-1)
    return join([*parts, grip.moved(width / 2 - 0.06, -thick / 2, rng.uniform(0.95, 1.08))]).moved(
        width / 2)


def _doorway(width: float, height: float, leaves: list[Mesh], rng: np.random.Generator) -> Piece:
    """Put leaves that are in place into a frame, its back at the wall."""
    edge, depth = rng.uniform(0.05, 0.1), rng.uniform(0.05, 0.09)
    frame = frame_of(width + 2 * edge, height + edge, edge, depth, _surface(rng))
    return assemble('door', *frame, *(leaf.moved(y=depth / 2 - 0.025) for leaf in leaves))


def door(rng: np.random.Generator) -> Piece:
    """Make a closed door, hinged left or right, its handle to the front."""
    width, height = rng.uniform(0.7, 1.0), rng.uniform(1.95, 2.12)
    leaf = _leaf(width, height, rng, rng.random() < 0.1).moved(-width / 2)
    return _doorway(width, height, [leaf.scaled(x=rng.choice([-1, 1]))], rng)


def ajar_door(rng: np.random.Generator) -> Piece:
    """Make a door that opens into the room at any angle."""
    width, height = rng.uniform(0.7, 0.95), rng.uniform(1.95, 2.1)
    leaf = _leaf(width, height, rng, rng.random() < 0.1).moved(y=-0.02)
    angle = rng.uniform(0.15, 1.7)
    opened = leaf.turned(-angle).moved(-width / 2, -0.02)
    piece = _doorway(width, height, [opened], rng)
    return assemble('door', piece.mesh.scaled(x=rng.choice([-1, 1])))


def double_door(rng: np.random.Generator) -> Piece:
    """Make a door of two leaves."""
    width, height = rng.uniform(0.6, 0.85), rng.uniform(1.98, 2.2)
    leaf = _leaf(width, height, rng, rng.random() < 0.5).moved(-width)
    return _doorway(2 * width, height, [leaf, leaf.scaled(x=-1)], rng)


def glass_door(rng: np.random.Generator) -> Piece:
    """Make a terrace or office door of glass, sliding or hinged."""
    width, height = rng.uniform(0.75, 1.1), rng.uniform(2.0, 2.2)
    leaf = _leaf(width, height, rng, glazed=True).moved(-width / 2)
    if rng.random() < 0.5:
        half = leaf.moved(-width / 2)
        return _doorway(2 * width, height, [half, half.moved(width * rng.uniform(0.5, 1), -0.03)],
                        rng)
    return _doorway(width, height, [leaf], rng)


def window(rng: np.random.Generator, width: float | None = None, height: float | None = None,
           ) -> Piece:
    """
    Make a window with sashes, sill and what is outside.

    Parameters
    ----------
    rng : numpy Generator
    width, height : float, optional
        Outer size, metres; at random without.

    """
    width, height = width or rng.uniform(0.6, 2.2), height or rng.uniform(0.7, 1.6)
    skin, edge, depth = _surface(rng), rng.uniform(0.03, 0.07), rng.uniform(0.04, 0.08)
    sashes = max(1, round(width / rng.uniform(0.5, 1.1)))
    each = (width - 2 * edge) / sashes
    parts = frame_of(width, height, edge, depth, skin)
    parts += [box((width, depth, edge), skin),
              box((width - edge, 0.004, height - edge), _outside(rng)).moved(
                  y=depth / 2 - 0.004, z=edge / 2)]
    cross, trim = rng.random() < 0.25, metal(rng)
    for number in range(sashes):
        x = (number - (sashes - 1) / 2) * each
        parts += [bar.moved(x, 0, edge) for bar in frame_of(each, height - 2 * edge, 0.035,
                                                            depth * 0.7, skin)]
        parts.append(box((each, depth * 0.7, 0.035), skin).moved(x, 0, edge))
        if cross:
            parts += [box((each, 0.02, 0.02), skin).moved(x, 0, height * 0.62),
                      box((0.02, 0.02, height - edge), skin).moved(x)]
        if rng.random() < 0.8:
            parts.append(box((0.02, 0.04, 0.11), trim).moved(x + each * 0.46, -depth / 2,
                                                            height * 0.42))
    if rng.random() < 0.75:
        reach = rng.uniform(0.06, 0.26)
        sill = box((width * 1.06, reach, 0.03), one_of(rng, stone, wood)(rng) if (
            rng.random() < 0.5) else skin)
        parts.append(sill.moved(0, depth / 2 - reach / 2, -0.03))
    return assemble('window', *parts)


def open_window(rng: np.random.Generator) -> Piece:
    """Make a narrow window whose sash stands open into the room."""
    width, height, depth = rng.uniform(0.5, 0.9), rng.uniform(0.8, 1.5), 0.06
    skin, glass = _surface(rng), _outside(rng)
    sash = join([*frame_of(width, height, 0.05, 0.04, skin), box((width, 0.04, 0.05), skin),
                 box((width - 0.1, 0.005, height - 0.1), glass).moved(z=0.05)]).moved(width / 2)
    frame = frame_of(width + 0.1, height + 0.1, 0.05, depth, skin)
    return assemble('window', *frame, box((width + 0.1, depth, 0.05), skin),
                    sash.turned(-rng.uniform(0.3, 1.5)).moved(-width / 2, -depth / 2, 0.05),
                    box((width, 0.004, height), _outside(rng)).moved(y=depth / 2 - 0.004, z=0.05))


DOORS = (door, door, door, door, ajar_door, ajar_door, double_door, glass_door)
"""From the floor up, the back at the wall."""
WINDOWS = (window, window, window, window, window, open_window)
"""To be hung on walls, 0.2 to 1.1 m above the floor."""
OPENINGS = tuple(dict.fromkeys((*DOORS, *WINDOWS)))
"""All of them, each once."""
