"""Voxel thinning: the first point in each voxel, whatever the order and the size of the cloud."""

from __future__ import annotations

from hypothesis import given, strategies
from hypothesis.extra import numpy as arrays
from mask3d_core.errors import InputError
from mask3d_core.geometry import thinning
from mask3d_core.geometry.thinning import first_in_voxels, first_of_each
import numpy as np
import pytest


@given(arrays.arrays(np.int64, strategies.integers(0, 200),
                     elements=strategies.one_of(strategies.integers(0, 9),
                                                strategies.integers(0, 2**62))))
def test_first_of_each_key(keys: np.ndarray) -> None:
    expected = np.sort(np.unique(keys, return_index=True)[1])
    np.testing.assert_array_equal(first_of_each(keys), expected)


def test_exact_points() -> None:
    xyz = np.array([[0.05, 0, 0], [-0.05, 0, 0], [0.09, 0.09, 0.09], [0.05, 0, 0.1],
                    [-0.01, 0.01, 0], [0, 0, 0]])
    assert first_in_voxels(xyz, 0.1).tolist() == [0, 1, 3]
    assert first_in_voxels(xyz[::-1], 0.1).tolist() == [0, 1, 2]
    assert first_in_voxels(xyz, 1e-3).tolist() == [0, 1, 2, 3, 4, 5]
    assert first_in_voxels(xyz, 10).tolist() == [0, 1]
    assert first_in_voxels(xyz[:0], 0.1).tolist() == []


@pytest.mark.parametrize('chunk', [7, 1000, 1 << 20])
@pytest.mark.parametrize('dtype', [np.float32, np.float64])
@pytest.mark.parametrize('size', [0.02, 0.3, 5])
def test_equals_sorting(chunk: int, dtype: type, size: float,
                        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thinning, 'CHUNK_POINTS', chunk)
    xyz = (np.random.default_rng(0).random((3000, 3)) * [3, 2, 0.3] - 1.1).astype(dtype)
    voxel = np.floor(xyz / dtype(size)).astype(np.int64)
    expected = np.sort(np.unique(voxel, axis=0, return_index=True)[1])
    np.testing.assert_array_equal(first_in_voxels(xyz, size), expected)


def test_far_from_the_origin() -> None:
    xyz = np.array([[-9e4, -9e4, -9e4], [9e4, 9e4, 9e4], [9e4, 9e4, 9e4 + 0.5]])
    assert first_in_voxels(xyz, 1.0).tolist() == [0, 1]
    assert first_in_voxels(xyz, 0.1).tolist() == [0, 1, 2]
    with pytest.raises(InputError, match='spans 1800000001 x .* voxels of 0.0001 m, more than'):
        first_in_voxels(xyz, 1e-4)
