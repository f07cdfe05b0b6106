"""Augmentation: each transform by itself, then all together."""

from __future__ import annotations

from dataclasses import fields
import math

from mask3d_core.data.labels import LabelledScan
from mask3d_core.errors import InputError
from mask3d_core.training import augmentation as steps
from mask3d_core.training import color_augmentation as colors
from mask3d_core.training.augmentation import augment, AugmentationConfig
from mask3d_core.training.elastic import elastic_distortion
import numpy as np
from numpy.typing import NDArray
import pytest


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def scan_of(xyz: NDArray, color: NDArray | None = None) -> LabelledScan:
    """Return a scan whose labels are the row numbers."""
    rows = np.arange(len(xyz))
    columns = {'xyz': xyz.astype(np.float32), 'label': rows, 'instance': rows, 'segment': rows}
    return LabelledScan.from_columns(columns | ({} if color is None else {'color': color}), 'a')


def room(points: int = 3000, seed: int = 0) -> LabelledScan:
    rng = generator(seed)
    return scan_of(rng.uniform((2, -4, 0), (12, 4, 3), (points, 3)),
                   rng.integers(0, 256, (points, 3), dtype=np.uint8))


def test_the_same_generator_gives_the_same_scan_and_the_input_stays() -> None:
    scan = room()
    before = scan.scan.xyz.copy(), scan.scan.color.copy()
    first, again, other = (augment(scan, generator(seed), AugmentationConfig())
                           for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.scan.xyz, again.scan.xyz)
    np.testing.assert_array_equal(first.scan.color, again.scan.color)
    assert np.abs(first.scan.xyz - other.scan.xyz).max() > 0.1
    np.testing.assert_array_equal(scan.scan.xyz, before[0])
    np.testing.assert_array_equal(scan.scan.color, before[1])
    assert first.scan.xyz.dtype == first.scan.color.dtype == np.float32
    assert first.label is scan.label and first.name == 'a'


def test_nothing_happens_when_all_is_zero() -> None:
    zero = AugmentationConfig(shift=False, flip=0, elastic=0, scale=0, yaw=0, tilt=0, contrast=0,
                              brightness=0, color_shift=0)
    scan = room()
    same = augment(scan, generator(), zero)
    np.testing.assert_allclose(same.scan.xyz, scan.scan.xyz, atol=1e-5)
    np.testing.assert_array_equal(same.scan.color, scan.scan.color)


def test_crop_keeps_a_square_column_and_its_labels() -> None:
    scan = room(5000)
    part = steps.random_crop(scan, generator(), 3.0, 100)
    extent = np.ptp(part.scan.xyz, axis=0)
    assert 100 <= len(part) < 1500 and (2.5 < extent[:2]).all() and (extent[:2] <= 3).all()
    assert extent[2] > 2.9
    np.testing.assert_array_equal(part.scan.xyz, scan.scan.xyz[part.label])
    centers = np.array([steps.random_crop(scan, generator(seed), 3.0, 100).scan.xyz.mean(0)
                        for seed in range(60)])
    # the middle half of x 2..12 and of y -4..4
    assert (centers.min(0)[:2] > [4.3, -2.2]).all() and (centers.max(0)[:2] < [9.7, 2.2]).all()
    assert (np.ptp(centers, axis=0)[:2] > [3, 2.4]).all()


def test_a_scan_without_a_good_crop_stays_whole() -> None:
    scan = room(500)
    assert steps.random_crop(scan, generator(), 1.0, 501) is scan
    assert steps.random_crop(scan, generator(), 0.1, 400) is scan


def test_shift_moves_all_points_alike_by_up_to_half_the_size() -> None:
    scan = room()
    means = []
    for seed in range(40):
        moved = steps.random_shift(scan, generator(seed)).scan.xyz
        np.testing.assert_allclose(moved - moved[0], scan.scan.xyz - scan.scan.xyz[0], atol=1e-5)
        means.append(moved.mean(0))
    assert (np.abs(means) <= [2.6, 2.1, 0.8]).all() and (np.ptp(means, axis=0) > [3, 2, 0.8]).all()


