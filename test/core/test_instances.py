"""Masks over the points of a cloud."""

from __future__ import annotations

from dataclasses import fields
import tracemalloc

from hypothesis import given, strategies
from hypothesis.extra import numpy as arrays
from mask3d_core.instances import COLUMNS, Instances
from mask_rows import rows_of
import numpy as np
from numpy.typing import NDArray


def instances(masks: NDArray[np.bool_]) -> Instances:
    """Return instances with these masks and placeholder values."""
    count = len(masks)
    boxes = np.arange(3 * count, dtype=np.float64).reshape(count, 3)
    return Instances(
        rows_of(masks), masks.shape[1], np.arange(count, dtype=np.int32) % 2 + 4,
        np.linspace(1, 0.5, count, dtype=np.float32), {4: 'bed', 5: 'chair', 9: 'window'}, {},
        boxes, boxes + 1, boxes + 2, boxes + 3, boxes + 4, boxes[:, 0], {'unet': 0.5}, 0.03)


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
    assert found.masks.dtype == np.uint8
    np.testing.assert_array_equal(found.masks, np.packbits(masks, axis=1))
    best = found.point_instance()
    assert best.dtype == np.int32
    for point, index in enumerate(best):
        holders = np.flatnonzero(masks[:, point])
        assert index == (holders[0] if len(holders) else -1)


def test_take_reorders_every_field() -> None:
    masks = np.random.default_rng(0).random((4, 21)) < 0.3
    found = instances(masks)
    chosen = found.take([2, 0, 2])
    assert len(chosen) == 3 and chosen.num_points == 21
    assert (chosen.seconds, chosen.voxel_size) == (found.seconds, found.voxel_size)
    assert (chosen.class_names, chosen.class_colors) == (found.class_names, found.class_colors)
    for number, index in enumerate((2, 0, 2)):
        np.testing.assert_array_equal(chosen.mask(number), masks[index])
    for name in ('class_id', 'score', 'centroid', 'box_center', 'box_size', 'upright_center',
                 'upright_size', 'upright_yaw'):
        np.testing.assert_array_equal(getattr(chosen, name), getattr(found, name)[[2, 0, 2]],
                                      err_msg=name)
    nothing = found.take([])
    assert len(nothing) == 0 and nothing.masks.shape == (0, 3)
    assert (nothing.point_instance() == -1).all()


def test_take_knows_every_field() -> None:
    """A new field of one value per instance must not be forgotten."""
    shared = {'num_points', 'class_names', 'class_colors', 'seconds', 'voxel_size',
              'num_voxels'}
    found = instances(np.eye(5, dtype=bool))
    chosen = found.take([3])
    for field in fields(Instances):
        if field.name not in shared:
            assert len(getattr(chosen, field.name)) == 1, field.name


def test_memory_is_that_of_the_rows() -> None:
    """A thousand instances of ten million points: packed masks would take 1.25 GB."""
    rows = tuple(np.arange(100 * number, 100 * number + 50, dtype=np.int32)
                 for number in range(1000))
    boxes = np.zeros((1000, 3))
    tracemalloc.start()
    found = Instances(rows, 10_000_000, np.zeros(1000, np.int32), np.zeros(1000, np.float32),
                      {0: 'chair'}, {}, boxes, boxes, boxes, boxes, boxes, boxes[:, 0])
    assert sum(len(found.points(index)) for index in range(1000)) == 50_000
    assert len(found.take(np.arange(500))) == 500
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    assert np.count_nonzero(found.point_instance() >= 0) == 50_000
    assert tracemalloc.get_traced_memory()[1] < 60_000_000
    tracemalloc.stop()


def test_moved_instances_have_other_positions_only() -> None:
    found = instances(np.eye(3, dtype=bool))
    moved = found.moved(np.array([1.0, -2, 5e6]))
    for column in COLUMNS:
        shift = getattr(moved, column) - getattr(found, column)
        positions = column in ('centroid', 'box_center', 'upright_center')
        np.testing.assert_array_equal(shift, np.broadcast_to(
            [1, -2, 5e6] if positions else 0, shift.shape))
    assert moved.rows is found.rows
