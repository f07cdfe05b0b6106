"""Kitchens: worktops on cabinets with sink and stove, refrigerators, hoods, wall cabinets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from mask3d_core.rooms.furniture.appliances import (
    dishwasher,
    hob,
    hood_of,
    machine_with_drum,
    machine_with_flap,
    oven,
    oven_front,
    range_hood,
    refrigerator,
    washing_machine,
)
from mask3d_core.rooms.furniture.desk_things import casing
from mask3d_core.rooms.materials import (
    ceramic,
    lacquer,
    Material,
    metal,
    one_of,
    stone,
    wood,
)
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.piece import assemble, Piece, Top
from mask3d_core.rooms.solids import box, cylinder, sheet, tube
import numpy as np

WORKTOP_DEPTH = 0.6
"""Metres; cabinets are a little less deep."""


class Fronts:
    """The style all cabinets of one kitchen share: body, front, handle."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.front = one_of(rng, lacquer, wood, lacquer)(rng)
        self.body = self.front if rng.random() < 0.6 else lacquer(rng)
        self.trim = metal(rng)
        self.bar = rng.random() < 0.6
        self.framed = rng.random() < 0.3

    def make(self, width: float, height: float, rows: int = 1) -> Mesh:
        """Make fronts above each other, before the plane y = 0, each with a handle."""
        parts = []
        each = height / rows
        for row in range(rows):
            z = row * each
            parts.append(box((width - 0.006, 0.02, each - 0.006), self.front).moved(0, -0.01, z))
            if self.framed:
                parts += [box((width * 0.9, 0.012, 0.05), self.front).moved(0, -0.022, z + part)
                          for part in (0.01, each - 0.07)]
            long = width * 0.4 if self.bar else 0.03
            parts.append(box((long, 0.025, 0.012), self.trim).moved(0, -0.033, z + each - 0.06))
        return join(parts)


def base_cabinet(size: tuple[float, float], style: Fronts, rng: np.random.Generator,
                 free: float = 0) -> Piece:
    """
    Make a cabinet below a worktop: doors or drawers on a plinth that stands back.

    Parameters
    ----------
    size : (width, height), metres
    style : Fronts
    rng : numpy Generator
    free : float
        Height that its body leaves behind the front for a sink, metres.

    """
    width, height = size
    depth, plinth = WORKTOP_DEPTH - 0.04, 0.1
    body = box((width, depth - 0.02, height - plinth - free), style.body).moved(z=plinth)
    foot = box((width, depth - 0.07, plinth), casing(rng)).moved(y=0.02)
    front = style.make(width, height - plinth, int(rng.choice([1, 1, 2, 3, 4])))
    return Piece('cabinet', join([body, foot, front.moved(0, -depth / 2 + 0.01, plinth)]))


def wall_cabinet(rng: np.random.Generator) -> Piece:
    """Make a cabinet to be hung on a wall."""
    return wall_unit(rng.uniform(0.4, 1.6), rng.uniform(0.5, 0.9), Fronts(rng))


def wall_unit(width: float, height: float, style: Fronts) -> Piece:
    """Make a wall cabinet of doors next to each other in a style, metres."""
    depth = 0.33
    doors = max(1, round(width / 0.45))
    each = width / doors
    fronts = [style.make(each, height).turned(np.pi, 'y').moved(z=height).moved(
        (number - (doors - 1) / 2) * each, -depth / 2 + 0.01) for number in range(doors)]
    return assemble('cabinet', box((width, depth - 0.02, height), style.body), *fronts)


