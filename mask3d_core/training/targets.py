"""What the queries should find in a scan: the class and the mask of every instance."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from mask3d_core.classes import ClassTable
from mask3d_core.data.labels import LabelledScan
from mask3d_core.errors import InputError
from mask3d_core.voxels import first_points, Voxels
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

IGNORED = -1
"""
Class row of an instance whose class the model does not know.

It still shows what an object is: a query is matched with it and learns its mask, but no class.
"""


@dataclass(frozen=True, eq=False)
class Targets:
    """
    The instances of one scan.

    Attributes
    ----------
    class_row : [T] int64
        Row of the model's class table, or `IGNORED`.
    masks : [T, V] bool, or [T, S] for a model on segments
        In the order of the scan's voxels or segments.

    """

    class_row: Tensor
    masks: Tensor

    def __len__(self) -> int:
        return len(self.class_row)

    def to(self, device: torch.device) -> Targets:
        """Move to a device."""
        return replace(self, class_row=self.class_row.to(device), masks=self.masks.to(device))


def make_targets(labelled: LabelledScan, voxels: Voxels, classes: ClassTable,
                 background: Collection[int] = (), on_segments: bool = False) -> Targets:
    """
    Turn the labels of a scan's points into targets.

    A voxel takes the labels of its first point, an instance the class of its first voxel, as in
    the original. An instance covers every segment it has a voxel in.

    Parameters
    ----------
    labelled : LabelledScan
    voxels : Voxels
        Of `labelled.scan`.
    classes : ClassTable
        What the model can say.
    background : ids of classes
        Their instances are no objects (wall and floor in ScanNet): no targets.
    on_segments : bool
        Masks over the segments of `voxels` instead of over the voxels.

    Raises
    ------
    InputError
        When masks on segments are asked for and the scan has none.

    """
    first = first_points(voxels.inverse.numpy(), len(voxels))
    label, instance = labelled.label[first], labelled.instance[first]
    members, class_ids = [], []
    for number in np.unique(instance[instance >= 0]):
        member = np.flatnonzero(instance == number)
        class_id = int(label[member[first[member].argmin()]])
        if class_id not in background:
            members.append(member)
            class_ids.append(class_id)
    row_of = {class_id: row for row, class_id in enumerate(classes.ids)}
    rows = torch.tensor([row_of.get(class_id, IGNORED) for class_id in class_ids],
                        dtype=torch.int64)
    return Targets(rows, _masks(members, voxels, on_segments))


def _masks(members: list[NDArray[np.int64]], voxels: Voxels, on_segments: bool) -> Tensor:
    """Mark the voxels of each instance, or the segments they lie in."""
    if not on_segments:
        columns, width = members, len(voxels)
    elif voxels.segment is None:
        raise InputError('masks on segments need segments, but the scan has none: give it '
                         'superpoints first, or train on points')
    else:
        segment = voxels.segment.numpy()
        columns, width = [segment[member] for member in members], int(segment.max()) + 1
    masks = np.zeros((len(members), width), bool)
    for mask, column in zip(masks, columns):
        mask[column] = True
    return torch.from_numpy(masks)
