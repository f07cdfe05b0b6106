"""Maps segmented tile by tile, and only where they changed."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Barrier
from typing import Any

from labelled_map import box, CLASSES, counted, find_labelled, labelled_map, rooms
from mask3d_core.errors import InputError
from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
from mask3d_core.tiling.map_segmentation import MapResult, MapSegmentation, Workload
from mask3d_core.tiling.settings import TileSettings
from mask3d_core.tiling.tile_cache import TileCache
from mask3d_core.voxels import Voxelization, voxelize
import numpy as np
import pytest

SETTINGS = TileSettings()
SURFACES = [*rooms(3), box((0.6, 0.6, 0.7), (1.6, 1.4, 0.74), 0),
            box((9.5, 2.5, 0), (10.1, 3.1, 0.5), 1), box((3.8, 1.2, 0.1), (4.4, 1.6, 0.8), 2)]
NEW = box((5.5, 2.5, 0), (6.1, 3.1, 0.5), 3)


def answer(scan: Scan, cache: TileCache | None = None, workload: Workload | None = None,
           ) -> tuple[MapResult, list[int]]:
    """Segment a map; return the answer and the sizes of the tiles that were segmented."""
    segment, sizes = counted(find_labelled)
    opened = MapSegmentation(scan, SETTINGS, segment, CLASSES,
                             TileCache() if cache is None else cache, workload)
    for _ in opened.run():
        pass
    assert not opened.pending
    return opened.result(), sizes


def check_found(one: MapResult, scan: Scan, labels: set[int]) -> None:
    """Check that exactly these objects were found, completely."""
    found = {int(scan.segment[rows[0]]): rows for rows in one.instances.rows}
    assert set(found) == labels and len(one.instances) == len(labels)
    for label, rows in found.items():
        np.testing.assert_array_equal(rows, np.flatnonzero(scan.segment == label))
        index = [r is rows for r in one.instances.rows].index(True)
        np.testing.assert_allclose(one.instances.box_size[index], np.ptp(scan.xyz[rows], 0),
                                   atol=1e-5)


def test_a_map_is_segmented_and_its_objects_measured() -> None:
    scan = labelled_map(SURFACES)
    found, sizes = answer(scan)
    assert len(sizes) == 3
    check_found(found, scan, {0, 1, 2})
    assert found.instances.num_points == scan.input_size
    assert {'tiles', 'joining'} <= set(found.instances.seconds)


def test_masks_are_rows_of_the_input_cloud() -> None:
    scan = labelled_map(SURFACES)
    xyz = np.insert(scan.xyz, [0, 100, 5000], np.nan, axis=0)
    color = np.insert(scan.color, [0, 100, 5000], 0.5, axis=0)
    label = np.insert(scan.segment, [0, 100, 5000], -1)
    gaps = Scan.from_points(xyz, color, label)
    found, _ = answer(gaps)
    assert found.instances.num_points == len(xyz)
    for rows in found.instances.rows:
        np.testing.assert_array_equal(rows, np.flatnonzero(label == label[rows[0]]))


def test_only_what_changed_is_segmented_again() -> None:
    cache = TileCache()
    first, sizes = answer(labelled_map(SURFACES), cache)
    again, none = answer(labelled_map(SURFACES), cache)
    assert len(sizes) == 3 and not none
    np.testing.assert_array_equal(again.same_as(first), [0, 1, 2])
    assert not len(again.changed_since(first))

    scan = labelled_map([*SURFACES, NEW], seed=5, noise=0.003)
    changed, sizes = answer(scan, cache)
    assert len(sizes) == 1
    label = [int(scan.segment[rows[0]]) for rows in changed.instances.rows]
    same = dict(zip(label, changed.same_as(first).tolist()))
    assert same[0] == 0 and same[1] == 1, 'the objects of other tiles'
    assert same[3] == -1
    places = scan.xyz[changed.changed_since(first)]
    assert places[:, 0].min() > 3.9 and places[:, 0].max() < 8.3


def test_tiles_still_to_be_segmented_are_no_evidence() -> None:
    cache = TileCache()
    first, _ = answer(labelled_map(SURFACES), cache)
    changed = labelled_map([*SURFACES, NEW], seed=5)
    opened = MapSegmentation(changed, SETTINGS, find_labelled, CLASSES, cache)
    assert len(opened.pending) == 1 and not len(opened.result().changed_since(first))


def test_without_a_cache_the_answer_is_the_same() -> None:
    scan = labelled_map(SURFACES)
    alone = MapSegmentation(scan, SETTINGS, find_labelled, CLASSES, None)
    assert len(list(alone.run())) == alone.num_tiles == 3
    cached, _ = answer(scan)
    check_found(alone.result(), scan, {0, 1, 2})
    np.testing.assert_array_equal(alone.result().instances.score, cached.instances.score)


def test_an_answer_of_a_part_of_the_tiles_is_an_answer() -> None:
    scan, cache = labelled_map(SURFACES), TileCache()
    opened = MapSegmentation(scan, SETTINGS, find_labelled, CLASSES, cache)
    assert len(opened.result().instances) == 0
    counts = [len(opened.result().instances) for _ in opened.run()]
    assert counts == sorted(counts) and counts[-1] == 3 and counts[0] < 3


def test_an_abandoned_map_leaves_its_tiles_for_the_next() -> None:
    scan, cache = labelled_map(SURFACES), TileCache()
    for _ in MapSegmentation(scan, SETTINGS, find_labelled, CLASSES, cache).run():
        break
    _, sizes = answer(scan, cache)
    assert len(sizes) == 2


@pytest.mark.parametrize('x, order', [(0.0, [0, 1, 2]), (12.0, [2, 1, 0])])
def test_the_newest_change_is_first_then_the_nearest(x: float, order: list[int]) -> None:
    cache = TileCache()

    def segmented(scan: Scan, stop: int) -> list[int]:
        """Return the rooms of the first tiles that are segmented."""
        opened = MapSegmentation(scan, SETTINGS, find_labelled, CLASSES, cache,
                                 Workload(near=(x, 2, 0)))
        return [int(np.median(tile.cut().xyz[:, 0]) // 4.12)
                for _, tile in zip(range(stop), opened.run())]

    assert segmented(labelled_map(SURFACES), 1) == order[:1]
    changed = box((4.12 * order[2] + 0.5, 0.5, 0), (4.12 * order[2] + 1, 1, 0.5))
    assert segmented(labelled_map([*SURFACES, changed], seed=1), 3) == [order[2], order[1]]


def test_the_workload_is_bounded_and_the_rest_is_left_out() -> None:
    scan, cache = labelled_map(SURFACES), TileCache()
    opened = MapSegmentation(scan, SETTINGS, find_labelled, CLASSES, cache, Workload(
        wanted=lambda xyz: bool((xyz[:, 0] > 9).any())))
    assert (len(opened.pending), len(opened.left_out)) == (1, 2)
    largest = max(map(len, [*opened.pending, *opened.left_out]))
    limited = MapSegmentation(scan, SETTINGS, find_labelled, CLASSES, cache,
                              Workload(max_points=largest))
    assert len(limited.pending) == 1 and len(limited.left_out) == 2
    for _ in limited.run():
        pass
    rest, sizes = answer(scan, cache)
    assert len(sizes) == 2, 'the next map takes up what was left out'
    check_found(rest, scan, {0, 1, 2})


@dataclass
class Together:
    """Two workers in threads."""

    rank: int
    items: dict[int, Any]
    barrier: Barrier
    size: int = 2

    def gather(self, item: Any) -> list[Any]:
        self.items[self.rank] = item
        self.barrier.wait(300)
        return [self.items[rank] for rank in range(self.size)]


def test_two_workers_give_the_answer_of_one() -> None:
    scan = labelled_map(SURFACES)
    alone, _ = answer(scan)
    items: dict[int, Any] = {}
    barrier = Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda rank: answer(scan, workload=Workload(
            workers=Together(rank, items, barrier))), range(2)))
    assert sorted(len(sizes) for _, sizes in both) == [1, 2]
    for shared, _ in both:
        for mine, theirs in zip(shared.instances.rows, alone.instances.rows, strict=True):
            np.testing.assert_array_equal(mine, theirs)
        np.testing.assert_array_equal(shared.instances.score, alone.instances.score)


def test_a_tile_of_a_few_points_has_no_instances() -> None:
    scan = labelled_map([*SURFACES, box((60, 60, 0), (60.04, 60, 0), 4)])
    found, sizes = answer(scan)
    check_found(found, scan, {0, 1, 2})
    assert min(sizes) > 8


def test_a_tile_in_one_voxel_has_no_instances_but_a_map_in_one_voxel_is_an_error() -> None:
    def segment(tile: Scan) -> Instances:
        voxelize(tile, Voxelization(0.05))
        return find_labelled(tile)

    stray = (np.full((20, 3), 60.0), 4)
    for surfaces, labels in (([*SURFACES, stray], {0, 1, 2}), ([stray], set())):
        scan = labelled_map(surfaces)
        opened = MapSegmentation(scan, SETTINGS, segment, CLASSES, TileCache())
        if labels:
            assert len(list(opened.run())) == 4
            check_found(opened.result(), scan, labels)
        else:
            with pytest.raises(InputError, match='all 20 points fall into one voxel'):
                next(opened.run())


def test_answers_are_not_mixed_up_when_tiles_take_turns_differently() -> None:
    """The same tiles, point by point, but in another order in the cloud."""
    scan, cache = labelled_map(SURFACES), TileCache()
    answer(scan, cache)
    order = np.argsort(scan.xyz[:, 0] > 6, kind='stable')
    moved = replace(scan, xyz=scan.xyz[order], color=scan.color[order],
                    segment=scan.segment[order])
    found, sizes = answer(moved, cache)
    check_found(found, moved, {0, 1, 2})
