"""Tracking: instances are assigned to the objects of earlier clouds while a map grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mask3d_core.geometry.cells import (
    cell_centers,
    CellMap,
    CellSet,
    find,
    NO_CELLS,
    surrounding_columns,
)
from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
from mask3d_core.tracking.detection import detect, Detection
from mask3d_core.tracking.incidence import incidence
from mask3d_core.tracking.matching import certain_pairs, matching_pairs, moved_pairs
from mask3d_core.tracking.motion import find_motions, IDENTITY, MapObjects, moved_map
from mask3d_core.tracking.sight import covers, map_moved, MIN_SURFACE, shown_shares
from mask3d_core.tracking.track import KNOWN_SHARE, Track
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

MAX_MISSES = 5
"""A track is deleted after so many clouds that show its place empty."""
MAX_TRACKS = 10_000
"""
Beyond this number the tracks that were matched longest ago are deleted, but none that the last
cloud has.
"""


class Tracker:
    """
    Assigns the instances of one cloud after another to tracks; tracked objects keep their ids.

    Instances match by the intersection over union of their cells, counted where both clouds show
    something: a sofa keeps its id when the map has grown to show its other half. The frame of the
    clouds must be fixed to the world, as a map's is. The map may move as a whole, or its rooms
    each for itself, as after a loop closure (`find_motions`). An object that is missing keeps its
    id if there is one like it in a new place nearby (`moved_pairs`).

    A map of which one part changed is tracked in the time of that part: see `update`.

    Attributes
    ----------
    max_misses : int
        A track is deleted after so many clouds that show its place empty.
    frame : str
        Of the last cloud.
    next_id : int
        Of the next new object.
    tracks : list of Track
        All objects, those of the last cloud first.
    deleted : list of Track
        Those that the last update deleted.
    fresh : list of Track
        Those that have a new detection since the last update.
    moved : dict of Track to Detection
        Those that the last update found in another place, with their detections before.

    """

    def __init__(self, max_misses: int = MAX_MISSES) -> None:
        self.max_misses = max_misses
        self.reset()

    def reset(self) -> None:
        """Delete all tracks; ids start at 1 again."""
        self.frame = ''
        self._clouds = 0
        self._shown = CellMap()
        self._previous: list[Track] = []  # those of the instances of the last cloud
        self.next_id = 1
        self.tracks: list[Track] = []
        self.deleted: list[Track] = []
        self.fresh: list[Track] = []
        self.moved: dict[Track, Detection] = {}

    def restore(self, tracks: list[Track], next_id: int, frame: str, shown: CellSet) -> None:
        """Continue with the tracks of an earlier process, and with what its last cloud showed."""
        self.reset()
        self.tracks, self.next_id, self.frame = tracks, next_id, frame
        self._shown = CellMap.of(shown)

    def shown(self) -> CellSet:
        """Return the cells that the last cloud showed."""
        return CellSet(self._shown.take(self._shown.columns))

    def update(self, scan: Scan, instances: Instances, frame: str = '', *,
               same_as: NDArray[np.int64] | None = None,
               changed: NDArray[np.int64] | None = None,
               gone: CellSet = NO_CELLS) -> list[Track]:
        """
        Return the tracks of the instances of the next cloud.

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
        gone : CellSet
            What the last scan showed in these places, if it is known.

        """
        if frame != self.frame:
            self.reset()
            self.frame = frame
        if not self._clouds:  # there is no last update that the arguments could refer to
            same_as = changed = None
        elif changed is not None and len(changed) == len(scan):
            changed = None
        self._clouds += 1
        track_of = self._same_tracks(same_as)
        rest = [index for index in range(len(instances)) if index not in track_of]
        shown, detections, in_shown = detect(scan, instances, rest, changed)
        before = self._shown
        differs = self._show(shown, None if changed is None else gone)
        near = self._tracks_near(shown.columns, set(track_of.values())) if differs else []
        surface = shown_shares(near, shown, self._shown)
        if map_moved(surface):
            before = self._follow_map(near, detections, before)
            surface = shown_shares(near, shown, self._shown)

        earlier = [(track, track.cells) for track in near]
        matches, known = self._match([one.cells for one in detections], in_shown, shown, before,
                                     set(track_of.values()))
        matched = set(matches.values())
        missing = [track for track, share in surface.items()
                   if share < MIN_SURFACE and track not in matched]
        matches |= self._find_moved(missing, detections, [
            place for place, share in enumerate(known)
            if share < KNOWN_SHARE and place not in matches])
        for place, track in matches.items():
            if differs:
                track.detect(detections[place], float(known[place]))
            else:  # the same cloud again is no evidence
                track.detection = detections[place]
        for place, detection in enumerate(detections):
            if place not in matches:
                matches[place] = self._new_track(detection, float(known[place]), earlier)
        track_of |= {rest[place]: track for place, track in matches.items()}
        self.fresh = list(matches.values())
        self._previous = [track_of[index] for index in range(len(instances))]
        self._note_sight(surface, again=changed is None and not differs)
        self._delete_tracks()
        return self._previous

    def _same_tracks(self, same_as: NDArray[np.int64] | None) -> dict[int, Track]:
        """Return the track of each instance that is known to be one of the last cloud."""
        if same_as is None:
            return {}
        rows = same_as.tolist()
        track_of = {index: self._previous[row] for index, row in enumerate(rows) if row >= 0}
        assert len(set(track_of.values())) == len(track_of), 'two instances are the same as one'
        return track_of

    def _show(self, shown: CellSet, gone: CellSet | None) -> bool:
        """
        Update the map of what the last cloud showed, and return whether anything differs.

        Parameters
        ----------
        shown : CellSet
            What the cloud shows in the changed places.
        gone : CellSet or None
            What was shown there before; None: the cloud changed as a whole.

        """
        before = self._shown
        self._shown = CellMap.of(shown) if gone is None else before.replaced(shown, gone)
        columns = (before.columns | shown.columns if gone is None
                   else shown.columns | gone.columns)
        return not np.array_equal(self._shown.take(columns), before.take(columns))

    def _tracks_near(self, columns: frozenset[int], taken: set[Track]) -> list[Track]:
        """Return the tracks in some columns or next to them, but those that are taken."""
        around = surrounding_columns(columns)
        return [track for track in self.tracks
                if track not in taken and not around.isdisjoint(track.cells.columns)]

    def _match(self, occupied: Sequence[CellSet], in_shown: csr_matrix, shown: CellSet,
               before: CellMap, taken: set[Track]) -> tuple[dict[int, Track], NDArray[np.float64]]:
        """
        Match instances and tracks.

        Parameters
        ----------
        occupied : J CellSets
            Of the instances to be matched.
        in_shown : [J, c]
            Incidence of these instances and of the cells of `shown`.
        shown : CellSet
            What the cloud shows in the changed places.
        before : CellMap
            What the last cloud showed.
        taken : set of tracks
            Those that are not to be matched.

        Returns
        -------
        matches : dict of int to Track
            The track of each instance that matches one.
        known : [J] float64
            Share of the cells of each instance that the last cloud showed.

        """
        near = self._tracks_near(
            shown.columns.union(*(cells.columns for cells in occupied)), taken)
        known = np.zeros(len(occupied))
        matches = {}
        for row, (column, share) in certain_pairs(
                in_shown, incidence([track.cells for track in near], shown.keys),
                np.array(list(map(len, occupied)), np.int64),
                np.array([len(track.cells) for track in near], np.int64)).items():
            matches[row], known[row] = near[column], share
        rest = [row for row in range(len(occupied)) if row not in matches]
        if not rest:
            return matches, known
        found = set(matches.values())
        near = [track for track in near if track not in found]
        tracked = [track.cells.dilated() for track in near]
        others = [occupied[row] for row in rest]
        columns = frozenset().union(*(cells.columns for cells in [*others, *tracked]))
        cells = self._shown.take(columns)
        in_instance = incidence(others, cells)
        _, shown_before = find(cells[in_instance.indices], before.take(columns))
        of_instance = np.repeat(np.arange(len(others)), in_instance.getnnz(axis=1))
        known[rest] = (np.bincount(of_instance, shown_before, len(others))
                       / np.array(list(map(len, others))))
        size = np.array([len(track.cells) for track in near])
        pairs = matching_pairs(in_instance, incidence(tracked, cells), shown_before, size)
        return matches | {rest[row]: near[column] for row, column in pairs}, known

    def _follow_map(self, tracks: Sequence[Track], detections: Sequence[Detection],
                    before: CellMap) -> CellMap:
        """
        Move tracks as the map has moved; return what the last cloud showed, after the motion.

        Parameters
        ----------
        tracks : sequence of Track
            Those in the changed places or next to them.
        detections : sequence of Detection
            The instances there.
        before : CellMap
            What the last cloud showed.

        """
        place = tracks[0].detection.shape['centroid']
        motions = find_motions(MapObjects.of([track.detection for track in tracks]),
                               MapObjects.of(detections),
                               cell_centers(self.shown().keys, place))
        if all(motion is IDENTITY for motion in motions):
            return before
        resting = [track for track in self._previous if track not in set(tracks)]
        anchors = np.array([track.detection.shape['centroid'] for track in [*tracks, *resting]])
        moved = moved_map(before, anchors, [*motions, *[IDENTITY] * len(resting)])
        for track, motion in zip(tracks, motions):
            track.detection = track.detection.moved(motion)
        return moved

    def _find_moved(self, missing: Sequence[Track], detections: Sequence[Detection],
                    new: Sequence[int]) -> dict[int, Track]:
        """Return the missing objects that are in another place now, by rows of detections."""
        self.moved = {}
        if not missing or not new:
            return {}
        pairs = moved_pairs(MapObjects.of([track.detection for track in missing]),
                            MapObjects.of([detections[place] for place in new]))
        self.moved = {missing[row]: missing[row].detection for row, _ in pairs}
        return {new[column]: missing[row] for row, column in pairs}

    def _note_sight(self, surface: Mapping[Track, float], again: bool) -> None:
        """Note what the cloud shows of each track; `again`: it is the last cloud once more."""
        detected = set(self._previous)
        for track in self.tracks:
            if track in detected:
                track.sight, track.misses, track.covered_by = 'detected', 0, None
                track.last_match = self._clouds
                track.num_clouds += not again
            elif track.sight == 'detected':
                track.sight = 'unknown'
        for track, share in surface.items():
            if track in detected:
                continue
            empty = share < MIN_SURFACE
            track.miss(empty)
            track.sight = 'empty' if empty else 'undetected'
            track.covered_by = next(
                (other for other in self._previous if covers(other.cells, track.cells)), None)

    def _new_track(self, detection: Detection, known_share: float,
                   earlier: Sequence[tuple[Track, CellSet]]) -> Track:
        """Start a track; `earlier` are those nearby and their cells before this cloud."""
        track = Track.of(self.next_id, detection, known_share)
        track.part_of = next((other for other, cells in earlier
                              if covers(cells, detection.cells)), None)
        self.next_id += 1
        self.tracks.append(track)
        return track

    def _delete_tracks(self) -> None:
        """Delete tracks with too many misses, and beyond `MAX_TRACKS` those not seen for long."""
        kept = [track for track in self.tracks
                if not track.gone and track.misses < self.max_misses]
        kept.sort(key=lambda track: -track.last_match)  # among equal matches the latest is taken
        del kept[max(MAX_TRACKS, len(self._previous)):]
        remaining = set(kept)
        for track in kept:  # they would keep deleted ones alive, and those the ones before
            if track.part_of not in remaining:
                track.part_of = None
            if track.covered_by not in remaining:
                track.covered_by = None
        self.deleted = [track for track in self.tracks if track not in remaining]
        self.tracks = kept
