"""A whole scene by chance: one room or two, with doors, windows and furniture."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mask3d_core.classes import ClassTable
from mask3d_core.rooms import materials
from mask3d_core.rooms.arrangement import Arrangement, Placed
from mask3d_core.rooms.floorplan import beside, draw_plan, FloorPlan, Wall, WALL_THICKNESS
from mask3d_core.rooms.furnished import make_scene, Surface
from mask3d_core.rooms.furniture import decoration, devices, openings, shelves
from mask3d_core.rooms.interiors import Furnisher, ROOMS, table_top
from mask3d_core.rooms.scene import Scene
from mask3d_core.rooms.shell import (
    floor_mesh,
    niche_mesh,
    Opening,
    passage_meshes,
    skirting_mesh,
    wall_mesh,
)
import numpy as np

DOOR_CLEARANCE = 0.7
"""Metres before a door where nothing stands."""
PASSAGE = (0.8, 2.2, 2.0, 2.3)
"""Least and largest width and height of an open passage, metres."""
SET_BACK = 0.5, (0.04, 0.22)
"""How often doors and windows stand in a niche of their wall, and how deep, metres."""
CONNECTED = 0.15
"""How often a second room is seen through a passage."""

Furnish = Callable[[Furnisher], None]


def make_room(rng: np.random.Generator, classes: ClassTable, crowded: bool = False) -> Scene:
    """
    Draw a furnished room.

    Parameters
    ----------
    rng : numpy Generator
        The same state gives the same room.
    classes : ClassTable
        'rooms', or another one with its names.
    crowded : bool
        For scans of table tops: tables full of things.

    """
    kinds = list(ROOMS)
    share = np.array([ROOMS[kind][0] for kind in kinds])
    kind: Furnish = kinds[rng.choice(len(kinds), p=share / share.sum())]
    if crowded and rng.random() < 0.6:
        kind = table_top
    low, high = ROOMS[kind][1] if kind in ROOMS else (2.5, 4.5)
    plan = draw_plan(rng, *rng.uniform(low, high, 2))
    rooms = [Arrangement(plan, rng)]
    if not crowded and rng.random() < CONNECTED:
        rooms.append(_connect(rooms[0], rng))
    shell: list[Surface] = []
    for number, room in enumerate(rooms):
        f = Furnisher(room, crowded)
        _doors(f)
        (kind if number == 0 else kinds[rng.choice(len(kinds), p=share / share.sum())])(f)
        _windows(f)
        f.along_wall(devices.WALL_DEVICES, f.some(0, 1), gap=0.02)
        f.on_walls((shelves.wall_shelf,), f.chance(0.2), 0.9, 1.5)
        f.on_walls(decoration.WALL_DECORATION + devices.HANGING_DEVICES, f.some(0, 4), 1.1, 1.7)
        f.from_ceiling(decoration.CEILING_DECORATION, f.some(0, 1))
        _rugs(f)
        shell += _shell(room)
        if number == 0:  # the second room has the same passage
            shell += _passages(room)
    return make_scene(rooms, shell, classes)


def _connect(room: Arrangement, rng: np.random.Generator) -> Arrangement:
    """Put a second room beside the first one, with a passage between them."""
    side = next(n for n, wall in enumerate(room.plan.walls)
                if wall.start[1] == wall.end[1] == 0)
    width = min(room.plan.walls[side].length, rng.uniform(2.5, 4.5))
    corners = np.array([(0, 0), (width, 0), (width, rng.uniform(2.2, 4)), (0, 0)])
    corners[3, 1] = corners[2, 1]
    other = Arrangement(beside(room.plan, FloorPlan(corners, room.plan.height)), rng)
    opening = rng.uniform(PASSAGE[0], min(PASSAGE[1], width - 0.3))
    start = rng.uniform(0.1, width - opening - 0.1)
    top = rng.uniform(*PASSAGE[2:])
    first = room.plan.walls[side].start[0]
    room.open_wall(side, Opening(start - first, start + opening - first, 0, top), DOOR_CLEARANCE)
    # The far wall of the second room runs the other way.
    facing = other.plan.walls[2]
    other.open_wall(2, Opening(facing.start[0] - start - opening, facing.start[0] - start, 0, top),
                    DOOR_CLEARANCE)
    return other


def _doors(f: Furnisher) -> None:
    for _ in range(1 + f.chance(0.35)):
        door = f.room.against_wall(f.make(openings.DOORS), gap=0.0)
        if door is not None:
            f.room.keep_free(door, DOOR_CLEARANCE)
            _set_back(f, door)


def _set_back(f: Furnisher, placed: Placed) -> None:
    if f.chance(SET_BACK[0]):
        f.room.set_back(placed, f.rng.uniform(*SET_BACK[1]))


def _windows(f: Furnisher) -> None:
    """Windows come after the furniture: where it leaves room for them."""
    for _ in range(f.some(0, 3)):
        piece = f.make(openings.WINDOWS)
        height = min(f.rng.uniform(0.7, 1.1), f.room.plan.height - piece.size[2] - 0.05)
        window = f.room.against_wall(piece, max(height, 0.0), 0.0)
        if window is None:
            continue
        if f.chance(0.6):
            _hang_cloth(f, window)
        _set_back(f, window)


def _hang_cloth(f: Furnisher, window: Placed) -> None:
    """Hang a curtain or blind before a window and its sill."""
    piece = window.piece
    hang = decoration.WINDOW_DECORATION[f.rng.integers(len(decoration.WINDOW_DECORATION))]
    cloth = hang(f.rng, width=piece.size[0] * f.rng.uniform(1.0, 1.3))
    top = min(window.position[2] + piece.size[2] + 0.15, f.room.plan.height)
    low = max(top - cloth.size[2], 0.0)
    front = max(piece.bounds[0][1], -0.2) - 0.02  # an open sash reaches farther
    place = window.point((0, front - cloth.size[1] / 2, low - window.position[2]))
    f.room.put(cloth, place.tolist(), window.angle, 0.0, window)


def _rugs(f: Furnisher) -> None:
    """Rugs belong to the floor and may lie under furniture."""
    if f.chance(0.3):
        rug = decoration.rug(f.rng)
        low, high = f.room.plan.corners.min(0), f.room.plan.corners.max(0)
        x, y = f.rng.uniform(0.3 * high + 0.7 * low, 0.7 * high + 0.3 * low)
        f.room.lay(rug, x, y, float(f.rng.integers(4)) * np.pi / 2 + f.rng.normal(0, 0.1))


def _shell(room: Arrangement) -> list[Surface]:
    rng, plan = room.rng, room.plan
    floor = (materials.wood, materials.carpet, materials.tiles, materials.stone)[rng.integers(4)]
    paint = materials.paint(rng) if rng.random() < 0.9 else materials.tiles(rng)
    accent = materials.paint(rng) if rng.random() < 0.3 else paint
    surfaces = [('floor', floor_mesh(plan, floor(rng)))]
    if rng.random() < 0.7:
        surfaces.append(('', floor_mesh(plan, materials.paint(rng), plan.height)))
    skirting = materials.lacquer(rng) if rng.random() < 0.6 else None
    for number, wall in enumerate(plan.walls):
        niches = room.niches.get(number, [])
        holes = [*room.openings.get(number, []), *(opening for opening, _ in niches)]
        coat = accent if number == 1 else paint
        surfaces += [('wall', niche_mesh(wall, opening, depth, coat)) for opening, depth in niches]
        surfaces.append(('wall', wall_mesh(wall, plan.height, holes, coat)))
        if skirting is not None:
            doors = [*holes, *doorways(room, wall)]
            surfaces.append(('wall', skirting_mesh(wall, doors, skirting, 0.08)))
    return surfaces


def doorways(room: Arrangement, wall: Wall) -> Iterator[Opening]:
    """List where the doors of a wall are."""
    for placed in room.placed:
        opening = placed.opening(wall) if placed.piece.name == 'door' else None
        if opening is not None:
            yield opening


def _passages(room: Arrangement) -> list[Surface]:
    """Line the holes to the next room."""
    floor, coat = materials.wood(room.rng), materials.paint(room.rng)
    return [surface for number, openings in room.openings.items() for opening in openings
            for surface in zip(('floor', 'wall'), passage_meshes(
                room.plan.walls[number], opening, WALL_THICKNESS, floor, coat))]
