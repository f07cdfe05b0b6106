"""Benchmarks of maps that are cut into tiles, and of their updates."""

from mask3d_core.bench.inference import measure
from mask3d_core.bench.updates import measure_updates, REMOVED_SHARE
from mask3d_core.model.config import ModelConfig
from mask3d_core.scan import Scan
from mask3d_core.segmenter import load_segmenter, Segmenter
from mask3d_core.weights.checkpoint import untrained_weights
import pytest
from toy_rooms import CLASSES, make_room


@pytest.fixture(scope='module')
def hall() -> Scan:
    """Return a hall of nine tiles of 3 m."""
    return make_room(3, 'hall', size=8.9, boxes=9).scan


@pytest.fixture(scope='module')
def segmenter() -> Segmenter:
    """Return a small untrained model, which cuts tiles of 3 m."""
    config = ModelConfig(backbone='Res16UNet14A', hidden_dim=16, feedforward_dim=32, num_heads=2,
                         num_queries=8, num_classes=3)
    return load_segmenter(untrained_weights(config, CLASSES, voxel_size=0.1).with_tiles(3.0, 0.3),
                          'cpu')


def test_only_the_tile_that_changed_is_segmented(hall: Scan, segmenter: Segmenter) -> None:
    first, same, changed = measure_updates(segmenter, hall, 'hall', repeats=1)
    assert [one.tiles for one in (first, same, changed)] == [9, 9, 9]
    assert [one.segmented for one in (first, same, changed)] == [9, 0, 1]
    assert first.points == len(hall) > changed.points > (1 - REMOVED_SHARE / 2) * len(hall)
    assert min(first.alone, changed.alone, first.seconds, changed.seconds) > 0
    assert 0 < same.tiling == same.outside == same.seconds
    assert 0 < changed.tiling < changed.outside < changed.seconds
    for part in ('outside', 'tiling'):
        assert changed.to_dict()[f'{part}_per_million'] == pytest.approx(
            1e6 * getattr(changed, part) / changed.points)


def test_tiles_are_measured_alone_and_together(hall: Scan, segmenter: Segmenter) -> None:
    measured = measure(segmenter, hall, 'hall', repeats=1)
    assert len(measured.tile_seconds) == 9 and min(measured.tile_seconds) > 0
    assert measured.to_dict()['tile_ratio'] == pytest.approx(
        measured.together / sum(measured.tile_seconds))
    assert measured.unet_gflop > 0 and measured.voxel_size == pytest.approx(0.1)

    whole = measure(load_segmenter(untrained_weights(
        segmenter.weights.model, CLASSES, voxel_size=0.1), 'cpu'), hall, 'hall', repeats=1)
    assert whole.tile_seconds == () and 'tile_ratio' not in whole.to_dict()
    assert measured.voxels > whole.voxels, 'margins belong to several tiles'