def test_flip_is_the_largest_value_minus_each() -> None:
    xyz = np.array([[1, 5, 2], [3, 8, 4], [0, 0, 0]] * 3)
    flipped = steps.random_flip(scan_of(xyz), generator(), 1.0).scan.xyz
    np.testing.assert_array_equal(flipped[:3], [[2, 3, 2], [0, 0, 4], [3, 8, 0]])
    assert steps.random_flip(scan_of(xyz), generator(), 0.0).scan.xyz[1, 1] == 8
    seen = {(x, y) for x, y, _ in (steps.random_flip(scan_of(xyz), generator(seed), 0.5)
                                   .scan.xyz[0] for seed in range(20))}
    assert seen == {(1, 5), (2, 5), (1, 3), (2, 3)}


def test_scale_is_independent_per_axis() -> None:
    scan = room()
    factors = np.array([steps.random_scale(scan, generator(seed), 0.1).scan.xyz[0]
                        / scan.scan.xyz[0] for seed in range(200)])
    assert (factors.min(0) >= 0.9).all() and (factors.max(0) <= 1.1 + 1e-6).all()
    assert (factors.min(0) < 0.91).all() and (factors.max(0) > 1.09).all()
    assert np.abs(np.corrcoef(factors.T)[np.triu_indices(3, 1)]).max() < 0.3


def test_rotation_matrices() -> None:
    quarter = math.pi / 2
    np.testing.assert_allclose(steps.rotation(2, quarter) @ [1, 0, 0], [0, 1, 0], atol=1e-15)
    np.testing.assert_allclose(steps.rotation(1, quarter) @ [0, 0, 1], [1, 0, 0], atol=1e-15)
    np.testing.assert_allclose(steps.rotation(0, quarter) @ [0, 1, 0], [0, 0, 1], atol=1e-15)


def test_rotation_turns_around_the_mean_and_tilts_little() -> None:
    scan = room()
    yaws = []
    for seed in range(50):
        turned = steps.random_rotation(scan, generator(seed), math.pi, math.pi / 24).scan.xyz
        np.testing.assert_allclose(turned.mean(0), scan.scan.xyz.mean(0), atol=1e-3)
        turn = np.linalg.lstsq(scan.scan.xyz - scan.scan.xyz.mean(0), turned - turned.mean(0),
                               rcond=None)[0].T
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-4)
        assert turn[2, 2] >= math.cos(math.pi / 24) ** 2 - 1e-4
        yaws.append(math.atan2(turn[1, 0], turn[0, 0]))
    assert min(yaws) < -2.5 and max(yaws) > 2.5


def test_elastic_noise_is_smooth_and_of_the_expected_size() -> None:
    xyz = generator().uniform(0, (6, 5, 3), (20000, 3)).astype(np.float32)
    moved = elastic_distortion(xyz, generator(1), 0.2, 0.4) - xyz
    # Two box blurs of 3 make 1 2 3 2 1 / 9 an axis: squares sum to 19 / 81 each, interpolation
    # between nodes then takes away some more.
    node = 0.4 * (19 / 81) ** 1.5
    assert 0.75 * node < moved.std() < node and abs(moved.mean()) < 0.2 * node
    close = elastic_distortion(xyz + np.float32(0.01), generator(1), 0.2, 0.4) - xyz
    assert np.abs(close - moved).max() < 0.05


def test_elastic_is_linear_between_nodes() -> None:
    ends = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 1], [2, 2, 1]], np.float64)
    between = np.array([[0.25, 0, 0], [0.5, 2, 1]])
    xyz = np.concatenate([ends, between])
    moved = elastic_distortion(xyz, generator(), 1.0, 0.5) - xyz
    np.testing.assert_allclose(moved[4], 0.75 * moved[0] + 0.25 * moved[1], atol=1e-6)
    assert np.abs(moved[5] - (0.75 * moved[2] + 0.25 * moved[3])).max() > 1e-4  # a node between
    assert xyz.dtype == moved.dtype


def test_elastic_noise_repeats_in_long_scans_and_fades_nowhere() -> None:
    x = np.linspace(0, 100, 20001)
    xyz = np.stack([x, np.zeros_like(x), np.zeros_like(x)], 1)
    moved = elastic_distortion(xyz, generator(), 0.2, 0.4) - xyz
    period = round(64 * 0.2 / (x[1] - x[0]))
    np.testing.assert_allclose(moved[:-period], moved[period:], atol=1e-6)
    assert np.abs(np.diff(moved, axis=0)).max() < 0.02


