"""
Objects of another scan, put on the free floor of a scan.

Copy-paste (Ghiasi et al., CVPR 2021) for scans: as 3D Copy-Paste (Ge et al., arXiv 2312.05277), an
object is put where there is floor under it and nothing in its way. Ours are the labelled objects
of the training scans, and what is no furniture is told by its shape, not by its class.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
import math

from mask3d_core.data.labels import LabelledScan
from mask3d_core.geometry.boxes import convex_hull, smallest_rectangle
from mask3d_core.training.floor_grid import CELL, FloorGrid
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

MIN_POINTS = 50
MAX_GAP = 0.1
"""Metres between the lowest points of an object and its floor; legs often lack their ends."""
MIN_HEIGHT = 0.15
"""Metres: rugs and papers lie in the floor's voxels."""
MIN_WIDTH, LOW_HEIGHT = 0.25, 0.5
"""
Metres. Narrower things that are higher are part of a wall, or only their front was seen: doors,
curtains, radiators, walls, fronts of fitted kitchens.
"""
MAX_LENGTH = 5.0
"""Metres. What is longer is a wall, or stray points have the same id."""
MIN_FILLED = 0.6
"""
Share of the cells in the convex hull of an object that has points, seen from above. Less have
open doors in their frame, and things of which only two sides were seen.
"""
MAX_STEP = 0.1
"""Metres between the highest and the lowest floor under an object: none stands on two steps."""
MAX_PLACES = 10
"""Free places that are tried for such a step."""
HEADROOM = 0.05
"""Metres that stay free above an object."""


@dataclass(frozen=True, eq=False)
class FloorObject:
    """
    An object that stands on the floor of its scan.

    Attributes
    ----------
    points : LabelledScan
        Of the object alone.
    local : [n, 3] float64
        Positions of the points from `origin`, metres.
    origin : [3] float64
        On the floor under the middle of the object, metres, in the frame of its scan.
    hull : [2, h] float64
        Corners of the convex hull of the object seen from above, from `origin`, metres,
        counter-clockwise.

    """

    points: LabelledScan
    local: NDArray[np.float64]
    origin: NDArray[np.float64]
    hull: NDArray[np.float64]


@dataclass(frozen=True)
class ObjectInsertion:
    """
    Insert objects of another scan into a scan.

    Attributes
    ----------
    limit : int
        Most objects in one scan; how many is random, 0 to as many.
    floor : int
        Id of the class of the floor.
    background : tuple of int
        Ids of the classes that are not objects.

    """

    limit: int
    floor: int
    background: tuple[int, ...]

    def __call__(self, labelled: LabelledScan, donor: LabelledScan, rng: np.random.Generator,
                 ) -> LabelledScan:
        """
        Put objects of the donor on the free floor of a scan.

        Each is rotated about z by a random angle and gets a random place where floor was seen
        under all of its convex hull, with nothing there up to its height. It keeps its height
        above the floor. The floor under it stays where the donor shows floor under it, as under
        a table, and goes where the donor does not.

        Nothing is inserted without a level floor in both, nor from a donor without colour into a
        scan that has colour. Segments are kept if both scans have them.

        Parameters
        ----------
        labelled, donor : LabelledScan
            Metres, z up; may be the same.
        rng : Generator
            The same state gives the same result.

        """
        count = int(rng.integers(self.limit + 1))
        if not count or (labelled.scan.color is not None and donor.scan.color is None):
            return labelled
        grid, donor_grid = (FloorGrid.of(scan, self.floor) for scan in (labelled, donor))
        if grid is None or donor_grid is None:
            return labelled
        kept, parts = np.ones(len(labelled), np.bool_), list[LabelledScan]()
        ground = np.flatnonzero(labelled.label == self.floor)
        for one in self._standing_objects(donor, donor_grid, rng):
            if len(parts) == count:
                break
            angle = rng.uniform(0, 2 * np.pi)
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            place = _find_place(grid, one, turn, rng)
            if place is not None:
                parts.append(_moved(one, turn, place))
                under = _rows_under(labelled.scan.xyz, ground, turn @ one.hull, place)
                source = (labelled.scan.xyz[under, :2] - place[:2]) @ turn + one.origin[:2]
                kept[under[~donor_grid.is_seen(source)]] = False
        return _joined(labelled.take(np.flatnonzero(kept)), parts) if parts else labelled

    def _standing_objects(self, donor: LabelledScan, grid: FloorGrid, rng: np.random.Generator,
                          ) -> Iterator[FloorObject]:
        """Yield the objects of a scan that stand on its floor, in random order."""
        for number in rng.permutation(np.unique(donor.instance[donor.instance >= 0])):
            rows = np.flatnonzero(donor.instance == number)
            no_object = np.isin(donor.label[rows], (self.floor, *self.background))
            if len(rows) >= MIN_POINTS and no_object.mean() < 0.5:
                one = _floor_object(donor.take(rows), grid)
                if one is not None:
                    yield one


