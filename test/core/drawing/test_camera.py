"""Camera placement and the choice of the view."""

from __future__ import annotations

from mask3d_core.drawing.camera import find_view, fit_camera
import numpy as np
import pytest


@pytest.mark.parametrize('azimuth', [0, 33, 200])
@pytest.mark.parametrize('elevation', [10, 62])
@pytest.mark.parametrize('size', [(400, 300), (300, 500)])
def test_all_points_fill_the_picture(azimuth: float, elevation: float,
                                     size: tuple[int, int]) -> None:
    xyz = np.random.default_rng(0).uniform([-3, 10, 1], [3, 14, 3.5], (3000, 3))
    camera = fit_camera(xyz, azimuth, elevation, *size)
    np.testing.assert_allclose(camera.axes @ camera.axes.T, np.eye(3), atol=1e-12)
    pixel, depth = camera.project(xyz)
    inside = (pixel >= 0).all(axis=1) & (pixel < size).all(axis=1)
    assert inside.mean() > 0.995 and depth.min() > 0
    assert (np.ptp(pixel, axis=0) / size).max() > 0.8


def test_up_is_up_and_near_is_near() -> None:
    xyz = np.random.default_rng(0).uniform(-1, 1, (500, 3))
    camera = fit_camera(xyz, 0, 40, 200, 200)  # from +x, so +y is to the right
    pixel, depth = camera.project(np.array([[0, 0, 0], [0, 0, .5], [0, .5, 0], [.5, 0, 0]]))
    assert pixel[1, 1] < pixel[0, 1] and pixel[2, 0] > pixel[0, 0]
    assert depth[3] < depth[0]


@pytest.mark.parametrize(('x', 'y'), [(1, 0), (-1, 0), (0, 1), (0, -1)])
def test_looks_from_the_open_side(x: int, y: int) -> None:
    random = np.random.default_rng(0)
    wall = random.uniform([0, 0, 0], [0.02, 4, 2.5], (8000, 3))
    floor = random.uniform([0, 0, 0], [4, 4, 0.02], (8000, 3))
    turn = np.array([[x, y, 0], [-y, x, 0], [0, 0, 1]])  # the floor extends towards (x, y)
    camera, shown = find_view(np.concatenate([wall, floor]) @ turn, 400, 300)
    assert camera.axes[2] @ [x, y, 0] > 0.1  # stands before the wall, not behind it
    assert shown.all()


def test_stray_points_do_not_shrink_the_scene() -> None:
    xyz = np.random.default_rng(0).uniform(-2, 2, (20000, 3))
    xyz[:5] = 9e4
    camera, _ = find_view(xyz, 400, 300)
    pixel, _ = camera.project(xyz[5:])
    assert np.ptp(pixel[:, 1]) > 150


@pytest.mark.parametrize('xyz', [np.zeros((8, 3)), np.full((9, 3), 1e5), np.eye(3).repeat(3, 0),
                                 np.arange(10)[:, None] * [1e-6, 0, 0]])
def test_degenerate_scans(xyz: np.ndarray) -> None:
    camera, shown = find_view(xyz, 80, 60)
    pixel, depth = camera.project(xyz)
    assert np.isfinite(pixel).all() and (depth > 0).all() and shown.any()
