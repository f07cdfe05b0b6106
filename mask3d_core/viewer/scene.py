"""What the viewer shows of one scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mask3d_core.classes import ClassTable
from mask3d_core.colors import instance_colors, instance_ids
from mask3d_core.data.labels import LabelledScan
from mask3d_core.extraction.postprocess import measure_masks
from mask3d_core.inspection import Inspection
from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray

UNLABELLED = 'unlabelled'
"""Name of the class of instances whose label is -1."""


@dataclass(frozen=True, eq=False)
class Layer:
    """
    One set of instances of a scene: the prediction, or the truth.

    Attributes
    ----------
    instances : Instances
    ids : [I] integer or None
        Of the instances, which decide their colours; None: 1 + index.
    status : I strings
        'right', 'wrong' or '' for each instance; empty: not evaluated.
    notes : I strings
        A few words about each instance, such as 'missed'; empty: none.

    """

    instances: Instances
    ids: NDArray[np.integer] | None = None
    status: Sequence[str] = ()
    notes: Sequence[str] = ()

    def items(self) -> list[dict[str, Any]]:
        """Return a description of each instance for the page."""
        found = self.instances
        ids = instance_ids(found, self.ids)
        colors = instance_colors(ids - 1).reshape(-1, 3).tolist()
        return [{
            'id': int(ids[index]), 'class': int(found.class_id[index]),
            'score': round(float(found.score[index]), 4), 'points': len(found.rows[index]),
            'center': _rounded(found.upright_center[index]),
            'size': _rounded(found.upright_size[index]),
            'yaw': round(float(found.upright_yaw[index]), 4), 'color': colors[index],
            'status': self.status[index] if self.status else '',
            'note': self.notes[index] if self.notes else ''} for index in range(len(found))]


@dataclass(frozen=True, eq=False)
class Scene:
    """
    What the viewer shows of one scan.

    Attributes
    ----------
    name : str
    scan : Scan
    prediction, truth : Layer or None
    inspection : Inspection or None
        Heatmaps and features of the network.
    notes : sequence of str
        Sentences for the user.
    stamp : float or None
        Seconds since the first scene, for scenes that are steps of a time line.
    upright : bool
        Whether z points up, so that a ceiling can be told from the rest.

    """

    name: str
    scan: Scan
    prediction: Layer | None = None
    truth: Layer | None = None
    inspection: Inspection | None = None
    notes: Sequence[str] = ()
    stamp: float | None = None
    upright: bool = True

    @property
    def classes(self) -> dict[int, tuple[str, tuple[int, int, int]]]:
        """Name and colour of each class, by id."""
        found: dict[int, tuple[str, tuple[int, int, int]]] = {}
        for layer in (self.truth, self.prediction):
            if layer is not None:
                names, colors = layer.instances.class_names, layer.instances.class_colors
                found |= {class_id: (name, colors.get(class_id, (160, 160, 160)))
                          for class_id, name in names.items() if name}
        return found


def truth_layer(labelled: LabelledScan, classes: ClassTable) -> Layer:
    """Return the labelled objects of a scan, in the order of `evaluation.ground_truth`."""
    marked = np.flatnonzero(labelled.instance >= 0)
    pairs = np.stack([labelled.label[marked], labelled.instance[marked]], axis=1)
    keys, row = np.unique(pairs, axis=0, return_inverse=True)
    order = np.argsort(row.reshape(-1), kind='stable')
    masks = np.split(marked[order], np.cumsum(np.bincount(row.reshape(-1)))[:-1])
    instances = measure_masks(masks if len(keys) else [], labelled.scan, classes)
    names: Mapping[int, str] = {**instances.class_names, -1: UNLABELLED}
    return Layer(replace(instances, class_id=keys[:, 0].astype(np.int32),
                         score=np.ones(len(keys), np.float32),
                         class_names=names if (keys[:, 0] < 0).any() else instances.class_names))


def _rounded(vector: NDArray[np.float64]) -> list[float]:
    return [round(float(value), 4) for value in np.nan_to_num(vector)]
