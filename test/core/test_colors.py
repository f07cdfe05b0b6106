"""Colours of instances."""

from __future__ import annotations

from mask3d_core.colors import CHUNK_POINTS, faded_colors, instance_color, instance_colors
import numpy as np


def test_single_and_vectorized_colors_agree() -> None:
    many = instance_colors(np.arange(300))
    assert many.shape == (300, 3) and many.dtype == np.uint8
    assert [instance_color(index) for index in range(300)] == list(map(tuple, many.tolist()))
    assert instance_color(0) == (255, 75, 51)  # pinned: ids keep their colour from map to map
    assert instance_colors(np.zeros((2, 5), int)).shape == (2, 5, 3)


def test_consecutive_colors_differ_and_all_are_bright() -> None:
    colors = instance_colors(np.arange(200)).astype(int)
    apart = np.abs(colors[:, None] - colors[None]).sum(axis=2)
    near = np.abs(np.subtract.outer(np.arange(200), np.arange(200)))
    assert apart[(near > 0) & (near <= 4)].min() > 100
    assert apart[near > 0].min() > 0
    assert colors.max(axis=1).min() > 150


def test_faded_is_nearly_grey() -> None:
    color = np.random.default_rng(0).random((100, 3), np.float32)
    faded = faded_colors(color, 100).astype(int)
    assert np.ptp(faded, axis=1).max() < 25 and faded.min() > 40 and faded.max() < 200
    assert (faded_colors(None, 3) == 140).all()


def test_faded_of_many_points() -> None:
    color = np.random.default_rng(0).random((2 * CHUNK_POINTS + 5, 3), np.float32)
    brightness = color @ np.array([0.299, 0.587, 0.114], np.float32)
    expected = np.rint(255 * (0.22 + 0.5 * (0.85 * brightness[:, None] + 0.15 * color)))
    np.testing.assert_array_equal(faded_colors(color, len(color)), expected)
