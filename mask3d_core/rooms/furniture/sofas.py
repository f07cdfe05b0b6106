"""Sofas and armchairs; they face -y."""

from __future__ import annotations

from dataclasses import dataclass, replace

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
from mask3d_core.rooms.materials import fabric, Material, metal, wood
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.piece import Piece
from mask3d_core.rooms.solids import box, cushion, cylinder, sheet, tube
import numpy as np


@dataclass(frozen=True)
class SofaStyle:
    """Cross section and looks of a sofa: everything but its length, metres."""

    cloth: Material
    depth: float
    seat: float
    back: float
    back_thick: float
    arm_width: float
    arm_height: float
    arm_kind: str
    lift: float
    pad: float
    loose_back: bool
    roundness: float

    @classmethod
    def of(cls, rng: np.random.Generator) -> SofaStyle:
        """Draw a style."""
        seat = rng.uniform(0.38, 0.47)
        return cls(
            cloth=upholstery(rng), depth=rng.uniform(0.78, 1.0), seat=seat,
            back=rng.uniform(0.7, 0.95), back_thick=rng.uniform(0.12, 0.22),
            arm_width=rng.uniform(0.07, 0.28), arm_height=seat + rng.uniform(0.1, 0.24),
            arm_kind=str(rng.choice(['block', 'block', 'rolled', 'soft'])),
            lift=rng.choice([0.0, 0.03, rng.uniform(0.06, 0.17)]), pad=rng.uniform(0.1, 0.18),
            loose_back=chance(rng, 0.65), roundness=rng.uniform(0.2, 0.45))

    def body(self, width: float, depth: float) -> list[Mesh]:
        """Make the block under the seats, and its feet."""
        block = box((width, depth, self.seat - self.pad - self.lift), self.cloth)
        parts = [block.moved(z=self.lift)]
        if self.lift:
            x, y = width / 2 - 0.08, depth / 2 - 0.08
            foot = cylinder(0.02, self.lift, Material((0.15, 0.1, 0.07)), 0.03, 6)
            parts += [foot.moved(sx * x, sy * y) for sx in (-1, 1) for sy in (-1, 1)]
        return parts

    def arm(self, depth: float) -> Mesh:
        """Make an arm rest over x = 0."""
        size = (self.arm_width, depth, self.arm_height - self.lift)
        if self.arm_kind == 'soft':
            return cushion(size, self.cloth, self.roundness * 0.7, 8).moved(z=self.lift)
        if self.arm_kind == 'rolled':
            radius = max(self.arm_width * 0.55, 0.07)
            roll = cylinder(radius, depth, self.cloth, segments=12).turned(np.pi / 2, 'x')
            wall = box((self.arm_width * 0.75, depth, size[2] - radius), self.cloth)
            return join([wall.moved(z=self.lift),
                         roll.moved(y=depth / 2, z=self.arm_height - radius)])
        return box(size, self.cloth).moved(z=self.lift)

    def seats(self, rng: np.random.Generator, width: float, depth: float, count: int,
              ) -> list[Mesh]:
        """Make the seat cushions, each a little crooked and sat down."""
        each = width / count
        parts = []
        for number in range(count):
            pad = soft(rng, (each - 0.006, depth, self.pad * rng.uniform(0.95, 1.1)), self.cloth,
                       self.roundness * 0.7).turned(rng.normal(0, 0.008))
            parts += [pad.moved((number + 0.5) * each - width / 2, rng.normal(0, 0.008),
                                 self.seat - self.pad)]
        return parts

    def rest(self, rng: np.random.Generator, width: float, count: int) -> list[Mesh]:
        """Make the back: its front in the plane y = 0, its wall behind; cushions before it."""
        high = self.back - self.lift
        if not self.loose_back:
            tilt = rng.uniform(0.03, 0.12)
            pad = soft(rng, (width, self.back_thick, high), self.cloth, self.roundness * 0.6)
            return [pad.turned(-tilt, 'x').moved(y=self.back_thick / 2, z=self.lift)]
        wall = box((width, self.back_thick, high - rng.uniform(0.0, 0.12)), self.cloth)
        parts = [wall.moved(y=self.back_thick / 2, z=self.lift)]
        each = width / count
        for number in range(count):
            thick, tall = rng.uniform(0.14, 0.2), self.back - self.seat + rng.uniform(0.0, 0.06)
            pad = soft(rng, (each - 0.01, thick, tall), self.cloth, self.roundness)
            pad = pad.turned(-rng.uniform(0.1, 0.25), 'x').turned(rng.normal(0, 0.03))
            parts += [pad.moved((number + 0.5) * each - width / 2, -thick * 0.55, self.seat)]
        return parts


