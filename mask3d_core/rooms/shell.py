"""The shell of a room: meshes of floor, ceiling, and walls with openings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mask3d_core.rooms.floorplan import FloorPlan, Wall
from mask3d_core.rooms.materials import Material
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.solids import box, panel
import numpy as np


@dataclass(frozen=True)
class Opening:
    """An opening in a wall: start .. end along it, bottom .. top above the floor, metres."""

    start: float
    end: float
    bottom: float
    top: float


def floor_mesh(plan: FloorPlan, material: Material, height: float = 0.0) -> Mesh:
    """Make the floor, or the ceiling at its height, metres."""
    parts = []
    for x0, y0, x1, y1 in plan.rectangles:
        corners = [(x0, y0, height), (x1, y0, height), (x1, y1, height), (x0, y1, height)]
        parts.append(Mesh.of(corners, [(0, 1, 2), (0, 2, 3)], material))
    return join(parts)


def wall_mesh(wall: Wall, height: float, openings: Sequence[Opening], material: Material) -> Mesh:
    """Make a wall with its openings; it has no thickness."""
    cuts = sorted({0.0, wall.length, *(side for o in openings for side in (o.start, o.end))})
    parts = []
    for left, right in zip(cuts, cuts[1:]):
        middle = (left + right) / 2
        solid = [(0.0, height)]
        for opening in openings:
            if opening.start < middle < opening.end:
                solid = [(0.0, opening.bottom), (opening.top, height)]
        parts += [panel(right - left, top - bottom, material).moved(middle, 0, bottom)
                  for bottom, top in solid if top - bottom > 1e-6]
    return _onto(wall, join(parts))


def skirting_mesh(wall: Wall, openings: Sequence[Opening], material: Material, height: float,
                  ) -> Mesh:
    """Make the skirting board of a wall, interrupted at openings that reach the floor."""
    doors = sorted((o.start, o.end) for o in openings if o.bottom < height)
    ends = [0.0, *(side for door in doors for side in door), wall.length]
    parts = [box((right - left, 0.015, height), material).moved((left + right) / 2, 0.0075)
             for left, right in zip(ends[::2], ends[1::2]) if right - left > 0.02]
    return _onto(wall, join(parts or [panel(0.01, 0.01, material)]))


def niche_mesh(wall: Wall, opening: Opening, depth: float, coat: Material) -> Mesh:
    """Make the inner surfaces of a niche: back, sides, top and bottom."""
    width, height = opening.end - opening.start, opening.top - opening.bottom
    side = panel(depth, height, coat).turned(np.pi / 2)
    level = _level(width, depth, coat)
    lining = join([panel(width, height, coat).moved(y=-depth / 2), side.moved(-width / 2),
                   side.moved(width / 2), level, level.moved(z=height)])
    return _onto(wall, lining.moved((opening.start + opening.end) / 2, -depth / 2, opening.bottom))


def passage_meshes(wall: Wall, opening: Opening, depth: float, floor: Material,
                   coat: Material) -> tuple[Mesh, Mesh]:
    """Make the floor of a passage through a wall, and the surfaces of its sides and top."""
    width, height = opening.end - opening.start, opening.top
    side = panel(depth, height, coat).turned(np.pi / 2)
    lining = join([side.moved(-width / 2), side.moved(width / 2),
                   _level(width, depth, coat).moved(z=height)])
    middle = (opening.start + opening.end) / 2
    ground, lining = (_onto(wall, mesh.moved(middle, -depth / 2))
                      for mesh in (_level(width, depth, floor), lining))
    return ground, lining


def _level(width: float, depth: float, material: Material) -> Mesh:
    """Make a horizontal rectangle centered at the origin."""
    return panel(width, depth, material).turned(np.pi / 2, 'x').moved(y=depth / 2)


def _onto(wall: Wall, mesh: Mesh) -> Mesh:
    """Transform a mesh along +x, with the room towards +y, to its wall."""
    along = np.subtract(wall.end, wall.start)
    return mesh.turned(float(np.arctan2(along[1], along[0]))).moved(*wall.start)
