"""Voxelization of scans."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mask3d_core.errors import InputError
from mask3d_core.scan import Scan
from mask3d_core.voxels import batch_coords, limit_contrast, voxel_grid, Voxelization, voxelize
import numpy as np
import pytest

PLAIN = Voxelization(0.1, 'mean', (0., 0., 0.), (1., 1., 1.))
FIRST = Voxelization(0.1, 'first', (0., 0., 0.), (1., 1., 1.))


def five_points(segment: list[int] | None = None) -> Scan:
    """Return three points in one voxel and two in another."""
    xyz = np.array([[.01, .02, .03], [.03, .02, .05], [.05, .02, .01], [-.05, .0, .0],
                    [-.01, .0, .0]], np.float32)
    color = np.array([[0, 0, 0], [.5, .5, .5], [1, 1, 1], [1, 0, 0], [0, 0, 1]], np.float32)
    return Scan(xyz, color, None if segment is None else np.array(segment), np.arange(5), 5)


def test_voxels_have_the_mean_of_their_points() -> None:
    voxels = voxelize(five_points(), PLAIN)
    assert voxels.coords.tolist() == [[-1, 0, 0], [0, 0, 0]]
    assert voxels.inverse.tolist() == [1, 1, 1, 0, 0]
    np.testing.assert_allclose(voxels.features, [[.5, 0, .5], [.5, .5, .5]], atol=1e-7)
    np.testing.assert_allclose(voxels.centers.numpy() + voxels.origin,
                               [[-.03, 0, 0], [.03, .02, .03]], atol=1e-6)


def test_a_grid_has_mean_positions_and_plain_colors() -> None:
    grid = voxel_grid(five_points(), 0.1)
    assert grid.coords.tolist() == [[-1, 0, 0], [0, 0, 0]]
    assert grid.inverse.tolist() == [1, 1, 1, 0, 0]
    np.testing.assert_array_equal(grid.color, [[.5, 0, .5], [.5, .5, .5]])
    np.testing.assert_array_equal(grid.centers, voxelize(five_points(), PLAIN).centers)
    assert voxel_grid(replace(five_points(), color=None), 0.1).color is None


def test_voxels_have_their_first_point() -> None:
    voxels = voxelize(five_points(), FIRST)
    np.testing.assert_array_equal(voxels.features, [[1, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(voxels.centers.numpy() + voxels.origin,
                               [[-.05, 0, 0], [.01, .02, .03]], atol=1e-6)


def test_a_voxel_has_the_segment_of_most_of_its_points() -> None:
    assert voxelize(five_points([9, 4, 4, 9, 7]), PLAIN).segment.tolist() == [1, 0]
    assert voxelize(five_points([9, 4, 4, 9, 7]), FIRST).segment.tolist() == [0, 0]


def test_colors_are_normalized() -> None:
    voxels = voxelize(five_points(), Voxelization(0.1, 'mean', (.5, .5, .5), (.25, .5, 1.)))
    np.testing.assert_allclose(voxels.features, [[0, -1, 0], [0, 0, 0]], atol=1e-6)


def test_contrast_is_limited_about_the_mean_color() -> None:
    color = np.array([[.1, .3, .5], [.5, .3, .5], [.3, .7, .5], [.3, .7, .5]])
    contrast = np.sqrt(np.square(color - color.mean(0)).mean())
    np.testing.assert_array_equal(limit_contrast(color, contrast + 1e-9), color)
    limited = limit_contrast(color, contrast / 4)
    np.testing.assert_allclose(limited.mean(0), [.3, .5, .5])
    np.testing.assert_allclose(limited - [.3, .5, .5], (color - [.3, .5, .5]) / 4, atol=1e-12)


def test_contrast_is_that_of_the_voxels() -> None:
    voxels = voxelize(five_points(), replace(PLAIN, max_contrast=.05))
    np.testing.assert_allclose(voxels.features.mean(0), [.5, .25, .5], atol=1e-6)
    np.testing.assert_allclose(voxels.features.std(0, correction=0), [0, .05 * 3 ** .5, 0],
                               atol=1e-6)


def test_without_color_features_are_ones() -> None:
    voxels = voxelize(five_points(), Voxelization(0.1, 'mean', None, None))
    assert voxels.features.tolist() == [[1.], [1.]]


def test_the_order_of_the_points_does_not_matter() -> None:
    random = np.random.default_rng(0)
    xyz = random.uniform(-3, 3, (5000, 3)).astype(np.float32)
    color = random.uniform(0, 1, (5000, 3)).astype(np.float32)
    shuffled = random.permutation(5000)
    one = voxelize(Scan.from_points(xyz, color), PLAIN)
    two = voxelize(Scan.from_points(xyz[shuffled], color[shuffled]), PLAIN)
    for name in ('coords', 'features', 'centers'):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    np.testing.assert_array_equal(one.inverse[shuffled], two.inverse)


def test_voxels_are_sorted_and_contain_their_points() -> None:
    xyz = np.random.default_rng(1).uniform(-50, 50, (3000, 3))
    voxels = voxelize(Scan.from_points(xyz), Voxelization(0.5, 'mean', None, None))
    coords = voxels.coords.tolist()
    assert coords == sorted(coords)
    np.testing.assert_array_equal(voxels.coords[voxels.inverse], np.floor(xyz / 0.5))


def test_precision_is_kept_far_from_the_origin() -> None:
    near = np.random.default_rng(2).uniform(0, 2, (500, 3)).round(3)
    far = near + [65536, -32768, 0]
    one, two = (voxelize(Scan.from_points(xyz), Voxelization(0.25, 'mean', None, None))
                for xyz in (near, far))
    np.testing.assert_allclose(one.centers, two.centers, atol=1e-6)


@pytest.mark.parametrize('most, size', [
    (0, 0.1), (20_000, 0.1),          # 100 x 100 voxels
    (9_500, 0.105), (8_000, 0.115), (6_500, 0.125), (100, 0.13)])
def test_clouds_of_more_than_max_voxels_get_larger_voxels(most: int, size: float) -> None:
    x, y = np.mgrid[:200, :200] * 0.05 + 0.01
    floor = np.stack([x, y, 0 * x], -1).reshape(-1, 3)
    bounded = voxelize(Scan.from_points(floor), Voxelization(0.1, 'mean', None, None, most))
    assert bounded.size == pytest.approx(size)
    plain = voxelize(Scan.from_points(floor), Voxelization(bounded.size, 'mean', None, None))
    np.testing.assert_array_equal(bounded.inverse, plain.inverse)
    assert len(bounded) <= max(most, 77 ** 2 + 200) or not most


def test_missing_color_is_an_error() -> None:
    with pytest.raises(InputError, match='no colour, but these weights need it'):
        voxelize(Scan.from_points(np.random.rand(20, 3)), PLAIN)


def test_one_voxel_is_an_error() -> None:
    with pytest.raises(InputError, match='all 20 points fall into one voxel of 0.02 m'):
        voxelize(Scan.from_points(np.full((20, 3), .001)), Voxelization(0.02, 'mean', None, None))


def test_more_voxels_than_can_be_numbered_is_an_error() -> None:
    xyz = np.zeros((20, 3))
    xyz[0], xyz[1] = 9e4, -9e4
    with pytest.raises(InputError, match='remove outliers'):
        voxelize(Scan.from_points(xyz), Voxelization(0.02, 'mean', None, None))


def test_batch_coords_number_the_scans() -> None:
    voxels = voxelize(five_points(), PLAIN)
    assert batch_coords([voxels, voxels]).tolist() == [
        [0, -1, 0, 0], [0, 0, 0, 0], [1, -1, 0, 0], [1, 0, 0, 0]]


@pytest.mark.parametrize('case', ['voxelize_validation', 'voxelize_train'])
def test_equals_the_original(golden: Callable[[str], Any], case: str) -> None:
    stored = golden(case)
    for number in range(2):
        points, feats = stored[f'in_points_{number}'], stored[f'in_feats_{number}']
        segment = stored[f'in_labels_{number}'][:, 2].astype(np.int64)
        voxels = voxelize(Scan(points, feats[:, :3], segment, np.arange(len(points)), len(points)),
                          Voxelization(0.02, 'first', (0., 0., 0.), (1., 1., 1.)))
        rows = stored['coordinates'][:, 0] == number
        coords, features = stored['coordinates'][rows, 1:], stored['features'][rows]
        ours = {tuple(xyz): row for row, xyz in enumerate(voxels.coords.tolist())}
        where = np.array([ours[tuple(xyz)] for xyz in coords.tolist()])
        assert sorted(where) == list(range(len(voxels)))
        np.testing.assert_array_equal(voxels.features[where], features[:, :3])
        np.testing.assert_allclose(voxels.centers.numpy()[where] + voxels.origin, features[:, 3:],
                                   atol=1e-6)
        np.testing.assert_array_equal(voxels.inverse, where[stored[f'inverse_{number}']])
        assert voxels.segment is not None
        np.testing.assert_array_equal(voxels.segment[where],
                                      stored[f'target_point2segment_{number}'])
