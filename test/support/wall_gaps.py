"""Find the doorways of generated rooms."""

from mask3d_core.classes import load_classes
from mask3d_core.rooms.scene import Scene
import numpy as np

CLASSES = load_classes('rooms')
WALL = CLASSES.ids[CLASSES.names.index('wall')]


def gaps(scene: Scene, y: float) -> list[tuple[float, float]]:
    """Return start and end of each passage, 1 m above the floor, in the plane of a wall."""
    wall = scene.mesh.vertices[scene.mesh.faces[scene.label == WALL]]
    flat = wall[(np.abs(wall[:, :, 1] - y) < 1e-9).all(1)]
    here = flat[(flat[:, :, 2].min(1) < 1) & (flat[:, :, 2].max(1) > 1)]
    sides = np.unique(here[:, :, 0].round(6)).tolist()
    starts, ends = here[:, :, 0].min(1).round(6), here[:, :, 0].max(1).round(6)
    return [(a, b) for a, b in zip(sides, sides[1:])
            if not ((starts <= a) & (ends >= b)).any()]
