"""Objects stay while detections come and go."""

from dataclasses import replace
import gc
from weakref import WeakSet

from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
from mask3d_core.tracking import Header, ObjectMap, Selection, TrackedObjects, untracked
from mask3d_core.tracking.track import Track
from mask3d_core.tracking.tracker import MAX_MISSES
import numpy as np
from numpy.typing import NDArray
import pytest
from tracked_sheets import sheet, show

FLOOR = sheet(-1, 0, 4) - [0, 0, 0.2]


class Clouds:
    """A map of one cloud after another."""

    def __init__(self, selection: Selection = Selection()) -> None:  # noqa: B008
        self.objects = ObjectMap()
        self.selection = selection
        self.stamp = 0

    def see(self, *places: NDArray, undetected: NDArray | None = None, score: float = 0.9,
            class_id: int = 1, frame: str = 'map') -> TrackedObjects:
        """Return the objects after a cloud of sheets above a floor."""
        self.stamp += 1
        speck = np.full((1, 3), 0.05 * (self.stamp % 2) + 2.9)  # no cloud is the same as the last
        others = [FLOOR, speck] if undetected is None else [FLOOR, speck, undetected]
        scan, instances = show(*places, without=np.concatenate(others))
        return self.update(scan, replace(
            instances, score=np.full(len(places), score, np.float32),
            class_id=np.full(len(places), class_id, np.int32),
            class_names={1: 'chair', 2: 'table'}), frame)

    def update(self, scan: Scan, instances: Instances, frame: str = 'map') -> TrackedObjects:
        """Return the objects after another cloud."""
        return self.objects.update(scan, instances, Header(frame, self.stamp), self.selection)


def kinds(objects: TrackedObjects) -> list[tuple[str, int, tuple[int, ...]]]:
    """Return what happened to which object, and to which others."""
    return [(change.kind, change.id, change.others) for change in objects.changes]


def test_an_undetected_object_is_remembered_with_its_points() -> None:
    clouds = Clouds()
    first = clouds.see(sheet(0), sheet(1))
    assert not first.remembered.any() and first.first_seen.tolist() == [1, 1]
    second = clouds.see(sheet(1), undetected=sheet(0))
    assert second.ids.tolist() == [2, 1]
    assert second.remembered.tolist() == [False, True]
    assert second.last_seen.tolist() == [2, 1]
    scan, _ = show(sheet(1), without=np.concatenate([FLOOR, np.zeros((1, 3)), sheet(0)]))
    rows = second.instances.rows[1]
    assert np.array_equal(scan.xyz[rows], sheet(0))
    assert second.instances.centroid[1] == pytest.approx(sheet(0).mean(axis=0))
    assert second.existence[1] < first.existence[0] < second.existence[0]


def test_an_object_that_was_removed_is_not_shown_and_is_forgotten() -> None:
    clouds = Clouds()
    clouds.objects.tracker.max_misses = 3
    clouds.see(sheet(0), sheet(1))
    seen = [clouds.see(sheet(1)) for _ in range(3)]
    assert [one.ids.tolist() for one in seen] == [[2]] * 3
    assert [kinds(one) for one in seen] == [[('disappeared', 1, ())], [], []]
    assert clouds.see(sheet(0), sheet(1)).ids.tolist() == [3, 2]


def test_an_object_whose_surface_stays_undetected_disappears_at_last() -> None:
    clouds = Clouds()
    for _ in range(10):
        clouds.see(sheet(0))
    seen = [clouds.see(undetected=sheet(0)) for _ in range(12)]
    assert len(seen[MAX_MISSES - 1]) == 1 and seen[MAX_MISSES - 1].existence[0] < 0.6
    assert len(seen[-1]) == 0
    assert [kind for one in seen for kind, *_ in kinds(one)] == ['disappeared']


def test_a_new_object_is_confirmed_by_another_detection() -> None:
    clouds = Clouds()
    assert clouds.see(sheet(0)).confirmed.tolist() == [False]
    assert clouds.see(sheet(0)).confirmed.tolist() == [True]


def test_a_detection_where_earlier_clouds_had_none_counts_less() -> None:
    clouds = Clouds(Selection(min_score=0.3))
    clouds.see(undetected=sheet(0))
    counts = [len(clouds.see(sheet(0))) for _ in range(8)]
    assert counts == sorted(counts) and counts[0] == 0 and counts[-1] == 1
    assert len(clouds.see(sheet(0), sheet(2))) == 2    # a surface that was not there before


def test_scores_are_smoothed_and_objects_stay_down_to_half_the_threshold() -> None:
    clouds = Clouds(Selection(min_score=0.5))
    assert clouds.see(sheet(0), score=0.6).instances.score.tolist() == [pytest.approx(0.6)]
    second = clouds.see(sheet(0), score=0.3)
    assert 0.5 < second.instances.score[0] < 0.6
    for _ in range(20):
        last = clouds.see(sheet(0), score=0.3)
    assert last.ids.tolist() == [1] and 0.3 < last.instances.score[0] < 0.4
    assert len(clouds.see(sheet(0), sheet(1), score=0.3)) == 1    # too little for a new one


