"""Placing pieces in a room: collisions, and final positions."""

from __future__ import annotations

from itertools import repeat

from mask3d_core.rooms.arrangement import Arrangement, PlacedPiece
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
    """Return a block whose upper side is a top with a free height of half a metre."""
    return Piece(name, box((x, y, z), GREY), (Top((0, 0, z), (x, y), 0.5),))


def arrangement(plan: FloorPlan = PLAN, seed: int = 0) -> Arrangement:
    return Arrangement(plan, np.random.default_rng(seed))


def test_a_piece_is_turned_and_then_moved() -> None:
    cup = Piece('object', box((0.1, 0.1, 0.1), GREY).moved(0.5, 0, 1))
    placed = PlacedPiece(Piece('table', box((2, 1, 1), GREY), parts=(cup,)), (5, 6, 1), np.pi / 2)
    low, high = placed.bounds
    np.testing.assert_allclose((low, high), ((4.5, 5, 1), (5.5, 7, 2.1)), atol=1e-9)
    np.testing.assert_allclose(placed.point_in_room((0.5, 0, 1)), (5, 6.5, 2), atol=1e-9)


def test_pieces_do_not_overlap() -> None:
    room = arrangement()
    assert room.place(block(1, 1, 1), (1, 1, 0)) is not None
    assert room.place(block(1, 1, 1), (1.5, 1, 0)) is None
    assert room.place(block(1, 1, 1), (2.01, 1, 0)) is None, 'the margin is 2 cm'
    assert room.place(block(1, 1, 1), (2.03, 1, 0)) is not None
    assert room.place(block(1, 1, 1), (1.5, 1, 1.0)) is not None, 'above both'
    assert len(room.placed) == 3


def test_pieces_stay_within_walls_and_ceiling() -> None:
    room = arrangement(L_SHAPE)
    assert room.place(block(1, 1, 1), (0.4, 1, 0)) is None
    assert room.place(block(1, 1, 1), (3, 2, 0)) is None, 'the missing corner'
    assert room.place(block(3, 0.5, 1), (2, 0.9, 0)) is None, 'around the corner'
    assert room.place(block(1, 1, 2.6), (1, 1, 0)) is None
    assert room.place(block(1, 1, 1), (1, 1, 1.6)) is None
    assert room.place(block(1, 1, 2.4), (1, 1, 0)) is not None


def test_a_piece_may_overlap_with_its_host_only() -> None:
    room = arrangement()
    table = room.place(block(1, 1, 0.7, 'table'), (1, 1, 0))
    assert table is not None
    assert room.place(block(0.5, 0.5, 0.9, 'chair'), (1, 0.5, 0)) is None
    chair = room.place(block(0.5, 0.5, 0.9, 'chair'), (1, 0.5, 0), host=table)
    assert chair is not None
    assert room.place(block(0.5, 0.5, 0.9, 'chair'), (1.2, 0.5, 0), host=table) is None


@pytest.mark.parametrize('plan', [PLAN, L_SHAPE], ids=['rectangle', 'L'])
def test_a_piece_against_a_wall_faces_into_the_room(plan: FloorPlan) -> None:
    walls = set()
    for seed in range(30):
        room = arrangement(plan, seed)
        placed = room.place_against_wall(block(0.9, 0.4, 1), gap=0.05)
        assert placed is not None
        back, front = placed.point_in_room((0, 0.2, 0))[:2], placed.point_in_room((0, -0.2, 0))[:2]
        away = [float(np.dot(back - wall.start, wall.point_at(0, 1) - wall.start))
                for wall in plan.walls]
        along = [float(np.dot(back - wall.start, wall.point_at(1, 0) - wall.start))
                 for wall in plan.walls]
        near = [number for number, wall in enumerate(plan.walls)
                if abs(away[number] - 0.05) < 1e-9
                and 0.449 < along[number] < wall.length - 0.449]
        assert near, (back, front)
        inwards = [plan.walls[number].point_at(0, 1) - plan.walls[number].start for number in near]
        assert max(float(np.dot(front - back, way)) for way in inwards) == pytest.approx(0.4)
        walls.update(near)
    assert walls >= ({0, 1, 2, 3} if plan is PLAN else {0, 5})


def test_the_position_along_a_wall_can_be_given() -> None:
    room = arrangement()
    placed = room.place_against_wall(block(1, 0.4, 1), z=0.5, gap=0, wall=0, along=1.5)
    assert placed is not None
    np.testing.assert_allclose(placed.bounds, ((1, 0, 0.5), (2, 0.4, 1.5)), atol=1e-9)
    assert room.place_against_wall(block(1, 0.4, 1), z=0.5, gap=0, wall=0, along=1.8) is None
    assert room.place_against_wall(block(5, 0.4, 1)) is None
    assert room.place_against_wall(block(3.5, 0.4, 1), wall=1) is None


