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
    shapes = np.array([_shape(columns, mask) for mask in until_stopped(masks)]).reshape(-1, 16)
    return Instances(
        rows=tuple(scan.kept[mask].astype(np.int32) for mask in masks),
        num_points=scan.input_size,
        class_id=np.zeros(len(masks), np.int32), score=np.zeros(len(masks), np.float32),
        class_names=dict(zip(classes.ids, classes.names, strict=True)),
        class_colors=dict(zip(classes.ids, classes.colors, strict=True)),
        centroid=shapes[:, 0:3], box_center=shapes[:, 3:6], box_size=shapes[:, 6:9],
        upright_center=shapes[:, 9:12], upright_size=shapes[:, 12:15],
        upright_yaw=shapes[:, 15])


def _shape(columns: NDArray[np.floating], rows: NDArray[np.int64]) -> list[float]:
    """Return centroid, box centre and size, upright centre, size and yaw of some points."""
    if not len(rows):
        return [float('nan')] * 16
    points = [column[rows] for column in columns]
    centroid = [float(p.mean(dtype=np.float64)) for p in points]
    low = [float(p.min()) for p in points]
    high = [float(p.max()) for p in points]
    center = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
    size = [b - a for a, b in zip(low, high, strict=True)]
    base = smallest_rectangle(points[0], points[1])
    return [*centroid, *center, *size, *base.center, center[2], *base.size, size[2], base.yaw]
