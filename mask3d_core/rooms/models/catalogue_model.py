"""A 3D model as its catalogue describes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

Rotation = tuple[float, ...]
NO_ROTATION: Rotation = (1, 0, 0, 0, 1, 0, 0, 0, 1)


@dataclass(frozen=True)
class CatalogueModel:
    """
    A model as its catalogue describes it.

    Attributes
    ----------
    file : Path
        The catalogue: a .sh3f file, or a folder with Gazebo models.
    key : str
        Id, unique in its catalogue.
    name, category : str
        In English: 'Bedside table', 'Bedroom'.
    member : str
        Path in the catalogue, of the .obj or of the model.sdf.
    size : 3 floats
        Width, depth and height, metres.
    elevation : float or None
        Height of its lower end above the floor, metres.
    rotation : 9 floats
        Rows of the matrix that turns the model upright: y up, front towards +z.

    """

    file: Path
    key: str
    name: str
    category: str
    member: str
    size: tuple[float, float, float]
    elevation: float | None = None
    rotation: Rotation = NO_ROTATION
