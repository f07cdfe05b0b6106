"""Putting pieces into a room: what is refused, and where things end up."""

from __future__ import annotations

from itertools import repeat

from mask3d_core.rooms.arrangement import Arrangement, Placed
from mask3d_core.rooms.floorplan import FloorPlan
from mask3d_core.rooms.materials import Material
from mask3d_core.rooms.piece import Piece, Top
from mask3d_core.rooms.shell import Opening
from mask3d_core.rooms.solids import box
import numpy as np
import pytest

GREY = Material((0.5, 0.5, 0.5))
PLAN = FloorPlan(np.array([(0, 0), (4, 0), (4, 3), (0, 3)], float), 2.5)
L_SHAPE = FloorPlan(np.array([(0, 0), (4, 0), (4, 1), (2, 1), (2, 3), (0, 3)], float), 2.5)


def block(x: float, y: float, z: float, name: str = 'cabinet') -> Piece:
    """Return a block with its upper side as a top, and room for half a metre on it."""
    return Piece(name, box((x, y, z), GREY), (Top((0, 0, z), (x, y), 0.5),))


def arrangement(plan: FloorPlan = PLAN, seed: int = 0) -> Arrangement:
    return Arrangement(plan, np.random.default_rng(seed))


def test_a_piece_is_turned_and_then_moved() -> None:
    cup = Piece('object', box((0.1, 0.1, 0.1), GREY).moved(0.5, 0, 1))
    placed = Placed(Piece('table', box((2, 1, 1), GREY), parts=(cup,)), (5, 6, 1), np.pi / 2)
    low, high = placed.bounds
    np.testing.assert_allclose((low, high), ((4.5, 5, 1), (5.5, 7, 2.1)), atol=1e-9)
    np.testing.assert_allclose(placed.point((0.5, 0, 1)), (5, 6.5, 2), atol=1e-9)


def test_nothing_stands_in_anything_else() -> None:
    room = arrangement()
    assert room.put(block(1, 1, 1), (1, 1, 0)) is not None
    assert room.put(block(1, 1, 1), (1.5, 1, 0)) is None
    assert room.put(block(1, 1, 1), (2.01, 1, 0)) is None, 'the margin is 2 cm'
    assert room.put(block(1, 1, 1), (2.03, 1, 0)) is not None
    assert room.put(block(1, 1, 1), (1.5, 1, 1.0)) is not None, 'above both'
    assert len(room.placed) == 3


def test_nothing_reaches_through_walls_or_the_ceiling() -> None:
    room = arrangement(L_SHAPE)
    assert room.put(block(1, 1, 1), (0.4, 1, 0)) is None
    assert room.put(block(1, 1, 1), (3, 2, 0)) is None, 'the missing corner'
    assert room.put(block(3, 0.5, 1), (2, 0.9, 0)) is None, 'around the corner'
    assert room.put(block(1, 1, 2.6), (1, 1, 0)) is None
    assert room.put(block(1, 1, 1), (1, 1, 1.6)) is None
    assert room.put(block(1, 1, 2.4), (1, 1, 0)) is not None


def test_a_piece_may_reach_into_its_host_and_into_nothing_else() -> None:
    room = arrangement()
    table = room.put(block(1, 1, 0.7, 'table'), (1, 1, 0))
    assert table is not None
    assert room.put(block(0.5, 0.5, 0.9, 'chair'), (1, 0.5, 0)) is None
    chair = room.put(block(0.5, 0.5, 0.9, 'chair'), (1, 0.5, 0), host=table)
    assert chair is not None
    assert room.put(block(0.5, 0.5, 0.9, 'chair'), (1.2, 0.5, 0), host=table) is None


@pytest.mark.parametrize('plan', [PLAN, L_SHAPE], ids=['rectangle', 'L'])
def test_a_piece_against_a_wall_faces_into_the_room(plan: FloorPlan) -> None:
    walls = set()
    for seed in range(30):
        room = arrangement(plan, seed)
        placed = room.against_wall(block(0.9, 0.4, 1), gap=0.05)
        assert placed is not None
        back, front = placed.point((0, 0.2, 0))[:2], placed.point((0, -0.2, 0))[:2]
        away = [float(np.dot(back - wall.start, wall.place(0, 1) - wall.start))
                for wall in plan.walls]
        along = [float(np.dot(back - wall.start, wall.place(1, 0) - wall.start))
                 for wall in plan.walls]
        near = [number for number, wall in enumerate(plan.walls)
                if abs(away[number] - 0.05) < 1e-9
                and 0.449 < along[number] < wall.length - 0.449]
        assert near, (back, front)
        inwards = [plan.walls[number].place(0, 1) - plan.walls[number].start for number in near]
        assert max(float(np.dot(front - back, way)) for way in inwards) == pytest.approx(0.4)
        walls.update(near)
    assert walls >= ({0, 1, 2, 3} if plan is PLAN else {0, 5})


def test_where_along_a_wall_can_be_said() -> None:
    room = arrangement()
    placed = room.against_wall(block(1, 0.4, 1), z=0.5, gap=0, wall=0, along=1.5)
    assert placed is not None
    np.testing.assert_allclose(placed.bounds, ((1, 0, 0.5), (2, 0.4, 1.5)), atol=1e-9)
    assert room.against_wall(block(1, 0.4, 1), z=0.5, gap=0, wall=0, along=1.8) is None
    assert room.against_wall(block(5, 0.4, 1)) is None
    assert room.against_wall(block(3.5, 0.4, 1), wall=1) is None


