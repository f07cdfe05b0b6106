"""Objects of one scan on the free floor of another: what, where, and with which ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mask3d_core.data.labels import LabelledScan
from mask3d_core.training.augmentation import rotation
from mask3d_core.training.insertion import ObjectInsertion
import numpy as np
from numpy.typing import NDArray
import pytest

FLOOR, WALL, CHAIR = 4, 5, 6
INSERT = ObjectInsertion(6, FLOOR, (FLOOR, WALL))
STEP = 0.04
"""Metres between points."""


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def sheet(x: tuple[float, float], y: tuple[float, float], z: tuple[float, float],
          ) -> NDArray[np.float64]:
    """Return points on a grid from each axis's first to its second value."""
    axes = [np.linspace(low, high, max(1, round((high - low) / STEP) + 1)) for low, high in
            (x, y, z)]
    return np.stack(np.meshgrid(*axes, indexing='ij'), axis=-1).reshape(-1, 3)


def box(x: float, y: float, size: tuple[float, float, float], z: float = 0.0,
        ) -> NDArray[np.float64]:
    """Return the sides and the top of a box that stands on (x, y, z)."""
    points = sheet((x, x + size[0]), (y, y + size[1]), (z, z + size[2]))
    low, high = points.min(0), points.max(0)
    at_end = (points == low) | (points == high)
    return points[at_end[:, :2].any(1) | (points[:, 2] == high[2])]


def scan_of(floor: NDArray, objects: Sequence[NDArray], label: int = CHAIR) -> LabelledScan:
    """Return a scan of a floor and objects; colours tell the points apart."""
    xyz = np.concatenate([floor, *objects]).astype(np.float32)
    sizes = [len(floor), *map(len, objects)]
    color = generator(len(xyz)).integers(0, 256, (len(xyz), 3), dtype=np.uint8)
    return LabelledScan.from_columns({
        'xyz': xyz, 'color': color, 'label': np.repeat([FLOOR] + [label] * len(objects), sizes),
        'instance': np.repeat(np.arange(len(sizes)) - 1, sizes),
        'segment': np.repeat(np.arange(len(sizes)) * 3, sizes)}, 'a')


def donor_of(*objects: NDArray, label: int = CHAIR) -> LabelledScan:
    return scan_of(sheet((0, 4), (0, 4), (0, 0)), objects, label)


BOXES = donor_of(box(0.5, 0.5, (0.4, 0.6, 0.5)), box(2, 0.5, (0.5, 0.5, 1.2)),
                 box(0.5, 2, (0.8, 0.4, 0.3)), box(2.2, 2.2, (0.3, 0.3, 0.8)))
EMPTY = scan_of(sheet((0, 5), (-2, 3), (0, 0)), [box(0, -2, (0.1, 5, 2.0))])


def new_objects(result: LabelledScan, before: LabelledScan) -> list[NDArray[np.float32]]:
    """Return the positions of each object that was inserted."""
    return [result.scan.xyz[result.instance == number]
            for number in np.setdiff1d(result.instance, before.instance)]


def insertions(target: LabelledScan, donor: LabelledScan, times: int = 30,
               insert: ObjectInsertion = INSERT) -> list[NDArray[np.float32]]:
    """Return the objects of many insertions."""
    return [one for seed in range(times)
            for one in new_objects(insert(target, donor, generator(seed)), target)]


def in_rectangle(points: NDArray, one: NDArray) -> NDArray[np.bool_]:
    """Return which points are inside the smallest rectangle around a box, by its corners."""
    from mask3d_core.geometry.boxes import smallest_rectangle
    area = smallest_rectangle(one[:, 0], one[:, 1])
    turned = (points[:, :2] - area.center) @ rotation(2, area.yaw)[:2, :2]
    return np.asarray((np.abs(turned) < np.array(area.size) / 2).all(1))


def test_the_same_generator_gives_the_same_scan_and_both_inputs_stay() -> None:
    before = [(scan.scan.xyz.copy(), scan.instance.copy()) for scan in (EMPTY, BOXES)]
    first, again, other = (INSERT(EMPTY, BOXES, generator(seed)) for seed in (1, 1, 2))
    for name in ('xyz', 'color', 'segment', 'kept'):
        np.testing.assert_array_equal(getattr(first.scan, name), getattr(again.scan, name))
    np.testing.assert_array_equal(first.label, again.label)
    np.testing.assert_array_equal(first.instance, again.instance)
    assert len(first) != len(other) and first.scan.xyz.dtype == np.float32
    for scan, (xyz, instance) in zip((EMPTY, BOXES), before):
        np.testing.assert_array_equal(scan.scan.xyz, xyz)
        np.testing.assert_array_equal(scan.instance, instance)


