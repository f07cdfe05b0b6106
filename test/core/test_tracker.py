"""Ids that stay the same from map to map."""

from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
from mask3d_core.tracker import PATIENCE, Tracker
import numpy as np
from numpy.typing import NDArray
import pytest

SIZE = 0.4
"""Metres: edge of the sheets that stand for objects."""


def sheet(x: float, y: float = 0.0, width: float = SIZE) -> NDArray[np.float64]:
    """Return points on a piece of plane that begins at (x, y)."""
    grid = np.stack(np.meshgrid(np.arange(0, width, 0.02), np.arange(0, SIZE, 0.02)), axis=-1)
    return np.pad(grid.reshape(-1, 2) + [x, y], ((0, 0), (0, 1)))


def show(*places: NDArray[np.float64], without: NDArray[np.float64] | None = None,
         ) -> tuple[Scan, Instances]:
    """Return a scan of some objects, best first, and of something that is none."""
    none = np.empty((0, 3)) if without is None else without
    xyz = np.concatenate([*places, none, [[np.nan] * 3]])
    masks = np.zeros((len(places), len(xyz)), bool)
    end = 0
    for mask, place in zip(masks, places):
        mask[end:end + len(place)] = True
        end += len(place)
    boxes = np.zeros((len(places), 3))
    return Scan.from_points(xyz), Instances(
        np.packbits(masks, axis=1), len(xyz), np.ones(len(places), np.int32),
        np.ones(len(places), np.float32), {1: 'thing'}, {1: (0, 0, 0)}, boxes, boxes, boxes,
        boxes, boxes, boxes[:, 0])


def follow(tracker: Tracker, *places: NDArray[np.float64],
           without: NDArray[np.float64] | None = None, frame: str = 'map') -> list[int]:
    """Return the ids of some objects."""
    scan, instances = show(*places, without=without)
    ids = tracker.follow(scan, instances, frame)
    assert ids.dtype == np.uint32
    return ids.tolist()


def test_ids_do_not_follow_the_order_of_the_scores() -> None:
    tracker = Tracker()
    assert follow(tracker, sheet(0), sheet(1), sheet(2)) == [1, 2, 3]
    assert follow(tracker, sheet(2), sheet(0), sheet(3), sheet(1)) == [3, 1, 4, 2]


def test_noise_and_small_corrections_of_the_map_change_nothing() -> None:
    random = np.random.default_rng(0)
    tracker = Tracker()
    for _ in range(10):
        shift = random.uniform(-0.02, 0.02, 3)
        places = [sheet(x) + shift + random.normal(0, 0.005, sheet(x).shape) for x in range(5)]
        assert follow(tracker, *places) == [1, 2, 3, 4, 5]


def test_what_the_map_did_not_show_says_nothing() -> None:
    tracker = Tracker()
    assert follow(tracker, sheet(0, width=0.2), sheet(-2)) == [1, 2]
    assert follow(tracker, sheet(0, width=2.0), sheet(-2)) == [1, 2]  # a tenth was seen before
    # but the same as part of something larger in what the map did show is something else
    other = Tracker()
    assert follow(other, sheet(0, width=0.2), without=sheet(0.2, width=1.8)) == [1]
    assert follow(other, sheet(0, width=2.0)) == [2]


def test_an_object_out_of_sight_is_remembered() -> None:
    tracker = Tracker()
    assert follow(tracker, sheet(0), sheet(1)) == [1, 2]
    for _ in range(3 * PATIENCE):
        assert follow(tracker, sheet(1)) == [2]    # a map that shows what is around the robot
    assert follow(tracker, sheet(1), sheet(0)) == [2, 1]


@pytest.mark.parametrize('left', [sheet(0), sheet(0) - [0, 0, 0.1]])
def test_an_object_that_is_gone_is_forgotten(left: NDArray[np.float64]) -> None:
    """Of its place something else is shown, or what was behind it."""
    tracker = Tracker()
    assert follow(tracker, sheet(0), sheet(1)) == [1, 2]
    for number in range(PATIENCE):
        assert follow(tracker, sheet(1), without=left + [0, number / 1000, 0]) == [2]
    assert follow(tracker, sheet(0), sheet(1)) == [1, 2]
    for number in range(PATIENCE + 1):
        follow(tracker, sheet(1), without=left + [0, 0.05 + 0.05 * (number % 2), 0])
    assert follow(tracker, sheet(0), sheet(1)) == [3, 2]


def test_the_same_cloud_answered_again_counts_once() -> None:
    tracker = Tracker()
    assert follow(tracker, sheet(0), sheet(1)) == [1, 2]
    for _ in range(3 * PATIENCE):
        assert follow(tracker, sheet(1), without=sheet(0)) == [2]  # as with other settings
    assert follow(tracker, sheet(0), sheet(1)) == [1, 2]


def test_a_whole_keeps_its_id_from_its_half() -> None:
    tracker = Tracker()
    half = sheet(0, width=0.5)
    assert follow(tracker, sheet(0, width=1.0), half) == [1, 2]
    assert follow(tracker, sheet(0, width=0.95), sheet(0.5, width=0.5)) == [1, 3]


def test_a_rim_makes_no_identity() -> None:
    tracker = Tracker()
    assert follow(tracker, sheet(0, width=1.0)) == [1]
    assert follow(tracker, sheet(0.96, width=1.0)) == [2]   # all but 4 cm is out of sight


def test_a_drift_of_the_map_leaves_nothing_behind() -> None:
    tracker = Tracker()
    for number in range(60):
        assert follow(tracker, sheet(0.01 * number), without=sheet(-2)) == [1]
    for number in range(PATIENCE + 1):
        follow(tracker, sheet(3), without=sheet(0.6) + [0, 0.05 * (number % 2), 0])
    assert follow(tracker, sheet(0.59)) == [3]


def test_memory_is_bounded() -> None:
    tracker = Tracker()
    places = [sheet(x, y, 0.1)[:9] for x in np.arange(0, 40, 0.5) for y in np.arange(0, 10, 0.5)]
    for number in range(0, len(places), 100):
        follow(tracker, *places[number:number + 100])
    first, last = places[0], places[-1]
    assert follow(tracker, last) == [len(places)]
    assert follow(tracker, first) == [len(places) + 1]


def test_nothing_found() -> None:
    tracker = Tracker()
    assert follow(tracker, without=sheet(0)) == []
    assert follow(tracker, sheet(0)) == [1]
    assert follow(tracker, without=sheet(0)) == []
    assert follow(tracker, sheet(0)) == [1]


@pytest.mark.parametrize('far', [1e4, -3e4])
def test_far_from_the_origin(far: float) -> None:
    tracker = Tracker()
    assert follow(tracker, sheet(far), sheet(far + 1)) == [1, 2]
    assert follow(tracker, sheet(far + 1), sheet(far)) == [2, 1]


def test_another_frame_begins_anew() -> None:
    tracker = Tracker()
    assert follow(tracker, sheet(0), sheet(1)) == [1, 2]
    assert follow(tracker, sheet(1), sheet(0), frame='odom') == [1, 2]
    tracker.forget()
    assert follow(tracker, sheet(0), frame='odom') == [1]
