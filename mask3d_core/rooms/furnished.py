"""From arrangements to one scene with labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mask3d_core.classes import ClassTable
from mask3d_core.rooms.arrangement import Arrangement, Placed
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.scene import Scene
import numpy as np

NONE = -1
BACKGROUND = ('wall', 'floor')
"""Classes without instances."""
Surface = tuple[str, Mesh]
"""Name of a class, '' for none, and what belongs to it."""


def pieces_of(placed: Placed) -> Iterator[Surface]:
    """List a piece and the objects that come with it, where they stand."""
    return ((piece.name, placed.at(piece.mesh)) for piece in placed.piece.all())


def make_scene(arrangements: Sequence[Arrangement], shell: Sequence[Surface], classes: ClassTable,
               ) -> Scene:
    """
    Put rooms and their things together.

    Parameters
    ----------
    arrangements : sequence of Arrangement
    shell : sequence of (name, Mesh)
        Floors, walls and ceilings.
    classes : ClassTable
        Its ids are the labels.

    """
    things = [thing for arrangement in arrangements for placed in arrangement.placed
              for thing in pieces_of(placed)]
    surfaces = [*shell, *things]
    ids = dict(zip(classes.names, classes.ids))
    count = [len(mesh.faces) for _, mesh in surfaces]
    label = [ids[name] if name else NONE for name, _ in surfaces]
    instance = [NONE if name in (*BACKGROUND, '') else number
                for number, (name, _) in enumerate(surfaces)]
    return Scene(
        mesh=join(mesh for _, mesh in surfaces),
        label=np.repeat(np.array(label, np.int32), count),
        instance=np.repeat(np.array(instance, np.int32), count),
        lights=np.concatenate([_lights(arrangement) for arrangement in arrangements]),
        standpoints=np.concatenate([arrangement.standpoints() for arrangement in arrangements]),
        targets=np.array([target for arrangement in arrangements
                          for target in _targets(arrangement)]).reshape(-1, 3))


def _lights(arrangement: Arrangement) -> np.ndarray:
    """One lamp below the middle of the ceiling of each block of the floor."""
    return np.array([[(x0 + x1) / 2, (y0 + y1) / 2, arrangement.plan.height - 0.3]
                     for x0, y0, x1, y1 in arrangement.plan.blocks])


def _targets(arrangement: Arrangement) -> Iterator[np.ndarray]:
    """Middles of the flat places at the height of a table."""
    for placed in arrangement.placed:
        for top in placed.piece.tops:
            if 0.3 < top.center[2] + placed.position[2] < 1.1 and min(top.size) > 0.35:
                yield placed.point(top.center)


