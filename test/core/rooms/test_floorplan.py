"""Floor plans, and the meshes of floors, walls and openings."""

from __future__ import annotations

from mask3d_core.rooms.depth_camera import camera_pose, Lens, render_frame
from mask3d_core.rooms.floorplan import adjacent_plan, FloorPlan, random_plan, Wall, WALL_THICKNESS
from mask3d_core.rooms.materials import Material
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.shell import (
    floor_mesh,
    niche_mesh,
    Opening,
    passage_meshes,
    skirting_mesh,
    wall_mesh,
)
import numpy as np
import pytest

GREY = Material((0.5, 0.5, 0.5))
L_SHAPE = FloorPlan(np.array([(0, 0), (4, 0), (4, 1), (2, 1), (2, 3), (0, 3)], float), 2.5)
DOOR, WINDOW = Opening(0.5, 1.5, 0, 2), Opening(2, 3, 1, 2)


def area(mesh: Mesh) -> float:
    """Return the area of all triangles, square metres."""
    a, b, c = mesh.vertices[mesh.faces.T]
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def test_the_room_is_to_the_left_of_a_wall() -> None:
    wall = Wall((1, 0), (1, 3))
    assert wall.length == 3
    np.testing.assert_allclose(wall.point_at(2, 0.5), (0.5, 2))
    np.testing.assert_allclose(Wall((0, 0), (4, 0)).point_at(1, 0.5), (1, 0.5))


@pytest.mark.parametrize('number', range(6))
def test_distance_along_is_the_inverse_of_point_at(number: int) -> None:
    wall = L_SHAPE.walls[number]
    assert wall.distance_along(wall.point_at(0.7, 0.0)) == pytest.approx(0.7)
    for along, away in ((-0.1, 0), (wall.length + 0.1, 0), (0.7, 0.02), (0.7, -0.02)):
        assert wall.distance_along(wall.point_at(along, away)) is None


@pytest.mark.parametrize('number', range(6))
def test_the_back_of_a_piece_comes_to_its_wall(number: int) -> None:
    """Its back is towards +y; turned by the angle of the wall, it points out of the room."""
    wall = L_SHAPE.walls[number]
    back = np.array([-np.sin(wall.angle), np.cos(wall.angle)])
    outwards = wall.point_at(1, -0.1) - wall.point_at(1, 0)
    np.testing.assert_allclose(back, outwards / 0.1, atol=1e-9)


def test_an_l_has_six_walls_and_three_rectangles() -> None:
    assert [wall.length for wall in L_SHAPE.walls] == [4, 1, 2, 2, 2, 3]
    assert L_SHAPE.area == 8
    assert sorted(block.tolist() for block in L_SHAPE.rectangles) == [
        [0, 0, 2, 1], [0, 1, 2, 3], [2, 0, 4, 1]]


def test_what_an_l_contains() -> None:
    inside = [(1, 2), (3, 0.5), (0.1, 2.9), (1.99, 1.5)]
    outside = [(3, 2), (2.1, 1.1), (-0.1, 1), (1, 3.1), (4.1, 0.5), (5, 1)]
    assert L_SHAPE.contains(np.array(inside)).all()
    assert not L_SHAPE.contains(np.array(outside)).any()
    near = np.array([(1, 2), (3, 0.5), (1.7, 0.7), (1.7, 2), (0.2, 2)])
    assert L_SHAPE.contains(near, 0.25).tolist() == [True, True, True, True, False]
    # The corner that points into the room is a wall, too.
    assert not L_SHAPE.contains(np.array([(1.9, 0.9), (2.2, 0.8)]), 0.25).any()


def test_drawn_plans_go_around_counter_clockwise() -> None:
    shapes = set()
    for seed in range(40):
        plan = random_plan(np.random.default_rng(seed), 4.0, 5.0)
        x, y = plan.corners.T
        x_after, y_after = np.roll(plan.corners, -1, axis=0).T
        assert (x * y_after - y * x_after).sum() / 2 == pytest.approx(plan.area)
        assert 2.3 <= plan.height <= 3 and (0.5 * 20 < plan.area <= 20)
        assert plan.corners.min() == 0 and plan.corners.max(0).tolist() == [4, 5]
        middle = np.array([wall.point_at(wall.length / 2, 0.1) for wall in plan.walls])
        assert plan.contains(middle).all()
        shapes.add((len(plan.corners), bool(plan.contains(np.array([(0.1, 4.9)]))[0])))
    assert shapes == {(4, True), (6, True), (6, False)}
    assert all(len(random_plan(np.random.default_rng(seed), 2.0, 5.0).corners) == 4
               for seed in range(10))


def test_an_adjacent_room_lies_behind_the_lowest_wall() -> None:
    other = adjacent_plan(L_SHAPE, L_SHAPE)
    assert other.corners[:, 1].max() == pytest.approx(-WALL_THICKNESS)
    assert other.area == pytest.approx(8) and other.height == 2.5


