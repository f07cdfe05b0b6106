"""Identity: instances keep their ids while the map of a robot grows."""

from __future__ import annotations

from dataclasses import dataclass

from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix

CELL = 0.05
"""Metres: places are compared in cubes of this size, so points need not be the same."""
OVERLAP = 0.25
"""Intersection over union of places from which on two instances are the same object."""
PATIENCE = 5
"""Clouds that show where an object was without finding it before it is forgotten."""
MOST = 500
"""Objects that are remembered; more, and those are forgotten that were not found for longest."""
AXIS_BITS = 21
"""Of a cell's number: 100 km along each axis."""
ONE = 1 << AXIS_BITS * np.arange(3)
"""From a cell's number to that of the next along each axis."""
NEAR = np.concatenate([[0], ONE, -ONE])
"""From a cell to those that touch it with a side: surfaces lie now in one, now in the other."""
BLOCK = ~int(3 * ONE.sum())
"""Bits of a number that cells of a block of 4 x 4 x 4 have in common."""


@dataclass(eq=False)
class _Track:
    """
    An object that was found before.

    Attributes
    ----------
    id : int
    cells : [c] int64
        Where it was found last, ascending.
    missed : int
        Clouds since then that showed this place.
    found : int
        Number of the cloud it was found in last.

    """

    id: int
    cells: NDArray[np.int64]
    missed: int = 0
    found: int = 0


class Tracker:
    """
    Numbers the instances of one cloud after another; what is found again keeps its id.

    Objects are the same where their places overlap, as far as both clouds show them: a sofa of
    which the map has come to show the other half is still the same. Places are compared as they
    are, so the clouds must be of one frame that stands still, as a map's.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew, with id 1."""
        self._frame = ''
        self._next = 1
        self._tracks: list[_Track] = []
        self._shown = np.empty(0, np.int64)
        self._clouds = 0

    def follow(self, scan: Scan, instances: Instances, frame: str = '') -> NDArray[np.uint32]:
        """
        Return the ids of the instances of the next cloud: [I], never 0.

        Parameters
        ----------
        scan : Scan
        instances : Instances
            Of the scan; new ids are given in their order.
        frame : str
            Another one than before makes it forget everything.

        """
        if frame != self._frame:
            self.forget()
            self._frame = frame
        self._clouds += 1
        cells, cell = np.unique(_numbers(scan.xyz), return_inverse=True)
        places = [np.unique(cell[instances.mask(index)[scan.kept]])
                  for index in range(len(instances))]
        partner = self._match(cells, places)
        if not np.array_equal(cells, self._shown):  # the same cloud again says nothing new
            self._miss(cells, set(partner.values()))
        self._shown = cells

        ids = np.zeros(len(instances), np.uint32)
        for index, place in enumerate(places):
            track = self._tracks[partner[index]] if index in partner else self._begin()
            track.cells, track.missed, track.found = cells[place], 0, self._clouds
            ids[index] = track.id
        known = [track for track in self._tracks if track.missed <= PATIENCE]
        self._tracks = sorted(known, key=lambda track: -track.found)[:MOST]
        return ids

    def _match(self, cells: NDArray[np.int64], places: list[NDArray[np.int64]]) -> dict[int, int]:
        """Return which track each place, rows of the shown cells, belongs to, if to any."""
        tracked = [_find(np.unique(track.cells[:, None] + NEAR), cells) for track in self._tracks]
        found_size = np.array([len(place) for place in places], np.int64)
        tracked_size = np.array([len(track.cells) for track in self._tracks], np.int64)
        known = np.zeros(len(cells), bool)
        known[np.concatenate([_find(self._shown, cells), *tracked])] = True
        found_in, tracked_in = _incidence(places, len(cells)), _incidence(tracked, len(cells))
        common = (found_in @ tracked_in.T).toarray()            # [I, T]
        union = (found_in @ known)[:, None] + (tracked_in @ known) - common
        overlap = common / np.maximum(union, 1)
        # the rim that both clouds show of two objects side by side makes them no one
        smaller = np.minimum(found_size[:, None], tracked_size)
        same = (overlap >= OVERLAP) & (common >= OVERLAP * smaller)
        # squared, so that one good pair is worth more than two poor ones
        rows, columns = linear_sum_assignment(np.where(same, overlap ** 2, 0), maximize=True)
        return {int(row): int(column) for row, column in zip(rows, columns) if same[row, column]}

    def _miss(self, cells: NDArray[np.int64], found: set[int]) -> None:
        """Count a miss of tracks that were not found, though the cloud shows what is around."""
        blocks = np.unique(cells & BLOCK)
        for step in 4 * ONE:
            blocks = np.unique([blocks - step, blocks, blocks + step])
        for index, track in enumerate(self._tracks):
            if index not in found:
                in_sight = len(_find(track.cells & BLOCK, blocks))
                track.missed += 2 * in_sight > len(track.cells)

    def _begin(self) -> _Track:
        track = _Track(self._next, np.empty(0, np.int64))
        self._next += 1
        self._tracks.append(track)
        return track


def _numbers(xyz: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the number of the cell of each point, the same in every cloud: [N]."""
    middle = 1 << AXIS_BITS - 1  # neighbours of the origin's cell have no negative numbers
    place = np.floor(xyz / CELL).astype(np.int64) + middle & (1 << AXIS_BITS) - 1
    return place @ ONE


def _find(wanted: NDArray[np.int64], cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows in `cells`, ascending and not empty, of those wanted that are there."""
    row = np.searchsorted(cells, wanted).clip(max=len(cells) - 1)
    return row[cells[row] == wanted]


def _incidence(rows: list[NDArray[np.int64]], count: int) -> csr_matrix:
    """Return a matrix [len(rows), count] with ones in these columns of each row."""
    columns = np.concatenate([*rows, np.empty(0, np.int64)])
    ends = np.cumsum([0, *map(len, rows)])
    return csr_matrix((np.ones(len(columns)), columns, ends), shape=(len(rows), count))
