"""Generate a storey: furnished rooms on both sides of a corridor, joined by doorways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mask3d_core.classes import ClassTable
from mask3d_core.errors import InputError
from mask3d_core.rooms.arrangement import Arrangement
from mask3d_core.rooms.floorplan import FloorPlan, random_plan, WALL_THICKNESS
from mask3d_core.rooms.furniture import decoration
from mask3d_core.rooms.interiors import Furnisher, LOW_STORAGE, ROOM_KINDS
from mask3d_core.rooms.room import (
    DOOR_CLEARANCE,
    Furnish,
    furnish_room,
    FurnisherMaker,
    passages,
    random_kind,
    room_shell,
)
from mask3d_core.rooms.scanning import ScanStyle
from mask3d_core.rooms.scene import Scene
from mask3d_core.rooms.scene_assembly import make_scene
from mask3d_core.rooms.shell import Opening
import numpy as np
from numpy.typing import NDArray

CORRIDOR_WIDTHS, CEILING_HEIGHTS = (1.5, 2.2), (2.4, 2.8)
"""Metres, minimum and maximum; all rooms of a storey have one height."""
DOORWAY_WIDTHS, DOORWAY_HEIGHT = (0.8, 1.0), 2.05
"""Metres, as of a door; the widths are a minimum and a maximum."""
MIN_WALL_BESIDE_DOORWAY = 0.15
"""Metres between a doorway and the corners of its room."""
FRAMES_PER_METER = 2.5
"""Frames of a scan per metre of corridor."""
POINTS_PER_SQUARE_METER = 5000
"""Maximum number of points of a scan, per square metre of its room."""


@dataclass(frozen=True, eq=False)
class StoreyPart:
    """
    A room or the corridor of a storey, to be scanned by itself.

    Attributes
    ----------
    scene : Scene
    pose : [4, 4] float64
        Of the scene in the frame of the storey.
    style : ScanStyle

    """

    scene: Scene
    pose: NDArray[np.float64]
    style: ScanStyle


@dataclass(frozen=True, eq=False)
class _Slot:
    """
    A room beside the corridor, whose side y = 0 is along it.

    Attributes
    ----------
    room : Arrangement
    kind : callable
        Furnishes it.
    doorway : two float
        Start and end along the side, metres.
    width : float
        Of the side, metres.
    x : float
        Where the room begins along the corridor, metres.
    above : bool
        Whether it is on the side of the corridor with the larger y.

    """

    room: Arrangement
    kind: Furnish
    doorway: tuple[float, float]
    width: float
    x: float
    above: bool


def make_storey(seed: Sequence[int], count: int, classes: ClassTable,
                furnisher: FurnisherMaker = Furnisher) -> list[StoreyPart]:
    """
    Generate the rooms of a storey, and its corridor as the last part.

    A room depends on the seed and its number only: a storey of more rooms begins with the same
    rooms, each in the same place.

    Parameters
    ----------
    seed : integers
    count : int
        Rooms.
    classes : ClassTable
        'rooms', or a table with the same class names.
    furnisher : callable
        As of `make_room`.

    Raises
    ------
    InputError
        For less than one room.

    """
    if count < 1:
        raise InputError(f'expected a floor of 1 room or more, got {count}')
    rng = np.random.default_rng([*seed, 0])
    style = _random_style(rng)
    width, height = rng.uniform(*CORRIDOR_WIDTHS), rng.uniform(*CEILING_HEIGHTS)
    pose = _random_pose(rng)
    slots = _line_up([np.random.default_rng([*seed, 1 + number]) for number in range(count)],
                     height)
    return [*(_room_part(slot, width, pose, style, classes, furnisher) for slot in slots),
            _corridor_part(_make_corridor(rng, slots, width, furnisher), pose, style, classes)]


def _random_style(rng: np.random.Generator) -> ScanStyle:
    """Draw how the rooms of a storey are scanned: by the same person, with the same settings."""
    return ScanStyle('person', frames=int(rng.integers(22, 34)), width=160, height=120,
                     field_of_view=rng.uniform(0.95, 1.3),
                     fusion='map' if rng.random() < 0.6 else 'mesh',
                     voxel_size=rng.uniform(0.015, 0.03), max_range=rng.uniform(3.5, 5))


def _random_pose(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the pose [4, 4] of a storey in its map: rotated about z, and shifted."""
    pose = _upright_pose(rng.uniform(-np.pi, np.pi), 0, 0)
    pose[:3, 3] = (*rng.normal(0, 2, 2), rng.normal(0, 0.015))
    return pose