def test_contrast_then_brightness_are_those_of_bytes() -> None:
    levels = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    scan = scan_of(np.random.default_rng(0).random((256, 3)), levels)
    low, high = [], []
    for seed in range(100):
        color = np.rint(255 * colors.random_contrast(scan, generator(seed), 0.2, 0.2).scan.color)
        gain, offset = generator(seed).uniform(-0.2, 0.2, 2)
        expected = np.clip(np.arange(256) * (1 + gain) + 255 * offset, 0, 255)
        assert (np.abs(color - expected[:, None]) <= 1.001).all()
        assert (color <= expected[:, None] + 1e-3).all()  # truncated, not rounded
        low.append(color[0, 0])
        high.append(color[128, 0])
    assert max(low) > 45 and min(high) < 75 and max(high) > 180
    drop = colors.random_contrast(scan_of(np.ones((8, 3))), generator(), 0.2, 0.2)
    assert drop.scan.color is None


def test_color_shift_is_one_number_per_channel() -> None:
    before = np.arange(90, 114, dtype=np.uint8).reshape(8, 3)
    scan = scan_of(np.random.default_rng(0).random((8, 3)), before)
    shifts = []
    for seed in range(100):
        color = 255 * colors.random_color_shift(scan, generator(seed), 20).scan.color - before
        assert np.ptp(color, axis=0).max() < 1e-3
        shifts.append(color[0])
    np.testing.assert_allclose(shifts, np.rint(shifts), atol=1e-3)
    assert (np.min(shifts, 0) < -17).all() and (np.max(shifts, 0) > 16).all()
    assert np.abs(np.corrcoef(np.transpose(shifts))[np.triu_indices(3, 1)]).max() < 0.3


def test_colour_is_dropped_as_often_as_asked() -> None:
    scan, neutral = room(100), (0.25, 0.5, 0.75)
    dropped = [colors.random_color_drop(scan, generator(seed), 0.3, neutral)
               for seed in range(200)]
    plain = [part for part in dropped if part is not scan]
    assert 40 <= len(plain) <= 80
    np.testing.assert_array_equal(plain[0].scan.color, np.tile(np.float32(neutral), (100, 1)))
    assert colors.random_color_drop(scan, generator(), 0.0, neutral) is scan
    all_gone = augment(scan, generator(), AugmentationConfig(color_drop=1.0), neutral)
    assert np.unique(all_gone.scan.color, axis=0).tolist() == [list(neutral)]


def test_scans_without_colour_are_augmented_too() -> None:
    xyz = room().scan.xyz
    assert augment(scan_of(xyz), generator(), AugmentationConfig(color_drop=0.5)
                   ).scan.color is None


def test_augment_crops_if_configured() -> None:
    config = AugmentationConfig(crop_length=3.0, crop_min_points=100)
    assert 100 <= len(augment(room(5000), generator(), config)) < 1500


@pytest.mark.parametrize('changes', [
    {'flip': 1.5}, {'elastic': -0.1}, {'color_drop': math.nan}, {'scale': 1.0}, {'yaw': -1.0},
    {'crop_length': math.inf}, {'elastic_granularity': (0.2,)},
    {'elastic_magnitude': (0.4, -1.0)}])
def test_values_out_of_range_are_named(changes: dict) -> None:
    with pytest.raises(InputError, match=f'expected .*{next(iter(changes))}'):
        AugmentationConfig(**changes)


def test_every_field_is_explained() -> None:
    for field in fields(AugmentationConfig):
        assert field.name in str(AugmentationConfig.__doc__)


def test_thinning_leaves_out_up_to_a_share() -> None:
    scan = room()
    counts = [len(steps.random_thinning(scan, generator(seed), 0.5)) for seed in range(40)]
    assert 1400 < min(counts) < 1900 and 2700 < max(counts) <= 3000
    part = steps.random_thinning(scan, generator(), 0.5)
    np.testing.assert_array_equal(part.scan.xyz, scan.scan.xyz[part.label])
    one = scan.take(np.arange(1))
    assert all(len(steps.random_thinning(one, generator(seed), 0.99)) for seed in range(20))


def test_holes_are_spheres_without_points() -> None:
    xyz = generator().uniform(0, 1, (20000, 3))
    scan = scan_of(xyz)
    parts = [steps.random_holes(scan, generator(seed), 3) for seed in range(12)]
    sizes = {len(part) for part in parts}
    assert max(sizes) == 20000 and min(sizes) < 19500  # some have none
    part = next(part for part in parts if len(part) < 20000)
    gone = np.setdiff1d(np.arange(20000), part.label)
    extent = np.ptp(xyz[gone], axis=0)
    assert (extent > 0.1).all()
    for seed in range(20):  # never all points
        assert len(steps.random_holes(scan_of(np.zeros((8, 3))), generator(seed), 9)) == 8


