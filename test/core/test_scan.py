"""Which clouds become a scan, and which are rejected."""

from __future__ import annotations

from typing import Any

from hypothesis import given, strategies
from mask3d_core.errors import InputError
from mask3d_core.scan import MAX_COORDINATE, MAX_INPUT_SIZE, MIN_POINTS, Scan
import numpy as np
import pytest

XYZ = np.arange(30, dtype=np.float32).reshape(10, 3)
RGB = np.arange(30, dtype=np.uint8).reshape(10, 3) * 8


def test_points_colors_and_segments() -> None:
    scan = Scan.from_points(XYZ, RGB, np.arange(10, dtype=np.uint16))
    np.testing.assert_array_equal(scan.xyz, XYZ)
    np.testing.assert_allclose(scan.color, RGB / 255, atol=1e-7)
    np.testing.assert_array_equal(scan.segment, np.arange(10))
    np.testing.assert_array_equal(scan.kept, np.arange(10))
    assert scan.color is not None and scan.segment is not None
    assert (scan.xyz.dtype, scan.color.dtype, scan.segment.dtype) == ('f4', 'f4', 'i8')
    assert len(scan) == scan.input_size == 10


@pytest.mark.parametrize(('dtype', 'kept'), [('f8', 'f8'), ('f4', 'f4'), ('f2', 'f4'),
                                             ('i4', 'f4'), ('>f4', 'f4'), ('>f8', 'f8')])
def test_precision(dtype: str, kept: str) -> None:
    scan = Scan.from_points(XYZ.astype(dtype))
    assert scan.xyz.dtype == kept
    np.testing.assert_array_equal(scan.xyz, XYZ)


@given(strategies.lists(strategies.tuples(*[strategies.sampled_from(
    [0.0, 1.5, -2.0, np.nan, np.inf, -np.inf])] * 3), min_size=1, max_size=30))
def test_finite_rows_are_kept_with_their_index(rows: list[tuple[float, float, float]]) -> None:
    xyz = np.concatenate([rows, XYZ])
    color = np.linspace(0, 1, xyz.size).reshape(xyz.shape)
    scan = Scan.from_points(xyz, color, np.arange(len(xyz)))
    finite = [row for row in range(len(xyz)) if np.isfinite(xyz[row]).all()]
    np.testing.assert_array_equal(scan.kept, finite)
    np.testing.assert_array_equal(scan.xyz, xyz[finite])
    np.testing.assert_allclose(scan.color, color[finite], atol=1e-7)
    np.testing.assert_array_equal(scan.segment, finite)
    assert scan.input_size == len(xyz)


def test_the_input_is_not_modified() -> None:
    xyz, color = XYZ.copy(), (RGB / 255)
    xyz[2] = np.nan
    before = xyz.copy(), color.copy()
    Scan.from_points(xyz, color)
    np.testing.assert_array_equal(xyz, before[0])
    np.testing.assert_array_equal(color, before[1])


def test_a_color_that_is_nan_is_black() -> None:
    color = RGB / 255
    color[4] = np.nan
    scan = Scan.from_points(XYZ, color)
    assert scan.color is not None and (scan.color[4] == 0).all()


@pytest.mark.parametrize(('change', 'words'), [
    ({'xyz': XYZ[:, :2]}, 'shape [N, 3], got [10, 2]'),
    ({'xyz': XYZ.ravel()}, 'got [30]'),
    ({'xyz': XYZ[:MIN_POINTS - 1]}, f'{MIN_POINTS - 1} finite points of {MIN_POINTS - 1}'),
    ({'xyz': XYZ.astype(str)}, 'points as numbers, got <U'),
    ({'xyz': XYZ + 1j}, 'points as numbers, got complex'),
    ({'xyz': XYZ * np.nan}, '0 finite points of 10'),
    ({'xyz': np.where(XYZ == 7, 1e30, XYZ)}, '(6, 1e+30, 8)'),
    ({'xyz': np.where(XYZ == 7, -MAX_COORDINATE * 1.01, XYZ)}, '-101000'),
    ({'xyz': XYZ, 'color': RGB[:9]}, 'colours of shape [10, 3], got [9, 3]'),
    ({'xyz': XYZ, 'color': RGB.astype(int)}, 'got int64'),
    ({'xyz': XYZ, 'color': RGB.astype(float)}, '0..1, got 0 to 232'),
    ({'xyz': XYZ, 'color': RGB / -255}, 'to -0'),
    ({'xyz': XYZ, 'segment': np.arange(9)}, '10 integer segment ids'),
    ({'xyz': XYZ, 'segment': np.arange(10.0)}, 'got float64'),
])
def test_invalid_clouds_are_rejected(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as raised:
        Scan.from_points(**change)
    assert words in str(raised.value)


def test_coordinates_up_to_the_limit_are_accepted() -> None:
    assert len(Scan.from_points(XYZ / XYZ.max() * np.float32(MAX_COORDINATE))) == 10


def test_rows_beyond_32_bits_are_refused() -> None:
    endless = np.broadcast_to(np.float32(0), (MAX_INPUT_SIZE + 1, 3))  # takes no memory
    with pytest.raises(InputError, match='cloud has 2147483648 points, expected at most 21474'):
        Scan.from_points(endless)
