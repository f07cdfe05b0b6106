"""Tracking: instances keep their ids while the map of a robot grows."""

from __future__ import annotations

from dataclasses import dataclass

from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix

CELL_SIZE = 0.05
"""Metres: instances are compared by the cells they occupy, so their points may differ."""
MIN_TRACK_IOU = 0.25
"""Intersection over union of the cells of two instances of one object, at least."""
MAX_MISSES = 5
"""A track is deleted after more clouds that show its place without an instance there."""
MAX_TRACKS = 500
"""Beyond this number the tracks that were matched longest ago are deleted."""
AXIS_BITS = 21
"""Bits per axis of a cell key; covers 100 km."""
AXIS_STEPS = 1 << AXIS_BITS * np.arange(3)
"""Difference of the keys of neighboring cells along each axis."""
NEIGHBOR_STEPS = np.concatenate([[0], AXIS_STEPS, -AXIS_STEPS])
"""
From a cell's key to those of itself and its face neighbors: noise moves a surface from one cell
to the next.
"""
BLOCK_MASK = ~int(3 * AXIS_STEPS.sum())
"""Bits of a key that all cells of a block of 4 x 4 x 4 have in common."""


@dataclass(eq=False)
class _Track:
    """
    An object of earlier clouds.

    Attributes
    ----------
    id : int
    cells : [c] int64
        Keys of the cells of its last matched instance, ascending.
    misses : int
        Number of clouds since then that showed this place.
    last_match : int
        Number of the cloud with its last matched instance.

    """

    id: int
    cells: NDArray[np.int64]
    misses: int = 0
    last_match: int = 0


class Tracker:
    """
    Assigns ids to the instances of one cloud after another; tracked objects keep their ids.

    Instances match by the intersection over union of their cells, counted where both clouds show
    something: a sofa keeps its id when the map has grown to show its other half. There is no
    motion model, so the frame of the clouds must be fixed to the world, as a map's is.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Delete all tracks; ids start at 1 again."""
        self._frame = ''
        self._next_id = 1
        self._tracks: list[_Track] = []
        self._shown = np.empty(0, np.int64)
        self._clouds = 0

    def update(self, scan: Scan, instances: Instances, frame: str = '') -> NDArray[np.uint32]:
        """
        Return the ids of the instances of the next cloud: [I], never 0.

        Parameters
        ----------
        scan : Scan
        instances : Instances
            Of the scan; new ids are assigned in their order.
        frame : str
            A change of the frame resets the tracker.

        """
        if frame != self._frame:
            self.reset()
            self._frame = frame
        self._clouds += 1
        cells, cell = np.unique(_cell_keys(scan.xyz), return_inverse=True)
        cell_of = np.zeros(scan.input_size, np.int64)
        cell_of[scan.kept] = cell
        occupied = [np.unique(cell_of[rows]) for rows in instances.rows]  # rows of `cells`
        track_of = self._match(cells, occupied)
        if not np.array_equal(cells, self._shown):  # the same cloud again is no evidence
            self._count_misses(cells, set(track_of.values()))
        self._shown = cells

        ids = np.zeros(len(instances), np.uint32)
        for index, rows in enumerate(occupied):
            track = self._tracks[track_of[index]] if index in track_of else self._new_track()
            track.cells, track.misses, track.last_match = cells[rows], 0, self._clouds
            ids[index] = track.id
        kept = [track for track in self._tracks if track.misses <= MAX_MISSES]
        self._tracks = sorted(kept, key=lambda track: -track.last_match)[:MAX_TRACKS]
        return ids

    def _match(self, cells: NDArray[np.int64], occupied: list[NDArray[np.int64]],
               ) -> dict[int, int]:
        """
        Return the track of each instance that has one.

        Parameters
        ----------
        cells : [C] int64
            Keys of the cells that the cloud occupies, ascending.
        occupied : I arrays
            Rows of `cells` that each instance occupies.

        """
        tracked = [_rows_of(np.unique(track.cells[:, None] + NEIGHBOR_STEPS), cells)
                   for track in self._tracks]
        instance_size = np.array([len(rows) for rows in occupied], np.int64)
        track_size = np.array([len(track.cells) for track in self._tracks], np.int64)
        # only cells that the last cloud showed or a track occupies: the map and instances grow
        known = np.zeros(len(cells), bool)
        known[np.concatenate([_rows_of(self._shown, cells), *tracked])] = True
        in_instance, in_track = _incidence(occupied, len(cells)), _incidence(tracked, len(cells))
        common = (in_instance @ in_track.T).toarray()           # [I, T]
        union = (in_instance @ known)[:, None] + (in_track @ known) - common
        iou = common / np.maximum(union, 1)
        # two adjacent objects of which both clouds show little more than the common border are
        # not the same, although their IoU there may be high
        smaller = np.minimum(instance_size[:, None], track_size)
        same = (iou >= MIN_TRACK_IOU) & (common >= MIN_TRACK_IOU * smaller)
        # squared, so that one good pair scores higher than two poor ones
        rows, columns = linear_sum_assignment(np.where(same, iou ** 2, 0), maximize=True)
        return {int(row): int(column) for row, column in zip(rows, columns) if same[row, column]}

    def _count_misses(self, cells: NDArray[np.int64], matched: set[int]) -> None:
        """Count a miss for unmatched tracks if the cloud shows most of their surroundings."""
        blocks = np.unique(cells & BLOCK_MASK)
        for step in 4 * AXIS_STEPS:
            blocks = np.unique([blocks - step, blocks, blocks + step])
        for index, track in enumerate(self._tracks):
            if index not in matched:
                shown = len(_rows_of(track.cells & BLOCK_MASK, blocks))
                track.misses += 2 * shown > len(track.cells)

    def _new_track(self) -> _Track:
        track = _Track(self._next_id, np.empty(0, np.int64))
        self._next_id += 1
        self._tracks.append(track)
        return track


def _cell_keys(xyz: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the key of each point's cell, the same in all clouds: [N]."""
    middle = 1 << AXIS_BITS - 1  # so that keys around the origin are not negative
    cell = np.floor(xyz / CELL_SIZE).astype(np.int64) + middle & (1 << AXIS_BITS) - 1
    return cell @ AXIS_STEPS


def _rows_of(wanted: NDArray[np.int64], cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows in `cells`, ascending and not empty, of the wanted keys that it contains."""
    row = np.searchsorted(cells, wanted).clip(max=len(cells) - 1)
    return row[cells[row] == wanted]


def _incidence(rows: list[NDArray[np.int64]], count: int) -> csr_matrix:
    """Return the incidence matrix [len(rows), count]: ones in the given columns of each row."""
    columns = np.concatenate([*rows, np.empty(0, np.int64)])
    ends = np.cumsum([0, *map(len, rows)])
    return csr_matrix((np.ones(len(columns)), columns, ends), shape=(len(rows), count))
