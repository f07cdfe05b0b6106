"""Generate a room of the stress set: many objects, strong textures, walls that are not bare."""

from __future__ import annotations

from dataclasses import replace

from mask3d_core.classes import ClassTable
from mask3d_core.rooms import materials
from mask3d_core.rooms.arrangement import Arrangement
from mask3d_core.rooms.floorplan import random_plan
from mask3d_core.rooms.furniture import clutter, decoration, devices, seats, storage, tables
from mask3d_core.rooms.furniture.sofas import armchair
from mask3d_core.rooms.furniture.wall_features import FLAT_FEATURES, STANDING_FEATURES
from mask3d_core.rooms.interiors import (
    bath,
    Furnisher,
    LOW_STORAGE,
    ROOM_KINDS,
    SHELVES,
)
from mask3d_core.rooms.materials import Material
from mask3d_core.rooms.room import furnish_room, FurnisherMaker
from mask3d_core.rooms.scene import Scene
from mask3d_core.rooms.scene_assembly import BACKGROUND_CLASSES, make_scene
import numpy as np

WALL_LENGTHS = (3.2, 5.6)
"""Metres, minimum and maximum."""
OBJECT_COUNTS = (35, 90)
"""Objects to place; 20 to 50 of them are visible with enough points."""
MAX_ADDITIONS = 150
STRONG_TEXTURE_PROBABILITY = 0.5
PATTERNS = ('blotches', 'blotches', 'grain', 'stripes', 'checks', 'print')
FURNITURE = (*SHELVES, *LOW_STORAGE, storage.dresser, tables.console, tables.side_table,
             storage.high_cabinet)
LOOSE_FURNITURE = (armchair, seats.stool, tables.coffee_table, tables.side_table)


def make_stress_room(rng: np.random.Generator, classes: ClassTable,
                     furnisher: FurnisherMaker = Furnisher) -> Scene:
    """
    Generate a room that is full of objects, with things on its walls that are none.

    Parameters
    ----------
    rng : numpy Generator
        The same state gives the same room.
    classes : ClassTable
        'rooms', or a table with the same class names.
    furnisher : callable
        As of `make_room`.

    Returns
    -------
    Scene
        As of `make_room`, but ceilings have the label of walls, so that masks on them are known
        to be wrong.

    """
    kinds = [kind for kind in ROOM_KINDS if kind is not bath]
    room = Arrangement(random_plan(rng, *rng.uniform(*WALL_LENGTHS, 2)), rng)
    f = furnisher(room, False)
    for _ in range(int(rng.integers(0, 4))):
        room.place_against_wall(f.make(STANDING_FEATURES), gap=0.0)
    shell = furnish_room(f, kinds[int(rng.integers(len(kinds)))])
    f.hang_on_walls(FLAT_FEATURES, int(rng.integers(8, 25)), 0.1, 1.9)
    _fill(f, int(rng.integers(*OBJECT_COUNTS)))
    scene = make_scene([room], [(name or 'wall', mesh) for name, mesh in shell], classes)
    textured = tuple(_strong_texture(material, rng) if f.chance(STRONG_TEXTURE_PROBABILITY)
                     else material for material in scene.mesh.materials)
    return replace(scene, mesh=replace(scene.mesh, materials=textured))


def _fill(f: Furnisher, wanted: int) -> None:
    """Add furniture and objects until the room has the wanted number of them."""
    for _ in range(MAX_ADDITIONS):
        if count_objects(f.room) >= wanted:
            return
        draw = f.rng.random()
        if draw < 0.15:
            f.place_along_walls(FURNITURE)
        elif draw < 0.25:
            f.scatter(LOOSE_FURNITURE)
        elif draw < 0.45:
            f.scatter_clutter(1)
        elif draw < 0.55:
            f.hang_on_walls(decoration.WALL_DECORATION + devices.HANGING_DEVICES, 1, 0.9, 1.8)
        else:
            _put_on_a_top(f)


def _put_on_a_top(f: Furnisher) -> None:
    """Put some things on one of the tops in the room, on a bed or a seat, or on the floor."""
    hosts = [placed for placed in f.room.placed if placed.piece.tops]
    if not hosts or f.chance(0.2):
        f.scatter(clutter.FLOOR_THINGS)
        return
    host = hosts[int(f.rng.integers(len(hosts)))]
    top = host.piece.tops[int(f.rng.integers(len(host.piece.tops)))]
    f.room.place_on_top(host, top, f.things(host.piece), int(f.rng.integers(1, 5)))


def count_objects(room: Arrangement) -> int:
    """Return the number of objects placed in a room, parts included."""
    return sum(piece.name not in BACKGROUND_CLASSES for placed in room.placed
               for piece in placed.piece.all())


def _strong_texture(material: Material, rng: np.random.Generator) -> Material:
    """Return the material with a pattern of high contrast."""
    second = materials.hsv(rng.random(), rng.random() ** 2, rng.uniform(0.05, 1))
    if rng.random() < 0.6:  # the same hue, much darker
        red, green, blue = material.color
        factor = rng.uniform(0.25, 0.6)
        second = factor * red, factor * green, factor * blue
    return replace(material, second=second, pattern=str(rng.choice(PATTERNS)),
                   scale=float(np.exp(rng.uniform(np.log(0.04), np.log(0.6)))),
                   speckle=rng.uniform(0.02, 0.1))


