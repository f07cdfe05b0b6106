"""Clouds with many points in each voxel: the same result as point by point, in less time."""

from collections.abc import Callable
from dataclasses import replace

from mask3d_core import ExtractSettings, Instances, load_segmenter, Scan, Segmenter
from mask3d_core import segmenter as segmenters
from mask3d_core import voxels as voxelization
from mask3d_core.classes import load_classes
from mask3d_core.extraction.postprocess import group_scan
from mask3d_core.instances import COLUMNS
from mask3d_core.model import ModelConfig
from mask3d_core.stopwatch import Stopwatch
from mask3d_core.superpoints.superpoints import find_superpoints
from mask3d_core.tiling.settings import TileSettings
from mask3d_core.voxels import Voxelization, voxelize
from mask3d_core.weights.checkpoint import untrained_weights
import numpy as np
import pytest

CLASSES = load_classes('scannet20').without(['wall', 'floor'])
SMALL = ModelConfig('Res16UNet14A', num_classes=18, hidden_dim=32, feedforward_dim=64,
                    num_heads=4, num_queries=20)
SIZE = 0.08
EVERY = ExtractSettings(min_points=1, overlap_threshold=None)
OVERLAP = 12


def segmenter_of(seed: int = 16, max_voxels: int = 0, **config: object) -> Segmenter:
    """Return a segmenter with small untrained weights whose masks are not empty."""
    weights = untrained_weights(replace(SMALL, **config), CLASSES, voxel_size=SIZE, seed=seed)
    return load_segmenter(weights, 'cpu', max_voxels=max_voxels)


def overlaid_room(times: int = OVERLAP, noise: float = 0.005) -> Scan:
    """Return a floor with two boxes on it, laid over itself with noise, some points broken."""
    random = np.random.default_rng(0)
    floor = random.uniform(0, 2.4, (2000, 3)) * [1, 1, .01]
    boxes = [random.uniform(0, .5, (600, 3)) + [x, 1, 0] for x in (.3, 1.5)]
    once = np.concatenate([floor, *boxes])
    color = np.repeat([[.5, .5, .5], [.8, .1, .1], [.1, .2, .8]], [2000, 600, 600], axis=0)
    xyz = np.tile(once, (times, 1))
    xyz = (xyz + random.normal(0, noise, xyz.shape)).astype(np.float32)
    xyz[::500] = np.nan
    return Scan.from_points(xyz, np.tile(color, (times, 1)))


def one_by_one(monkeypatch: pytest.MonkeyPatch, find: Callable[[], Instances]) -> Instances:
    """Return what is found if no cloud counts as overlaid."""
    with monkeypatch.context() as patch:
        patch.setattr(voxelization, 'POINTS_PER_VOXEL', 10**9)
        return find()


def check_same(found: Instances, expected: Instances) -> None:
    """Check that masks, scores and boxes are equal, and centroids but for rounding."""
    assert len(found) == len(expected) > 0 and found.num_points == expected.num_points
    for rows, other in zip(found.rows, expected.rows, strict=True):
        np.testing.assert_array_equal(rows, other)
    for column in COLUMNS:
        tolerance = 1e-9 if column == 'centroid' else 0
        np.testing.assert_allclose(getattr(found, column), getattr(expected, column),
                                   rtol=0, atol=tolerance, err_msg=column)


@pytest.mark.parametrize('config, seed, max_voxels, settings', [
    ({}, 16, 0, EVERY),                                          # superpoints of smaller voxels
    ({}, 16, 300, EVERY),                                        # of the same, larger voxels
    ({}, 16, 0, replace(EVERY, superpoints=False)),
    ({}, 16, 0, ExtractSettings(min_points=40, cover_threshold=0.9)),
    ({'votes': True}, 16, 0, EVERY), ({'on_segments': True}, 16, 0, EVERY),
    ({'in_channels': 1}, 5, 0, EVERY)])                          # without colour
def test_the_result_is_that_of_all_points(
        config: dict[str, object], seed: int, max_voxels: int, settings: ExtractSettings,
        monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter, scan = segmenter_of(seed, max_voxels, **config), overlaid_room()
    if 'in_channels' in config:
        scan = replace(scan, color=None)
    scan, voxels = segmenter.prepare(scan, Stopwatch(segmenter.device))
    assert voxels.are_overlaid
    check_same(segmenter.segment(scan, settings),
               one_by_one(monkeypatch, lambda: segmenter.segment(scan, settings)))


@pytest.mark.parametrize('given', [False, True])
def test_tiles_and_given_segments(given: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter, scan = segmenter_of(), overlaid_room()
    tiles = TileSettings(1.5, 0.3, along_walls=False)
    if given:
        scan = replace(scan, segment=find_superpoints(scan, 0.05) * 3 - 5)
    check_same(segmenter.segment(scan, EVERY, tiles=tiles),
               one_by_one(monkeypatch, lambda: segmenter.segment(scan, EVERY, tiles=tiles)))


def test_points_of_a_voxel_and_superpoint_are_in_the_same_masks() -> None:
    segmenter, scan = segmenter_of(max_voxels=300), overlaid_room()
    found = segmenter.segment(scan, EVERY)
    _, voxels = segmenter.prepare(scan, Stopwatch(segmenter.device))
    grouped = segmenter.with_superpoints(scan, voxels.size, voxels.grid)
    groups = group_scan(voxels, grouped.segment)
    assert groups.of_point is not None and len(groups) == len(voxels) < len(scan) / 4
    for index in range(len(found)):
        inside = found.mask(index)
        assert inside.shape == (scan.input_size,)
        share = np.bincount(groups.of_point, inside[scan.kept]) / groups.weight
        assert set(np.unique(share)) <= {0, 1}


def test_the_grid_of_the_network_serves_superpoints_of_its_size() -> None:
    scan = overlaid_room()
    voxels = voxelize(scan, Voxelization(SIZE))
    assert voxels.grid is not None
    np.testing.assert_array_equal(find_superpoints(scan, SIZE, None, voxels.grid),
                                  find_superpoints(scan, SIZE))
    np.testing.assert_array_equal(find_superpoints(scan, 0.05, None, voxels.grid),
                                  find_superpoints(scan, 0.05))


def test_points_of_ordinary_clouds_stay_on_their_own() -> None:
    scan = overlaid_room(times=1)
    voxels = voxelize(scan, Voxelization(0.03))
    assert not voxels.are_overlaid and group_scan(voxels, None).of_point is None


def test_averages_do_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    scan = overlaid_room()
    whole = voxelize(scan, Voxelization(SIZE))
    monkeypatch.setattr(voxelization, 'BLOCK_ROWS', 1000)
    parts = voxelize(scan, Voxelization(SIZE))
    for name in ('coords', 'features', 'centers', 'inverse'):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


def test_memory_is_given_back_after_many_points(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bool] = []
    monkeypatch.setattr(segmenters, 'give_back_memory', lambda: calls.append(True))
    segmenter, scan = segmenter_of(), overlaid_room(times=2)
    segmenter.segment(scan)
    assert not calls
    monkeypatch.setattr(segmenters, 'MANY_POINTS', len(scan))
    segmenter.segment(scan)
    assert calls == [True]
