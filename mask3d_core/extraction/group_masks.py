"""Masks of overlaid clouds: the points of each, and its measures, in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mask3d_core.classes import ClassTable
from mask3d_core.extraction.measures import measured, shape_of
from mask3d_core.extraction.point_masks import Groups
from mask3d_core.geometry.boxes import convex_hull
from mask3d_core.geometry.mask_labels import MaskLabels
from mask3d_core.geometry.point_groups import PointGroups
from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
from mask3d_core.sparse import map_blocks
from mask3d_core.stop import until_stopped
import numpy as np
from numpy.typing import NDArray

EDGE_SLACK = 0.02
"""Of the width of an edge, in voxels: more than what rounding moves a point by."""
VOXEL_ROUNDING = 1e-6
"""Of the number of a voxel, relative: a point may be outside of its voxel by so much."""


def measure_groups(masks: Sequence[NDArray[np.int64]], groups: PointGroups,
                   coords: NDArray[np.int64], scan: Scan, classes: ClassTable) -> Instances:
    """
    Measure masks and map them to the rows of the input cloud, as `measure_masks` does.

    Parameters
    ----------
    masks : I arrays
        Groups of points, ascending.
    groups : PointGroups
        Of the scan.
    coords : [V, 3] int64
        Its voxels.
    scan : Scan
    classes : ClassTable

    """
    assert groups.of_point is not None
    labels = MaskLabels(masks, len(groups))
    edges = [_edge(mask, coords[groups.voxel[mask]]) for mask in until_stopped(masks)]
    on_edge = np.zeros(len(groups), np.bool_)
    on_edge[np.concatenate([*edges, np.empty(0, np.int64)])] = True
    of_point = groups.of_point

    def look_up(rows: slice) -> _Block:
        group = of_point[rows]
        own = labels.of_place.take(group)
        return _Block(list(labels.rows(own, rows.start)),
                      rows.start + np.flatnonzero(on_edge.take(group)),
                      np.stack([np.bincount(own, column, labels.number)
                                for column in scan.xyz[rows].T]))

    blocks = map_blocks(look_up, len(scan))
    points_of = [np.concatenate([block.points[index] for block in blocks])
                 for index in range(len(masks))]
    sums = np.sum([block.sums for block in blocks], axis=0)
    edge_points = _EdgePoints(np.concatenate([block.near for block in blocks]), groups, scan)
    shapes = []
    for edge, own, points in zip(edges, labels.of_mask, until_stopped(points_of)):
        centroid = sums[:, own].sum(1) / max(len(points), 1)
        shapes.append(shape_of([*edge_points.of(edge, points[:1])], centroid.tolist()))
    return measured(points_of, shapes, scan, classes)


@dataclass(frozen=True, eq=False)
class _Block:
    """
    Some successive points of a cloud.

    Attributes
    ----------
    points : I arrays of int32
        Of each mask, ascending.
    near : [n] int64
        Points of groups at edges of masks.
    sums : [3, L] float64
        Of the positions of the points of each label.

    """

    points: list[NDArray[np.int32]]
    near: NDArray[np.int64]
    sums: NDArray[np.float64]


class _EdgePoints:
    """The points of groups at edges of masks, sorted by group."""

    def __init__(self, rows: NDArray[np.int64], groups: PointGroups, scan: Scan) -> None:
        assert groups.of_point is not None
        by_group = Groups(groups.of_point[rows], len(groups))
        self._xyz = scan.xyz
        self._sorted = scan.xyz.take(rows[by_group.rows], axis=0)
        self._size = by_group.size
        self._first = np.cumsum(by_group.size) - by_group.size

    def of(self, edge: NDArray[np.int64], first: NDArray[np.int32]) -> NDArray[np.floating]:
        """Return x, y, z of the first point of a mask and of the points of its edge: [3, n]."""
        size = self._size[edge]
        skipped = self._first[edge] - (np.cumsum(size) - size)
        points = self._sorted.take(np.repeat(skipped, size) + np.arange(size.sum()), axis=0)
        return np.ascontiguousarray(np.concatenate([self._xyz[first], points]).T)


def _edge(mask: NDArray[np.int64], cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """
    Return those groups of a mask, in cells [n, 3], which alone decide what its boxes are.

    These are the lowest, the highest, and all that are near the convex hull, seen from above.
    """
    if not len(mask):
        return mask
    x, y, z = cells.T
    x, y = x - x.min(), y - y.min()
    column, row = np.unique(x * (y.max() + 1) + y, return_inverse=True)
    column = np.stack(np.divmod(column, y.max() + 1)).astype(np.float64)        # [2, c]
    hull = convex_hull(column)
    along = np.roll(hull, -1, axis=1) - hull
    length = np.hypot(*along)
    outward = np.stack([along[1], -along[0]]) / np.where(length > 0, length, 1)  # [2, h]
    # A point is up to half of this from the middle of its voxel, and so are those of the hull.
    width = np.abs(outward).sum(0) + EDGE_SLACK + VOXEL_ROUNDING * float(np.abs(cells).max())
    depth = (outward * hull).sum(0)[:, None] - outward.T @ column               # [h, c]
    at_side = (depth < width[:, None]).any(0)
    return mask[at_side[row] | (z == z.min()) | (z == z.max())]
