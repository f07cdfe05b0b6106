"""Masks over the points of a cloud."""

from __future__ import annotations

from hypothesis import given, strategies
from hypothesis.extra import numpy as arrays
from mask3d_core.instances import Instances
import numpy as np
from numpy.typing import NDArray


def instances(masks: NDArray[np.bool_]) -> Instances:
    """Return instances with these masks and placeholder values."""
    count, boxes = len(masks), np.zeros((len(masks), 3))
    return Instances(
        np.packbits(masks, axis=1), masks.shape[1], np.arange(count, dtype=np.int32) % 2 + 4,
        np.linspace(1, 0.5, count, dtype=np.float32), {4: 'bed', 5: 'chair', 9: 'window'}, {},
        boxes, boxes, boxes, boxes, boxes, np.zeros(count))


def test_exact_masks() -> None:
    masks = np.array([[0, 1, 1, 0, 0, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0, 0, 0, 1]], bool)
    found = instances(masks)
    assert len(found) == 2 and found.masks.shape == (2, 2)
    assert (found.name(0), found.name(1)) == ('bed', 'chair')
    np.testing.assert_array_equal(found.mask(1), masks[1])
    np.testing.assert_array_equal(found.points(1), [2, 3, 8])
    np.testing.assert_array_equal(found.point_instance(), [-1, 0, 0, 1, -1, -1, -1, -1, 1])


@given(arrays.arrays(bool, strategies.tuples(strategies.integers(0, 6),
                                             strategies.integers(1, 40))))
def test_masks_and_best_instances(masks: NDArray[np.bool_]) -> None:
    found = instances(masks)
    for index, mask in enumerate(masks):
        np.testing.assert_array_equal(found.mask(index), mask)
        np.testing.assert_array_equal(found.points(index), np.flatnonzero(mask))
    best = found.point_instance()
    assert best.dtype == np.int32
    for point, index in enumerate(best):
        holders = np.flatnonzero(masks[:, point])
        assert index == (holders[0] if len(holders) else -1)
