"""Beds; their head is at +y."""

from __future__ import annotations

from mask3d_core.rooms.furniture.joinery import (
    bar,
    bumps,
    chance,
    finish,
    LegStyle,
    mirrored,
    soft,
    upholstery,
)
from mask3d_core.rooms.materials import fabric, hsv, lacquer, Material, metal, wood
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.piece import Piece
from mask3d_core.rooms.solids import box, cushion, sheet, tube
import numpy as np


def linen(rng: np.random.Generator) -> Material:
    """Return bedding: white or pale as often as coloured."""
    if chance(rng, 0.45):
        return Material(hsv(rng.random(), rng.uniform(0, 0.12), rng.uniform(0.75, 0.97)),
                        speckle=0.03)
    return fabric(rng)


def bedding(rng: np.random.Generator, width: float, length: float, top: float) -> list[Mesh]:
    """Make blanket, pillows and what lies about on a mattress whose top is at a height."""
    cloth = linen(rng)
    pillow_cloth = cloth if chance(rng, 0.5) else linen(rng)
    side = width / (2 if width > 1.2 else 1)
    parts = []
    for number in range(round(width / side)):
        for layer in range(2 if chance(rng, 0.25) else 1):
            wide, deep = min(side * 0.92, rng.uniform(0.55, 0.8)), rng.uniform(0.38, 0.55)
            thick = rng.uniform(0.1, 0.18)
            pillow = soft(rng, (wide, deep, thick), pillow_cloth, 0.5)
            lean = rng.uniform(0.5, 1.1) if chance(rng, 0.2) else rng.uniform(0, 0.25)
            x = (number + 0.5) * side - width / 2 + rng.normal(0, 0.03)
            y = length / 2 - deep / 2 - rng.uniform(0.0, 0.08) - 0.1 * layer
            pillow = pillow.turned(lean, 'x').turned(rng.normal(0, 0.12))
            low = pillow.bounds[0][2]
            parts += [pillow.moved(x, y, top - low - 0.01 + 0.06 * layer)]
    state = rng.choice(['made', 'made', 'half', 'heap', 'bare'], p=[0.3, 0.3, 0.2, 0.15, 0.05])
    if state == 'heap':
        parts += [_heap(rng, width, length, top, cloth)]
    elif state != 'bare':
        reach = rng.uniform(0.66, 0.85) if state == 'made' else rng.uniform(0.35, 0.6)
        parts += [_blanket(rng, width, length, top, cloth, reach)]
    if chance(rng, 0.25) and state == 'made':
        throw = _blanket(rng, width, rng.uniform(0.5, 0.8), top + 0.03, fabric(rng), 1.0)
        parts += [throw.moved(y=-length / 2 + rng.uniform(0.35, 0.6))]
    if chance(rng, 0.3):
        size = rng.uniform(0.3, 0.45)
        pillow = soft(rng, (size, 0.14, size), fabric(rng), 0.5)
        pillow = pillow.turned(rng.uniform(0.6, 1.4), 'x')
        parts += [pillow.moved(rng.uniform(-0.3, 0.3) * width, length * 0.2,
                               top + 0.04 - pillow.bounds[0][2])]
    return parts


