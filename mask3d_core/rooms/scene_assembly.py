"""Assemble arrangements into one labelled scene."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mask3d_core.classes import ClassTable
from mask3d_core.rooms.arrangement import Arrangement, PlacedPiece
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.scene import Scene
import numpy as np

UNLABELLED = -1
"""Label of faces without a class, and instance of faces that belong to no object."""
BACKGROUND_CLASSES = ('wall', 'floor')
"""Classes without instances."""
Surface = tuple[str, Mesh]
"""Class name, '' for none, and the mesh of one object."""


def placed_surfaces(placed: PlacedPiece) -> Iterator[Surface]:
    """Yield the surfaces of a piece and of its parts in room coordinates."""
    return ((piece.name, placed.mesh_in_room(piece.mesh)) for piece in placed.piece.all())


def make_scene(arrangements: Sequence[Arrangement], shell: Sequence[Surface], classes: ClassTable,
               ) -> Scene:
    """
    Join rooms and their pieces into one scene.

    Parameters
    ----------
    arrangements : sequence of Arrangement
    shell : sequence of (name, Mesh)
        Floors, walls and ceilings.
    classes : ClassTable
        Its class ids become the labels.

    """
    pieces = [surface for arrangement in arrangements for placed in arrangement.placed
              for surface in placed_surfaces(placed)]
    surfaces = [*shell, *pieces]
    ids = dict(zip(classes.names, classes.ids))
    count = [len(mesh.faces) for _, mesh in surfaces]
    label = [ids[name] if name else UNLABELLED for name, _ in surfaces]
    instance = [UNLABELLED if name in (*BACKGROUND_CLASSES, '') else number
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
    """Return one lamp below the ceiling, in the middle of each rectangle of the floor: [L, 3]."""
    return np.array([[(x0 + x1) / 2, (y0 + y1) / 2, arrangement.plan.height - 0.3]
                     for x0, y0, x1, y1 in arrangement.plan.rectangles])


def _targets(arrangement: Arrangement) -> Iterator[np.ndarray]:
    """Yield the centers of tops at the height of tables."""
    for placed in arrangement.placed:
        for top in placed.piece.tops:
            if 0.3 < top.center[2] + placed.position[2] < 1.1 and min(top.size) > 0.35:
                yield placed.point_in_room(top.center)


