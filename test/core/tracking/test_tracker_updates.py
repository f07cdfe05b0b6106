"""Updates of the part of a map that changed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
from mask3d_core.tracking import matching
from mask3d_core.tracking.tracker import MAX_MISSES, Tracker
import numpy as np
from numpy.typing import NDArray
import pytest
from tracked_sheets import ids_of, sheet, show, update


def rows_where(scan: Scan, low: float, high: float) -> NDArray[np.int64]:
    """Return the points of a scan between two planes across x."""
    return np.flatnonzero((scan.xyz[:, 0] >= low) & (scan.xyz[:, 0] < high))


def test_the_very_same_instances_keep_their_ids_whatever_their_points() -> None:
    tracker = Tracker()
    assert update(tracker, sheet(0), sheet(1), sheet(2)) == [1, 2, 3]
    scan, instances = show(sheet(2), sheet(0), sheet(3))
    outside = np.array([10 ** 9], np.int32)  # an error if anything looks at these points
    instances = replace(instances, rows=(outside, outside, instances.rows[2]))
    for same_as in ([2, 0, -1], [0, 1, 2]):
        ids = ids_of(tracker.update(scan, instances, 'map', same_as=np.array(same_as),
                             changed=rows_where(scan, 2.9, 4)))
        assert ids == [3, 1, 4]
    assert update(tracker, sheet(0), sheet(1), sheet(2), sheet(3)) == [1, 2, 3, 4]


def test_the_track_of_the_very_same_instance_is_not_matched() -> None:
    tracker = Tracker()
    assert update(tracker, sheet(0)) == [1]
    scan, instances = show(sheet(0), sheet(0))
    ids = ids_of(tracker.update(scan, instances, 'map', same_as=np.array([-1, 0])))
    assert ids == [2, 1]


def test_two_instances_cannot_be_the_same_as_one() -> None:
    tracker = Tracker()
    assert update(tracker, sheet(0)) == [1]
    scan, instances = show(sheet(0), sheet(1))
    with pytest.raises(AssertionError, match='same'):
        tracker.update(scan, instances, 'map', same_as=np.array([0, 0]))


def test_a_map_that_did_not_change() -> None:
    tracker = Tracker()
    assert update(tracker, sheet(0), sheet(1), sheet(2)) == [1, 2, 3]
    scan, instances = show(sheet(0), sheet(2), without=sheet(1))
    nothing = np.empty(0, np.int64)
    same_as = np.array([0, 2])
    for _ in range(3 * MAX_MISSES):
        ids = ids_of(tracker.update(scan, instances, 'map', same_as=same_as, changed=nothing))
        assert ids == [1, 3]
        same_as = np.array([0, 1])
    assert update(tracker, sheet(1)) == [2]


def test_misses_are_counted_where_the_map_changed() -> None:
    tracker = Tracker()
    assert update(tracker, sheet(0), sheet(1), sheet(2), sheet(3)) == [1, 2, 3, 4]
    same_as = np.array([1, 3])
    for number in range(MAX_MISSES + 1):  # the first and third are gone, and seen in their place:
        scan, instances = show(
            sheet(1), sheet(3),
            without=np.concatenate([sheet(0), sheet(2)]) + [0, 0.05 * (number % 2), 0.05])
        ids = ids_of(tracker.update(scan, instances, 'map', same_as=same_as,
                             changed=rows_where(scan, 1.9, 2.5)))
        assert ids == [2, 4]
        same_as = np.array([0, 1])
    assert update(tracker, sheet(0), sheet(1), sheet(2)) == [1, 2, 5]


def test_a_change_that_shows_the_same_is_no_evidence() -> None:
    tracker = Tracker()
    assert update(tracker, sheet(0), sheet(1)) == [1, 2]
    for _ in range(3 * MAX_MISSES):
        scan, instances = show(sheet(1), without=sheet(0))
        ids = ids_of(tracker.update(scan, instances, 'map', same_as=np.array([-1]),
                             changed=rows_where(scan, -1, 0.9)))
        assert ids == [2]
    assert update(tracker, sheet(0)) == [1]


def test_the_first_update_has_no_earlier_one_to_refer_to() -> None:
    scan, instances = show(sheet(0), sheet(1))
    earlier = {'same_as': np.array([0, 1]), 'changed': np.empty(0, np.int64)}
    tracker = Tracker()
    assert ids_of(tracker.update(scan, instances, 'map', **earlier)) == [1, 2]
    assert ids_of(tracker.update(scan, instances.take([1, 0]), 'odom', **earlier)) == [1, 2]
    assert update(tracker, sheet(1), sheet(0), frame='odom') == [1, 2]


def test_dropped_points_are_skipped_in_small_updates_as_in_large_ones() -> None:
    """Few rows are looked up by bisection, many in a table."""
    tracker = Tracker()
    holes = np.full((40_000, 3), np.nan)
    xyz = np.concatenate([holes, sheet(0), holes, sheet(1), sheet(2), holes])
    rows = np.flatnonzero(np.isfinite(xyz[:, 0])).astype(np.int32).reshape(3, -1)
    _, instances = show(sheet(0), sheet(1), sheet(2))
    instances = replace(instances, rows=tuple(rows), num_points=len(xyz))
    scan = Scan.from_points(xyz)
    assert ids_of(tracker.update(scan, instances)) == [1, 2, 3]
    for order in ([2], [1, 2], [0, 1, 2]):
        ids = ids_of(tracker.update(scan, instances.take(order), changed=np.empty(0, np.int64)))
        assert ids == [index + 1 for index in order]
    full = Scan.from_points(xyz[rows.reshape(-1)])
    instances = replace(instances, rows=tuple(np.arange(1200, dtype=np.int32).reshape(3, -1)))
    assert ids_of(tracker.update(full, instances)) == [1, 2, 3]


def test_assignments_are_solved_for_touching_objects_only(monkeypatch: pytest.MonkeyPatch,
                                                          ) -> None:
    """So a thousand tracks do not take the time of a matrix of a thousand by a thousand."""
    shapes = []
    solve = matching.linear_sum_assignment
    monkeypatch.setattr(matching, 'linear_sum_assignment',
                        lambda value, maximize: (shapes.append(value.shape),
                                                 solve(value, maximize=maximize))[1])
    places = [sheet(x, y, 0.1)[:9] for x in range(40) for y in range(25)]
    cut = [sheet(-9, width=1.0), sheet(-9, width=0.6)]   # one lies within the other
    tracker = Tracker()
    ids = list(range(1, 1003))
    assert update(tracker, *places, *cut) == ids
    assert update(tracker, *places, *cut) == ids
    assert shapes == [(2, 2)]
    assert update(tracker, *reversed(places)) == ids[:1000][::-1]
    assert shapes == [(2, 2)]


@dataclass
class Box:
    """An object of a growing map: a surface that is drawn anew whenever its tile is."""

    points: NDArray[np.float64]
    detected: bool = True


class GrowingMap:
    """
    A map of square tiles along x, of which each update shows or changes one.

    Objects stand where they like, on the borders of tiles, too.
    """

    SIDE = 2.0

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.boxes = [self._box() for _ in range(self.random.integers(1, 40))]
        grid = np.stack(np.meshgrid(np.arange(0, 8, 0.03), np.arange(0, 2, 0.03)), axis=-1)
        floor = np.pad(grid.reshape(-1, 2), ((0, 0), (0, 1)))
        self.points = np.concatenate([floor, *(box.points for box in self.boxes)])
        self.owner = np.repeat(np.arange(len(self.boxes) + 1) - 1,
                               [len(floor), *(len(box.points) for box in self.boxes)])
        self.tile = (self.points[:, 0] // self.SIDE).astype(int)
        self.xyz = np.full_like(self.points, np.nan)  # of tiles not seen yet

    def _box(self) -> Box:
        low, size = self.random.uniform([0, 0, 0], [7, 1.5, 0.5]), self.random.uniform(0.1, 1, 3)
        points = self.random.random((int(400 * size.max() ** 2) + 50, 3))
        axis = self.random.integers(0, 3, len(points))
        points[np.arange(len(points)), axis] = self.random.integers(0, 2, len(points))
        return Box(low + points * size)

    def updates(self, count: int) -> Iterator[tuple[Scan, Instances, NDArray, NDArray]]:
        """Yield scan, instances, their rows in the last update or -1, and the changed points."""
        last: list[int] = []
        for tile in [0, *self.random.integers(0, 4, count - 1)]:
            inside = self.tile == tile
            noise = self.random.normal(0, 0.005, self.points.shape)
            self.xyz[inside] = (self.points + noise)[inside]
            for index in np.unique(self.owner[inside])[1:]:
                self.boxes[index].detected = self.random.random() < 0.9
            changed = set(self.owner[inside].tolist())
            scan = Scan.from_points(self.xyz)
            shown = set(self.owner[scan.kept].tolist()) - {-1}
            order = self.random.permutation([i for i in shown if self.boxes[i].detected])
            same_as = [last.index(i) if i in last and i not in changed else -1 for i in order]
            last = order.tolist()
            yield (scan, self._instances(scan, last), np.array(same_as, np.int64),
                   np.flatnonzero(inside[scan.kept]))

    def _instances(self, scan: Scan, order: list[int]) -> Instances:
        _, instances = show(*[sheet(0)] * len(order), without=sheet(0))
        rows = [scan.kept[self.owner[scan.kept] == index].astype(np.int32) for index in order]
        return replace(instances, rows=tuple(rows), num_points=scan.input_size)


@pytest.mark.parametrize('seed', range(20))
def test_updates_of_a_part_give_the_ids_of_updates_of_the_whole(seed: int) -> None:
    whole, part = Tracker(), Tracker()
    for scan, instances, same_as, changed in GrowingMap(seed).updates(MAX_MISSES + 1):
        ids = ids_of(whole.update(scan, instances))
        assert ids == ids_of(part.update(scan, instances, same_as=same_as, changed=changed))
