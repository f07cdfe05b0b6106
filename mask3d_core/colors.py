"""Display colours of instances, the same in pictures, files and ROS markers."""

from __future__ import annotations

from mask3d_core.errors import InputError
from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import ArrayLike, NDArray

HUE_STEP = (5 ** 0.5 - 1) / 2
"""Hue difference between consecutive indices; the golden ratio keeps nearby indices distinct."""
SATURATIONS = np.array([0.80, 0.55, 0.95])
VALUES = np.array([1.00, 0.90, 0.80, 1.00])
CHUNK_POINTS = 1 << 14
"""Points whose colours are computed at once: they stay in the processor's cache."""


def instance_color(index: int) -> tuple[int, int, int]:
    """Return the display colour (red, green, blue 0..255) of an instance index or id."""
    red, green, blue = instance_colors(index).tolist()
    return red, green, blue


def instance_colors(indices: ArrayLike) -> NDArray[np.uint8]:
    """Return `instance_color` of many indices: [...] integer -> [..., 3]."""
    index = np.asarray(indices, np.int64)
    hue = (0.02 + index * HUE_STEP) % 1.0
    saturation = SATURATIONS[index % len(SATURATIONS)]
    value = VALUES[index % len(VALUES)]
    sector = (np.array([5, 3, 1]) + 6 * hue[..., None]) % 6
    ramp = np.clip(np.minimum(sector, 4 - sector), 0, 1)  # HSV to RGB, [..., 3]
    return np.rint(255 * value[..., None] * (1 - saturation[..., None] * ramp)).astype(np.uint8)


def faded_colors(color: NDArray[np.float32] | None, count: int) -> NDArray[np.uint8]:
    """
    Return display colours for points without an instance: their own, darker and nearly grey.

    Parameters
    ----------
    color : [count, 3] float or None
        0..1; None gives a uniform grey.
    count : int

    Returns
    -------
    [count, 3] uint8

    """
    if color is None:
        return np.full((count, 3), 140, np.uint8)
    brightness = color @ np.array([0.299, 0.587, 0.114], color.dtype)
    faded = np.empty((count, 3), np.uint8)
    for start in range(0, count, CHUNK_POINTS):
        part = slice(start, start + CHUNK_POINTS)
        for channel in range(3):  # numpy is slow on rows of three
            shade = 0.85 * brightness[part] + 0.15 * color[part, channel]
            faded[part, channel] = np.rint(255 * (0.22 + 0.5 * shade))
    return faded


def instance_of_points(scan: Scan, instances: Instances) -> NDArray[np.int32]:
    """
    Return the index of the best instance of each point of a scan, -1 for none: [N].

    Raises
    ------
    InputError
        If the instances were predicted for another cloud.

    """
    if instances.num_points != scan.input_size:
        raise InputError(f'these instances belong to a cloud of {instances.num_points} points, '
                         f'the scan was made of one of {scan.input_size}')
    return instances.point_instance()[scan.kept]


def instance_ids(instances: Instances, ids: NDArray[np.integer] | None) -> NDArray[np.int64]:
    """Return the ids of instances: those given, or 1 + index."""
    return np.arange(1, len(instances) + 1) if ids is None else ids.astype(np.int64)


def paint_instances(scan: Scan, best: NDArray[np.integer],
                    ids: NDArray[np.integer] | None = None) -> NDArray[np.uint8]:
    """
    Return the display colour of each point, given its instance or -1: [N] -> [N, 3].

    `ids` are those of the instances, by default 1 + index; id 1 has the first colour.
    """
    paint = faded_colors(scan.color, len(scan))
    assigned = best >= 0
    index = best[assigned]
    paint[assigned] = instance_colors(index if ids is None else ids.astype(np.int64)[index] - 1)
    return paint
