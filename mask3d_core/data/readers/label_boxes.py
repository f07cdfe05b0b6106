"""Read bounding boxes that were labelled with labelCloud."""

from __future__ import annotations

from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

from mask3d_core.errors import InputError
from mask3d_core.files.source import file_errors, FilePath
import numpy as np
from numpy.typing import ArrayLike, NDArray

AXES = ('x', 'y', 'z')
DIMENSIONS = ('length', 'width', 'height')


@dataclass(frozen=True, eq=False)
class LabelBox:
    """
    An oriented bounding box with a class.

    Attributes
    ----------
    name : str
        Class name.
    corner : [3] float64
        One corner, metres.
    edges : [3, 3] float64
        Rows: the vectors from it to the adjacent corners along length, width and height, metres.

    """

    name: str
    corner: NDArray[np.float64]
    edges: NDArray[np.float64]

    def contains(self, xyz: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Return whether each point is inside: [N, 3] -> [N]."""
        # Coordinates along the edges, in units of their lengths: [N, 3].
        along = (xyz - self.corner) @ (self.edges / (self.edges ** 2).sum(1, keepdims=True)).T
        return ((along >= 0) & (along <= 1)).all(1)

    @property
    def volume(self) -> float:
        """Return the volume in cubic metres."""
        return float(np.prod(np.linalg.norm(self.edges, axis=1)))


def read_label_boxes(path: FilePath) -> list[LabelBox] | None:
    """
    Read the boxes of a .json file of labelCloud, in its format `centroid_abs` or `vertices`.

    Returns
    -------
    list of LabelBox, or None
        None for a .json file of another program, which has no list `objects`.

    Raises
    ------
    InputError
        With the file name, if the file is damaged or its angles may be radians.

    """
    with file_errors(path):
        try:
            content = json.loads(Path(path).read_bytes())
        except ValueError as error:
            raise InputError(f'not readable as json, is the file cut? {error}') from error
        objects = content.get('objects') if isinstance(content, dict) else None
        if not isinstance(objects, list):
            return None
        _check_degrees(objects)
        return [_box(number, content) for number, content in enumerate(objects, 1)]


def _check_degrees(objects: list[Any]) -> None:
    rotations = [content.get('rotations') for content in objects if isinstance(content, dict)]
    angles = [angle for rotation in rotations if isinstance(rotation, dict)
              for angle in rotation.values() if isinstance(angle, int | float)]
    if angles and any(angles) and (min(angles) < 0 or max(angles) <= np.pi):
        raise InputError('its rotations may be radians (centroid_rel): expected the format '
                         "'vertices' of labelCloud, which leaves no doubt, or 'centroid_abs'")


def _box(number: int, content: Any) -> LabelBox:
    try:
        name = str(content['name']).strip()
        if 'vertices' in content:
            corners = _numbers(content['vertices'], (8, 3))
            corner, edges = corners[0], corners[[3, 1, 4]] - corners[0]
        else:
            size = _numbers([content['dimensions'][key] for key in DIMENSIONS], (3,))
            rotation = _rotation([content['rotations'][axis] for axis in AXES])
            edges = np.diag(size) @ rotation.T
            corner = _numbers([content['centroid'][axis] for axis in AXES], (3,))
            corner = corner - edges.sum(0) / 2
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f'object {number} is no box of labelCloud ({type(error).__name__}: '
                         f'{error})') from error
    if not (np.abs(edges).max(1) > 0).all():
        raise InputError(f'object {number}, {name!r}, is a box without volume')
    return LabelBox(name, corner, edges)


def _numbers(values: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    numbers = np.array(values, np.float64)
    if numbers.shape != shape or not np.isfinite(numbers).all():
        raise ValueError(f'expected {list(shape)} finite numbers')
    return numbers


def _rotation(degrees: ArrayLike) -> NDArray[np.float64]:
    """Return the rotation matrix [3, 3] for angles about x, then y, then z."""
    x, y, z = np.radians(_numbers(degrees, (3,)))
    about_x = [[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]]
    about_y = [[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]]
    about_z = [[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]]
    rotation: NDArray[np.float64] = np.array(about_z) @ np.array(about_y) @ np.array(about_x)
    return rotation
