from mask3d_core.rooms.fusion import (
    average_in_voxels,
    choose_voxel_size,
    drop_isolated,
    keep_readings,
    snap_to_grid_lines,
)
import numpy as np
import pytest

FIVE = np.array([(0.01, 0.01, 0), (0.53, 0, 0), (0.03, 0.01, 0), (0.08, 0.04, 0), (0.55, 0, 0)])


def plane(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.column_stack([rng.random((count, 2)) * 3, np.full(count, 0.005)])


def test_points_are_the_means_of_voxels() -> None:
    fused = average_in_voxels(FIVE, 0.1)
    assert fused.xyz == pytest.approx(np.array([(0.04, 0.02, 0), (0.54, 0, 0)]))
    assert fused.count.tolist() == [3, 2]
    assert fused.nearest[0] == 2 and fused.nearest[1] in (1, 4)
    assert set(fused.order[:3]) == {0, 2, 3}


def test_negative_coordinates_give_the_same_voxels() -> None:
    here, there = average_in_voxels(FIVE, 0.1), average_in_voxels(FIVE - 7, 0.1)
    assert there.xyz + 7 == pytest.approx(here.xyz)


def test_drawn_readings_are_of_the_point() -> None:
    fused = average_in_voxels(FIVE, 0.1)
    drawn = fused.select(np.array([1])).draw_readings(50, np.random.default_rng(0))
    assert drawn.shape == (50, 1) and set(drawn.reshape(-1)) == {1, 4}
    raw = keep_readings(FIVE)
    assert raw.draw_readings(2, np.random.default_rng(0)).tolist() == [[0, 1, 2, 3, 4]] * 2


@pytest.mark.parametrize('points', [1000, 5000, 20000])
def test_the_voxel_size_gives_the_number_of_points(points: int) -> None:
    xyz = plane(400000)
    count = len(average_in_voxels(xyz, choose_voxel_size(xyz, points, 0.001)).xyz)
    assert count == pytest.approx(points, rel=0.2)


def test_the_voxel_size_has_a_minimum() -> None:
    assert choose_voxel_size(plane(1000), 10 ** 6, 0.02) == 0.02


def test_isolated_points_are_dropped() -> None:
    xyz = np.concatenate([plane(20000), [(1, 1, 1), (1, 1, 2)]])
    fused = average_in_voxels(xyz, 0.05)
    assert fused.xyz[:, 2].max() == 2
    kept = drop_isolated(fused, 0.05)
    assert kept.xyz[:, 2].max() < 0.1 and len(kept.xyz) == len(fused.xyz) - 2


def test_vertices_are_on_grid_lines_and_on_their_surface() -> None:
    rng = np.random.default_rng(1)
    normal = np.array([0.2, -0.3, 0.9]) / np.linalg.norm([0.2, -0.3, 0.9])
    xyz = rng.normal(0, 0.3, (2000, 3))
    xyz -= (xyz @ normal)[:, None] * normal
    fused = snap_to_grid_lines(keep_readings(xyz), np.tile(normal, (2000, 1)), 0.04)
    assert fused.xyz @ normal == pytest.approx(0, abs=1e-12)
    assert fused.xyz[:, :2] / 0.04 == pytest.approx(np.round(fused.xyz[:, :2] / 0.04))
    assert len(np.unique(fused.xyz[:, :2].round(6), axis=0)) == len(fused.xyz)