def sink_bowl(width: float, depth: float, deep: float, material: Material,
              trim: Material, rng: np.random.Generator) -> Mesh:
    """Make a let-in basin, its rim at z = 0 and its hollow below, with a tap behind, metres."""
    x, y = width / 2, depth / 2
    rings = []
    for part, z in ((1.0, 0.004), (0.92, 0.004), (0.88, -deep * 0.9), (0.6, -deep), (0.0, -deep)):
        turn = np.linspace(0, 2 * np.pi, 25)
        power = 0.45
        rings.append([(part * x * np.sign(np.cos(a)) * abs(np.cos(a)) ** power,
                       part * y * np.sign(np.sin(a)) * abs(np.sin(a)) ** power, z) for a in turn])
    bowl = sheet(rings, material)
    reach, rise = rng.uniform(0.12, 0.22), rng.uniform(0.1, 0.3)
    tap = tube([(0, y, 0), (0, y, rise * 0.8), (0, y - reach * 0.3, rise), (
        0, y - reach * 0.8, rise), (0, y - reach, rise * 0.8)], 0.012, trim)
    lever = tube([(0.02, y, 0.05), (0.06, y, 0.07), (0.09, y, 0.09)], 0.008, trim)
    return join([bowl, tap, lever, cylinder(0.03, 0.004, trim, segments=8).moved(z=-deep)])


def _worktop(width: float, height: float, holes: list[tuple[float, float, float]],
             material: Material) -> list[Mesh]:
    """Make a board with holes (x, width, depth), all in its middle, metres."""
    thick, parts, left = 0.038, [], -width / 2
    for x, wide, deep in sorted(holes):
        right = x - wide / 2
        rim = (WORKTOP_DEPTH - deep) / 2
        parts.append(box((right - left, WORKTOP_DEPTH, thick), material).moved((left + right) / 2))
        parts += [box((wide, rim, thick), material).moved(x, s * (WORKTOP_DEPTH - rim) / 2)
                  for s in (-1, 1)]
        left = x + wide / 2
    last = box((width / 2 - left, WORKTOP_DEPTH, thick), material)
    parts.append(last.moved((left + width / 2) / 2))
    # The pattern of one board, not of its parts.
    return [replace(part, texture=part.vertices.copy()).moved(z=height - thick) for part in parts]


def kitchen_run(rng: np.random.Generator) -> Piece:
    """
    Make a kitchen along a wall.

    The worktop with the plates of the stove is the piece, of class counter; cabinets, sink, oven,
    machines, hood and wall cabinets are its parts. Cabinets side by side are one: nobody sees a
    seam between them.
    """
    count, height, style = int(rng.integers(2, 7)), rng.uniform(0.86, 0.93), Fronts(rng)
    widths = rng.choice([0.4, 0.45, 0.5, 0.6, 0.6, 0.8], count)
    roles = ['cabinet'] * count
    for role, chance in (('sink', 0.85), ('stove', 0.75), ('machine', 0.4)):
        free = [number for number in range(count) if roles[number] == 'cabinet']
        if free and rng.random() < chance:
            number = int(rng.choice(free))
            roles[number], widths[number] = role, rng.choice([0.6, 0.6, 0.8 if role == 'sink'
                                                              else 0.6])
    starts = np.concatenate([[0], np.cumsum(widths)]) - widths.sum() / 2
    units, parts, holes, tops, hobs = [], [], [], [], []
    board = height - 0.038
    for role, wide, start in zip(roles, widths, starts):
        x = start + wide / 2
        units.append(_unit(role, wide, board, style, rng).moved(x))
        if role == 'sink':
            holes.append((x, wide * 0.8, 0.42))
            bowl = sink_bowl(wide * 0.86, 0.46, rng.uniform(0.13, 0.2), one_of(
                rng, metal, metal, ceramic, stone)(rng), style.trim, rng)
            parts.append(Piece('sink', bowl.moved(x, 0, height)))
        elif role == 'stove':
            hobs.append(hob(wide, rng).moved(x, 0, height))
        else:
            tops.append(Top((x, 0, height), (wide * 0.95, WORKTOP_DEPTH * 0.85), 0.45))
    parts += _joined(units)
    if rng.random() < 0.7:
        parts += _upper_row(roles, widths, starts, style, rng)
    board_material = one_of(rng, stone, stone, wood, lacquer)(rng)
    boards = [*_worktop(widths.sum() + 0.02, height, holes, board_material), *hobs]
    if rng.random() < 0.4:
        boards.append(box((widths.sum(), 0.015, 0.08), board_material).moved(
            0, WORKTOP_DEPTH / 2 - 0.0075, height))
    return Piece('counter', join(boards), tuple(tops), tuple(parts)).settled()


