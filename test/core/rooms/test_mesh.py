"""Meshes: moving, turning, joining; and the measurements of solids."""

from __future__ import annotations

from mask3d_core.rooms import solids
from mask3d_core.rooms.materials import Material
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.piece import assemble, Piece, Top
import numpy as np
import pytest

RED, BLUE = Material((1.0, 0.0, 0.0)), Material((0.0, 0.0, 1.0))


def area(mesh: Mesh) -> float:
    """Return the area of all triangles, square metres."""
    a, b, c = mesh.vertices[mesh.faces.T]
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def is_closed(mesh: Mesh) -> bool:
    """Return whether each edge belongs to an even number of triangles."""
    places, row = np.unique(mesh.vertices.round(9), axis=0, return_inverse=True)
    faces = row.reshape(-1)[mesh.faces]
    flat = (faces == np.roll(faces, 1, axis=1)).any(1)
    edges = np.sort(np.stack([faces[~flat], np.roll(faces[~flat], 1, axis=1)], axis=2), axis=2)
    _, count = np.unique(edges.reshape(-1, 2), axis=0, return_counts=True)
    return bool((count % 2 == 0).all())


def triangle() -> Mesh:
    return Mesh.of([(0, 0, 0), (1, 0, 0), (0, 2, 0)], [(0, 1, 2)], RED)


def test_moving_and_turning_keep_the_texture() -> None:
    mesh = triangle().moved(1, 2, 3)
    assert mesh.vertices.tolist() == [[1, 2, 3], [2, 2, 3], [1, 4, 3]]
    np.testing.assert_allclose(triangle().turned(np.pi / 2).vertices,
                               [(0, 0, 0), (0, 1, 0), (-2, 0, 0)], atol=1e-15)
    np.testing.assert_allclose(triangle().turned(np.pi / 2, 'x').vertices,
                               [(0, 0, 0), (1, 0, 0), (0, 0, 2)], atol=1e-15)
    np.testing.assert_allclose(triangle().turned(np.pi / 2, 'y').vertices,
                               [(0, 0, 0), (0, 0, -1), (0, 2, 0)], atol=1e-15)
    for changed in (mesh, triangle().turned(1.0)):
        np.testing.assert_array_equal(changed.texture, triangle().vertices)


def test_scaling_scales_the_texture() -> None:
    mesh = triangle().scaled(2, -1, 1)
    assert mesh.vertices.tolist() == [[0, 0, 0], [2, 0, 0], [0, -2, 0]]
    assert mesh.texture.tolist() == [[0, 0, 0], [2, 0, 0], [0, 2, 0]]


def test_settling() -> None:
    low, high = solids.box((1, 2, 3), RED).moved(5, 6, 7).settled().bounds
    assert low.tolist() == [-0.5, -1, 0] and high.tolist() == [0.5, 1, 3]


def test_joining_offsets_indices_and_merges_equal_materials() -> None:
    mesh = join([triangle(), triangle().moved(z=1), Mesh.of(np.eye(3), [(2, 1, 0)], BLUE)])
    assert mesh.materials == (RED, BLUE) and mesh.material.tolist() == [0, 0, 1]
    assert mesh.faces.tolist() == [[0, 1, 2], [3, 4, 5], [8, 7, 6]]
    assert mesh.vertices.shape == mesh.texture.shape == (9, 3)
    again = join([Mesh.of(np.eye(3), [(0, 1, 2)], BLUE), mesh])
    assert again.materials == (BLUE, RED) and again.material.tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize(('mesh', 'size', 'surface', 'closed'), [
    (solids.box((1, 2, 3), RED), (1, 2, 3), 22, True),
    (solids.panel(2, 3, RED), (2, 0, 3), 6, False),
    (solids.cylinder(0.5, 2, RED, segments=200), (1, 1, 2), 2.5 * np.pi, True),
    (solids.cylinder(1, 1, RED, top=0, segments=200), (2, 2, 1), np.pi * (1 + 2 ** 0.5), True),
    (solids.ball(0.5, RED, segments=100), (1, 1, 1), np.pi, True),
    (solids.lathe([(1, 0), (1, 1)], RED, segments=200), (2, 2, 1), 2 * np.pi, False),
    (solids.cushion((1, 2, 0.5), RED, 1.0, 40), (1, 2, 0.5), 3.97, True),  # an ellipsoid
    (solids.tube([(0, 0, 0), (0, 0, 1)], 0.1, RED, 100), (0.2, 0.2, 1), 0.2 * np.pi, False),
    (solids.sheet([[(0, 0, 0), (1, 0, 0)], [(0, 1, 0), (1, 1, 0)]], RED), (1, 1, 0), 1, False),
    (solids.prism([(0, 0), (2, 0), (0, 1)], 3, RED), (2, 1, 3), 2 + 3 * (3 + 5 ** 0.5), True),
], ids=['box', 'panel', 'cylinder', 'cone', 'ball', 'open lathe', 'cushion', 'tube', 'sheet',
        'prism'])
def test_solids(mesh: Mesh, size: tuple[float, float, float], surface: float, closed: bool,
                ) -> None:
    np.testing.assert_allclose(mesh.size, size, atol=1e-3)
    assert mesh.bounds[0][2] == pytest.approx(0, abs=1e-9) or size[2] == 0
    assert area(mesh) == pytest.approx(surface, rel=0.01)
    assert is_closed(mesh) == closed


def test_a_cushion_is_between_a_block_and_an_ellipsoid() -> None:
    areas = [area(solids.cushion((1, 1, 1), RED, roundness)) for roundness in (1.0, 0.35, 0.05)]
    assert np.pi * 0.95 < areas[0] < areas[1] < areas[2] <= 6.001


def test_pieces_move_with_their_tops_and_parts() -> None:
    cup = Piece('object', solids.box((0.1, 0.1, 0.2), BLUE).moved(z=0.5))
    table = Piece('table', solids.box((1, 1, 0.5), RED), (Top((0, 0, 0.5), (1, 1)),), (cup,))
    moved = table.moved(1, 2, 3)
    assert moved.tops[0].center == (1, 2, 3.5) and moved.tops[0].size == (1, 1)
    assert moved.parts[0].mesh.bounds[0].tolist() == pytest.approx([0.95, 1.95, 3.5])
    assert [piece.name for piece in moved.all()] == ['table', 'object']
    assert table.size.tolist() == pytest.approx([1, 1, 0.7])
    assert moved.settled().bounds[0].tolist() == pytest.approx([-0.5, -0.5, 0])


def test_assembling_settles() -> None:
    piece = assemble('chair', solids.box((1, 1, 1), RED).moved(5), solids.box((1, 1, 1), BLUE))
    assert piece.name == 'chair' and piece.mesh.materials == (RED, BLUE)
    assert piece.bounds[0].tolist() == [-3, -0.5, 0]
