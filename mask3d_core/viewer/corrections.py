"""Corrected instances of a scene, saved as a labelled scan to train on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mask3d_core.colors import instance_of_points
from mask3d_core.data.labels import LabelledScan, NO_ID, write_labelled
from mask3d_core.errors import InputError
from mask3d_core.files.source import file_errors
from mask3d_core.files.target import atomic_write
from mask3d_core.viewer.scene import Scene
import numpy as np

CLASS_FILE = 'classes.tsv'


@dataclass(frozen=True)
class CorrectedInstance:
    """
    An instance after the corrections.

    Attributes
    ----------
    id : int
        From 1.
    class_id : int
    members : tuple of int
        Indices of the instances of the scene that it consists of.

    """

    id: int
    class_id: int
    members: tuple[int, ...]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> CorrectedInstance:
        """Check what the page sent; raise InputError unless it is an instance."""
        try:
            made = cls(int(values['id']), int(values['class']),
                       tuple(int(one) for one in values['members']))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f'not a corrected instance: {error}') from error
        if made.id < 1 or made.class_id < -1 or min(made.members, default=-1) < 0:
            raise InputError(f'not a corrected instance: {made}')
        return made


def apply_corrections(scene: Scene, layer: str, corrected: Sequence[CorrectedInstance],
                      ) -> LabelledScan:
    """
    Label all points of a scene's scan by corrected instances.

    A point belongs to its best instance. Points of instances that are not listed have no label.

    Raises
    ------
    InputError
        If the scene has no such layer or instance.

    """
    shown = {'prediction': scene.prediction, 'truth': scene.truth}.get(layer)
    if shown is None:
        raise InputError(f'the scan has no {layer!r}')
    count = len(shown.instances)
    label, number = (np.full(count + 1, NO_ID, np.int32) for _ in range(2))
    for one in corrected:
        for member in one.members:
            if member >= count:
                raise InputError(f'the scan has {count} instances, got number {member}')
            label[member], number[member] = one.class_id, one.id - 1
    best = instance_of_points(scene.scan, shown.instances)   # -1, the last one, is none
    return LabelledScan(scene.scan, label[best], number[best], scene.name)


def save_corrections(folder: Path, scene: Scene, labelled: LabelledScan,
                     replace_own: bool = False) -> Path:
    """
    Write a corrected scan as NAME.ply, and the class table beside it for `mask3d prepare folder`.

    Raises
    ------
    InputError
        If the file exists and `replace_own` is false: it may hold other corrections.

    """
    path = folder / f'{Path(scene.name).name}.ply'
    if path.exists() and not replace_own:
        raise InputError(f'{path} exists and may hold other labels: remove it, or start the '
                         'viewer with another --out')
    with file_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_labelled(path, labelled)
    rows = [f'{class_id}\t{name}\t{red}\t{green}\t{blue}\n'
            for class_id, (name, (red, green, blue)) in sorted(scene.classes.items())
            if class_id > 0]
    with atomic_write(folder / CLASS_FILE) as file:
        file.write(('id\tname\tred\tgreen\tblue\n' + ''.join(rows)).encode())
    return path
