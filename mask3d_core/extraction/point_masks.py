"""Masks over groups of points, stored as rows because most hold few."""

from __future__ import annotations

from collections.abc import Sequence

from mask3d_core.geometry.point_groups import PointGroups
from mask3d_core.stop import until_stopped
import numpy as np
from numpy.typing import NDArray
import torch

GROUPS_PER_PRODUCT = 1 << 14
"""Groups whose masks are multiplied at once: they stay in the processor's cache."""
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


def region_masks(regions: Sequence[NDArray[np.int64]], groups: PointGroups, min_share: float,
                 ) -> list[NDArray[np.int64]]:
    """
    Return the masks of regions that are given by their voxels.

    With segments, a mask consists of the segments with more than half of their points in the
    region. A mask that would have less than `min_share` of the region's points stays as it is.

    Parameters
    ----------
    regions : R arrays
        Voxels of each.
    groups : PointGroups
        The points, with or without segments.
    min_share : float

    Returns
    -------
    R arrays
        Groups of points, ascending.

    """
    if not regions:
        return []
    voxels = Groups(groups.voxel, int(groups.voxel.max()) + 1)
    masks = [voxels.members(region) for region in until_stopped(regions)]
    if groups.segment is None:
        return masks
    number = np.unique(groups.segment, return_inverse=True)[1]
    segments = Groups(number, int(number.max()) + 1)
    size = np.bincount(number, groups.weight)
    for index, mask in enumerate(until_stopped(masks)):
        votes = np.bincount(number[mask], groups.weight[mask], len(size))
        chosen = np.flatnonzero(2 * votes > size)
        if size[chosen].sum() >= min_share * votes.sum():
            masks[index] = segments.members(chosen)
    return masks


def intersections(masks: Sequence[NDArray[np.int64]], weight: NDArray[np.int64],
                  ) -> NDArray[np.float64]:
    """
    Return the number of points that each two of R masks have in common: [R, R].

    Most groups are in one mask at most; only the others are multiplied.

    Parameters
    ----------
    masks : R arrays
        Groups of points, ascending.
    weight : [G] int64
        Number of points of each group.

    """
    common = np.diag(np.array([weight[mask].sum() for mask in masks], np.float64))
    count = np.zeros(len(weight), np.int64)
    for mask in masks:
        count[mask] += 1
    in_several = count > 1
    column = np.cumsum(in_several) - 1
    masks = [column[mask[in_several[mask]]] for mask in masks]
    weight = weight[in_several]
    for first in until_stopped(range(0, len(weight), GROUPS_PER_PRODUCT)):
        last = min(first + GROUPS_PER_PRODUCT, len(weight))
        bits = np.zeros((len(masks), last - first), np.float32)
        for row, mask in zip(bits, masks):
            inside = slice(*np.searchsorted(mask, (first, last)))
            row[mask[inside] - first] = 1
        part = torch.from_numpy(bits)
        if (weight[first:last] == 1).all():
            both = part @ part.t()  # counts up to GROUPS_PER_PRODUCT are exact in float32
        else:
            part = part.double()
            both = part * torch.from_numpy(weight[first:last]) @ part.t()
        common += both.fill_diagonal_(0).numpy()
    return common
