"""A room of boxes for the tests of the scanner."""

from mask3d_core.rooms.materials import Material
from mask3d_core.rooms.mesh import join
from mask3d_core.rooms.scene import Scene
from mask3d_core.rooms.solids import box
import numpy as np

WALL, FLOOR, CABINET, TABLE, CUP = 1, 2, 3, 7, 40
GREY = Material((0.5, 0.5, 0.5), speckle=0.0)
RED = Material((0.8, 0.1, 0.1), speckle=0.0)


def box_room() -> Scene:
    """Return a room of 4 x 3 x 2.5 m: a cabinet, and a table with a red cup on it."""
    walls = [box((0.1, 3.2, 2.5), GREY).moved(x=x) for x in (-2.05, 2.05)]
    walls += [box((4, 0.1, 2.5), GREY).moved(y=y) for y in (-1.55, 1.55)]
    parts = [(mesh, WALL, -1) for mesh in walls]
    parts += [(box((4, 3, 0.1), GREY).moved(z=-0.1), FLOOR, -1),
              (box((4, 3, 0.1), GREY).moved(z=2.5), -1, -1),
              (box((0.8, 0.5, 1.6), GREY).moved(-1.5, 1.2), CABINET, 0),
              (box((1.2, 0.8, 0.05), GREY).moved(1.2, 0, 0.7), TABLE, 1),
              (box((0.1, 0.1, 0.15), RED).moved(1.2, 0, 0.75), CUP, 2)]
    count = [len(mesh.faces) for mesh, _, _ in parts]
    x, y = np.meshgrid(np.linspace(-1.5, 0.3, 5), np.linspace(-1.2, 0.6, 5))
    return Scene(
        join(mesh for mesh, _, _ in parts),
        label=np.repeat(np.array([label for _, label, _ in parts], np.int32), count),
        instance=np.repeat(np.array([number for _, _, number in parts], np.int32), count),
        lights=np.array([[0, 0, 2.2]]),
        standpoints=np.stack([x, y], axis=-1).reshape(-1, 2),
        targets=np.array([[1.2, 0, 0.75]]))
