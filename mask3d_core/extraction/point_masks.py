"""Masks over the points of a scan, stored as rows because most hold few points."""

from __future__ import annotations

from collections.abc import Sequence

from mask3d_core.stop import until_stopped
import numpy as np
from numpy.typing import NDArray
import torch

POINTS_PER_PRODUCT = 1 << 14
"""Points whose masks are multiplied at once: they stay in the processor's cache."""
MAX_GATHER_SHARE = 0.05
"""Share of the rows up to which gathering them is faster than a pass over all rows."""

ROW_BITS = 32
"""Bits of a row of a cloud."""


class Groups:
    """
    The members of each of G groups.

    Attributes
    ----------
    rows : [N] int64
        Sorted by group, ascending within a group.
    size : [G] int64

    """

    def __init__(self, group: NDArray[np.integer], count: int) -> None:
        # both in one key: sorting values is several times as fast as sorting indices
        self.rows = group.astype(np.int64) << ROW_BITS | np.arange(len(group))
        self.rows.sort()
        self.rows &= (1 << ROW_BITS) - 1
        self.size = np.bincount(group, minlength=count)
        self._group = group
        self._first = np.cumsum(self.size) - self.size

    def members(self, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the members of some groups, ascending."""
        size = self.size[chosen]
        total = int(size.sum())
        if total > MAX_GATHER_SHARE * len(self.rows):
            inside = np.zeros(len(self.size), bool)
            inside[chosen] = True
            return np.flatnonzero(inside[self._group])
        skipped = self._first[chosen] - (np.cumsum(size) - size)
        return np.sort(self.rows[np.repeat(skipped, size) + np.arange(total)])


def region_points(regions: Sequence[NDArray[np.int64]], inverse: NDArray[np.int64],
                  segment: NDArray[np.int64] | None, min_share: float) -> list[NDArray[np.int64]]:
    """
    Return the points of regions that are given by their voxels.

    With segments, a mask consists of the segments with more than half of their points in the
    region. A mask that would have less than `min_share` of the region's points stays as it is.

    Parameters
    ----------
    regions : R arrays
        Voxels of each.
    inverse : [N] int64
        The voxel of each point.
    segment : [N] int64 or None
    min_share : float

    Returns
    -------
    R arrays
        Rows of points, ascending.

    """
    if not regions:
        return []
    voxels = Groups(inverse, int(inverse.max()) + 1)
    masks = [voxels.members(region) for region in until_stopped(regions)]
    if segment is None:
        return masks
    number = np.unique(segment, return_inverse=True)[1]
    segments = Groups(number, int(number.max()) + 1)
    for index, mask in enumerate(until_stopped(masks)):
        votes = np.bincount(number[mask], minlength=len(segments.size))
        chosen = np.flatnonzero(2 * votes > segments.size)
        if segments.size[chosen].sum() >= min_share * len(mask):
            masks[index] = segments.members(chosen)
    return masks


def intersections(masks: Sequence[NDArray[np.int64]], num_points: int) -> NDArray[np.float64]:
    """
    Return the number of points that each two of R masks have in common: [R, R].

    Most points are in one mask at most; only the others are multiplied.
    """
    common = np.diag(np.array([len(mask) for mask in masks], np.float64))
    count = np.zeros(num_points, np.int64)
    for mask in masks:
        count[mask] += 1
    in_several = count > 1
    column = np.cumsum(in_several) - 1
    masks = [column[mask[in_several[mask]]] for mask in masks]
    columns = int(in_several.sum())
    for first in until_stopped(range(0, columns, POINTS_PER_PRODUCT)):
        last = min(first + POINTS_PER_PRODUCT, columns)
        bits = np.zeros((len(masks), last - first), np.float32)
        for row, mask in zip(bits, masks):
            inside = slice(*np.searchsorted(mask, (first, last)))
            row[mask[inside] - first] = 1
        part = torch.from_numpy(bits)
        both = (part @ part.t()).numpy()  # counts up to POINTS_PER_PRODUCT are exact in float32
        np.fill_diagonal(both, 0)
        common += both
    return common
