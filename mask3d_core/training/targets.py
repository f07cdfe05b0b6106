"""Training targets: class and mask of every instance of a scan."""

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

IGNORED_CLASS = -1
"""
Class row of an instance whose class is not in the model's class table.

It still is an object: a query is matched with it and trained on its mask, but not on a class.
"""


@dataclass(frozen=True, eq=False)
class Targets:
    """
    The instances of one scan.

    Attributes
    ----------
    class_row : [T] int64
        Row of the model's class table, or `IGNORED_CLASS`.
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
    Make the targets of a scan from the labels of its points.

    A voxel gets the labels of its first point, an instance the class of the first of these
    points, as in the original. On segments, an instance covers every segment that contains one
    of its voxels.

    Parameters
    ----------
    labelled : LabelledScan
    voxels : Voxels
        Of `labelled.scan`.
    classes : ClassTable
        Classes of the model.
    background : ids of classes
        Classes without targets: not objects (wall and floor in ScanNet).
    on_segments : bool
        Make masks over the segments of `voxels` instead of over the voxels.

    Raises
    ------
    InputError
        If masks on segments are requested and the scan has no segments.

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
    rows = torch.tensor([row_of.get(class_id, IGNORED_CLASS) for class_id in class_ids],
                        dtype=torch.int64)
    return Targets(rows, _masks(members, voxels, on_segments))


def _masks(members: list[NDArray[np.int64]], voxels: Voxels, on_segments: bool) -> Tensor:
    """Return the mask of each instance, over voxels or over segments."""
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