def _couch(rng: np.random.Generator, style: SofaStyle, count: int, each: float) -> list[Mesh]:
    """Make a straight sofa of `count` seats: centred, its front at -depth / 2."""
    width, half = count * each, style.depth / 2
    seat_depth = style.depth - style.back_thick
    bench = count > 1 and chance(rng, 0.2)
    outer = width + 2 * style.arm_width
    parts = [*style.body(outer - 0.02, style.depth - 0.01)]
    parts += [part.moved(y=-style.back_thick / 2)
              for part in style.seats(rng, width, seat_depth, 1 if bench else count)]
    parts += [part.moved(y=half - style.back_thick) for part in style.rest(rng, width, count)]
    if style.arm_width:
        parts += [mirrored(style.arm(style.depth).moved(x=(outer - style.arm_width) / 2))]
    return parts


def _pillows(rng: np.random.Generator, style: SofaStyle, width: float, most: int) -> list[Mesh]:
    """Make throw pillows that lean against the back or lie about."""
    cloth = fabric(rng)
    parts = []
    for _ in range(int(rng.integers(0, most + 1))):
        if chance(rng, 0.4):
            cloth = fabric(rng)
        side = rng.uniform(0.35, 0.5)
        size = (side, rng.uniform(0.1, 0.16), side * rng.choice([1, 1, 0.65]))
        pillow = soft(rng, size, cloth, 0.5, 6)
        pillow = pillow.turned(-rng.uniform(0.2, 0.6), 'x').turned(rng.normal(0, 0.4))
        front = style.depth / 2 - style.back_thick - rng.uniform(0.15, 0.3)
        x = rng.uniform(-1, 1) * max(width / 2 - side / 2, 0.01)
        parts += [pillow.moved(x, front, style.seat - 0.01)]
    return parts


def _throw(rng: np.random.Generator, style: SofaStyle, width: float) -> Mesh:
    """Make a blanket over the seat that hangs down in front."""
    half, wide = style.depth / 2, rng.uniform(0.5, 0.9)
    front, up = -half - 0.02, style.seat + 0.025
    line = np.array([(half - style.back_thick - 0.2, up + 0.02), (0, up), (-half * 0.6, up),
                     (front, up - 0.02), (front - 0.01, up - 0.15),
                     (front, up - rng.uniform(0.2, 0.3))])
    points = np.empty((len(line), 8, 3))
    points[:, :, 0] = np.linspace(-wide / 2, wide / 2, 8)
    points[:, :, 1:] = line[:, None]
    points += np.abs(bumps(rng, len(line) * 8, 3, 0.008, 1).reshape(points.shape)) * (1, -1, 1)
    free = max(width / 2 - wide / 2, 0.01)
    return sheet(points, fabric(rng)).moved(x=rng.uniform(-free, free))


def sofa(rng: np.random.Generator) -> Piece:
    """Make a sofa of two to four seats, at times one without arm rests."""
    style = SofaStyle.of(rng)
    if chance(rng, 0.12):
        style = replace(style, arm_width=0.0)
    count = int(rng.choice([2, 2, 3, 3, 3, 4]))
    each = rng.uniform(0.52, 0.75)
    parts = _couch(rng, style, count, each) + _pillows(rng, style, count * each, 4)
    if chance(rng, 0.2):
        parts += [_throw(rng, style, count * each)]
    return finish('sofa', parts)


def corner_sofa(rng: np.random.Generator) -> Piece:
    """Make an L: a sofa with a wing towards the front, a chaise longue or seats with a back."""
    style = SofaStyle.of(rng)
    count, each = int(rng.integers(2, 4)), rng.uniform(0.55, 0.75)
    width, half = count * each, style.depth / 2
    wide = style.depth - style.back_thick if (backed := chance(rng, 0.55)) else each * 1.1
    thick = style.back_thick if backed else 0.0
    reach = rng.uniform(0.6, 1.5) if backed else rng.uniform(0.5, 0.75)
    parts = _couch(rng, style, count, each)
    # The wing stands before the rightmost seats.
    right = width / 2
    middle, length = right - wide / 2, reach + 0.02
    block = [part.moved(y=-half - reach / 2 + 0.01) for part in
             style.body(wide + thick - 0.01, length)]
    parts += [part.moved(x=middle + thick / 2) for part in block]
    parts += [part.moved(middle, -half - reach / 2)
              for part in style.seats(rng, wide, reach, 1)]
    if backed:
        along = [part.turned(-np.pi / 2).moved(right, -half - reach / 2)
                 for part in style.rest(rng, reach, max(1, round(reach / 0.7)))]
        parts += along
        if chance(rng, 0.5):
            arm = style.arm(wide + thick).turned(np.pi / 2)
            parts += [arm.moved(middle + thick / 2, -half - reach - style.arm_width / 2)]
    parts += _pillows(rng, style, width, 5)
    piece = finish('sofa', parts)
    return piece if chance(rng, 0.5) else finish('sofa', [piece.mesh.scaled(x=-1)])


