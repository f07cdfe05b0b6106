"""The meshes of a Gazebo model: what its model.sdf says about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
import math
from pathlib import Path
import re
from xml.etree import ElementTree

from mask3d_core.errors import InputError
from mask3d_core.files.source import file_errors
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

SDF = 'model.sdf'
"""The file that describes a model, in a folder of its own."""


@dataclass(frozen=True, eq=False)
class Visual:
    """
    A mesh that is visible in a model.

    Attributes
    ----------
    file : Path
        Of the mesh.
    pose : [4, 4] float64
        From the mesh, in metres, to the model, z up; with the scale.

    """

    file: Path
    pose: NDArray[np.float64]


def read_visuals(file: Path) -> list[Visual]:
    """
    Read the visible meshes of a model.

    Raises
    ------
    InputError
        With the file name: for a damaged file, a missing mesh, or what is no mesh.

    """
    with file_errors(file):
        try:
            root = ElementTree.fromstring(file.read_bytes())
        except ElementTree.ParseError as error:
            raise InputError(f'expected XML, got something else ({error})') from error
        visuals = [Visual(_mesh_file(visual, file.parent), pose @ _scale(visual))
                   for model in root.findall('model')
                   for visual, pose in _visuals(model, np.eye(4))]
        if not visuals:
            raise InputError('expected a model with visible meshes, got none')
        return visuals


def _visuals(parent: ElementTree.Element, pose: NDArray,
             ) -> Iterator[tuple[ElementTree.Element, NDArray[np.float64]]]:
    """Yield the visuals in an element, and the pose of each in the frame `pose` is in."""
    inner = pose @ _pose(parent)
    for child in parent:
        if child.tag == 'visual':
            yield child, inner @ _pose(child)
        elif child.tag in ('link', 'model'):
            yield from _visuals(child, inner)
        elif child.tag == 'include':
            raise InputError('expected a model by itself, got one that includes other models')


def _mesh_file(visual: ElementTree.Element, folder: Path) -> Path:
    """Return the mesh of a visual; its address begins at a folder of models, or one above."""
    shape = visual.find('geometry/*')
    kind = 'nothing' if shape is None else shape.tag
    if shape is None or kind != 'mesh' or shape.find('submesh') is not None:
        raise InputError('expected a whole mesh in each visual, got '
                         + ('a part of one' if kind == 'mesh' else kind))
    address = (shape.findtext('uri') or '').strip()
    path = re.sub(r'^\w+://', '', address)
    for start in (folder, folder.parent, folder.parent.parent):
        if path and (start / path).is_file():
            return start / path
    raise InputError(f'the mesh {address!r} is missing')


def _scale(visual: ElementTree.Element) -> NDArray[np.float64]:
    """Return the scale of the mesh of a visual, [4, 4]."""
    return np.diag([*_numbers(visual.findtext('geometry/mesh/scale') or '1 1 1', 3, 'scale'), 1])


def _pose(element: ElementTree.Element) -> NDArray[np.float64]:
    """Return the pose of an element in its parent, [4, 4]: x y z, then angles about x, y, z."""
    pose = element.find('pose')
    if pose is None:
        return np.eye(4)
    if any(pose.get(name) for name in ('frame', 'relative_to', 'rotation_format')):
        raise InputError('expected poses of six numbers in the frame of the parent, got others')
    numbers = _numbers(pose.text or '', 6, 'pose')
    degrees = pose.get('degrees') in ('true', '1')
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler('xyz', numbers[3:], degrees=degrees).as_matrix()
    matrix[:3, 3] = numbers[:3]
    return matrix


def _numbers(text: str, count: int, what: str) -> list[float]:
    try:
        numbers = [float(word) for word in text.split()]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise InputError(f'expected {count} numbers for {what}, got {text.strip()!r}')
    return numbers
