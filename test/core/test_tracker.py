"""Ids of objects stay the same from cloud to cloud."""

from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
from mask3d_core.tracker import MAX_MISSES, Tracker
from mask_rows import rows_of
import numpy as np
from numpy.typing import NDArray
import pytest

SIZE = 0.4
"""Metres: edge of the square sheets that represent objects."""


def sheet(x: float, y: float = 0.0, width: float = SIZE) -> NDArray[np.float64]:
    """Return points of a horizontal rectangle with its lowest corner at (x, y)."""
    grid = np.stack(np.meshgrid(np.arange(0, width, 0.02), np.arange(0, SIZE, 0.02)), axis=-1)
    return np.pad(grid.reshape(-1, 2) + [x, y], ((0, 0), (0, 1)))


def show(*places: NDArray[np.float64], without: NDArray[np.float64] | None = None,
         ) -> tuple[Scan, Instances]:
    """Return a scan of some objects, best first, and of background."""
    none = np.empty((0, 3)) if without is None else without
    xyz = np.concatenate([*places, none, [[np.nan] * 3]])
    masks = np.zeros((len(places), len(xyz)), bool)
    end = 0
    for mask, place in zip(masks, places):
        mask[end:end + len(place)] = True
        end += len(place)
    boxes = np.zeros((len(places), 3))
    return Scan.from_points(xyz), Instances(
        rows_of(masks), len(xyz), np.ones(len(places), np.int32),
        np.ones(len(places), np.float32), {1: 'thing'}, {1: (0, 0, 0)}, boxes, boxes, boxes,
        boxes, boxes, boxes[:, 0])


def update(tracker: Tracker, *places: NDArray[np.float64],
           without: NDArray[np.float64] | None = None, frame: str = 'map') -> list[int]:
    """Return the ids of some objects."""
    scan, instances = show(*places, without=without)
    ids = tracker.update(scan, instances, frame)
    assert ids.dtype == np.uint32
    return ids.tolist()


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
        update(tracker, sheet(3), without=sheet(0.6) + [0, 0.05 * (number % 2), 0])
    assert update(tracker, sheet(0.59)) == [3]


def test_the_number_of_tracks_is_bounded() -> None:
    tracker = Tracker()
    places = [sheet(x, y, 0.1)[:9] for x in np.arange(0, 40, 0.5) for y in np.arange(0, 10, 0.5)]
    for number in range(0, len(places), 100):
        update(tracker, *places[number:number + 100])
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
