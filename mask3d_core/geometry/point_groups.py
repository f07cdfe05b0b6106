"""Points of a cloud that have both voxel and segment in common: what masks are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CHUNK_POINTS = 1 << 16
"""Points whose groups are looked up at once: they stay in the processor's cache."""


@dataclass(frozen=True, eq=False)
class PointGroups:
    """
    Groups of points that are in the same masks.

    Attributes
    ----------
    voxel : [G] int64
        Of each group.
    segment : [G] int64 or None
    weight : [G] int64
        Number of points.
    of_point : [N] int32 or None
        Group of each point; None: each point is a group.

    """

    voxel: NDArray[np.int64]
    segment: NDArray[np.int64] | None
    weight: NDArray[np.int64]
    of_point: NDArray[np.int32] | None

    def __len__(self) -> int:
        return len(self.voxel)


def single_points(voxel: NDArray[np.int64], segment: NDArray[np.int64] | None) -> PointGroups:
    """Return a group for each point of a cloud, given voxel and segment of each."""
    return PointGroups(voxel, segment, np.ones(len(voxel), np.int64), None)


def group_points(voxel: NDArray[np.int64], segment: NDArray[np.int64] | None) -> PointGroups:
    """
    Group the points that have voxel and segment in common.

    In each round the points of a voxel that have the segment of one of them are a group; the rest
    is left to further rounds. That takes time in proportion to the points, unlike sorting.

    Parameters
    ----------
    voxel : [N] int64
        Of each point, 0..V-1; none of these is empty.
    segment : [N] int64 or None
        Any ids.

    """
    if segment is None:
        weight = np.bincount(voxel)
        return PointGroups(np.arange(len(weight)), None, weight, voxel.astype(np.int32))
    first = np.zeros(int(voxel.max(initial=-1)) + 1, segment.dtype)
    first[voxel] = segment
    others = np.concatenate([np.empty(0, np.int64), *(
        start + np.flatnonzero(first.take(voxel[start:start + CHUNK_POINTS])
                               != segment[start:start + CHUNK_POINTS])
        for start in range(0, len(voxel), CHUNK_POINTS))])
    group = voxel.astype(np.int32)
    voxels, segments = [np.arange(len(first))], [first]
    number = np.empty(len(first), np.int32)
    count = len(first)
    while len(others):
        rest_voxel, rest_segment = voxel[others], segment[others]
        last = first.copy()
        last[rest_voxel] = rest_segment
        filled = distinct_values(rest_voxel, len(first))
        number[filled] = np.arange(count, count + len(filled), dtype=np.int32)
        group[others] = number.take(rest_voxel)
        voxels.append(filled)
        segments.append(last[filled])
        count += len(filled)
        others = others[last.take(rest_voxel) != rest_segment]
    return PointGroups(np.concatenate(voxels), np.concatenate(segments),
                       np.bincount(group, minlength=count), group)


def distinct_values(values: NDArray[np.integer], count: int) -> NDArray[np.int64]:
    """Return the distinct ones of values in 0..count - 1, ascending."""
    present = np.zeros(count, np.bool_)
    present[values] = True
    return np.flatnonzero(present)