def test_things_lie_on_tops_within_their_edges_and_beside_each_other() -> None:
    for seed in range(10):
        room = arrangement(seed=seed)
        table = room.put(block(1.2, 0.8, 0.7, 'table'), (2, 1.5, 0), 0.3 * seed)
        assert table is not None
        cups = room.on_top(table, table.piece.tops[0], repeat(block(0.2, 0.1, 0.15, 'object')), 12)
        assert 4 <= len(cups) <= 12 and room.placed == [table, *cups]
        for number, cup in enumerate(cups):
            low, high = cup.bounds
            assert low[2] == pytest.approx(0.701)
            corners = np.array([cup.point((x, y, 0)) for x in (-.1, .1) for y in (-.05, .05)])
            x, y = (corners - table.position)[:, :2].T
            turn = -table.angle
            across = np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y
            assert np.abs(across[0]).max() < 0.6 and np.abs(across[1]).max() < 0.4
            for other in cups[:number]:
                apart = (low > other.bounds[1]) | (high < other.bounds[0])
                assert apart.any()


def test_what_is_too_high_or_too_wide_for_a_top_is_left_out() -> None:
    room = arrangement()
    table = room.put(block(1, 1, 0.7, 'table'), (2, 1.5, 0))
    assert table is not None
    for piece in (block(0.1, 0.1, 0.51), block(1.5, 0.1, 0.1)):
        assert room.on_top(table, table.piece.tops[0], repeat(piece), 3) == []


def test_a_hole_in_a_wall_keeps_its_way_free() -> None:
    room = arrangement()
    room.open_wall(0, Opening(1, 2, 0, 2), 0.7)
    assert room.openings == {0: [Opening(1, 2, 0, 2)]}
    assert room.put(block(0.5, 0.5, 1), (1.5, 0.8, 0)) is None
    assert room.put(block(0.5, 0.5, 1), (1.5, 1.0, 0)) is not None
    assert room.put(block(0.5, 0.5, 1), (2.5, 0.3, 0)) is not None


def test_a_door_keeps_the_place_before_it_free() -> None:
    room = arrangement()
    door = room.against_wall(block(1, 0.1, 2, 'door'), gap=0, wall=2, along=2)
    assert door is not None
    room.keep_free(door, 0.7)
    assert room.put(block(0.5, 0.5, 1), (2, 2.0, 0)) is None
    assert room.put(block(0.5, 0.5, 1), (2, 1.9, 0)) is not None


@pytest.mark.parametrize('wall', range(4))
def test_a_door_is_set_back_into_its_wall(wall: int) -> None:
    room = arrangement()
    door = room.against_wall(block(1, 0.1, 2, 'door'), gap=0, wall=wall, along=1.3)
    assert door is not None
    room.set_back(door, 0.2)
    [(opening, depth)] = room.niches[wall]
    assert depth == 0.2 and list(room.niches) == [wall]
    assert (opening.start, opening.end, opening.bottom, opening.top) == pytest.approx(
        (0.8, 1.8, 0, 2))
    place = room.plan.walls[wall].place(1.3, 0.05 - 0.2)
    assert room.placed[0].position == pytest.approx((*place, 0))


def test_a_door_beside_a_passage_stays_before_its_wall() -> None:
    room = arrangement()
    room.open_wall(2, Opening(0.5, 1, 0, 2), 0.7)
    door = room.against_wall(block(1, 0.1, 2, 'door'), gap=0, wall=2, along=2.5)
    assert door is not None
    room.set_back(door, 0.2)
    assert not room.niches and room.placed == [door]


def test_before_a_piece_is_at_its_front_whichever_way_it_is_turned() -> None:
    room = arrangement()
    desk = room.put(block(1, 0.6, 0.7, 'desk'), (3.5, 1.5, 0), -np.pi / 2)  # its back towards +x
    assert desk is not None
    chair = room.before(desk, block(0.4, 0.4, 0.9, 'chair'), 0.1, -0.4, np.pi)
    assert chair is not None
    np.testing.assert_allclose(chair.position, (3.1, 1.4, 0), atol=1e-9)
    assert chair.angle == pytest.approx(np.pi / 2)


def test_one_can_stand_where_nothing_is() -> None:
    room = arrangement()
    room.put(block(2, 3, 1), (1, 1.5, 0))
    room.put(block(1, 1, 0.5), (3, 1, 1.8))  # hangs above the heads
    places = room.standpoints(0.1)
    assert places[:, 0].min() > 2.2 and places[:, 0].max() < 3.8
    assert places[:, 1].min() > 0.2 and places[:, 1].max() < 2.8
    assert len(places) > 250
    rug = arrangement()
    rug.lay(block(3, 2, 0.01, 'floor'), 2, 1.5, 0)
    assert len(rug.standpoints()) == len(arrangement().standpoints())


def test_a_full_room_has_a_standpoint_nevertheless() -> None:
    room = arrangement()
    room.put(block(3.9, 2.9, 1), (2, 1.5, 0))
    assert len(room.standpoints()) == 1
