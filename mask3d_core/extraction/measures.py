"""Measure masks: the centroid and the boxes of each instance, without torch."""

from __future__ import annotations

from collections.abc import Sequence

from mask3d_core.classes import ClassTable
from mask3d_core.geometry.boxes import smallest_rectangle
from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
from mask3d_core.stop import until_stopped
import numpy as np
from numpy.typing import NDArray


def measure_masks(masks: Sequence[NDArray[np.int64]], scan: Scan, classes: ClassTable,
                  ) -> Instances:
    """
    Measure masks and map them to the rows of the input cloud.

    Parameters
    ----------
    masks : I arrays
        Rows of the scan, ascending.
    scan : Scan
    classes : ClassTable

    Returns
    -------
    Instances
        In the order of the masks, with class id and score 0: replace both. The measures of an
        empty mask are NaN.

    """
    columns = np.ascontiguousarray(scan.xyz.T)
    shapes = []
    for mask in until_stopped(masks):
        points = [column[mask] for column in columns]
        shapes.append(shape_of(points, [float(p.mean(dtype=np.float64)) if len(mask) else np.nan
                                        for p in points]))
    return measured(masks, shapes, scan, classes)


def measured(masks: Sequence[NDArray[np.integer]], shapes: Sequence[Sequence[float]], scan: Scan,
             classes: ClassTable) -> Instances:
    """Return masks with their shapes, from `shape_of`, as `measure_masks` does."""
    table = np.array(shapes, np.float64).reshape(-1, 16)
    whole = len(scan) == scan.input_size
    return Instances(
        rows=tuple((mask if whole else scan.kept[mask]).astype(np.int32, copy=not whole)
                   for mask in masks),
        num_points=scan.input_size,
        class_id=np.zeros(len(masks), np.int32), score=np.zeros(len(masks), np.float32),
        class_names=dict(zip(classes.ids, classes.names, strict=True)),
        class_colors=dict(zip(classes.ids, classes.colors, strict=True)),
        centroid=table[:, 0:3], box_center=table[:, 3:6], box_size=table[:, 6:9],
        upright_center=table[:, 9:12], upright_size=table[:, 12:15],
        upright_yaw=table[:, 15])


def shape_of(points: Sequence[NDArray[np.floating]], centroid: Sequence[float]) -> list[float]:
    """
    Return centroid, box centre and size, upright centre, size and yaw of a mask.

    Parameters
    ----------
    points : three [n] float
        x, y, z, metres, of the points of the mask, or of those at its edge and the first one.
    centroid : 3 float

    """
    if not len(points[0]):
        return [float('nan')] * 16
    low = [float(p.min()) for p in points]
    high = [float(p.max()) for p in points]
    center = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
    size = [b - a for a, b in zip(low, high, strict=True)]
    base = smallest_rectangle(points[0], points[1])
    return [*centroid, *center, *size, *base.center, center[2], *base.size, size[2], base.yaw]
