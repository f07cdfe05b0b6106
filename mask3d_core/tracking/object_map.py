"""The objects of a map: they stay while detections come and go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mask3d_core.geometry.cells import CellSet
from mask3d_core.geometry.points_in_cells import count_cells, rows_in_cells
from mask3d_core.instances import concatenate, Instances
from mask3d_core.scan import Scan
from mask3d_core.tracking.detection import Detection, SHAPE_COLUMNS
from mask3d_core.tracking.sight import MIN_SURFACE
from mask3d_core.tracking.track import Track
from mask3d_core.tracking.tracked_objects import (
    ChangeKind,
    Difference,
    Header,
    ObjectChange,
    Selection,
    TrackedObjects,
)
from mask3d_core.tracking.tracker import MAX_MISSES, Tracker
import numpy as np
from numpy.typing import NDArray

CONTINUE_SHARE = 0.5
"""
An object is published from the score threshold on, and until its score is below this share of it.
Detections with such scores continue objects, too.
"""
EVERYTHING = Selection()
ALL_NEW = Difference()


class ObjectMap:
    """
    The objects of a map from cloud to cloud.

    An object that is not detected in a cloud stays while its surface is there: with its last mask,
    carried to the points of the new cloud by its cells. Scores and classes are smoothed.

    Parameters
    ----------
    max_misses : int
        An object is forgotten after so many clouds that show its place empty.

    """

    def __init__(self, max_misses: int = MAX_MISSES) -> None:
        self.tracker = Tracker(max_misses)

    def reset(self) -> None:
        """Forget all objects; ids start at 1 again."""
        self.tracker.reset()

    def update(self, scan: Scan, instances: Instances, header: Header,
               selection: Selection = EVERYTHING, since: Difference = ALL_NEW,
               ) -> TrackedObjects:
        """
        Return the objects after the next cloud.

        Parameters
        ----------
        scan, instances
            As in `Tracker.update`. Instances with scores from `CONTINUE_SHARE` of the minimum on
            are of use.
        header : Header
            A change of the frame resets the map.
        selection : Selection
            The objects that are published.
        since : Difference
            From the last cloud; by default all is new.

        """
        tracker = self.tracker
        before = {track: track.last_seen for track in tracker.tracks if track.published}
        detected = tracker.update(scan, instances, header.frame, same_as=since.same_as,
                                  changed=since.changed, gone=since.gone)
        for track in tracker.fresh:
            track.observe(header.stamp)
        for track in detected:
            track.last_seen = header.stamp
        for track in tracker.tracks:
            track.published = track.sight != 'empty' and _is_selected(track, selection)
        for track in tracker.deleted:
            track.published = False
        kept = [index for index, track in enumerate(detected) if track.published]
        seen = set(detected)
        remembered, rows = _carried(scan, [track for track in tracker.tracks
                                           if track.published and track not in seen])
        return _ordered(_joined(instances.take(kept), remembered, rows),
                        [*(detected[index] for index in kept), *remembered], len(kept),
                        self._changes(before))

    def see_again(self, stamp: int) -> None:
        """Take up another cloud with the same points as the last one; nanoseconds."""
        for track in self.tracker.tracks:
            if track.sight == 'detected':
                track.last_seen = stamp

    def _changes(self, before: Mapping[Track, int]) -> list[ObjectChange]:
        """Return the changes since the last cloud, by the stamps of what was published then."""
        tracker = self.tracker
        changes = [_change('moved', track, before[track], previous=detection)
                   for track, detection in tracker.moved.items()
                   if track.published and track in before]
        parts: dict[Track, list[int]] = {}
        for track in tracker.tracks:
            if track.published and track not in before:
                whole, track.part_of = track.part_of, None
                if whole is not None and whole.published and whole in before:
                    parts.setdefault(whole, []).append(track.id)
                else:
                    changes.append(_change('appeared', track, track.last_seen))
        merged: dict[Track, list[int]] = {}
        for track, last_seen in before.items():
            if not track.published:
                whole = track.covered_by
                if whole is not None and whole.published:
                    merged.setdefault(whole, []).append(track.id)
                else:
                    changes.append(_change('disappeared', track, last_seen))
        return [*changes, *_grouped('split', parts, before), *_grouped('merged', merged, before)]


def _grouped(kind: ChangeKind, groups: Mapping[Track, list[int]], before: Mapping[Track, int],
             ) -> list[ObjectChange]:
    return [_change(kind, whole, before.get(whole, whole.last_seen), tuple(others))
            for whole, others in groups.items()]


def _change(kind: ChangeKind, track: Track, previous_seen: int, others: tuple[int, ...] = (), *,
            previous: Detection | None = None) -> ObjectChange:
    now, then = track.detection.shape, (previous or track.detection).shape
    return ObjectChange(kind, track.id, track.class_id, others, now['upright_center'],
                        then['upright_center'], float(now['upright_yaw']),
                        float(then['upright_yaw']), previous_seen)


def _is_selected(track: Track, selection: Selection) -> bool:
    share = CONTINUE_SHARE if track.published else 1.0
    classes = selection.class_ids
    return (track.score >= share * selection.min_score
            and (classes is None or track.class_id in classes))


def _carried(scan: Scan, tracks: Sequence[Track],
             ) -> tuple[list[Track], list[NDArray[np.int32]]]:
    """Return the tracks whose surface a scan shows, and their points, rows of its input."""
    filled = [CellSet(track.cells.keys[track.detection.filled]) for track in tracks]
    points = rows_in_cells(scan.xyz, filled)
    # noise moves a flat surface on the border of cells to the neighboring ones
    poor = [place for place, rows in enumerate(points) if not _shows(scan, rows, filled[place])]
    for place, rows in zip(poor, rows_in_cells(scan.xyz, [filled[i].dilated() for i in poor])):
        points[place] = rows
    shown = [place for place, rows in enumerate(points) if _shows(scan, rows, filled[place])]
    return ([tracks[place] for place in shown],
            [scan.kept[points[place]].astype(np.int32) for place in shown])


def _shows(scan: Scan, rows: NDArray[np.integer], cells: CellSet) -> bool:
    """Return whether points are in as many cells as a surface has that is still there."""
    return bool(len(rows)) and len(count_cells(scan.xyz, rows)[0]) >= MIN_SURFACE * len(cells)


def _joined(instances: Instances, remembered: Sequence[Track],
            rows: Sequence[NDArray[np.int32]]) -> Instances:
    if not remembered:
        return instances
    shapes: dict[str, Any] = {name: np.array([track.detection.shape[name] for track in remembered])
                              for name in SHAPE_COLUMNS}
    count = len(remembered)
    return concatenate([instances, replace(
        instances, rows=tuple(rows), class_id=np.zeros(count, np.int32),
        score=np.zeros(count, np.float32), **shapes)])


def _ordered(instances: Instances, tracks: Sequence[Track], num_detected: int,
             changes: Sequence[ObjectChange]) -> TrackedObjects:
    """Return the objects with the smoothed scores and classes of their tracks, best first."""
    score = np.array([track.score for track in tracks], np.float32)
    order = np.argsort(-score, kind='stable')
    instances = replace(instances, score=score,
                        class_id=np.array([track.class_id for track in tracks], np.int32))
    return TrackedObjects(
        instances.take(order), np.array([track.id for track in tracks], np.uint32)[order],
        order >= num_detected,
        np.array([track.existence for track in tracks], np.float32)[order],
        np.array([track.confirmed for track in tracks], np.bool_)[order],
        np.array([track.first_seen for track in tracks], np.int64)[order],
        np.array([track.last_seen for track in tracks], np.int64)[order],
        [tuple(tracks[place].history) for place in order], changes)