def _joined(units: Sequence[Piece | None]) -> list[Piece]:
    """Make one cabinet of those that stand side by side; None stands for a gap."""
    pieces: list[Piece] = []
    beside = False
    for unit in units:
        cabinet = unit is not None and unit.name == 'cabinet'
        if unit is not None and cabinet and beside:
            pieces[-1] = Piece('cabinet', join([pieces[-1].mesh, unit.mesh]))
        elif unit is not None:
            pieces.append(unit)
        beside = cabinet
    return pieces


def _unit(role: str, width: float, height: float, style: Fronts, rng: np.random.Generator,
          ) -> Piece:
    """Make what stands below a worktop in one place, its back at the wall."""
    depth = WORKTOP_DEPTH - 0.05
    if role == 'machine':
        make: Callable = machine_with_drum if rng.random() < 0.4 else machine_with_flap
        return Piece('otherfurniture', join(make(width - 0.01, depth, height - 0.004, rng)))
    if role == 'stove':
        mesh = join([box((width - 0.01, depth, height - 0.004), style.body), *oven_front(
            width, height, depth, rng)])
        return Piece('otherfurniture', mesh)
    return base_cabinet((width, height), style, rng, 0.22 if role == 'sink' else 0)


def _upper_row(roles: list[str], widths: np.ndarray, starts: np.ndarray, style: Fronts,
               rng: np.random.Generator) -> list[Piece]:
    """Hang cabinets above the units, and a hood above the stove."""
    low, tall = rng.uniform(1.38, 1.55), rng.uniform(0.5, 0.85)
    units: list[Piece | None] = []
    for role, wide, start in zip(roles, widths, starts):
        if role == 'stove':
            piece = hood_of(wide, rng)
        elif rng.random() < 0.8:
            piece = wall_unit(wide, tall, style)
        else:
            units.append(None)
            continue
        y = WORKTOP_DEPTH / 2 - piece.mesh.bounds[1][1]
        units.append(piece.moved(start + wide / 2, y, low))
    return _joined(units)


def kitchen_island(rng: np.random.Generator) -> Piece:
    """Make a counter that stands free, on cabinets or as a bar on panels."""
    width, height = rng.uniform(1.0, 2.4), rng.uniform(0.88, 1.1)
    depth, style = rng.uniform(0.6, 1.0), Fronts(rng)
    board = box((width, depth, 0.04), one_of(rng, stone, wood, lacquer)(rng)).moved(
        z=height - 0.04)
    top = Top((0, 0, height), (width * 0.95, depth * 0.9))
    if rng.random() < 0.3:
        sides = [box((0.05, depth * 0.9, height - 0.04), style.body).moved(s * width * 0.46)
                 for s in (-1, 1)]
        back = box((width * 0.92, 0.03, height - 0.04), style.front).moved(y=depth * 0.3)
        return Piece('counter', join([board, *sides, back]), (top,))
    count = max(1, round((width - 0.06) / 0.6))
    each = (width - 0.06) / count
    units = [base_cabinet((each, height - 0.04), style, rng).moved(
        (number - (count - 1) / 2) * each, WORKTOP_DEPTH / 2 - depth / 2)
        for number in range(count)]
    return Piece('counter', board, (top,), tuple(_joined(units))).settled()


KITCHEN_RUNS = (kitchen_run, kitchen_run, kitchen_run, kitchen_island)
"""Counters with all that belongs to them."""
KITCHEN_FLOOR = (refrigerator, refrigerator, oven, dishwasher, washing_machine)
"""Machines that stand at walls."""
KITCHEN_WALL = (wall_cabinet, range_hood)
"""To be hung on walls, 1.4 m above the floor."""
KITCHEN = tuple(dict.fromkeys((*KITCHEN_RUNS, *KITCHEN_FLOOR, *KITCHEN_WALL)))
"""All of them, each once."""
