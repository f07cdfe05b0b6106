"""Objects keep their ids when the map moves, as a whole or room by room."""

from dataclasses import replace

from mask3d_core.geometry.points_in_cells import count_cells
from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
from mask3d_core.tracking.rigid_motion import RigidMotion
from mask3d_core.tracking.tracker import Tracker
import numpy as np
from numpy.typing import NDArray
import pytest
from tracked_sheets import ids_of, show

NOISE = 0.005
"""Metres."""
FIVE_DEGREES = np.radians(5)
MOTIONS = [RigidMotion(yaw, np.array(shift)) for yaw, shift in (
    (0.0, (0.1, 0.0, 0.0)), (FIVE_DEGREES, (0.1, 0.0, 0.0)), (FIVE_DEGREES, (0.4, -0.3, 0.0)),
    (-FIVE_DEGREES, (0.2, 0.4, 0.2)))]
REST = RigidMotion(0.0, np.zeros(3))


def furniture(random: np.random.Generator) -> NDArray[np.float64]:
    """Return points on the surface of a box of random size."""
    size = random.uniform(0.3, 1.2, 3)
    points = random.random((1500, 3))
    axis = random.integers(0, 3, len(points))
    points[np.arange(len(points)), axis] = random.integers(0, 2, len(points))
    return points * size


def room(random: np.random.Generator, x: float) -> list[NDArray[np.float64]]:
    """Return the furniture of a room of 6 x 6 m from x on."""
    places = [(column, row) for column in range(3) for row in range(3)]
    return [furniture(random) + [x + 2 * column, 2 * row, 0] + random.uniform(0, 0.6, 3)
            for column, row in places]


def measured(pieces: list[NDArray[np.float64]], random: np.random.Generator,
             ) -> tuple[Scan, Instances]:
    """Return a scan of furniture with noise; each class has three pieces."""
    scan, instances = show(*[piece + random.normal(0, NOISE, piece.shape) for piece in pieces])
    classes = np.arange(len(pieces), dtype=np.int32) // 3
    return scan, replace(instances, class_id=classes)


@pytest.mark.parametrize('motion', MOTIONS)
@pytest.mark.parametrize('seed', range(3))
def test_a_map_that_moves(motion: RigidMotion, seed: int) -> None:
    random = np.random.default_rng(seed)
    pieces = room(random, 0)
    tracker = Tracker()
    ids = ids_of(tracker.update(*measured(pieces, random)))
    moved = [motion.apply(piece) for piece in pieces]
    assert ids_of(tracker.update(*measured(moved, random))) == ids
    assert not tracker.moved    # the map did, not the objects
    assert ids_of(tracker.update(*measured(moved, random))) == ids


def test_a_georeferenced_map_that_moves() -> None:
    random, utm = np.random.default_rng(0), np.array([500_000.0, 5_400_000.0, 300.0])
    pieces = room(random, 0)
    tracker = Tracker()
    ids = ids_of(tracker.update(*measured([piece + utm for piece in pieces], random)))
    moved = [MOTIONS[2].apply(piece) + utm for piece in pieces]
    assert ids_of(tracker.update(*measured(moved, random))) == ids


@pytest.mark.parametrize('seed', range(3))
def test_a_map_that_bends(seed: int) -> None:
    random = np.random.default_rng(seed)
    rooms = [room(random, 7 * number) for number in range(4)]
    motions = [REST, *MOTIONS[1:]]
    tracker = Tracker()
    ids = ids_of(tracker.update(*measured([piece for one in rooms for piece in one], random)))
    moved = [motion.apply(piece - [7 * number, 0, 0]) + [7 * number, 0, 0]
             for number, (motion, one) in enumerate(zip(motions, rooms)) for piece in one]
    after = ids_of(tracker.update(*measured(moved, random)))
    assert np.mean(np.array(after) == ids) >= 0.95


@pytest.mark.parametrize('seed', range(3))
def test_one_room_of_a_map_that_moves_while_the_other_is_known_to_be_the_same(seed: int) -> None:
    random = np.random.default_rng(seed)
    rest, moving = room(random, 0), room(random, 7)
    tracker = Tracker()
    scan, instances = measured([*rest, *moving], random)
    ids = ids_of(tracker.update(scan, instances))
    count = sum(map(len, rest))
    moved = [MOTIONS[2].apply(piece - [7, 0, 0]) + [7, 0, 0] for piece in moving]
    later, found = measured([*rest, *moved], random)
    xyz = np.concatenate([scan.xyz[:count], later.xyz[count:]])
    rows = np.arange(count, len(xyz))
    after = tracker.update(
        replace(later, xyz=xyz), found, same_as=np.array([*range(9), *[-1] * 9]), changed=rows,
        gone=count_cells(scan.xyz, rows)[0])
    assert ids_of(after) == ids and not tracker.moved
    assert np.array_equal(tracker.shown().keys, count_cells(xyz)[0].keys)


def test_a_map_that_moves_and_of_which_all_points_changed() -> None:
    random = np.random.default_rng(0)
    pieces, tracker = room(random, 0), Tracker()
    ids = ids_of(tracker.update(*measured(pieces, random)))
    scan, instances = measured([MOTIONS[2].apply(piece) for piece in pieces], random)
    assert ids_of(tracker.update(scan, instances, same_as=np.full(9, -1),
                                 changed=np.arange(len(scan)))) == ids


def test_furniture_that_was_replaced_is_no_motion() -> None:
    random = np.random.default_rng(0)
    tracker = Tracker()
    ids = ids_of(tracker.update(*measured(room(random, 0), random)))
    others = ids_of(tracker.update(*measured(room(random, 0), random)))
    assert len(set(ids) & set(others)) <= 4


def test_the_best_motion_between_points() -> None:
    random = np.random.default_rng(0)
    points = random.normal(size=(20, 3))
    for motion in MOTIONS:
        found = RigidMotion.between(points, motion.apply(points))
        assert found.yaw == pytest.approx(motion.yaw)
        assert found.translation == pytest.approx(motion.translation)
