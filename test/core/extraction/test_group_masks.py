"""Masks of groups of points: their points and measures."""

from dataclasses import fields

from hand_made_voxels import CLASSES
from mask3d_core.extraction import group_masks
from mask3d_core.extraction.group_masks import measure_groups
from mask3d_core.extraction.measures import measure_masks
from mask3d_core.geometry.point_groups import group_points
from mask3d_core.scan import Scan
from mask3d_core.voxels import voxel_grid
import numpy as np
from numpy.typing import NDArray
import pytest


def shapes(random: np.random.Generator, angle: float, origin: float) -> NDArray[np.float64]:
    """Return a rotated box, a thin wall, a disc and a single voxel of points."""
    turn = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0],
                     [0, 0, 1]])
    disc = random.normal(size=(6000, 3)) * (1, 1, 0.01)
    disc[:, :2] *= (random.uniform(0, 0.6, 6000) ** 0.5 / np.hypot(*disc[:, :2].T))[:, None]
    parts = [random.uniform(0, (0.8, 0.4, 0.5), (9000, 3)) @ turn,
             random.uniform(0, (1.5, 0.01, 1.0), (9000, 3)) @ turn + (0, 2, 0), disc + (3, 0, 1),
             random.uniform(0.001, 0.049, (200, 3)) + (4, 4, 0)]
    return np.concatenate(parts) + origin


@pytest.mark.parametrize('angle, origin, kind', [
    (0.0, 0.0, np.float32), (0.4, -5.0, np.float32), (np.pi / 4, 3000.0, np.float64)])
def test_measures_are_those_of_all_points(angle: float, origin: float, kind: type) -> None:
    random = np.random.default_rng(0)
    xyz = shapes(random, angle, origin).astype(kind)
    xyz[::100] = np.nan                                          # rows of scan and input differ
    scan = Scan.from_points(xyz)
    grid = voxel_grid(scan, 0.05)
    groups = group_points(grid.inverse.numpy(), random.integers(0, 2, len(scan)))
    assert groups.of_point is not None
    part = np.repeat(np.arange(4), [9000, 9000, 6000, 200])[scan.kept]
    masks = [np.unique(groups.of_point[part == number]) for number in range(4)]
    masks += [np.empty(0, np.int64), np.flatnonzero(random.uniform(size=len(groups)) < 0.3)]

    found = measure_groups(masks, groups, grid.coords.numpy(), scan, CLASSES)

    points = [np.flatnonzero(np.isin(groups.of_point, mask)) for mask in masks]
    expected = measure_masks(points, scan, CLASSES)
    for rows, other in zip(found.rows, expected.rows, strict=True):
        np.testing.assert_array_equal(rows, other)
        assert rows.dtype == np.int32
    np.testing.assert_allclose(found.centroid, expected.centroid, atol=1e-9, rtol=0)
    for field in fields(found):
        if field.name.startswith(('box', 'upright')):
            np.testing.assert_array_equal(getattr(found, field.name),
                                          getattr(expected, field.name), field.name)


def test_only_few_points_decide_what_boxes_are() -> None:
    x, y, z = np.meshgrid(np.arange(40), np.arange(30), np.arange(20), indexing='ij')
    cells = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    edge = cells[group_masks._edge(np.arange(len(cells)), cells)]
    inner = (edge > 2).all(1) & (edge < (37, 27, 17)).all(1)
    assert not inner.any() and 0.1 < len(edge) / len(cells) < 0.5
    for axis in range(3):
        assert {0, cells[:, axis].max()} <= set(edge[:, axis].tolist())
