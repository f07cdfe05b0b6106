"""Scans whose z points up, and scans in the frame of a camera."""

from __future__ import annotations

from pathlib import Path

from mask3d_core.files import read_scan
from mask3d_core.geometry.upright import doubt_upright
import numpy as np
from numpy.typing import NDArray
import pytest
from shared import find_shared

ROOT = Path(__file__).resolve().parents[3]


def surface(rng: np.random.Generator, low: tuple[float, ...], high: tuple[float, ...],
            ) -> NDArray[np.float64]:
    """Return points on a flat box, 1 cm of noise, 1500 to the square metre."""
    size = np.subtract(high, low)
    area = np.prod(np.maximum(size, 1e-9)) / max(size.min(), 1e-9)
    points = rng.uniform(low, high, (int(1500 * area), 3))
    return points + rng.normal(0, 0.004, points.shape)


def room(size: tuple[float, float, float], yaw: float = 0.5, ceiling: bool = True,
         ) -> NDArray[np.float64]:
    """Return a room with a table and a cupboard, z up, the origin in the middle of its floor."""
    rng = np.random.default_rng(3)
    x, y, z = size
    parts = [surface(rng, (0, 0, 0), (x, y, 0)),
             surface(rng, (0, 0, 0), (0, y, z)), surface(rng, (x, 0, 0), (x, y, z)),
             surface(rng, (0, 0, 0), (x, 0, z)), surface(rng, (0, y, 0), (x, y, z)),
             surface(rng, (.5, .2, .75), (1.7, .9, .75)), surface(rng, (.4, .6, 0), (.4, 1.1, 2))]
    parts += [surface(rng, (0, 0, z), (x, y, z))] if ceiling else []
    c, s = np.cos(yaw), np.sin(yaw)
    middle = np.array([x / 2, y / 2, 0])
    return (np.concatenate(parts) - middle) @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])


def as_camera(xyz: NDArray[np.float64], pitch: float = 0.0) -> NDArray[np.float64]:
    """Return points in the frame of a camera 1.2 m above the origin: z forward, y down."""
    x, y, z = (xyz - [0, 0, 1.2]).T
    forward, down = y, -z
    c, s = np.cos(pitch), np.sin(pitch)
    return np.stack([x, c * down - s * forward, s * down + c * forward], 1)


@pytest.mark.parametrize('size', [(5, 4, 2.6), (12, 1.5, 2.6), (3, 2, 5), (8, 6, 3)])
@pytest.mark.parametrize('yaw', [0, 0.5])
@pytest.mark.parametrize('ceiling', [False, True])
def test_rooms_pass(size: tuple[float, float, float], yaw: float, ceiling: bool) -> None:
    assert doubt_upright(room(size, yaw, ceiling)) == ''


@pytest.mark.parametrize(('yaw', 'pitch'), [(0.5, 0), (0.8, 0), (0, 0.4), (0.5, 0.4)])
@pytest.mark.parametrize('size', [(5, 4, 2.6), (12, 1.5, 2.6)])
def test_a_map_in_the_frame_of_a_camera_is_doubted(
        size: tuple[float, float, float], yaw: float, pitch: float) -> None:
    assert 'does not stand upright' in doubt_upright(as_camera(room(size, yaw), pitch))


def test_what_one_camera_sees_is_doubted() -> None:
    xyz = as_camera(room((5, 4, 2.6)))
    seen = xyz[(xyz[:, 2] > 0.5) & (np.abs(xyz[:, :2]).max(1) < 0.8 * xyz[:, 2])]
    assert 'in front of a camera' in doubt_upright(seen)


def test_a_table_top_passes_wherever_the_origin_is() -> None:
    rng = np.random.default_rng(0)
    table = np.concatenate([surface(rng, (-.5, -.4, 0), (.5, .4, 0)),
                            surface(rng, (0, 0, .1), (.1, .1, .1)),
                            surface(rng, (0, 0, 0), (.1, 0, .1))])
    for shift in ((0, 0, 0), (0, 0, .75), (2, 1, .75), (0, 0, -1)):
        assert doubt_upright(table + shift) == ''


def test_a_floor_seen_by_a_level_camera_is_doubted() -> None:
    floor = surface(np.random.default_rng(0), (-2, -2, 0), (2, 2, 0))
    assert doubt_upright(floor) == ''
    assert 'does not stand upright' in doubt_upright(as_camera(floor))


def test_what_has_no_planes_or_few_points_passes() -> None:
    rng = np.random.default_rng(0)
    assert doubt_upright(rng.uniform(-3, 3, (5000, 3))) == ''
    assert doubt_upright(rng.uniform(1, 2, (50, 3)) * [.1, .1, 1]) == ''


def test_the_demo_passes() -> None:
    assert doubt_upright(read_scan(ROOT / 'demo' / 'office.ply').xyz) == ''


@pytest.mark.parametrize('name', [
    'learn13', 'pcl_five_people', 'pcl_office1', 'pcl_region_growing_rgb_tutorial', 'test10',
    'test55'])
def test_single_frames_of_a_kinect_are_doubted(name: str) -> None:
    assert doubt_upright(read_scan(find_shared(f'data/clouds/{name}.pcd')).xyz) != ''


def test_a_real_level_scan_passes() -> None:
    assert doubt_upright(read_scan(find_shared('data/clouds/open3d_fragment.pcd')).xyz) == ''
