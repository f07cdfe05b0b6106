"""Labels of points become classes and masks of instances."""

from typing import Any

from mask3d_core.classes import ClassTable
from mask3d_core.data.labels import LabelledScan
from mask3d_core.errors import InputError
from mask3d_core.scan import Scan
from mask3d_core.training.targets import IGNORED_CLASS, make_targets, Targets
from mask3d_core.voxels import Voxelization, voxelize, Voxels
import numpy as np
import pytest

CLASSES = ClassTable((5, 7), ('chair', 'table'), ((0, 0, 0), (0, 0, 0)))
WALL = 1


def labelled_row(label: list[int], instance: list[int], segment: list[int] | None = None,
                 x: list[float] | None = None) -> tuple[LabelledScan, Voxels]:
    """Return points in a row, by default one to a voxel of 1 m."""
    along = np.arange(len(label)) + .5 if x is None else np.array(x)
    xyz = np.stack([along, np.zeros(len(label)), np.zeros(len(label))], 1)
    scan = Scan.from_points(xyz, None, None if segment is None else np.array(segment))
    labelled = LabelledScan(scan, np.array(label, np.int32), np.array(instance, np.int32), 'row')
    return labelled, voxelize(scan, Voxelization(1., color_mean=None, color_std=None))


def masks_of(targets: Targets) -> list[str]:
    """Write each mask as a string of . and #."""
    return [''.join('.#'[member] for member in mask) for mask in targets.masks.tolist()]


def test_instances_become_masks() -> None:
    targets = make_targets(*labelled_row([7, 7, 5, 5, 5, -1, 7, 7], [0, 0, 4, 4, 4, -1, 2, 2]),
                           CLASSES)
    assert targets.class_row.tolist() == [1, 1, 0]
    assert masks_of(targets) == ['##......', '......##', '..###...']


def test_background_is_no_target_and_an_unknown_class_only_a_mask() -> None:
    targets = make_targets(*labelled_row([1, 1, 9, 9, 5, 5, -1, -1], [0, 0, 1, 1, 2, 2, 3, -1]),
                           CLASSES, background={WALL})
    assert targets.class_row.tolist() == [IGNORED_CLASS, 0, IGNORED_CLASS]
    assert masks_of(targets) == ['..##....', '....##..', '......#.']


def test_the_first_point_determines_the_class() -> None:
    """The voxel at 0 has two points; the instance's first point lies in the last voxel."""
    x = [7.5, 0.7, 0.2, 1.5, 2.5, 3.5, 4.5, 5.5]
    targets = make_targets(*labelled_row([5, 7, 7, 7, -1, -1, -1, -1],
                                         [3, 3, 6, 6, -1, -1, -1, -1], x=x), CLASSES)
    assert targets.class_row.tolist() == [0, 1]
    assert masks_of(targets) == ['#.....#', '.#.....']


def test_an_instance_covers_every_segment_it_touches() -> None:
    row = labelled_row([5] * 8, [0, 0, 0, 1, 1, 1, -1, -1], [30, 30, 10, 10, 10, 20, 20, 40])
    assert masks_of(make_targets(*row, CLASSES, on_segments=True)) == ['#.#.', '##..']


def test_segments_are_needed_on_segments() -> None:
    with pytest.raises(InputError, match='masks on segments need segments'):
        make_targets(*labelled_row([5] * 8, [0] * 8), CLASSES, on_segments=True)


@pytest.mark.parametrize('on_segments', [False, True])
def test_no_instances(on_segments: bool) -> None:
    row = labelled_row([1] * 8, [0] * 8, [0, 0, 0, 1, 1, 1, 2, 2])
    targets = make_targets(*row, CLASSES, {WALL}, on_segments)
    assert len(targets) == 0
    assert targets.masks.shape == (0, 3 if on_segments else 8)


@pytest.mark.parametrize('number', [0, 1])
def test_targets_are_the_originals(golden: Any, number: int) -> None:
    case = golden('voxelize_train')
    label, instance, segment = case[f'in_labels_{number}'].T.astype(np.int32)
    scan = Scan.from_points(case[f'in_points_{number}'], None, segment)
    labelled = LabelledScan(scan, label, instance, 'golden')
    # as the original numbers ScanNet's classes: wall and floor, then those of the benchmark
    classes = ClassTable(tuple(range(2, 20)), tuple('abcdefghijklmnopqr'), ((0, 0, 0),) * 18)
    voxels = voxelize(scan, Voxelization(0.02, 'first', None, None))
    targets = make_targets(labelled, voxels, classes, background={0, 1})
    wanted = case[f'target_labels_{number}']
    assert targets.class_row.tolist() == np.where(wanted == 253, IGNORED_CLASS, wanted).tolist()
    inverse = case[f'inverse_{number}']
    assert len(voxels) == inverse.max() + 1
    np.testing.assert_array_equal(targets.masks.numpy()[:, voxels.inverse.numpy()],
                                  case[f'target_masks_{number}'][:, inverse])
    of_segments = make_targets(labelled, voxels, classes, {0, 1}, on_segments=True)
    np.testing.assert_array_equal(of_segments.masks.numpy(),
                                  case[f'target_segment_mask_{number}'])
    assert voxels.segment is not None
    np.testing.assert_array_equal(voxels.segment.numpy()[voxels.inverse.numpy()],
                                  case[f'target_point2segment_{number}'][inverse])
