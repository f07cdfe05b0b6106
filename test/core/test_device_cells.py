"""Voxels that a GPU computes are those of the CPU, to the bit."""

from collections.abc import Iterator
from dataclasses import replace

from mask3d_core import Scan
from mask3d_core.errors import InputError, SingleVoxelError
from mask3d_core.voxels import Voxelization, voxelize, Voxels
import numpy as np
import pytest
import torch
from torch.utils import backend_registration

if not hasattr(backend_registration, '_setup_privateuseone_for_python_backend'):
    pytest.skip('this torch has no Python backend to emulate a device', allow_module_level=True)
from pretend_cuda import DEVICE, PretendCuda, waits  # noqa: E402

VOXELIZATION = Voxelization(0.05, max_contrast=0.15)


@pytest.fixture(autouse=True)
def _pretend() -> Iterator[None]:
    with PretendCuda():
        yield


def make_scan(colored: bool = True, dtype: type[np.floating] = np.float32) -> Scan:
    """Return points on both sides of the origin, many of them on the border of two voxels."""
    random = np.random.default_rng(0)
    xyz = random.normal(size=(20_000, 3))
    xyz[:5000] = np.round(xyz[:5000], 2)
    color = random.random((len(xyz), 3)).astype(np.float32) if colored else None
    return replace(Scan.from_points(xyz, color), xyz=xyz.astype(dtype))


def assert_same(there: Voxels, here: Voxels) -> None:
    for name in ('coords', 'features', 'centers', 'inverse', 'segment'):
        one, other = getattr(there, name), getattr(here, name)
        assert one is None is other or one.dtype == other.dtype and torch.equal(one, other), name
    assert there.size == here.size and np.array_equal(there.origin, here.origin)
    if here.grid is None or there.grid is None:
        assert here.grid is there.grid
        return
    assert torch.equal(there.grid.centers, here.grid.centers)
    assert np.array_equal(there.grid.color, here.grid.color)


@pytest.mark.parametrize('options', [
    {}, {'max_voxels': 5000}, {'color': 'first'}, {'size': 1 / 3},
    {'color_mean': None, 'color_std': None}])
@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_equal_to_the_bit(options: dict[str, object], dtype: type[np.floating]) -> None:
    scan, voxelization = make_scan(dtype=dtype), replace(VOXELIZATION, **options)
    assert_same(voxelize(scan, voxelization, DEVICE), voxelize(scan, voxelization))


def test_without_colour_and_with_segments() -> None:
    scan = make_scan(colored=False)
    scan = replace(scan, segment=np.arange(len(scan)) // 70)
    shape = replace(VOXELIZATION, color_mean=None, color_std=None)
    here, there = voxelize(scan, shape), voxelize(scan, shape, DEVICE)
    assert here.segment is not None and here.grid is not None and there.grid is not None
    assert here.grid.color is None and there.grid.color is None
    assert_same(replace(there, grid=None), replace(here, grid=None))


def test_the_host_waits_for_sizes_and_the_result_only() -> None:
    waits.clear()
    voxelize(make_scan(), VOXELIZATION, DEVICE)
    assert waits == ['tolist', '_unique2', *['_to_copy'] * 3]


def test_the_same_errors() -> None:
    with pytest.raises(SingleVoxelError, match='all 20000 points fall into one voxel'):
        scan = make_scan()
        voxelize(replace(scan, xyz=scan.xyz + 50), replace(VOXELIZATION, size=100.), DEVICE)
    far = replace(make_scan(), xyz=1e12 * make_scan().xyz)
    with pytest.raises(InputError, match='more than can be numbered'):
        voxelize(far, VOXELIZATION, DEVICE)
