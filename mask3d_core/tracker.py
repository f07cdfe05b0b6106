"""Tracking: instances keep their ids while the map of a robot grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mask3d_core.geometry.cells import (
    BLOCK_MASK,
    CellMap,
    CellSet,
    find,
    occupied_cells,
    surrounding_columns,
)
from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components

MIN_TRACK_IOU = 0.25
"""Intersection over union of the cells of two instances of one object, at least."""
MAX_MISSES = 5
"""A track is deleted after more clouds that show its place without an instance there."""
MAX_TRACKS = 10_000
"""
Beyond this number the tracks that were matched longest ago are deleted, but none that the last
cloud has.
"""
SEARCH_FACTOR = 50
"""Finding a row by bisection takes as long as numbering so many points of the cloud."""


@dataclass(eq=False)
class _Track:
    """
    An object of earlier clouds.

    Attributes
    ----------
    id : int
    cells : CellSet
        Of its last matched instance.
    misses : int
        Number of clouds since then that showed this place.
    last_match : int
        Number of the cloud with its last matched instance.

    """

    id: int
    cells: CellSet
    misses: int = 0
    last_match: int = 0


class Tracker:
    """
    Assigns ids to the instances of one cloud after another; tracked objects keep their ids.

    Instances match by the intersection over union of their cells, counted where both clouds show
    something: a sofa keeps its id when the map has grown to show its other half. There is no
    motion model, so the frame of the clouds must be fixed to the world, as a map's is.

    A map of which one part changed is tracked in the time of that part: see `update`.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Delete all tracks; ids start at 1 again."""
        self._frame = ''
        self._next_id = 1
        self._tracks: list[_Track] = []
        self._previous: list[_Track] = []  # those of the instances of the last cloud
        self._shown = CellMap()
        self._clouds = 0

    def update(self, scan: Scan, instances: Instances, frame: str = '', *,
               same_as: NDArray[np.int64] | None = None,
               changed: NDArray[np.int64] | None = None) -> NDArray[np.uint32]:
        """
        Return the ids of the instances of the next cloud: [I], never 0.

        Without `same_as` and `changed` an update takes the time of all points. With them it takes
        that of the changed points and of the instances to be matched.

        Parameters
        ----------
        scan : Scan
        instances : Instances
            Of the scan; new ids are assigned in their order.
        frame : str
            A change of the frame resets the tracker.
        same_as : [I] int64 or None
            Row of each instance among those of the last update where it is known to be the very
            same, as its points did not change: it keeps its id. -1: to be matched. None: all are.
        changed : [n] int64 or None
            Rows of all points of the scan in the places that changed since the last update. Only
            a track there, or within 40 cm, can have a miss. None: the whole scan.

        """
        if frame != self._frame:
            self.reset()
            self._frame = frame
        if not self._clouds:  # there is no last update that the arguments could refer to
            same_as = changed = None
        self._clouds += 1
        track_of = self._same_tracks(same_as)
        rest = [index for index in range(len(instances)) if index not in track_of]
        occupied = _instance_cells(scan, [instances.rows[index] for index in rest])
        shown, before = occupied_cells(scan.xyz, changed), self._shown
        differs = self._show(shown, whole=changed is None)

        matches = self._match(occupied, shown, before, set(track_of.values()))
        track_of |= {rest[row]: track for row, track in matches.items()}
        if differs:  # the same cloud again is no evidence
            self._count_misses(shown, set(track_of.values()))
        for index, cells in zip(rest, occupied):
            if index not in track_of:
                track_of[index] = self._new_track(cells)
            track_of[index].cells = cells
        self._previous = [track_of[index] for index in range(len(instances))]
        for track in self._previous:
            track.misses, track.last_match = 0, self._clouds
        self._delete_tracks()
        return np.array([track.id for track in self._previous], np.uint32)

    def _same_tracks(self, same_as: NDArray[np.int64] | None) -> dict[int, _Track]:
        """Return the track of each instance that is known to be one of the last cloud."""
        if same_as is None:
            return {}
        rows = same_as.tolist()
        track_of = {index: self._previous[row] for index, row in enumerate(rows) if row >= 0}
        assert len(set(track_of.values())) == len(track_of), 'two instances are the same as one'
        return track_of

    def _show(self, shown: CellSet, whole: bool) -> bool:
        """
        Update the map of what the last cloud showed, and return whether anything differs.

        Parameters
        ----------
        shown : CellSet
            What the cloud shows in the changed places.
        whole : bool
            Whether that is the whole cloud.

        """
        before = self._shown
        self._shown = CellMap.of(shown) if whole else before.replaced(shown)
        columns = shown.columns | before.columns - self._shown.columns
        return not np.array_equal(self._shown.take(columns), before.take(columns))

    def _match(self, occupied: Sequence[CellSet], shown: CellSet, before: CellMap,
               taken: set[_Track]) -> dict[int, _Track]:
        """
        Return the track of each instance that matches one.

        Parameters
        ----------
        occupied : J CellSets
            Of the instances to be matched.
        shown : CellSet
            What the cloud shows in the changed places.
        before : CellMap
            What the last cloud showed.
        taken : set of tracks
            Those that are not to be matched.

        """
        if not occupied:
            return {}
        place = surrounding_columns(shown.columns.union(*(cells.columns for cells in occupied)))
        near = [track for track in self._tracks
                if track not in taken and not place.isdisjoint(track.cells.columns)]
        if not near:
            return {}
        tracked = [track.cells.dilated() for track in near]
        columns = frozenset().union(*(cells.columns for cells in [*occupied, *tracked]))
        cells = self._shown.take(columns)
        in_instance = _incidence(occupied, cells)
        _, shown_before = find(cells[in_instance.indices], before.take(columns))
        size = np.array([len(track.cells) for track in near])
        pairs = _pairs(in_instance, _incidence(tracked, cells), shown_before, size)
        return {row: near[column] for row, column in pairs}

    def _count_misses(self, shown: CellSet, matched: set[_Track]) -> None:
        """Count a miss for unmatched tracks if the cloud shows most of their surroundings."""
        unmatched = [track for track in self._tracks if track not in matched]
        if not unmatched:
            return
        blocks = shown.dilated_blocks()
        for track in unmatched:
            if not blocks.columns.isdisjoint(track.cells.columns):
                _, visible = find(track.cells.keys & BLOCK_MASK, blocks.keys)
                track.misses += bool(2 * visible.sum() > len(track.cells))

    def _new_track(self, cells: CellSet) -> _Track:
        track = _Track(self._next_id, cells)
        self._next_id += 1
        self._tracks.append(track)
        return track

    def _delete_tracks(self) -> None:
        """Delete tracks with too many misses, and beyond `MAX_TRACKS` those not seen for long."""
        kept = [track for track in self._tracks if track.misses <= MAX_MISSES]
        kept.sort(key=lambda track: -track.last_match)  # among equal matches the latest is taken
        self._tracks = kept[:max(MAX_TRACKS, len(self._previous))]


def _instance_cells(scan: Scan, rows: Sequence[NDArray[np.int32]]) -> list[CellSet]:
    """Return the cells of some instances, given by their rows of the input cloud."""
    if len(scan.kept) == scan.input_size:
        return [occupied_cells(scan.xyz, points) for points in rows]
    if SEARCH_FACTOR * sum(map(len, rows)) < scan.input_size:
        return [occupied_cells(scan.xyz, np.searchsorted(scan.kept, points)) for points in rows]
    row_of = np.zeros(scan.input_size, np.int32)
    row_of[scan.kept] = np.arange(len(scan.kept), dtype=np.int32)
    return [occupied_cells(scan.xyz, row_of[points]) for points in rows]


def _incidence(occupied: Sequence[CellSet], cells: NDArray[np.int64]) -> csr_matrix:
    """Return the incidence matrix [len(occupied), c]: ones at the cells that each occupies."""
    column, contained = find(np.concatenate([*(one.keys for one in occupied),
                                             np.empty(0, np.int64)]), cells)
    ends = np.cumsum([0, *map(len, occupied)])
    ends = np.concatenate([[0], np.cumsum(contained)])[ends]
    column = column[contained]
    return csr_matrix((np.ones(len(column)), column, ends), shape=(len(occupied), len(cells)))


def _pairs(in_instance: csr_matrix, in_track: csr_matrix, shown_before: NDArray[np.bool_],
           track_size: NDArray[np.int64]) -> list[tuple[int, int]]:
    """
    Return the rows of the instances and tracks that are the same objects, each at most once.

    Parameters
    ----------
    in_instance : [J, c]
        Incidence of instances and cells.
    in_track : [T, c]
        The same of tracks, with the neighbors of their cells.
    shown_before : [n] bool
        Whether the last cloud showed the cell of each entry of `in_instance`.
    track_size : [T] int64
        Number of the cells of each track.

    """
    common = (in_instance @ in_track.T).tocoo()  # [J, T], of which few pairs have any
    instance, track, count = common.row, common.col, common.data
    # only cells that the last cloud showed or a track occupies: the map and instances grow
    known = in_instance.copy()
    known.data = shown_before | (in_track.getnnz(axis=0) > 0)[in_instance.indices]
    seen = np.asarray(known.sum(axis=1)).ravel()  # [J]
    union = seen[instance] + in_track.getnnz(axis=1)[track] - count
    iou = count / np.maximum(union, 1)
    # two adjacent objects of which both clouds show little more than the common border are
    # not the same, although their IoU there may be high
    smaller = np.minimum(in_instance.getnnz(axis=1)[instance], track_size[track])
    same = (iou >= MIN_TRACK_IOU) & (count >= MIN_TRACK_IOU * smaller)
    # squared, so that one good pair scores higher than two poor ones
    return _assign(instance[same], track[same], iou[same] ** 2)


def _assign(rows: NDArray[np.integer], columns: NDArray[np.integer], value: NDArray[np.float64],
            ) -> list[tuple[int, int]]:
    """
    Return the pairs of the assignment with the largest sum of values, from those that may be.

    Solved for each connected component of the graph of the pairs: its time does not grow with
    the square of the map, as that of one large matrix does.

    Parameters
    ----------
    rows, columns : [n] int
        The pairs that may be assigned.
    value : [n] float64
        Above 0.

    """
    if not len(rows):
        return []
    first_column, count = rows.max() + 1, rows.max() + columns.max() + 2
    graph = coo_matrix((value, (rows, columns + first_column)), shape=(count, count))
    component = connected_components(graph, directed=False)[1][rows]
    alone = np.bincount(component)[component] == 1
    pairs = list(zip(rows[alone].tolist(), columns[alone].tolist()))
    if alone.all():
        return pairs
    others = np.flatnonzero(~alone)
    others = others[np.argsort(component[others], kind='stable')]
    for part in np.split(others, np.flatnonzero(np.diff(component[others])) + 1):
        row, row_of = np.unique(rows[part], return_inverse=True)
        column, column_of = np.unique(columns[part], return_inverse=True)
        values = np.zeros((len(row), len(column)))
        values[row_of, column_of] = value[part]
        chosen = np.stack(linear_sum_assignment(values, maximize=True), axis=1)
        pairs += [(int(row[i]), int(column[j])) for i, j in chosen if values[i, j]]
    return pairs
