"""What belongs to a wall and is no object: sockets, stains, shadows, plaster, ducts, frames."""

from __future__ import annotations

from mask3d_core.rooms.furniture.openings import frame_of
from mask3d_core.rooms.materials import hsv, lacquer, Material, paint, plastic, wood
from mask3d_core.rooms.mesh import Mesh
from mask3d_core.rooms.piece import assemble, Piece
from mask3d_core.rooms.solids import box
import numpy as np

FILLING_DEPTH = 0.004
"""Metres, of the plaster in a door frame without a door."""


def socket(rng: np.random.Generator) -> Piece:
    """Make a row of one to four sockets or switches."""
    cover, edge = plastic(rng), rng.uniform(0.07, 0.09)
    count = int(rng.choice([1, 1, 2, 3, 4]))
    return assemble('wall', *(
        box((edge, rng.uniform(0.008, 0.02), edge), cover).moved(edge * place)
        for place in range(count)))


def stain(rng: np.random.Generator) -> Piece:
    """Make a stain with an irregular outline: darker than most paints, in spots."""
    color = hsv(rng.uniform(0.05, 0.15), rng.uniform(0.1, 0.5), rng.uniform(0.2, 0.6))
    spots = Material(color, hsv(0.1, 0.1, rng.uniform(0.5, 0.9)), 'blotches',
                     rng.uniform(0.05, 0.2), speckle=0.04)
    return Piece('wall', _blob(rng, rng.uniform(0.2, 0.9), rng.uniform(0.2, 0.8), spots))


def shadow(rng: np.random.Generator) -> Piece:
    """Make the shadow of something that is not there: a dark shape with a sharp edge."""
    dark = Material(hsv(rng.random(), rng.uniform(0, 0.2), rng.uniform(0.1, 0.45)), speckle=0.02)
    return Piece('wall', _blob(rng, rng.uniform(0.3, 1.5), rng.uniform(0.3, 1.3), dark))


def plaster(rng: np.random.Generator) -> Piece:
    """Make a patch of fresh plaster, or of another paint."""
    return Piece('wall', _blob(rng, rng.uniform(0.3, 1.2), rng.uniform(0.3, 1.2), paint(rng)))


def duct(rng: np.random.Generator) -> Piece:
    """Make a cable duct or a pipe, along the wall or upright."""
    long, wide, deep = rng.uniform(0.6, 2.5), rng.uniform(0.02, 0.1), rng.uniform(0.015, 0.06)
    size = (wide, deep, min(long, 2.0)) if rng.random() < 0.4 else (long, deep, wide)
    return assemble('wall', box(size, lacquer(rng)))


def pilaster(rng: np.random.Generator) -> Piece:
    """Make a pilaster or chimney, which stands out of the wall."""
    size = rng.uniform(0.2, 0.7), rng.uniform(0.05, 0.25), rng.uniform(1.9, 2.25)
    return assemble('wall', box(size, paint(rng)))


def empty_frame(rng: np.random.Generator) -> Piece:
    """Make a door frame without a door: a passage that was closed with plaster."""
    width, height = rng.uniform(0.8, 1.1), rng.uniform(1.95, 2.15)
    edge, depth = rng.uniform(0.05, 0.12), rng.uniform(0.02, 0.08)
    trim = wood(rng) if rng.random() < 0.5 else lacquer(rng)
    filling = box((width - 2 * edge, FILLING_DEPTH, height - edge), paint(rng))
    filling = filling.moved(y=(depth - FILLING_DEPTH) / 2)
    return assemble('wall', *frame_of(width, height, edge, depth, trim), filling)


def board(rng: np.random.Generator) -> Piece:
    """Make a dado rail or a wainscot: a long board low on the wall."""
    height = rng.uniform(0.05, 0.12) if rng.random() < 0.5 else rng.uniform(0.5, 1.1)
    coat = wood(rng) if rng.random() < 0.5 else paint(rng)
    return assemble('wall', box((rng.uniform(1.0, 3.0), rng.uniform(0.006, 0.02), height), coat))


def _blob(rng: np.random.Generator, width: float, height: float, material: Material) -> Mesh:
    """Make an irregular flat shape of about 10 corners that stands on z = 0, centered."""
    count = int(rng.integers(4, 13))
    angle = 2 * np.pi * (np.arange(count) + rng.uniform(-0.3, 0.3, count)) / count
    radius = rng.uniform(0.6, 1.0, count)
    corners = np.column_stack([width / 2 * radius * np.cos(angle), np.zeros(count),
                               height / 2 * radius * np.sin(angle)])
    fan = [(0, 1 + corner, 1 + (corner + 1) % count) for corner in range(count)]
    return Mesh.of([(0.0, 0.0, 0.0), *corners], fan, material).settled()


FLAT_FEATURES = (socket, socket, socket, stain, stain, shadow, shadow, plaster, plaster, duct)
"""Hung on walls behind and between the furniture."""
STANDING_FEATURES = (pilaster, empty_frame, empty_frame, board)
"""Reach to the floor."""
