"""Common components of furniture: legs, bars, fronts with handles, upholstery."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mask3d_core.rooms.materials import fabric, hsv, leather, Material, metal, value_noise
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.piece import Piece, Top
from mask3d_core.rooms.solids import ball, box, cushion, cylinder, prism, tube
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Point = tuple[float, float, float]


def chance(rng: np.random.Generator, probability: float) -> bool:
    """Return True with a probability."""
    return bool(rng.random() < probability)


def finish(name: str, meshes: Iterable[Mesh], tops: Sequence[Top] = ()) -> Piece:
    """Put parts together to a piece that stands on z = 0, its footprint centred."""
    return Piece(name, join(meshes), tuple(tops)).settled()


def upholstery(rng: np.random.Generator) -> Material:
    """Return leather or fabric; the plain greys, browns and beiges that most seats have, often."""
    if chance(rng, 0.25):
        return leather(rng)
    if chance(rng, 0.5):
        return fabric(rng)
    color = hsv(rng.uniform(0.03, 0.15) if chance(rng, 0.6) else 0.6, rng.uniform(0, 0.3),
                rng.uniform(0.12, 0.9))
    return Material(color, speckle=0.04)


def mirrored(mesh: Mesh) -> Mesh:
    """Return a mesh and its mirror image across x = 0."""
    return join([mesh, mesh.scaled(x=-1)])


def leg(foot: Point, head: Point, radius: tuple[float, float], material: Material,
        sides: int = 4) -> Mesh:
    """Make a leg with level ends; radius at its foot and at its head, metres."""
    (x, y, z), (to_x, to_y, to_z) = foot, head
    height = to_z - z
    straight = cylinder(radius[0], height, material, radius[1], sides)
    if sides == 4:
        straight = straight.turned(np.pi / 4).scaled(1.2, 1.2)
    share = straight.vertices[:, 2:] / height
    leaned = replace(straight, vertices=straight.vertices + share * (to_x - x, to_y - y, 0))
    return leaned.moved(x, y, z)


def bar(start: Point, end: Point, thickness: float, material: Material, sides: int = 4) -> Mesh:
    """Make a straight bar between two points: square with four sides, else round."""
    return tube([start, end], thickness * (0.7 if sides == 4 else 0.5), material, sides)


@dataclass(frozen=True)
class LegStyle:
    """How a piece of furniture stands: the shape of its legs, metres."""

    material: Material
    foot: float
    head: float
    sides: int
    splay: float

    @classmethod
    def of(cls, rng: np.random.Generator, material: Material, thickness: float) -> LegStyle:
        """Draw a style: square or round, straight or tapered, upright or splayed."""
        return cls(material, thickness / 2 * rng.choice([0.5, 0.7, 1, 1]), thickness / 2,
                   int(rng.choice([4, 4, 6])), float(rng.choice([0, 0, 0, rng.uniform(0, 0.12)])))

    def four(self, width: float, depth: float, height: float, lift: float = 0) -> Mesh:
        """Make four legs whose heads fill a rectangle at height + lift, metres."""
        x, y = width / 2 - self.head, depth / 2 - self.head
        out = self.splay * height
        return join(leg((sx * (x + out), sy * (y + out), lift), (sx * x, sy * y, lift + height),
                        (self.foot, self.head), self.material, self.sides)
                    for sx in (-1, 1) for sy in (-1, 1))


def outline(width: float, depth: float, radius: float, segments: int = 4) -> NDArray[np.float64]:
    """Return the outline [P, 2] of a rectangle with rounded corners, metres."""
    turn = np.linspace(0, np.pi / 2, segments + 1)
    corner = radius * np.column_stack([np.cos(turn), np.sin(turn)])
    parts = []
    for quarter, (sx, sy) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
        cos, sin = round(np.cos(quarter * np.pi / 2)), round(np.sin(quarter * np.pi / 2))
        parts.append(corner @ np.array([[cos, sin], [-sin, cos]])
                     + (sx * (width / 2 - radius), sy * (depth / 2 - radius)))
    return np.concatenate(parts)


def rounded_board(size: tuple[float, float, float], radius: float, material: Material) -> Mesh:
    """Make a board of size (x, y, z) with rounded corners, metres."""
    if radius < 0.01:
        return box(size, material)
    return prism(outline(size[0], size[1], min(radius, min(size[:2]) * 0.499)), size[2], material)


def bumps(rng: np.random.Generator, rows: int, columns: int, height: float, smooth: float = 1.5,
          ) -> NDArray[np.float64]:
    """Return soft random heights [rows, columns] of a standard deviation, metres."""
    field = gaussian_filter(rng.normal(size=(rows, columns)), smooth, mode='nearest')
    return field * (height / max(field.std(), 1e-9))


def soft(rng: np.random.Generator, size: tuple[float, float, float], material: Material,
         roundness: float = 0.35, segments: int = 8) -> Mesh:
    """Make a cushion of size (x, y, z), metres, that has been used: dented and a little askew."""
    even = cushion(size, material, roundness, segments)
    center = (0, 0, size[2] / 2)
    dent = value_noise(even.vertices / rng.uniform(0.12, 0.3), int(rng.integers(1 << 16)))
    # At most a tenth of the way in, or 3 cm: less where it is thin.
    depth = min(0.1, 0.03 / min(size)) * rng.uniform(0.3, 1.0)
    inward = 1 - depth * dent[:, None]
    return replace(even, vertices=center + (even.vertices - center) * inward)


@dataclass(frozen=True)
class Handle:
    """Handles that all doors and drawers of a piece share: 'bar', 'knob' or 'none'."""

    kind: str
    material: Material
    length: float

    @classmethod
    def of(cls, rng: np.random.Generator, same: Material) -> Handle:
        """Draw handles, of metal or of the material of the front."""
        return cls(str(rng.choice(['bar', 'bar', 'knob', 'none'])),
                   metal(rng) if chance(rng, 0.7) else same, rng.uniform(0.08, 0.2))

    def on(self, x: float, z: float, upright: bool) -> list[Mesh]:
        """Make the handle in front of the plane y = 0."""
        if self.kind == 'none':
            return []
        if self.kind == 'knob':
            return [ball(0.016, self.material, 6).moved(x, -0.02, z - 0.016)]
        size = (0.012, 0.03, self.length) if upright else (self.length, 0.03, 0.012)
        return [box(size, self.material).moved(x, -0.015, z - size[2] / 2)]


@dataclass(frozen=True)
class Front:
    """Doors and drawers of one piece of furniture."""

    material: Material
    handle: Handle
    gap: float
    framed: bool

    @classmethod
    def of(cls, rng: np.random.Generator, material: Material) -> Front:
        """Draw a style of fronts."""
        return cls(material, Handle.of(rng, material), rng.uniform(0.004, 0.01), chance(rng, 0.25))

    def plate(self, width: float, height: float) -> list[Mesh]:
        """Make one front, 18 mm thick, before the plane y = 0; framed ones have a deeper field."""
        wide, high = width - self.gap, height - self.gap
        rail = 0.055
        if not self.framed or min(wide, high) < 3 * rail:
            return [box((wide, 0.018, high), self.material).moved(y=-0.009, z=self.gap / 2)]
        side = box((rail, 0.022, high), self.material).moved(wide / 2 - rail / 2, -0.011,
                                                             self.gap / 2)
        across = box((wide - 2 * rail, 0.022, rail), self.material).moved(y=-0.011,
                                                                         z=self.gap / 2)
        field = box((wide - 2 * rail, 0.006, high - 2 * rail), self.material)
        return [mirrored(side), across, across.moved(z=high - rail),
                field.moved(y=-0.003, z=rail + self.gap / 2)]

    def door(self, width: float, height: float, hinge: int) -> Mesh:
        """Make a door hinged at the left (-1) or the right (1), from z = 0 up."""
        x = -hinge * (width / 2 - 0.035)
        z = height / 2 if height > 1 else height * 0.75
        return join([*self.plate(width, height), *self._moved(self.handle.on(x, z, True))])

    def drawer(self, width: float, height: float) -> Mesh:
        """Make the front of a drawer, from z = 0 up."""
        z = height * 0.6
        knobs = [0.0] if self.handle.kind != 'knob' or width < 0.5 else [-width / 4, width / 4]
        handles = [part for x in knobs for part in self.handle.on(x, z, False)]
        return join([*self.plate(width, height), *self._moved(handles)])

    @staticmethod
    def _moved(handles: list[Mesh]) -> list[Mesh]:
        return [handle.moved(y=-0.018) for handle in handles]
