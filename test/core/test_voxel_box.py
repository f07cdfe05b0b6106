"""Voxels of dense clouds, counted in their box."""

from mask3d_core.sparse.grid import occupied_cells
from mask3d_core.voxel_box import bounds, voxel_bounds, voxel_places, VoxelBox
import numpy as np
import pytest
import torch


@pytest.mark.parametrize('kind', [np.float32, np.float64])
@pytest.mark.parametrize('count', [1, 63, 64, 1000])
def test_bounds(count: int, kind: type) -> None:
    xyz = np.random.default_rng(count).normal(size=(count, 3)).astype(kind)
    for points in (xyz, np.asfortranarray(xyz), np.repeat(xyz, 2, axis=0)[::2]):
        low, high = bounds(points)
        assert low.tolist() == xyz.min(0).tolist() and high.tolist() == xyz.max(0).tolist()
        assert low.dtype == high.dtype == np.float64


@pytest.mark.parametrize('kind, origin', [
    (np.float32, 0.0), (np.float32, -3.7), (np.float64, 0.0), (np.float64, 4.5e6)])
def test_the_voxels_are_those_that_sorting_finds(kind: type, origin: float) -> None:
    random = np.random.default_rng(0)
    xyz = (random.uniform(0, (0.9, 0.5, 0.3), (40_000, 3)) + origin).astype(kind)
    box = VoxelBox.around(xyz, 0.03)
    assert box is not None
    coords, inverse = box.occupied()
    cells = torch.from_numpy(np.floor(xyz / kind(0.03))).long()
    expected, rows = occupied_cells(cells)
    assert len(box) == len(expected)
    assert torch.equal(coords, expected) and torch.equal(inverse, rows)
    assert torch.equal(coords[inverse], cells)


def test_a_box_of_too_many_voxels_is_not_counted() -> None:
    xyz = np.random.default_rng(0).uniform(0, 1, (1000, 3))
    assert VoxelBox.around(xyz, 0.05) is not None                # 8 voxels per point
    assert VoxelBox.around(xyz, 0.04) is None
    assert VoxelBox.around(np.concatenate([xyz, [[1e5, 0, 0]]]), 0.05) is None
    far = (xyz + 1e6).astype(np.float32)                         # voxels that float32 rounds
    assert VoxelBox.around(far, 0.05) is None


@pytest.mark.parametrize('kind', [np.float32, np.float64])
def test_points_beyond_a_box_are_put_at_its_border(kind: type) -> None:
    inside = np.array([[-0.5, 0.0, 0.5], [-0.1, 0.35, 0.55], [-0.3, 0.1, 0.9]], kind)
    low, shape = voxel_bounds(inside, 0.1)
    assert low.tolist() == [-5, 0, 5] and shape.tolist() == [5, 4, 5]
    box = (5, 4, 5)
    beyond = np.array([[-9, 0, 0.5], [1e7, 0.35, 0.5], [-0.3, 0.1, 1e12]], kind)
    places = voxel_places(np.concatenate([inside, beyond]), 0.1, low, box)
    voxels = [[0, 0, 0], [4, 3, 0], [2, 1, 4], [0, 0, 0], [4, 3, 0], [2, 1, 4]]
    assert places.tolist() == np.ravel_multi_index(np.transpose(voxels), box).tolist()