def test_spread_is_about_the_mean_colour_and_balance_multiplies() -> None:
    scan = scan_of(np.zeros((8, 3)),
                   np.array([[90, 60, 30]] * 4 + [[110, 100, 50]] * 4, np.uint8))
    doubled = colors.random_spread(scan, generator(), (2.0, 2.0), 0.0).scan.color * 255
    np.testing.assert_allclose(doubled[::4], [[80, 40, 20], [120, 120, 60]], atol=1.01)
    gained = colors.random_spread(scan, generator(), (1.0, 1.0), 0.5).scan.color * 255
    gain = gained.mean(0) / (100, 80, 40)
    assert (gain > 0.48).all() and (gain < 1.52).all() and np.ptp(gain) > 0.05
    spreads = [np.ptp(colors.random_spread(scan, generator(seed), (0.3, 2.0), 0.0).scan.color[:, 1]
                      ) * 255 / 40 for seed in range(60)]
    assert 0.2 < min(spreads) < 0.45 and 1.6 < max(spreads) < 2.1


def test_blur_averages_within_cells() -> None:
    xyz = np.repeat([[0.0, 0, 0], [5, 5, 5]], 4, axis=0)
    scan = scan_of(xyz, np.array([[0, 0, 0], [200, 100, 50]] * 2 + [[255] * 3] * 4, np.uint8))
    color = colors.random_blur(scan, generator()).scan.color * 255
    np.testing.assert_allclose(color, [[100, 50, 25]] * 4 + [[255] * 3] * 4, atol=1e-3)
    assert color.dtype == np.float32


def test_objects_change_colour_each_as_a_whole() -> None:
    color = generator().integers(40, 200, (25, 3), dtype=np.uint8)
    scan = LabelledScan.from_columns({
        'xyz': np.zeros((25, 3), np.float32), 'color': color,
        'instance': np.repeat([0, 1, 2, -1, -1], 5), 'label': np.repeat([3, 3, 4, 1, 2], 5)}, 'a')
    shifted = colors.random_object_colors(scan, generator(), 30, 0.0, (0.5,) * 3).scan.color
    shift = np.round((255 * shifted - color).reshape(5, 5, 3), 3)
    assert (np.ptp(shift, axis=1) < 0.01).all() and 10 < np.abs(shift).max() <= 30.001
    assert len(np.unique(shift[:, 0], axis=0)) == 5  # walls and floors, too
    dropped = [colors.random_object_colors(scan, generator(seed), 0, 0.3, (0.25,) * 3).scan.color
               for seed in range(60)]
    share = np.mean([np.abs(color[::5, 0] - 0.25) < 1e-6 for color in dropped])
    assert 0.2 < share < 0.4


@pytest.mark.parametrize('key, value, expected', [
    ('thinning', 1.0, 'thinning from 0 to below 1'), ('holes', -1, 'holes of 0 or more'),
    ('insertions', -1, 'insertions of 0 or more'),
    ('white_balance', 1.5, 'white_balance from 0'), ('color_blur', 2.0, 'color_blur as a prob'),
    ('color_spread', (2.0, 1.0), 'color_spread as two factors'),
    ('color_spread', (0.0, 1.0), 'color_spread as two factors'),
    ('object_color_drop', -0.1, 'object_color_drop as a prob')])
def test_what_is_no_range_is_refused(key: str, value: object, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        AugmentationConfig(**{key: value})


def test_all_of_the_further_steps_together_keep_the_labels() -> None:
    config = AugmentationConfig(thinning=0.4, holes=5, color_spread=(0.3, 2.0),
                                white_balance=0.15, color_blur=1.0, object_color_shift=20,
                                object_color_drop=0.1)
    scan = room()
    first, again = (augment(scan, generator(3), config) for _ in range(2))
    np.testing.assert_array_equal(first.scan.color, again.scan.color)
    assert len(first) == len(first.label) == len(first.scan.color) < len(scan)
    assert 0 <= first.scan.color.min() and first.scan.color.max() <= 1
    colorless = augment(scan_of(scan.scan.xyz), generator(3), config)
    np.testing.assert_array_equal(colorless.scan.xyz, first.scan.xyz)  # the same draws