def test_the_floor_covers_the_plan_once() -> None:
    floor = floor_mesh(L_SHAPE, GREY)
    assert area(floor) == pytest.approx(8) and floor.size.tolist() == [4, 3, 0]
    assert (floor_mesh(L_SHAPE, GREY, 2.5).vertices[:, 2] == 2.5).all()


def test_a_wall_has_the_area_that_its_holes_leave() -> None:
    wall = L_SHAPE.walls[0]
    assert area(wall_mesh(wall, 2.5, [], GREY)) == pytest.approx(10)
    mesh = wall_mesh(wall, 2.5, [DOOR, WINDOW], GREY)
    assert area(mesh) == pytest.approx(10 - 2 - 1)
    assert mesh.bounds[0].tolist() == [0, 0, 0] and mesh.bounds[1].tolist() == [4, 0, 2.5]


@pytest.mark.parametrize('number', range(6))
def test_one_can_see_through_the_holes_of_a_wall_and_nowhere_else(number: int) -> None:
    wall = L_SHAPE.walls[number]
    hole = Opening(0.3, 0.8, 0.5, 1.5)
    mesh = wall_mesh(wall, 2.5, [hole], GREY)
    x, y = wall.point_at(wall.length / 2, 1.0)
    lens = Lens(80, 60, 30)
    frame = render_frame(mesh, camera_pose((x, y, 1.0), wall.angle + np.pi / 2, 0.0), lens)
    along = wall.length / 2 - lens.rays[:, 0]  # facing the wall, its start is on the right
    height = 1.0 - lens.rays[:, 1]
    solid = (along > 0) & (along < wall.length) & (height > 0) & (height < 2.5)
    solid &= ~((along > 0.3) & (along < 0.8) & (height > 0.5) & (height < 1.5))
    seen = frame.face >= 0
    assert np.array_equal(seen, solid)
    np.testing.assert_allclose(frame.depth[seen], 1.0)


@pytest.mark.parametrize('number', range(6))
def test_a_niche_is_closed_on_all_sides(number: int) -> None:
    wall = L_SHAPE.walls[number]
    hole = Opening(0.3, 0.8, 0.5, 1.5)
    mesh = join([wall_mesh(wall, 2.5, [hole], GREY), niche_mesh(wall, hole, 0.2, GREY)])
    x, y = wall.point_at(0.55, 1.0)
    lens = Lens(81, 61, 30)
    frame = render_frame(mesh, camera_pose((x, y, 1.0), wall.angle + np.pi / 2, 0.0), lens)
    along, height = 0.55 - lens.rays[:, 0], 1.0 - lens.rays[:, 1]
    inside = (abs(along - 0.55) < 0.25) & (abs(height - 1.0) < 0.5)
    back = (abs(lens.rays[:, 0]) < 0.25 / 1.2) & (abs(lens.rays[:, 1]) < 0.5 / 1.2)
    assert np.isfinite(frame.depth[inside]).all()
    np.testing.assert_allclose(frame.depth[back], 1.2)
    side = frame.depth[inside & ~back]
    assert len(side) and (side >= 1).all() and (side <= 1.2).all()


def test_skirting_stops_at_doors_but_not_at_windows() -> None:
    wall = L_SHAPE.walls[0]
    low = skirting_mesh(wall, [DOOR, WINDOW], GREY, 0.1)
    assert low.vertices[:, 2].max() == pytest.approx(0.1)
    assert low.bounds[0][1] == pytest.approx(0) and low.bounds[1][1] == pytest.approx(0.015)
    spans = {(round(x.min(), 9), round(x.max(), 9))
             for x in low.vertices[:, 0].reshape(-1, 8)}
    assert spans == {(0, 0.5), (1.5, 4)}
    assert len(skirting_mesh(wall, [Opening(0, 4, 0, 2)], GREY, 0.1).faces) == 2


@pytest.mark.parametrize('number', range(6))
def test_a_passage_lines_the_hole_it_leads_through(number: int) -> None:
    wall, coat = L_SHAPE.walls[number], Material((0.1, 0.2, 0.3))
    floor, lining = passage_meshes(wall, Opening(0.2, 0.9, 0, 2), 0.1, GREY, coat)
    assert floor.materials == (GREY,) and lining.materials == (coat,)
    assert area(floor) == pytest.approx(0.7 * 0.1)
    assert area(lining) == pytest.approx(2 * 0.1 * 2 + 0.7 * 0.1)
    assert np.abs(floor.vertices[:, 2]).max() < 1e-9 and lining.vertices[:, 2].max() == 2
    corners = [wall.point_at(along, away) for along in (0.2, 0.9) for away in (0, -0.1)]
    for mesh in (floor, lining):
        places = np.unique(mesh.vertices[:, :2].round(9), axis=0)
        np.testing.assert_allclose(places, np.unique(np.round(corners, 9), axis=0), atol=1e-9)