def test_the_class_is_the_one_with_most_evidence_and_only_wanted_ones_are_published() -> None:
    clouds = Clouds()
    clouds.see(sheet(0))
    assert clouds.see(sheet(0), class_id=2).instances.class_id.tolist() == [1]
    for _ in range(10):
        last = clouds.see(sheet(0), class_id=2)
    assert last.instances.class_id.tolist() == [2]
    clouds.selection = Selection(class_ids=frozenset([1]))
    assert len(clouds.see(sheet(0), class_id=2)) == 0
    assert len(clouds.see(undetected=sheet(0))) == 0


def test_changes_tell_what_appeared_and_moved() -> None:
    clouds = Clouds()
    assert kinds(clouds.see(sheet(0), sheet(2, width=0.8))) == [
        ('appeared', 1, ()), ('appeared', 2, ())]
    assert kinds(clouds.see(sheet(0), sheet(2, width=0.8))) == []
    moved = clouds.see(sheet(1), sheet(2, width=0.8))
    assert kinds(moved) == [('moved', 1, ())]
    change = moved.changes[0]
    assert change.center - change.previous_center == pytest.approx([1, 0, 0])
    assert change.previous_seen == 2
    assert moved.again(9).changes == () and moved.again(9).last_seen.tolist() == [9, 9]


def test_changes_tell_what_was_split_and_merged() -> None:
    clouds = Clouds(Selection(min_score=0.2))
    whole, left, right = sheet(0, width=1.0), sheet(0, width=0.7), sheet(0.7, width=0.3)
    clouds.see(whole)
    split = [clouds.see(left, right) for _ in range(6)]
    assert [kind for one in split for kind in kinds(one)] == [('split', 1, (2,))]
    assert split[-1].ids.tolist() == [1, 2]
    merged = [clouds.see(whole) for _ in range(14)]
    assert [kind for one in merged for kind in kinds(one)] == [('merged', 1, (2,))]
    assert merged[-1].ids.tolist() == [1]


def test_the_same_cloud_again_shows_what_the_last_one_did() -> None:
    clouds = Clouds()
    clouds.see(sheet(0), sheet(1))
    clouds.see(sheet(1), undetected=sheet(0))
    clouds.objects.see_again(5)
    assert clouds.see(undetected=np.concatenate([sheet(0), sheet(1)])).last_seen.tolist() == [5, 1]


def test_objects_that_are_forgotten_are_not_kept_alive() -> None:
    """One object after another begins as a part of the one before, which is then forgotten."""
    clouds = Clouds(Selection(min_score=0.9))
    tracker, seen = clouds.objects.tracker, WeakSet[Track]()
    whole = sheet(0, width=1.0)
    for _ in range(4):
        for left, width in ((0.4, 0.2), (0.2, 0.5), (0.0, 1.0), (0.0, 1.0)):
            part = sheet(left, width=width)
            rest = whole[(whole[:, 0] < left - 0.01) | (whole[:, 0] > left + width - 0.01)]
            clouds.see(part, undetected=rest, score=0.5)
            seen.update(tracker.tracks)
        for _ in range(5):
            clouds.see(undetected=whole)
    gc.collect()
    assert tracker.next_id > 4 and len(tracker.tracks) == 1
    assert len(seen) <= len(tracker.tracks) + len(tracker.deleted)


def test_history_has_the_detections() -> None:
    clouds = Clouds()
    clouds.see(sheet(0), score=0.8)
    clouds.see(undetected=sheet(0))
    last = clouds.see(sheet(0), score=0.7, class_id=2)
    assert [(one.stamp, one.class_id, round(one.score, 3)) for one in last.history[0]] == [
        (1, 1, 0.8), (3, 2, 0.7)]
    assert last.history[0][0].centroid == pytest.approx(sheet(0).mean(axis=0))


def test_another_frame_is_another_map() -> None:
    clouds = Clouds()
    clouds.see(sheet(0), sheet(1))
    assert clouds.see(sheet(1), frame='odom').ids.tolist() == [1]


def test_out_of_view_is_neither_shown_nor_forgotten() -> None:
    clouds = Clouds()
    clouds.see(sheet(0), sheet(9))
    for _ in range(20):
        assert clouds.see(sheet(0)).ids.tolist() == [1]
    back = clouds.see(sheet(0), sheet(9))
    assert back.ids.tolist() == [1, 2] and kinds(back) == []


def test_without_tracking_nothing_is_known_of_earlier_clouds() -> None:
    _, instances = show(sheet(0), sheet(1))
    objects = untracked(instances, 5)
    assert objects.ids.tolist() == [1, 2] and not objects.confirmed.any()
    assert objects.existence.tolist() == instances.score.tolist()
    assert objects.last_seen.tolist() == [5, 5] and objects.changes == ()
