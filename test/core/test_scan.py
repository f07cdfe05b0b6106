"""Which clouds become a scan, and which are rejected."""

from __future__ import annotations

from typing import Any

from hypothesis import given, strategies
from mask3d_core.errors import InputError
from mask3d_core.scan import MAX_COORDINATE, MAX_DISTANCE, MAX_INPUT_SIZE, MIN_POINTS, Scan
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
    ({'xyz': XYZ + 2 * MAX_COORDINATE}, 'the cloud is at (2e+08, 2e+08, 2e+08) m, beyond 1e+08'),
    ({'xyz': XYZ * np.float32(MAX_DISTANCE)}, 'points are beyond 100000 m of the middle'),
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
    middle = np.median(XYZ, axis=0)
    far = (XYZ - middle) * (MAX_DISTANCE / np.abs(XYZ - middle).max())
    for offset in (0, MAX_COORDINATE / 2):
        scan = Scan.from_points(far.astype(np.float64) + offset)
        assert len(scan) == 10 and scan.num_outliers == 0


@pytest.mark.parametrize('offset', [(0, 0, 0), (5e5, 5.4e6, 300), (4.1e6, 6e5, 4.8e6)])
@pytest.mark.parametrize('far', [2e5, -1e7, 1e30, -1e300])
@pytest.mark.parametrize('count', [1, 10])
def test_outliers_are_dropped_and_counted(offset: tuple[float, ...], far: float, count: int,
                                          ) -> None:
    rng = np.random.default_rng(0)
    xyz = rng.uniform(0, 5, (100, 3)) + offset
    color, segment = rng.random((100, 3)), np.arange(100)
    rows = rng.choice(100, count, replace=False)
    damaged = xyz.copy()
    damaged[rows, rng.integers(3, size=count)] += far
    damaged[(rows[0] + 1) % 100] = np.nan if (rows[0] + 1) % 100 not in rows else far
    scan = Scan.from_points(damaged, color, segment)
    assert scan.num_outliers >= count and scan.num_outliers + len(scan) in (99, 100)
    np.testing.assert_array_equal(scan.xyz, xyz[scan.kept])
    np.testing.assert_array_equal(scan.segment, scan.kept)
    assert scan.input_size == 100 and scan.xyz.dtype == np.float64


@given(strategies.lists(strategies.floats(allow_nan=True, allow_infinity=True, width=32),
                        min_size=1, max_size=40), strategies.integers(0, 2))
def test_any_numbers_among_the_points_leave_the_others(values: list[float], axis: int) -> None:
    xyz = np.random.default_rng(1).uniform(-3, 3, (100, 3)).astype(np.float32)
    damaged = np.concatenate([xyz, xyz[:len(values)]])
    damaged[100:, axis] = values
    scan = Scan.from_points(damaged)
    assert np.isin(np.arange(100), scan.kept).all()
    assert np.abs(scan.xyz - np.median(xyz, axis=0)).max() <= 1.001 * MAX_DISTANCE
    np.testing.assert_array_equal(scan.xyz, damaged[scan.kept])


@pytest.mark.parametrize('color', [(0, 0, 0), (255, 255, 255), (192, 0, 0), (17, 18, 19)])
def test_one_color_everywhere_is_none(color: tuple[int, int, int]) -> None:
    same = np.tile(np.array(color, np.uint8), (200, 1))
    xyz = np.random.default_rng(0).random((200, 3))
    for colors in (same, same / 255, same.astype(np.float32) / 255):
        scan = Scan.from_points(xyz, colors)
        assert scan.color is None
        assert scan.only_color == pytest.approx(np.array(color) / 255, abs=1e-6)
    almost = same.copy()
    almost[5] = 77
    assert Scan.from_points(xyz, almost).color is None, 'one point is not what colours a map'
    almost[5:9] = 77
    scan = Scan.from_points(xyz, almost)
    assert scan.color is not None and scan.only_color is None
    assert Scan.from_points(xyz, np.full((200, 3), np.nan)).only_color == (0, 0, 0)
    assert Scan.from_points(xyz).only_color is None


def test_rows_beyond_32_bits_are_refused() -> None:
    endless = np.broadcast_to(np.float32(0), (MAX_INPUT_SIZE + 1, 3))  # takes no memory
    with pytest.raises(InputError, match='cloud has 2147483648 points, expected at most 21474'):
        Scan.from_points(endless)