def test_objects_lie_on_tops_without_overlap() -> None:
    for seed in range(10):
        room = arrangement(seed=seed)
        table = room.place(block(1.2, 0.8, 0.7, 'table'), (2, 1.5, 0), 0.3 * seed)
        assert table is not None
        cup_piece = block(0.2, 0.1, 0.15, 'object')
        cups = room.place_on_top(table, table.piece.tops[0], repeat(cup_piece), 12)
        assert 4 <= len(cups) <= 12 and room.placed == [table, *cups]
        for number, cup in enumerate(cups):
            low, high = cup.bounds
            assert low[2] == pytest.approx(0.701)
            corners = np.array([cup.point_in_room((x, y, 0))
                                for x in (-.1, .1) for y in (-.05, .05)])
            x, y = (corners - table.position)[:, :2].T
            turn = -table.angle
            across = np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y
            assert np.abs(across[0]).max() < 0.6 and np.abs(across[1]).max() < 0.4
            for other in cups[:number]:
                apart = (low > other.bounds[1]) | (high < other.bounds[0])
                assert apart.any()


def test_objects_too_high_or_too_wide_for_a_top_are_skipped() -> None:
    room = arrangement()
    table = room.place(block(1, 1, 0.7, 'table'), (2, 1.5, 0))
    assert table is not None
    for piece in (block(0.1, 0.1, 0.51), block(1.5, 0.1, 0.1)):
        assert room.place_on_top(table, table.piece.tops[0], repeat(piece), 3) == []


def test_the_space_in_front_of_an_opening_is_kept_free() -> None:
    room = arrangement()
    room.open_wall(0, Opening(1, 2, 0, 2), 0.7)
    assert room.openings == {0: [Opening(1, 2, 0, 2)]}
    assert room.place(block(0.5, 0.5, 1), (1.5, 0.8, 0)) is None
    assert room.place(block(0.5, 0.5, 1), (1.5, 1.0, 0)) is not None
    assert room.place(block(0.5, 0.5, 1), (2.5, 0.3, 0)) is not None


def test_the_space_in_front_of_a_door_is_kept_free() -> None:
    room = arrangement()
    door = room.place_against_wall(block(1, 0.1, 2, 'door'), gap=0, wall=2, along=2)
    assert door is not None
    room.keep_free(door, 0.7)
    assert room.place(block(0.5, 0.5, 1), (2, 2.0, 0)) is None
    assert room.place(block(0.5, 0.5, 1), (2, 1.9, 0)) is not None


@pytest.mark.parametrize('wall', range(4))
def test_a_door_moves_into_a_niche_of_its_wall(wall: int) -> None:
    room = arrangement()
    door = room.place_against_wall(block(1, 0.1, 2, 'door'), gap=0, wall=wall, along=1.3)
    assert door is not None
    room.move_into_niche(door, 0.2)
    [(opening, depth)] = room.niches[wall]
    assert depth == 0.2 and list(room.niches) == [wall]
    assert (opening.start, opening.end, opening.bottom, opening.top) == pytest.approx(
        (0.8, 1.8, 0, 2))
    place = room.plan.walls[wall].point_at(1.3, 0.05 - 0.2)
    assert room.placed[0].position == pytest.approx((*place, 0))


def test_a_door_in_a_wall_with_a_passage_gets_no_niche() -> None:
    room = arrangement()
    room.open_wall(2, Opening(0.5, 1, 0, 2), 0.7)
    door = room.place_against_wall(block(1, 0.1, 2, 'door'), gap=0, wall=2, along=2.5)
    assert door is not None
    room.move_into_niche(door, 0.2)
    assert not room.niches and room.placed == [door]


def test_a_door_in_a_thin_wall_gets_no_niche() -> None:
    room = Arrangement(PLAN, np.random.default_rng(0), thin_walls={1})
    doors = [room.place_against_wall(block(1, 0.1, 2, 'door'), gap=0, wall=wall, along=1.5)
             for wall in (1, 2)]
    for door in doors:
        assert door is not None
        room.move_into_niche(door, 0.2)
    assert list(room.niches) == [2] and room.placed[0] is doors[0]


def test_place_beside_uses_the_coordinates_of_the_host() -> None:
    room = arrangement()
    desk = room.place(block(1, 0.6, 0.7, 'desk'), (3.5, 1.5, 0), -np.pi / 2)  # its back towards +x
    assert desk is not None
    chair = room.place_beside(desk, block(0.4, 0.4, 0.9, 'chair'), 0.1, -0.4, np.pi)
    assert chair is not None
    np.testing.assert_allclose(chair.position, (3.1, 1.4, 0), atol=1e-9)
    assert chair.angle == pytest.approx(np.pi / 2)


def test_standpoints_are_free_floor() -> None:
    room = arrangement()
    room.place(block(2, 3, 1), (1, 1.5, 0))
    room.place(block(1, 1, 0.5), (3, 1, 1.8))  # hangs above the heads
    places = room.standpoints(0.1)
    assert places[:, 0].min() > 2.2 and places[:, 0].max() < 3.8
    assert places[:, 1].min() > 0.2 and places[:, 1].max() < 2.8
    assert len(places) > 250
    rug = arrangement()
    rug.lay_flat(block(3, 2, 0.01, 'floor'), 2, 1.5, 0)
    assert len(rug.standpoints()) == len(arrangement().standpoints())


def test_a_full_room_has_one_standpoint() -> None:
    room = arrangement()
    room.place(block(3.9, 2.9, 1), (2, 1.5, 0))
    assert len(room.standpoints()) == 1