def _blanket(rng: np.random.Generator, width: float, length: float, top: float, cloth: Material,
             reach: float) -> Mesh:
    """Make a bumpy cloth from the foot up over a share of the length; it hangs down the sides."""
    drop, rows, columns = rng.uniform(0.05, min(0.35, top - 0.04)), 16, 15
    high = rng.uniform(0.02, 0.06)
    # How far a thread goes over the mattress, and down from its edge.
    across = np.linspace(-width / 2 - drop, width / 2 + drop, columns)
    beyond = np.clip(np.abs(across) - width / 2, 0, None)
    x = np.sign(across) * (np.minimum(np.abs(across), width / 2) + np.minimum(beyond, 0.03))
    along = np.linspace(-length / 2 - drop * 0.6, -length / 2 + reach * length, rows)
    over = np.clip(-length / 2 - along, 0, None)
    y = np.maximum(along, -length / 2 - 0.02)
    z = top + high - beyond[None] - over[:, None]
    # Thick at the turned end.
    z += 0.03 * np.exp(-((along - along[-3]) / 0.08) ** 2)[:, None]
    z += bumps(rng, rows, columns, rng.uniform(0.006, 0.025)) * (beyond < 0.02)
    folds = bumps(rng, rows, columns, 0.012)
    points = np.stack([x[None] + np.sign(across) * np.abs(folds) * (beyond > 0.02),
                       np.broadcast_to(y[:, None], z.shape) + 0.3 * folds,
                       np.maximum(z, 0.03)], axis=2)
    points[-1, :, 2] = np.minimum(points[-1, :, 2], top + 0.01)
    return sheet(points, cloth)


def _heap(rng: np.random.Generator, width: float, length: float, top: float, cloth: Material,
          ) -> Mesh:
    """Make a blanket thrown together somewhere on the bed."""
    rows = 16
    wide, long = rng.uniform(0.6, 0.95) * width, rng.uniform(0.5, 0.9)
    x, y = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, rows))
    edge = np.clip(1.15 - (np.abs(x) ** 3 + np.abs(y) ** 3), 0, 1)
    hills = 0.12 + bumps(rng, rows, rows, 0.05, 1.8)
    shape = 1 + bumps(rng, rows, rows, 0.08, 3)
    points = np.stack([x * wide / 2 * shape, y * long / 2 * shape,
                       top + edge * np.clip(hills, 0.02, 0.3)], axis=2)
    return sheet(points, cloth).moved(
        rng.uniform(-0.5, 0.5) * (width - wide), rng.uniform(-0.5, 0.1) * (length - long))


def _board(rng: np.random.Generator, width: float, height: float, material: Material) -> Mesh:
    """Make a head or foot board over y = 0, from the floor to a height."""
    kind = rng.choice(['panel', 'panel', 'slats', 'padded', 'tubes', 'framed'])
    if kind == 'padded':
        thick = rng.uniform(0.06, 0.12)
        return cushion((width, thick, height), upholstery(rng), 0.15, 8)
    if kind == 'tubes':
        steel, x = metal(rng), width / 2 - 0.015
        turn = np.linspace(0, np.pi, 9)
        rise = rng.uniform(0.0, 0.2)
        arch = np.column_stack([x * np.cos(turn), np.zeros(9),
                                height - rise + rise * np.sin(turn)])
        path = np.concatenate([[(x, 0, 0)], arch, [(-x, 0, 0)]])
        rods = [bar((u, 0, height * 0.4), (u, 0, height - rise + rise * np.sqrt(1 - (u / x) ** 2)),
                    0.014, steel, 5) for u in np.linspace(-0.85, 0.85, int(width / 0.13)) * x]
        return join([tube(path, 0.015, steel, 6), *rods,
                     bar((-x, 0, height * 0.4), (x, 0, height * 0.4), 0.02, steel, 5)])
    thick = rng.uniform(0.02, 0.06)
    if kind == 'panel':
        return box((width, thick, height), material)
    post = box((0.06, 0.06, height), material).moved(width / 2 - 0.03)
    rail = box((width - 0.1, 0.035, 0.09), material)
    parts = [mirrored(post), rail.moved(z=height - 0.1), rail.moved(z=height * 0.35)]
    if kind == 'framed':
        parts += [box((width - 0.1, 0.015, height * 0.6), material).moved(z=height * 0.36)]
    else:
        number = int(width / rng.uniform(0.1, 0.2))
        slat = box((rng.uniform(0.025, 0.07), 0.018, height * 0.6), material)
        parts += [slat.moved(x=x, z=height * 0.37)
                  for x in np.linspace(-0.42, 0.42, number) * width]
    return join(parts)


