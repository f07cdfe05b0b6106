"""Points that have voxel and segment in common."""

from mask3d_core.geometry.point_groups import group_points, single_points
import numpy as np
import pytest


@pytest.mark.parametrize('segments', [1, 3, 40])
def test_groups_are_the_pairs_of_voxel_and_segment(segments: int) -> None:
    random = np.random.default_rng(segments)
    voxel = np.concatenate([np.arange(50), random.integers(0, 50, 950)])
    segment = random.integers(0, segments, 1000) * 7 - 3         # any ids
    groups = group_points(voxel, segment)
    assert groups.of_point is not None and groups.segment is not None
    np.testing.assert_array_equal(groups.voxel[groups.of_point], voxel)
    np.testing.assert_array_equal(groups.segment[groups.of_point], segment)
    assert len(groups) == len(set(zip(voxel.tolist(), segment.tolist())))
    np.testing.assert_array_equal(groups.weight, np.bincount(groups.of_point))


def test_without_segments_the_groups_are_the_voxels() -> None:
    groups = group_points(np.array([2, 0, 1, 2, 2]), None)
    assert groups.voxel.tolist() == [0, 1, 2] and groups.weight.tolist() == [1, 1, 3]
    assert groups.of_point is not None and groups.of_point.tolist() == [2, 0, 1, 2, 2]
    assert groups.segment is None


def test_single_points() -> None:
    groups = single_points(np.array([1, 0, 1]), np.array([5, 5, 6]))
    assert len(groups) == 3 and groups.of_point is None and groups.weight.tolist() == [1, 1, 1]
