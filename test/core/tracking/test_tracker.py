"""Ids of objects stay the same from cloud to cloud."""

from mask3d_core.tracking.tracker import MAX_MISSES, MAX_TRACKS, Tracker
import numpy as np
from numpy.typing import NDArray
import pytest
from tracked_sheets import sheet, update


def test_ids_do_not_depend_on_the_order_of_the_scores() -> None:
    tracker = Tracker()
    assert update(tracker, sheet(0), sheet(1), sheet(2)) == [1, 2, 3]
    assert update(tracker, sheet(2), sheet(0), sheet(3), sheet(1)) == [3, 1, 4, 2]


def test_ids_are_robust_to_noise_and_small_corrections_of_the_map() -> None:
    random = np.random.default_rng(0)
    tracker = Tracker()
    for _ in range(10):
        shift = random.uniform(-0.02, 0.02, 3)
        places = [sheet(x) + shift + random.normal(0, 0.005, sheet(x).shape) for x in range(5)]
        assert update(tracker, *places) == [1, 2, 3, 4, 5]


def test_cells_the_map_did_not_show_do_not_count() -> None:
    tracker = Tracker()
    assert update(tracker, sheet(0, width=0.2), sheet(-2)) == [1, 2]
    assert update(tracker, sheet(0, width=2.0), sheet(-2)) == [1, 2]  # a tenth was shown before
    # but if the map did show the rest, as background, it is another object
    other = Tracker()
    assert update(other, sheet(0, width=0.2), without=sheet(0.2, width=1.8)) == [1]
    assert update(other, sheet(0, width=2.0)) == [2]


def test_an_object_out_of_view_keeps_its_track() -> None:
    tracker = Tracker()
    assert update(tracker, sheet(0), sheet(1)) == [1, 2]
    for _ in range(3 * MAX_MISSES):
        assert update(tracker, sheet(1)) == [2]    # a map that shows what is around the robot
    assert update(tracker, sheet(1), sheet(0)) == [2, 1]


@pytest.mark.parametrize('left', [sheet(0), sheet(0) - [0, 0, 0.1]])
def test_a_removed_object_loses_its_track(left: NDArray[np.float64]) -> None:
    """The cloud shows something else in its place, or what was behind it."""
    tracker = Tracker()
    assert update(tracker, sheet(0), sheet(1)) == [1, 2]
    for number in range(MAX_MISSES):
        assert update(tracker, sheet(1), without=left + [0, number / 1000, 0]) == [2]
    assert update(tracker, sheet(0), sheet(1)) == [1, 2]
    for number in range(MAX_MISSES + 1):
        update(tracker, sheet(1), without=left + [0, 0.05 + 0.05 * (number % 2), 0])
    assert update(tracker, sheet(0), sheet(1)) == [3, 2]


def test_the_same_cloud_counts_once() -> None:
    tracker = Tracker()
    assert update(tracker, sheet(0), sheet(1)) == [1, 2]
    for _ in range(3 * MAX_MISSES):
        assert update(tracker, sheet(1), without=sheet(0)) == [2]  # as with other settings
    assert update(tracker, sheet(0), sheet(1)) == [1, 2]


def test_an_object_and_its_half_keep_their_ids() -> None:
    tracker = Tracker()
    half = sheet(0, width=0.5)
    assert update(tracker, sheet(0, width=1.0), half) == [1, 2]
    assert update(tracker, sheet(0, width=0.95), sheet(0.5, width=0.5)) == [1, 3]


def test_a_common_border_is_no_match() -> None:
    tracker = Tracker()
    assert update(tracker, sheet(0, width=1.0)) == [1]
    assert update(tracker, sheet(0.96, width=1.0)) == [2]   # all but 4 cm is out of sight


def test_a_track_moves_with_a_drifting_map() -> None:
    tracker = Tracker()
    for number in range(60):
        assert update(tracker, sheet(0.01 * number), without=sheet(-2)) == [1]
    for number in range(MAX_MISSES + 1):
        below = sheet(0.6) - [0, 0, 0.1 + 0.05 * (number % 2)]
        update(tracker, sheet(3, width=0.1), without=below)
    assert update(tracker, sheet(0.59)) == [3]


def test_the_number_of_tracks_is_bounded() -> None:
    tracker = Tracker()
    places = [sheet(x, y, 0.1)[:9] for x in np.arange(0, 54, 0.5) for y in np.arange(0, 50, 0.5)]
    assert len(places) > MAX_TRACKS + 100
    for number in range(0, len(places), 400):
        update(tracker, *places[number:number + 400])
    first, last = places[0], places[-1]
    assert update(tracker, last) == [len(places)]
    assert update(tracker, first) == [len(places) + 1]


def test_clouds_without_instances() -> None:
    tracker = Tracker()
    assert update(tracker, without=sheet(0)) == []
    assert update(tracker, sheet(0)) == [1]
    assert update(tracker, without=sheet(0)) == []
    assert update(tracker, sheet(0)) == [1]


@pytest.mark.parametrize('far', [1e4, -3e4])
def test_far_from_the_origin(far: float) -> None:
    tracker = Tracker()
    assert update(tracker, sheet(far), sheet(far + 1)) == [1, 2]
    assert update(tracker, sheet(far + 1), sheet(far)) == [2, 1]


def test_another_frame_resets_the_tracker() -> None:
    tracker = Tracker()
    assert update(tracker, sheet(0), sheet(1)) == [1, 2]
    assert update(tracker, sheet(1), sheet(0), frame='odom') == [1, 2]
    tracker.reset()
    assert update(tracker, sheet(0), frame='odom') == [1]


def test_an_object_that_was_moved_keeps_its_id_if_it_is_the_only_one_like_it() -> None:
    tracker = Tracker()
    floor = sheet(-1, 0, 6) - [0, 0, 0.2]
    assert update(tracker, sheet(0), sheet(2, width=0.8), without=floor) == [1, 2]
    assert update(tracker, sheet(1), sheet(2, width=0.8), without=floor) == [1, 2]
    assert update(tracker, sheet(0), sheet(1), sheet(2, width=0.8), without=floor) == [3, 1, 2]
    assert update(tracker, sheet(3), sheet(4), without=floor) == [4, 5]   # which is which?