def bed(rng: np.random.Generator) -> Piece:
    """Make a bed for one or for two."""
    width = rng.uniform(0.8, 1.2) if chance(rng, 0.4) else rng.uniform(1.35, 2.0)
    length = rng.uniform(1.9, 2.1)
    material = wood(rng) if chance(rng, 0.65) else lacquer(rng)
    frame, thick = rng.uniform(0.22, 0.42), rng.uniform(0.15, 0.28)
    top = frame + thick - rng.uniform(0.0, 0.08)
    mattress = cushion((width, length, thick), linen(rng), 0.1, 8).moved(z=top - thick)
    kind = rng.choice(['rails', 'rails', 'block', 'padded'])
    outer = width + rng.uniform(0.03, 0.1)
    if kind == 'rails':
        high = rng.uniform(0.1, 0.2)
        parts = [box((outer, length + 0.04, high), material).moved(z=frame - high),
                 LegStyle.of(rng, material, 0.07).four(outer * 0.98, length, frame - high + 0.01)]
    else:
        body = material if kind == 'block' else upholstery(rng)
        parts = [box((outer, length + 0.04, frame - 0.03), body).moved(z=0.03),
                 box((outer - 0.1, length - 0.1, 0.03), body)]
        if kind == 'block' and chance(rng, 0.5):
            front = box((0.018, length * 0.45, frame * 0.6), body).moved(outer / 2 + 0.009, z=0.07)
            parts += [mirrored(join([front.moved(y=y) for y in (-length / 4, length / 4)]))]
    parts += [mattress, *bedding(rng, width, length, top)]
    if chance(rng, 0.8):
        head = _board(rng, outer + rng.choice([0.0, 0.04, 0.3]), rng.uniform(0.75, 1.25), material)
        parts += [head.moved(y=length / 2 + 0.02 - head.bounds[0][1])]
    if chance(rng, 0.25):
        foot = _board(rng, outer, rng.uniform(top, top + 0.3), material)
        parts += [foot.moved(y=-length / 2 - 0.02 - foot.bounds[1][1])]
    return finish('bed', parts)


def bunk_bed(rng: np.random.Generator) -> Piece:
    """Make two beds above each other, with rails and a ladder."""
    width, length = rng.uniform(0.8, 1.0), rng.uniform(1.9, 2.05)
    material = (wood, metal, lacquer)[rng.integers(3)](rng)
    post, high = rng.uniform(0.04, 0.08), rng.uniform(1.55, 1.75)
    x, y = width / 2 + post / 2, length / 2 + post / 2
    levels = (rng.uniform(0.25, 0.4), rng.uniform(1.2, 1.35))
    posts = join([bar((s * x, t * y, 0), (s * x, t * y, high), post, material)
                  for s in (-1, 1) for t in (-1, 1)])
    parts = [posts]
    for level in levels:
        thick = rng.uniform(0.12, 0.18)
        frame = box((width + 0.02, length + 0.02, 0.1), material).moved(z=level - 0.06)
        mattress = cushion((width, length, thick), linen(rng), 0.1, 8).moved(z=level)
        parts += [frame, mattress, *bedding(rng, width, length, level + thick)]
    for end in (-1, 1):
        parts += [bar((-x, end * y, z), (x, end * y, z), 0.05, material)
                  for z in (levels[0] + 0.3, levels[1] + 0.15, high - 0.03)]
    parts += [mirrored(bar((x, -y, high - 0.03), (x, y, high - 0.03), 0.05, material))]
    side, foot = rng.choice([-1, 1]), -y + 0.2
    rung = [bar((side * (x + 0.03), foot - 0.18, z), (side * (x + 0.03), foot + 0.18, z), 0.03,
                material) for z in np.arange(0.25, high, 0.28)]
    parts += [*rung, *(bar((side * (x + 0.03), foot + t, 0), (side * (x + 0.03), foot + t, high),
                           0.045, material) for t in (-0.18, 0.18))]
    return finish('bed', parts)


BEDS = (bed, bunk_bed)
