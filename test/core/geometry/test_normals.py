"""Surface normals of clouds and meshes."""

from mask3d_core.geometry.normals import neighbor_normals, vertex_normals
import numpy as np
from numpy.typing import NDArray
import pytest


@pytest.mark.parametrize('stretch', [(1, 1, 0.3), (1, 1, 1e-6), (3, 1, 0.9), (1e-3, 1e-3, 1e-4)])
def test_equals_the_smallest_eigenvector(stretch: tuple[float, float, float]) -> None:
    random = np.random.default_rng(0)
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
    xyz = random.normal(size=(500, 3)) * stretch @ turn + 40
    neighbors = random.integers(0, len(xyz), (9000, 12))

    normals = neighbor_normals(xyz, neighbors)

    apart = xyz[neighbors] - xyz[neighbors].mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(np.einsum('nki,nkj->nij', apart, apart))
    clear = values[:, 1] > 1.01 * values[:, 0]
    assert clear.mean() > 0.95
    cosine = np.einsum('ni,ni->n', normals, vectors[:, :, 0])
    np.testing.assert_allclose(np.abs(cosine[clear]), 1, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1)


@pytest.mark.parametrize('xyz', [
    np.zeros((20, 3)), np.arange(20)[:, None] * np.array([[1.0, 0, 0]]),
    np.arange(20)[:, None] * np.array([[0.1, 0.2, 0.3]]) + 1e4])
def test_points_and_lines_have_some_normal(xyz: NDArray) -> None:
    neighbors = (np.arange(20)[:, None] + np.arange(6)) % 20
    with np.errstate(invalid='raise', divide='raise'):
        normals = neighbor_normals(xyz, neighbors)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1)


def test_vertex_normals_are_the_mean_of_the_faces() -> None:
    vertices = np.array([[0, 0, 0], [2, 0, 0], [0, 3, 0], [0, 0, 4], [9, 9, 9]])
    faces = np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 1, 1]])

    normals = vertex_normals(vertices, faces)

    third = np.float32(1) / 3
    np.testing.assert_allclose(normals[0], [third] * 3, rtol=1e-6)
    np.testing.assert_allclose(normals[2], [0.5, 0, 0.5])
    np.testing.assert_allclose(normals[1, 1:], [1 / 5, 1 / 5], rtol=1e-6)  # three times nothing
    np.testing.assert_array_equal(normals[4], 0)


def test_a_mesh_without_faces_has_no_normals() -> None:
    np.testing.assert_array_equal(vertex_normals(np.ones((4, 3)), np.zeros((0, 3), int)), 0)
