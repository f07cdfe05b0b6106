"""Generate a scene: one or two rooms with doors, windows and furniture."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mask3d_core.classes import ClassTable
from mask3d_core.rooms import materials
from mask3d_core.rooms.arrangement import Arrangement, PlacedPiece
from mask3d_core.rooms.floorplan import adjacent_plan, FloorPlan, random_plan, Wall, WALL_THICKNESS
from mask3d_core.rooms.furniture import decoration, devices, openings, shelves
from mask3d_core.rooms.interiors import Furnisher, ROOM_KINDS, table_top
from mask3d_core.rooms.scene import Scene
from mask3d_core.rooms.scene_assembly import make_scene, Surface
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
"""Metres of free floor in front of a door."""
PASSAGE_WIDTHS, PASSAGE_HEIGHTS = (0.8, 2.2), (2.0, 2.3)
"""Metres, minimum and maximum of an open passage."""
NICHE_PROBABILITY, NICHE_DEPTHS = 0.5, (0.04, 0.22)
"""That a door or window is in a niche of its wall; its minimum and maximum depth, metres."""
SECOND_ROOM_PROBABILITY = 0.15
"""That a second room is connected by a passage."""

Furnish = Callable[[Furnisher], None]
FurnisherMaker = Callable[[Arrangement, bool], Furnisher]


def make_room(rng: np.random.Generator, classes: ClassTable, crowded: bool = False,
              furnisher: FurnisherMaker = Furnisher) -> Scene:
    """
    Generate a furnished room.

    Parameters
    ----------
    rng : numpy Generator
        The same state gives the same room.
    classes : ClassTable
        'rooms', or a table with the same class names.
    crowded : bool
        Whether tables are full of objects, for close-up scans.
    furnisher : callable
        Makes the Furnisher of an Arrangement, given also whether it is crowded.

    """
    kind = random_kind(rng)
    if crowded and rng.random() < 0.6:
        kind = table_top
    low, high = ROOM_KINDS[kind][1] if kind in ROOM_KINDS else (2.5, 4.5)
    plan = random_plan(rng, *rng.uniform(low, high, 2))
    rooms = [Arrangement(plan, rng)]
    if not crowded and rng.random() < SECOND_ROOM_PROBABILITY:
        rooms.append(_connect(rooms[0], rng))
    shell: list[Surface] = []
    for number, room in enumerate(rooms):
        shell += furnish_room(furnisher(room, crowded), kind if number == 0 else None)
        if number == 0:  # the passage is shared with the second room
            shell += passages(room)
    return make_scene(rooms, shell, classes)


def random_kind(rng: np.random.Generator) -> Furnish:
    """Draw what a room is used for, as an office or a kitchen."""
    kinds = list(ROOM_KINDS)
    weight = np.array([ROOM_KINDS[kind][0] for kind in kinds])
    kind: Furnish = kinds[rng.choice(len(kinds), p=weight / weight.sum())]
    return kind


def furnish_room(f: Furnisher, kind: Furnish | None) -> list[Surface]:
    """
    Furnish the room of a Furnisher, of a random kind if none is given.

    Returns
    -------
    list of (class name, Mesh)
        Its floor, ceiling and walls, see `room_shell`.

    """
    _doors(f)
    (kind or random_kind(f.rng))(f)
    _windows(f)
    f.place_along_walls(devices.WALL_DEVICES, f.scaled_count(0, 1), gap=0.02)
    f.hang_on_walls((shelves.wall_shelf,), f.chance(0.2), 0.9, 1.5)
    f.hang_on_walls(decoration.WALL_DECORATION + devices.HANGING_DEVICES,
                    f.scaled_count(0, 4), 1.1, 1.7)
    f.hang_from_ceiling(decoration.CEILING_DECORATION, f.scaled_count(0, 1))
    f.add_pieces()
    _rugs(f)
    return room_shell(f.room)


def _connect(room: Arrangement, rng: np.random.Generator) -> Arrangement:
    """Return a second room that is connected to the first one by a passage."""
    side = next(n for n, wall in enumerate(room.plan.walls)
                if wall.start[1] == wall.end[1] == 0)
    width = min(room.plan.walls[side].length, rng.uniform(2.5, 4.5))
    corners = np.array([(0, 0), (width, 0), (width, rng.uniform(2.2, 4)), (0, 0)])
    corners[3, 1] = corners[2, 1]
    other = Arrangement(adjacent_plan(room.plan, FloorPlan(corners, room.plan.height)), rng)
    opening = rng.uniform(PASSAGE_WIDTHS[0], min(PASSAGE_WIDTHS[1], width - 0.3))
    start = rng.uniform(0.1, width - opening - 0.1)
    top = rng.uniform(*PASSAGE_HEIGHTS)
    first = room.plan.walls[side].start[0]
    room.open_wall(side, Opening(start - first, start + opening - first, 0, top), DOOR_CLEARANCE)
    # The facing wall of the second room has the opposite direction.
    facing = other.plan.walls[2]
    other.open_wall(2, Opening(facing.start[0] - start - opening, facing.start[0] - start, 0, top),
                    DOOR_CLEARANCE)
    return other


def _doors(f: Furnisher) -> None:
    for _ in range(1 + f.chance(0.35)):
        door = f.room.place_against_wall(f.make(openings.DOORS), gap=0.0)
        if door is not None:
            f.room.keep_free(door, DOOR_CLEARANCE)
            _move_into_niche(f, door)


def _move_into_niche(f: Furnisher, placed: PlacedPiece) -> None:
    if f.chance(NICHE_PROBABILITY):
        f.room.move_into_niche(placed, f.rng.uniform(*NICHE_DEPTHS))


def _windows(f: Furnisher) -> None:
    """Place windows where the furniture leaves space."""
    for _ in range(f.scaled_count(0, 3)):
        piece = f.make(openings.WINDOWS)
        height = min(f.rng.uniform(0.7, 1.1), f.room.plan.height - piece.size[2] - 0.05)
        window = f.room.place_against_wall(piece, max(height, 0.0), 0.0)
        if window is None:
            continue
        if f.chance(0.6):
            _hang_cloth(f, window)
        _move_into_niche(f, window)


def _hang_cloth(f: Furnisher, window: PlacedPiece) -> None:
    """Hang a curtain or blind in front of a window and its sill."""
    piece = window.piece
    hang = decoration.WINDOW_DECORATION[f.rng.integers(len(decoration.WINDOW_DECORATION))]
    cloth = hang(f.rng, width=piece.size[0] * f.rng.uniform(1.0, 1.3))
    top = min(window.position[2] + piece.size[2] + 0.15, f.room.plan.height)
    low = max(top - cloth.size[2], 0.0)
    front = max(piece.bounds[0][1], -0.2) - 0.02  # an open sash protrudes further
    place = window.point_in_room((0, front - cloth.size[1] / 2, low - window.position[2]))
    f.room.place(cloth, place.tolist(), window.angle, 0.0, window)


def _rugs(f: Furnisher) -> None:
    """Lay a rug, which has the class floor and may lie under furniture."""
    if f.chance(0.3):
        rug = decoration.rug(f.rng)
        low, high = f.room.plan.corners.min(0), f.room.plan.corners.max(0)
        x, y = f.rng.uniform(0.3 * high + 0.7 * low, 0.7 * high + 0.3 * low)
        f.room.lay_flat(rug, x, y, float(f.rng.integers(4)) * np.pi / 2 + f.rng.normal(0, 0.1))


def room_shell(room: Arrangement) -> list[Surface]:
    """Return floor, ceiling, walls, niches and skirting boards of a room."""
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
    """Yield the openings that doors at a wall cover."""
    for placed in room.placed:
        opening = placed.opening(wall) if placed.piece.name == 'door' else None
        if opening is not None:
            yield opening


def passages(room: Arrangement) -> list[Surface]:
    """Return the inner surfaces of the passages to the next room."""
    floor, coat = materials.wood(room.rng), materials.paint(room.rng)
    return [surface for number, openings in room.openings.items() for opening in openings
            for surface in zip(('floor', 'wall'), passage_meshes(
                room.plan.walls[number], opening, WALL_THICKNESS, floor, coat))]