def _upright_pose(yaw: float, x: float, y: float) -> NDArray[np.float64]:
    pose = np.eye(4)
    pose[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
    pose[:2, 3] = x, y
    return pose


def _line_up(generators: Sequence[np.random.Generator], height: float) -> list[_Slot]:
    """Draw a room with each generator, and place it on the shorter side of the corridor."""
    slots = []
    ends = {True: 0.0, False: 0.0}  # metres of corridor that rooms take, above and below it
    for rng in generators:
        above = ends[True] <= ends[False]
        slot = _make_slot(rng, height, ends[above], above)
        ends[above] += slot.width + WALL_THICKNESS
        slots.append(slot)
    return slots


def _make_slot(rng: np.random.Generator, height: float, x: float, above: bool) -> _Slot:
    """Draw a room with a doorway in its side along the corridor."""
    kind = random_kind(rng)
    plan = replace(random_plan(rng, *rng.uniform(*ROOM_KINDS[kind][1], 2)), height=height)
    side = next(n for n, wall in enumerate(plan.walls) if wall.start[1] == wall.end[1] == 0)
    width = plan.walls[side].length
    # a niche in a wall between two rooms would reach into the other
    between = {n for n, wall in enumerate(plan.walls)
               if wall.start[0] == wall.end[0] and wall.start[0] in (0, width)}
    room = Arrangement(plan, rng, thin_walls=between)
    opening = rng.uniform(*DOORWAY_WIDTHS)
    start = rng.uniform(MIN_WALL_BESIDE_DOORWAY, width - opening - MIN_WALL_BESIDE_DOORWAY)
    room.open_wall(side, Opening(start, start + opening, 0, DOORWAY_HEIGHT), DOOR_CLEARANCE)
    return _Slot(room, kind, (start, start + opening), width, x, above)


def _make_corridor(rng: np.random.Generator, slots: Sequence[_Slot], width: float,
                   furnisher: FurnisherMaker) -> Arrangement:
    """Return a furnished corridor from x = y = 0, with doorways to the rooms on both sides."""
    length = max(slot.x + slot.width for slot in slots)
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * (length, width)
    corridor = Arrangement(FloorPlan(corners, slots[0].room.plan.height), rng)
    for slot in slots:
        start, end = slot.doorway
        # the upper wall, and the side of a room below, run against the x axis of the corridor
        along = ((length - slot.x - end, length - slot.x - start) if slot.above else
                 (slot.x + slot.width - end, slot.x + slot.width - start))
        corridor.open_wall(2 if slot.above else 0, Opening(*along, 0, DOORWAY_HEIGHT),
                           DOOR_CLEARANCE)
    f = furnisher(corridor, False)
    f.hang_on_walls(decoration.WALL_DECORATION, f.scaled_count(1, 4), 1.1, 1.7)
    f.place_along_walls(LOW_STORAGE, f.scaled_count(0, 2))
    return corridor


def _room_part(slot: _Slot, corridor_width: float, storey: NDArray, style: ScanStyle,
               classes: ClassTable, furnisher: FurnisherMaker) -> StoreyPart:
    """Furnish a room; the inner surfaces of its doorway belong to it."""
    shell = [*furnish_room(furnisher(slot.room, False), slot.kind), *passages(slot.room)]
    pose = (_upright_pose(0, slot.x, corridor_width + WALL_THICKNESS) if slot.above else
            _upright_pose(np.pi, slot.x + slot.width, -WALL_THICKNESS))
    return StoreyPart(make_scene([slot.room], shell, classes), storey @ pose,
                      replace(style, max_points=_max_points(slot.room)))


def _corridor_part(corridor: Arrangement, storey: NDArray, style: ScanStyle, classes: ClassTable,
                   ) -> StoreyPart:
    frames = int(FRAMES_PER_METER * corridor.plan.walls[0].length)
    return StoreyPart(
        make_scene([corridor], room_shell(corridor), classes), storey,
        replace(style, frames=max(style.frames, frames),
                max_points=_max_points(corridor)))


def _max_points(room: Arrangement) -> int:
    return int(POINTS_PER_SQUARE_METER * room.plan.area)