def test_up_to_the_limit_are_inserted() -> None:
    counts = [len(new_objects(ObjectInsertion(3, FLOOR, ())(EMPTY, BOXES, generator(seed)), EMPTY))
              for seed in range(40)]
    assert set(counts) == {0, 1, 2, 3}


def test_objects_are_rotated_about_z_and_keep_their_shape_and_height() -> None:
    raised = replace(EMPTY, scan=replace(EMPTY.scan, xyz=EMPTY.scan.xyz + np.float32(1.5)))
    chair = donor_of(box(1, 1, (0.4, 0.6, 0.5), 0.06))
    shape = chair.scan.xyz[chair.instance == 0]
    yaws = set()
    for one in insertions(raised, chair):
        np.testing.assert_allclose(one[:, 2], shape[:, 2] + 1.5, atol=1e-5)
        distances = [np.linalg.norm(points - points[0], axis=1) for points in (one, shape)]
        np.testing.assert_allclose(*distances, atol=1e-5)
        along = one[-1] - one[0]
        yaws.add(round(float(np.degrees(np.arctan2(along[1], along[0]))) // 45))
    assert len(yaws) == 8  # all directions


def test_floor_was_seen_under_all_of_an_object_and_nothing_is_in_its_way() -> None:
    floor = sheet((0, 5), (0, 5), (0, 0))
    hole = (np.abs(floor[:, :2] - (1.5, 1.5)) < 0.7).all(1)
    inner = (np.abs(floor[hole, :2] - (1.5, 1.5)) < 0.6).all(1)  # without its edge of a cell
    table = sheet((3, 4.2), (2.8, 4.4), (0.7, 0.7))
    post = box(2.5, 2.5, (0.15, 0.15, 2))
    target = scan_of(floor[~hole], [table, post])
    others = np.concatenate([table, post])
    found, under_table = insertions(target, BOXES, 60), 0
    assert len(found) > 60
    for one in found:
        assert (one[:, :2] >= 0).all() and (one[:, :2] <= 5.1).all()  # a cell
        assert not in_rectangle(floor[hole], one)[inner].any()
        below = others[others[:, 2] < one[:, 2].max() + 0.01]
        assert not in_rectangle(below, one).any()
        under_table += in_rectangle(one, table).all()
    assert under_table > 0  # what is lower than the table fits there


def test_inserted_objects_do_not_intersect() -> None:
    small = scan_of(sheet((0, 2.2), (0, 2.2), (0, 0)), [box(0, 0, (0.1, 2.2, 1.0))])
    most = 0
    for seed in range(60):
        found = new_objects(INSERT(small, BOXES, generator(seed)), small)
        most = max(most, len(found))
        for number, one in enumerate(found):
            assert not any(in_rectangle(other, one).any() for other in found[:number])
    assert 2 <= most <= 4


def test_an_object_stands_on_one_level() -> None:
    floor = np.concatenate([sheet((0, 1.98), (0, 3), (0, 0)),
                            sheet((2.01, 4), (0, 3), (0.2, 0.2))])  # no cell has both
    target = scan_of(floor, [box(0, 0, (0.1, 3, 2.0))])
    heights = []
    for one in insertions(target, BOXES):
        assert (one[:, 0] < 2.02).all() or (one[:, 0] > 1.98).all()
        assert one[:, 2].min() == pytest.approx(0.2 * (one[0, 0] > 2), abs=0.02)
        heights.append(one[0, 0] > 2)
    assert {True, False} == set(heights)


def test_the_floor_is_seen_under_an_object_where_its_own_scan_shows_it() -> None:
    floor = sheet((0, 4), (0, 4), (0, 0))
    cabinet, table = box(1, 1, (0.8, 0.8, 0.9)), sheet((1, 1.8), (1, 1.8), (0.5, 0.9))
    table = table[(table[:, 2] > 0.85) | ((np.abs(table[:, :2] - 1.4) > 0.35).all(1))]
    legs = sheet((1.02, 1.78), (1.02, 1.78), (0, 0.5))
    table = np.concatenate([table, legs[(np.abs(legs[:, :2] - 1.4) > 0.35).all(1)]])
    hidden = (np.abs(floor[:, :2] - 1.4) < 0.39).all(1)
    for donor, is_seen in ((scan_of(floor[~hidden], [cabinet]), False),
                           (scan_of(floor, [table]), True)):
        results = [INSERT(EMPTY, donor, generator(seed)) for seed in range(8)]
        results = [result for result in results if new_objects(result, EMPTY)]
        assert len(results) > 3
        for result in results:
            ground = result.scan.xyz[result.label == FLOOR]
            one, = new_objects(result, EMPTY)
            middle = one[:, :2].mean(0)
            near = np.linalg.norm(ground[:, :2] - middle, axis=1) < 0.25
            assert near.any() == is_seen
            gone = (EMPTY.label == FLOOR).sum() - len(ground)
            assert (gone == 0) if is_seen else (0 < gone <= (0.8 / STEP + 2) ** 2)


def test_the_floor_stays_under_the_open_side_of_a_desk() -> None:
    floor, desk = sheet((0, 4), (0, 4), (0, 0)), box(1, 1, (1.2, 0.6, 0.7))
    closed = (floor[:, 0] > 1) & (floor[:, 0] < 1.6) & (np.abs(floor[:, 1] - 1.3) < 0.3)
    donor = scan_of(floor[~closed], [desk])
    for seed in range(12):
        result = INSERT(EMPTY, donor, generator(seed))
        for one in new_objects(result, EMPTY):
            corner, along, across = (one[np.abs(desk - end).sum(1).argmin(), :2] for end in
                                     ([1, 1, 0], [2.2, 1, 0], [1, 1.6, 0]))
            ground = result.scan.xyz[result.label == FLOOR, :2] - corner
            x, y = ground @ (along - corner) / 1.2, ground @ (across - corner) / 0.6
            middle = np.abs(y - 0.3) < 0.1
            assert not (middle & (0.2 < x) & (x < 0.4)).any()
            assert (middle & (0.8 < x) & (x < 1.0)).sum() > 15


THINGS = ['door', 'open door', 'wall', 'radiator', 'on a table', 'rug', 'few points',
          'stray point']


@pytest.mark.parametrize('thing', [
    sheet((1, 1.9), (1, 1.08), (0, 2)),
    np.concatenate([sheet((1, 1.9), (1, 1), (0, 2)), sheet((1, 1), (1, 1.8), (0, 2))]),
    sheet((0.5, 3.5), (1, 1.2), (0, 2.6)),
    sheet((1, 2), (1, 1.1), (0.1, 0.7)),
    box(1, 1, (0.5, 0.5, 0.5), 0.3),
    sheet((1, 2), (1, 2), (0, 0.04)),
    box(1, 1, (0.4, 0.4, 0.4))[::10],
    np.concatenate([box(1, 1, (0.4, 0.4, 0.9)), [[9e4, 9e4, 0.0]]])], ids=THINGS)
def test_what_does_not_stand_by_itself_is_not_inserted(thing: NDArray) -> None:
    assert not insertions(EMPTY, donor_of(thing), 6)


@pytest.mark.parametrize('length, fits', [(4.8, True), (5.2, False)])
def test_what_is_very_long_is_not_inserted(length: float, fits: bool) -> None:
    target = scan_of(sheet((0, 8), (0, 8), (0, 0)), [box(0, 0, (0.1, 8, 2.0))])
    donor = donor_of(box(-1, 1, (length, 0.4, 0.4)))
    assert bool(insertions(target, donor, 4)) == fits


@pytest.mark.parametrize('thing', [
    box(1, 1, (0.4, 0.4, 0.9)), box(1, 1, (0.6, 0.3, 2.0)), box(1, 1, (0.3, 0.1, 0.4)),
    sheet((1, 2), (1, 1.8), (0.06, 0.7))], ids=['stool', 'shelf', 'bin', 'bed'])
def test_what_stands_on_the_floor_is(thing: NDArray) -> None:
    assert insertions(EMPTY, donor_of(thing), 6)


def test_background_is_not_inserted_and_objects_of_no_class_are() -> None:
    thing = box(1, 1, (0.5, 0.5, 0.5))
    assert not insertions(EMPTY, donor_of(thing, label=WALL), 6)
    as_an_object = ObjectInsertion(6, FLOOR, ())  # S3DIS: walls and floor are classes
    assert insertions(EMPTY, donor_of(thing, label=WALL), 6, as_an_object)
    steps = [sheet((0.2, 2.5), (0.2, 2.5), (0, 0)), sheet((0.2, 0.8), (0.2, 0.8), (0.2, 0.2))]
    assert insertions(EMPTY, scan_of(steps[0], [np.concatenate(steps)], WALL), 6, as_an_object)
    assert not insertions(EMPTY, scan_of(steps[0], [np.concatenate(steps)], FLOOR), 6,
                          as_an_object)
    result = INSERT(EMPTY, donor_of(thing, label=-1), generator(1))
    assert (result.label[np.isin(result.instance, EMPTY.instance, invert=True)] == -1).all()
    assert len(new_objects(result, EMPTY)) == 1


def test_ids_are_new_and_the_scan_keeps_its_own() -> None:
    top = np.iinfo(np.int32).max
    target = replace(EMPTY, instance=np.where(EMPTY.instance == 0, top, -1).astype(np.int32))
    same = replace(BOXES.scan, segment=np.where(BOXES.instance < 0, 5, 3 + BOXES.instance % 2))
    result = INSERT(target, replace(BOXES, scan=same), generator(3))
    count = len(new_objects(result, target))
    assert count > 2 and result.instance.dtype == np.int32 and result.instance.min() == -1
    assert len(result) == len(result.label) == len(result.instance) == len(result.scan.segment)
    old = len(result) - sum(map(len, new_objects(result, target)))
    assert (result.instance[:old].max(), result.name) == (top, 'a')
    assert not np.isin(result.instance[old:], target.instance).any()
    segments = result.scan.segment
    assert set(segments[:old]) <= set(target.scan.segment)
    of_objects = {(int(one), int(two)) for one, two in zip(result.instance[old:], segments[old:])}
    assert len(of_objects) == len({two for _, two in of_objects}) == count
    assert not np.isin(segments[old:], target.scan.segment).any()
    np.testing.assert_array_equal(result.scan.kept, np.arange(len(result)))
    assert result.scan.input_size == len(result)


def test_colors_are_those_of_each_scan() -> None:
    result = INSERT(EMPTY, BOXES, generator(3))
    new = np.isin(result.instance, EMPTY.instance, invert=True)
    before = {tuple(color) for color in BOXES.scan.color[BOXES.instance >= 0]}
    assert {tuple(color) for color in result.scan.color[new]} <= before
    assert {tuple(color) for color in result.scan.color[~new]} <= {
        tuple(color) for color in EMPTY.scan.color}


def test_colors_and_segments_stay_if_both_have_them() -> None:
    def without(scan: LabelledScan, name: str) -> LabelledScan:
        return replace(scan, scan=replace(scan.scan, **{name: None}))

    grey, plain = without(EMPTY, 'color'), without(EMPTY, 'segment')
    for target, donor in ((grey, BOXES), (grey, without(BOXES, 'color'))):
        result = INSERT(target, donor, generator(3))
        assert len(new_objects(result, EMPTY)) > 2 and result.scan.color is None
    # it would look like nothing else in the scan
    assert INSERT(EMPTY, without(BOXES, 'color'), generator(3)) is EMPTY
    for target, donor in ((plain, BOXES), (EMPTY, without(BOXES, 'segment'))):
        result = INSERT(target, donor, generator(3))
        assert len(new_objects(result, EMPTY)) > 2 and result.scan.segment is None


@pytest.mark.parametrize('axis, degrees', [(0, -90), (0, 5), (1, 180)])
def test_scans_that_are_not_level_stay_as_they_are(axis: int, degrees: float) -> None:
    def tilted(scan: LabelledScan) -> LabelledScan:
        turn = rotation(axis, np.radians(degrees)).astype(np.float32)
        return replace(scan, scan=replace(scan.scan, xyz=scan.scan.xyz @ turn.T))

    for seed in range(4):
        target = tilted(EMPTY)
        assert INSERT(target, BOXES, generator(seed)) is target
        assert INSERT(EMPTY, tilted(BOXES), generator(seed)) is EMPTY
    assert INSERT(EMPTY, replace(BOXES, label=np.full_like(BOXES.label, CHAIR)), generator(3)
                  ) is EMPTY


def test_a_scan_may_be_its_own_donor() -> None:
    result = INSERT(BOXES, BOXES, generator(3))
    assert len(new_objects(result, BOXES)) > 1
    np.testing.assert_array_equal(result.scan.xyz[result.instance == 2],
                                  BOXES.scan.xyz[BOXES.instance == 2])


def test_far_from_the_origin_positions_stay_exact() -> None:
    far = np.array([4e6, 5e6, 300.0])
    target = replace(EMPTY, scan=replace(EMPTY.scan, xyz=EMPTY.scan.xyz.astype(np.float64) + far))
    near, there = (INSERT(scan, BOXES, generator(3)) for scan in (EMPTY, target))
    assert there.scan.xyz.dtype == np.float64
    np.testing.assert_array_equal(there.instance, near.instance)
    np.testing.assert_allclose(there.scan.xyz - far, near.scan.xyz, atol=1e-5)
