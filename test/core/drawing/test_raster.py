"""Points become pixels."""

from __future__ import annotations

from mask3d_core.drawing.camera import Camera, fit_camera
from mask3d_core.drawing.raster import eye_dome_shade, rasterize
import numpy as np

RANDOM = np.random.default_rng(0)
PLANE = np.stack([*RANDOM.uniform(-1, 1, (2, 20000)), np.zeros(20000)], axis=1)


def from_above(xyz: np.ndarray) -> Camera:
    """Look straight down."""
    return fit_camera(xyz, 270, 90, 200, 200)


def test_a_surface_has_no_holes() -> None:
    point, depth = rasterize(PLANE, from_above(PLANE))
    middle = slice(20, -20), slice(20, -20)
    assert (point[middle] >= 0).all() and np.isfinite(depth[middle]).all()
    assert (point[0] == -1).all() and np.isinf(depth[0]).all()


def test_pixels_show_the_points_that_lie_there() -> None:
    camera = from_above(PLANE)
    point, _ = rasterize(PLANE, camera)
    row, column = np.nonzero(point >= 0)
    pixel, _ = camera.project(PLANE[point[row, column]])
    away = np.abs(pixel - np.stack([column, row], axis=1) - 0.5).max(axis=1)
    assert np.quantile(away, 0.99) < 6


def test_the_nearest_point_wins() -> None:
    cover = PLANE * [0.5, 0.5, 1] + [0, 0, 0.5]
    both = np.concatenate([cover, PLANE])
    point, _ = rasterize(both, from_above(PLANE))
    assert (point[80:120, 80:120] < len(cover)).all()
    assert (point[15:30, 15:30] >= len(cover)).all()


def test_a_sparse_surface_hides_what_is_behind() -> None:
    sparse = RANDOM.uniform([-0.5, -0.5, 0.5], [0.5, 0.5, 0.5], (600, 3))
    point, _ = rasterize(np.concatenate([sparse, PLANE[:3000]]), from_above(PLANE))
    assert (point[70:130, 70:130] < len(sparse)).mean() > 0.9


def test_shade_is_dark_behind_an_edge_only() -> None:
    depth = np.full((60, 60), 4, np.float32)
    depth[:, :30] = 3
    depth[:10] = np.inf
    shade = eye_dome_shade(depth)
    assert shade.shape == depth.shape and shade.min() >= 0 and shade.max() <= 1
    assert (shade[20:50, :30] == 1).all() and (shade[20:50, 40:] == 1).all()
    assert (shade[20:50, 30] < 0.8).all()
    assert (shade[12:16, 10] == 1).all()  # a background behind casts no shade


def test_a_slope_is_lit_evenly() -> None:
    depth = np.tile(np.linspace(3, 4, 60, dtype=np.float32), (60, 1))
    assert np.ptp(eye_dome_shade(depth)[10:-10, 10:-10]) < 0.1