def armchair(rng: np.random.Generator) -> Piece:
    """Make an armchair: a sofa for one, a tub, or a bent frame of wood with cushions."""
    kind = rng.choice(['block', 'tub', 'frame', 'frame'])
    if kind == 'tub':
        return finish('chair', _tub(rng))
    if kind == 'frame':
        return finish('chair', _framed(rng))
    style = SofaStyle.of(rng)
    each = rng.uniform(0.5, 0.62)
    return finish('chair', _couch(rng, style, 1, each) + _pillows(rng, style, each, 1))


def _tub(rng: np.random.Generator) -> list[Mesh]:
    """Make a round armchair: one wall swept around the seat, lower in front."""
    cloth = upholstery(rng)
    radius, thick = rng.uniform(0.33, 0.4), rng.uniform(0.07, 0.12)
    seat, arm, back = rng.uniform(0.38, 0.45), rng.uniform(0.55, 0.66), rng.uniform(0.68, 0.85)
    lift = rng.choice([0.02, 0.15, 0.25])
    # From the front end on the right over the back to the front on the left.
    turn = np.linspace(-0.7, np.pi + 0.7, 17)
    top = arm + (back - arm) * np.clip(np.sin(turn), 0, 1) ** 1.5
    inner, outer = radius - thick / 2, radius + thick / 2
    section = [(inner, None, 0.0), (inner + thick * 0.15, 1, 0.0), (radius, 1, 0.025),
               (outer - thick * 0.15, 1, 0.0), (outer, None, 0.0)]
    rings = []
    for distance, level, more in [(inner, 0, 0.0), *section, (outer, 0, 0.0), (inner, 0, 0.0)]:
        z = np.full_like(turn, lift) if level == 0 else top + more - (0.03 if level is None else 0)
        rings += [np.column_stack([distance * np.cos(turn), distance * np.sin(turn), z])]
    wall = sheet(np.stack(rings, axis=1), cloth)
    ends = [sheet(np.stack([np.stack([row[end] for row in rings[:4]]),
                            np.stack([row[end] for row in rings[6:2:-1]])]), cloth)
            for end in (0, -1)]
    parts = [wall, *ends, cylinder(radius, seat - 0.12 - lift, cloth, segments=16).moved(z=lift),
             cushion((2 * inner, 2 * radius, 0.15), cloth, 0.6, 8).moved(y=-0.03, z=seat - 0.13)]
    style = LegStyle(wood(rng) if chance(rng, 0.6) else metal(rng), 0.014, 0.02, 6, 0.1)
    return [*parts, style.four(radius * 1.3, radius * 1.3, lift + 0.01)]


def _framed(rng: np.random.Generator) -> list[Mesh]:
    """Make a reclined seat and back of cushions in a frame of bars."""
    material, cloth = wood(rng) if chance(rng, 0.75) else metal(rng), upholstery(rng)
    width, depth = rng.uniform(0.5, 0.62), rng.uniform(0.5, 0.6)
    seat, high = rng.uniform(0.36, 0.44), rng.uniform(0.5, 0.75)
    x, y, arm = width / 2 + 0.025, depth / 2, seat + rng.uniform(0.14, 0.22)
    lean, tilt = rng.uniform(0.25, 0.5), rng.uniform(0.03, 0.15)
    thick = rng.uniform(0.03, 0.05)
    if chance(rng, 0.4):
        side = tube([(x, y + 0.1, arm - 0.14), (x, y - 0.05, arm - 0.05), (x, 0, arm),
                     (x, -y + 0.05, arm), (x, -y, arm - 0.06), (x, -y + 0.03, 0.03),
                     (x, -y + 0.08, 0.015), (x, y + 0.12, 0.015)], thick / 2, material, 6)
    else:
        side = join([bar((x, -y, 0), (x, -y, arm), thick, material),
                     bar((x, y, 0), (x, y, arm), thick, material),
                     box((rng.uniform(0.04, 0.09), depth + 0.1, 0.03), material).moved(x, 0, arm),
                     bar((x, -y, seat - 0.08), (x, y, seat - 0.12), thick, material)])
    parts = [mirrored(side), bar((-x, -y + 0.03, seat - 0.1), (x, -y + 0.03, seat - 0.1), thick,
                                 material),
             bar((-x, y, seat - 0.16), (x, y, seat - 0.16), thick, material)]
    pad = cushion((width, depth + 0.08, rng.uniform(0.08, 0.15)), cloth, 0.25, 8)
    rest = cushion((width, rng.uniform(0.08, 0.14), high), cloth, 0.25, 8)
    frame = box((width, 0.02, high * 0.95), material)
    return [*parts, pad.turned(-tilt, 'x').moved(z=seat - 0.1),
            rest.turned(-lean, 'x').moved(y=y - 0.03, z=seat - 0.1),
            frame.turned(-lean, 'x').moved(y=y + 0.04, z=seat - 0.1)]
