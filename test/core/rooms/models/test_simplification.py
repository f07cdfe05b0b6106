"""Fewer triangles: what is close becomes one, and no triangle is degenerate or doubled."""

from mask3d_core.rooms.materials import Material
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.models.simplification import CELL_SIZES, MAX_FACES, simplify
from mask3d_core.rooms.solids import ball, box
import numpy as np
import pytest

GREY = Material((0.5, 0.5, 0.5))


def test_a_box_stays_as_it_is() -> None:
    simple = simplify(box((1, 0.5, 0.4), GREY))
    assert len(simple.vertices) == 8 and len(simple.faces) == 12
    assert simple.size == pytest.approx([1, 0.5, 0.4])
    assert simple.bounds[0][2] == 0


def test_small_details_vanish() -> None:
    screw = box((0.001, 0.001, 0.001), Material((1, 0, 0))).moved(0.004, 0.004, 1.0001)
    simple = simplify(join([box((1, 1, 1), GREY), screw]))
    assert len(simple.faces) == 12 and simple.vertices.max() < 1.001


def test_equal_triangles_are_kept_once() -> None:
    twice = simplify(join([box((1, 1, 1), GREY), box((1, 1, 1), Material((1, 0, 0)))]))
    assert len(twice.faces) == 12 and not twice.material.any()


@pytest.mark.parametrize('radius', [0.05, 0.5])
def test_a_fine_mesh_keeps_its_shape(radius: float) -> None:
    fine = ball(radius, GREY, segments=150)
    simple = simplify(fine)
    assert len(fine.faces) > 20_000 and 500 < len(simple.faces) <= MAX_FACES
    distance = np.linalg.norm(simple.vertices - (0, 0, simple.size[2] / 2), axis=1)
    assert np.abs(distance - radius).max() < 2 * CELL_SIZES[1]
    corners = np.sort(simple.faces, axis=1)
    assert (corners[:, 1:] != corners[:, :-1]).all()
    assert len(np.unique(corners, axis=0)) == len(corners)


def test_vertices_without_triangles_do_not_count() -> None:
    mesh = box((1, 1, 1), GREY)
    far = Mesh(np.concatenate([mesh.vertices, [(0, 0, 0.5)]]), mesh.faces,
               np.concatenate([mesh.texture, [(0, 0, 0.5)]]), mesh.material, mesh.materials)
    assert len(simplify(far).vertices) == 8
