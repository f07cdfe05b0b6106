"""The rectangle of smallest area around points."""

from mask3d_core.geometry import boxes
from mask3d_core.geometry.boxes import smallest_rectangle
import numpy as np
from numpy.typing import NDArray
import pytest
from scipy.spatial import ConvexHull


def rotated(points: NDArray, angle: float) -> NDArray:
    """Rotate [n, 2] points counter-clockwise."""
    cos, sin = np.cos(angle), np.sin(angle)
    return points @ np.array([[cos, sin], [-sin, cos]])


@pytest.mark.parametrize('degrees', [-90, -89, -45, -30, 0, 10, 45, 60, 89])
def test_rotated_rectangle(degrees: float) -> None:
    random = np.random.default_rng(0)
    inside = random.uniform(-1, 1, (500, 2)) * (2, 0.5)
    corners = np.array([[2, 0.5], [-2, 0.5], [-2, -0.5], [2, -0.5]])
    x, y = (rotated(np.concatenate([inside, corners]), np.radians(degrees)) + (100, -7)).T
    box = smallest_rectangle(x, y)
    np.testing.assert_allclose(box.center, (100, -7))
    np.testing.assert_allclose(box.size, (4, 1))
    assert -np.pi / 2 <= box.yaw < np.pi / 2
    # a line's direction has no sign: -90 degrees is 90
    assert np.sin(box.yaw - np.radians(degrees)) == pytest.approx(0, abs=1e-9)


def test_an_axis_aligned_square_is_not_rotated() -> None:
    x, y = (grid.ravel() for grid in np.meshgrid(np.arange(5) * 0.1, np.arange(5) * 0.1))
    box = smallest_rectangle(x, y)
    assert box.yaw == 0
    np.testing.assert_allclose(box.size, (0.4, 0.4))


def test_of_equal_rectangles_the_least_rotated_is_taken() -> None:
    corner = np.radians(np.arange(8) * 45 + 22.5)
    assert smallest_rectangle(np.cos(corner), np.sin(corner)).yaw == pytest.approx(0, abs=1e-12)
    corner = np.radians([90, 210, 330])
    assert smallest_rectangle(np.cos(corner), np.sin(corner)).yaw == pytest.approx(0, abs=1e-12)


def test_one_point() -> None:
    box = smallest_rectangle(np.array([3.0]), np.array([4.0]))
    assert (box.center, box.size, box.yaw) == ((3, 4), (0, 0), 0)
    same = smallest_rectangle(np.full(50, 3.0), np.full(50, 4.0))
    assert (same.center, same.size, same.yaw) == ((3, 4), (0, 0), 0)


@pytest.mark.parametrize('number', [2, 3, 40])
@pytest.mark.parametrize('angle', [-np.pi / 2, -1.0, 0.0, 0.3, np.pi / 4])
def test_points_on_a_line(number: int, angle: float) -> None:
    along = np.linspace(-1, 1, number)
    box = smallest_rectangle(5 + along * np.cos(angle), along * np.sin(angle))
    np.testing.assert_allclose(box.center, (5, 0), atol=1e-12)
    np.testing.assert_allclose(box.size, (2, 0), atol=1e-8)
    assert np.sin(box.yaw - angle) == pytest.approx(0, abs=1e-8)
    assert -np.pi / 2 <= box.yaw < np.pi / 2


@pytest.mark.parametrize('seed', range(30))
def test_contains_all_points_and_no_direction_is_better(seed: int) -> None:
    random = np.random.default_rng(seed)
    number = random.integers(3, 400)
    points = rotated(random.normal(size=(number, 2)) * random.uniform(0.1, 2, 2), seed)
    if seed % 3 == 0:
        points = np.round(points, 1)       # a grid: many on one line, many equal
    points = points + random.choice([0, 1e4])
    box = smallest_rectangle(*points.T)
    local = rotated(points - box.center, -box.yaw)
    np.testing.assert_allclose(np.abs(local).max(axis=0), np.array(box.size) / 2, atol=1e-9)
    assert box.size[0] >= box.size[1]
    for angle in np.linspace(0, np.pi / 2, 181):
        assert np.prod(box.size) <= np.prod(np.ptp(rotated(points, angle), axis=0)) * (1 + 1e-7)


def test_one_side_is_on_the_convex_hull() -> None:
    points = np.random.default_rng(3).normal(size=(2000, 2))
    box = smallest_rectangle(*points.T)
    hull = points[ConvexHull(points).vertices]
    sides = np.diff(hull, axis=0, append=hull[:1])
    directions = np.arctan2(sides[:, 1], sides[:, 0])
    off = np.abs((directions - box.yaw + np.pi / 4) % (np.pi / 2) - np.pi / 4)
    assert off.min() < 1e-9


def test_the_order_of_the_points_does_not_matter() -> None:
    random = np.random.default_rng(0)
    points = np.round(random.normal(size=(300, 2)), 2)
    box = smallest_rectangle(*points.T)
    again = smallest_rectangle(*random.permutation(points).T)
    np.testing.assert_allclose([*again.center, *again.size, again.yaw],
                               [*box.center, *box.size, box.yaw], atol=1e-12)


@pytest.mark.parametrize('shape', ['disc', 'ring', 'rotated square'])
def test_many_points_near_the_hull(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    angle, radius = random.uniform(0, 2 * np.pi, 20_000), random.uniform(0, 1, 20_000) ** 0.5
    if shape == 'ring':
        radius = 1 + random.normal(0, 1e-3, 20_000)
    points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    if shape == 'rotated square':
        points = rotated(random.uniform(-1, 1, (20_000, 2)), np.radians(22.5))
    box = smallest_rectangle(*points.T)
    corners = points[np.sort(ConvexHull(points).vertices)]
    monkeypatch.setattr(boxes, 'MAX_OUTER_POINTS', len(points))  # the octagon alone
    for other in (smallest_rectangle(*points.T), smallest_rectangle(*corners.T)):
        np.testing.assert_allclose(box.center, other.center, atol=1e-12)
        np.testing.assert_allclose(box.size, other.size, rtol=1e-12)
        assert box.yaw == pytest.approx(other.yaw, abs=1e-12)