def _floor_object(points: LabelledScan, grid: FloorGrid) -> FloorObject | None:
    """Return an object of a scan, given its points; None if it does not stand on the floor."""
    xyz = points.scan.xyz.astype(np.float64, copy=False)
    box = smallest_rectangle(xyz[:, 0], xyz[:, 1])
    middle = np.array(box.center)
    origin = np.array([*middle, grid.height_at(middle)])
    local = xyz - origin
    bottom, top = np.percentile(local[:, 2], (1, 99))  # without stray points
    height = top - bottom
    if abs(bottom) > MAX_GAP or height < MIN_HEIGHT:
        return None
    if box.size[0] > MAX_LENGTH or (box.size[1] < MIN_WIDTH and height > LOW_HEIGHT):
        return None
    hull = convex_hull(local[:, :2].T)
    inside = _footprint(hull, 0.0)
    has_points = np.zeros_like(inside)
    row, column = np.floor(local[:, :2].T / CELL + inside.shape[0] / 2).astype(np.int64)
    has_points[row, column] = True
    if (has_points & inside).sum() < MIN_FILLED * inside.sum():
        return None
    return FloorObject(points, local, origin, hull)


def _footprint(hull: NDArray[np.float64], margin: float) -> NDArray[np.bool_]:
    """
    Return the cells in a convex hull [2, h], and up to a margin around it: [2 r + 1, 2 r + 1].

    The origin of the hull is the center of the cell in the middle. A cell counts by its center.
    """
    radius = math.ceil((np.abs(hull).max() + margin) / CELL)
    middle = np.arange(-radius, radius + 1) * CELL
    return _in_hull(middle[:, None], middle[None], hull, margin)


def _in_hull(x: NDArray[np.float64], y: NDArray[np.float64], hull: NDArray[np.float64],
             margin: float) -> NDArray[np.bool_]:
    """Return which positions are at most `margin` beyond every side of a convex hull [2, h]."""
    inside = np.ones(np.broadcast_shapes(x.shape, y.shape), np.bool_)
    for (x0, y0), (x1, y1) in zip(hull.T, np.roll(hull, -1, axis=1).T):
        beyond = (y1 - y0) * (x - x0) - (x1 - x0) * (y - y0)
        inside &= beyond <= margin * math.hypot(x1 - x0, y1 - y0)
    return inside


def _find_place(grid: FloorGrid, one: FloorObject, turn: NDArray[np.float64],
                rng: np.random.Generator) -> NDArray[np.float64] | None:
    """Return where the origin of a rotated object may be [3], and take the place; or None."""
    touched = CELL / math.sqrt(2)  # centers of cells that the hull touches are no further from it
    footprint = _footprint(turn @ one.hull, touched)
    free = ndimage.binary_erosion(grid.is_free(one.local[:, 2].max() + HEADROOM), footprint)
    cells, around = np.argwhere(free), np.argwhere(footprint) - footprint.shape[0] // 2
    for number in rng.permutation(len(cells))[:MAX_PLACES]:
        rows, columns = (cells[number] + around).T
        height = grid.height[rows, columns]
        if np.ptp(height) <= MAX_STEP:
            grid.occupy(rows, columns)
            return np.array([*grid.center(cells[number]), height.mean()])
    return None


def _rows_under(xyz: NDArray[np.floating], ground: NDArray[np.int64], hull: NDArray[np.float64],
                place: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the rows of the floor's points in a hull [2, h] about a place [3]."""
    x, y = (xyz[ground, axis] - place[axis] for axis in (0, 1))
    return ground[_in_hull(x, y, hull, 0.0)]


def _moved(one: FloorObject, turn: NDArray[np.float64], place: NDArray[np.float64],
           ) -> LabelledScan:
    """Return an object, rotated by the matrix [2, 2], with its origin at a place [3]."""
    xyz = np.column_stack([one.local[:, :2] @ turn.T, one.local[:, 2]]) + place
    return replace(one.points, scan=replace(one.points.scan, xyz=xyz))


def _joined(labelled: LabelledScan, parts: list[LabelledScan]) -> LabelledScan:
    """Return a scan with further objects, each with ids of its own."""
    every = [labelled, *parts]
    scans = [one.scan for one in every]
    colors = [scan.color for scan in scans if scan.color is not None]
    segments = [scan.segment for scan in scans if scan.segment is not None]
    xyz = np.concatenate([scan.xyz for scan in scans]).astype(scans[0].xyz.dtype)
    scan = replace(
        scans[0], xyz=xyz, kept=np.arange(len(xyz)), input_size=len(xyz),
        color=np.concatenate(colors) if len(colors) == len(scans) else None,
        segment=_with_ids_of_their_own(segments) if len(segments) == len(scans) else None)
    return replace(labelled, scan=scan, label=np.concatenate([one.label for one in every]),
                   instance=_with_ids_of_their_own([one.instance for one in every]))


def _with_ids_of_their_own(parts: list[NDArray]) -> NDArray:
    """Join ids; those of the first part stay, the others get numbers that nothing else has."""
    numbers = [np.unique(part, return_inverse=True)[1].reshape(-1) for part in parts[1:]]
    first = np.cumsum([0, *(part.max() + 1 for part in numbers)])
    taken = np.unique(parts[0])
    unused = np.setdiff1d(np.arange(len(taken) + first[-1]), taken).astype(parts[0].dtype)
    return np.concatenate([parts[0], *(unused[start + part]
                                       for start, part in zip(first, numbers))])
