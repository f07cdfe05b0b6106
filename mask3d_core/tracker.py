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
"""Clouds that show the place of an object without finding it before it is forgotten."""
AXIS_BITS = 21
"""Of a cell's number: 100 km along each axis."""


@dataclass(eq=False)
class _Track:
    """
    An object that was found before.

    Attributes
    ----------
    id : int
    cells : [c] int64
        Where it is, ascending.
    missed : int
        Clouds since it was found that showed its place.

    """

    id: int
    cells: NDArray[np.int64]
    missed: int = 0


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
        cells, cell = np.unique(_numbers(scan.xyz), return_inverse=True)
        places = [np.unique(cell[instances.mask(index)[scan.kept]])
                  for index in range(len(instances))]
        tracked = [_find(track.cells, cells) for track in self._tracks]
        known = np.isin(cells, self._shown, assume_unique=True)
        self._shown = np.union1d(self._shown, cells)

        rows, columns = _match(_overlaps(places, tracked, known))
        partner = dict(zip(rows.tolist(), columns.tolist()))
        for index in set(range(len(self._tracks))) - set(partner.values()):
            # of a track that is mostly out of sight nothing can be said
            self._tracks[index].missed += 2 * len(tracked[index]) > len(self._tracks[index].cells)
        ids = np.zeros(len(instances), np.uint32)
        for index, place in enumerate(places):
            track = self._tracks[partner[index]] if index in partner else self._begin()
            hidden = np.setdiff1d(track.cells, cells, assume_unique=True)
            track.cells, track.missed = np.union1d(hidden, cells[place]), 0
            ids[index] = track.id
        self._tracks = [track for track in self._tracks if track.missed <= PATIENCE]
        return ids

    def _begin(self) -> _Track:
        track = _Track(self._next, np.empty(0, np.int64))
        self._next += 1
        self._tracks.append(track)
        return track


def _numbers(xyz: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the number of the cell of each point, the same in every cloud: [N]."""
    x, y, z = (np.floor(xyz / CELL).astype(np.int64) & (1 << AXIS_BITS) - 1).T
    return (x << 2 * AXIS_BITS) | (y << AXIS_BITS) | z


def _find(wanted: NDArray[np.int64], cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows in `cells` of those wanted cells that are among them; both ascending."""
    row = np.searchsorted(cells, wanted).clip(max=len(cells) - 1)
    return row[cells[row] == wanted] if len(cells) else row


def _overlaps(found: list[NDArray[np.int64]], tracked: list[NDArray[np.int64]],
              known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the IoU of each two places, rows of cells, in the known [C] cells: [I, T]."""
    found_in, tracked_in = _incidence(found, len(known)), _incidence(tracked, len(known))
    common = (found_in @ tracked_in.T).toarray()
    union = (found_in @ known)[:, None] + (tracked_in @ known)[None] - common
    return common / np.maximum(union, 1)


def _incidence(rows: list[NDArray[np.int64]], count: int) -> csr_matrix:
    """Return a matrix [len(rows), count] with ones in these columns of each row."""
    columns = np.concatenate([*rows, np.empty(0, np.int64)])
    ends = np.cumsum([0, *map(len, rows)])
    return csr_matrix((np.ones(len(columns)), columns, ends), shape=(len(rows), count))


def _match(overlaps: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pair rows and columns so that their overlaps are most in all; only pairs that do overlap."""
    rows, columns = linear_sum_assignment(overlaps, maximize=True)
    same = overlaps[rows, columns] >= OVERLAP
    return rows[same], columns[same]
