"""Clouds in text and in .npy arrays."""

from __future__ import annotations

from pathlib import Path
import time

from mask3d_core.errors import InputError
from mask3d_core.files import read_scan
from mask3d_core.files.text import TEXT_SUFFIXES
import numpy as np
from numpy.typing import NDArray
import pytest

COUNT = 40
XYZ = np.round(np.random.default_rng(0).uniform(-3, 3, (COUNT, 3)), 4)
RGB = np.random.default_rng(1).integers(0, 256, (COUNT, 3))
NORMALS = np.tile([0.6, -0.8, 0.0], (COUNT, 1))


def lines(*blocks: NDArray, separator: str = ' ', head: str = '', end: str = '\n') -> str:
    rows = np.column_stack(blocks)
    return head + end.join(separator.join(f'{value:g}' for value in row) for row in rows) + end


@pytest.mark.parametrize(('text', 'colored'), [
    (lines(XYZ), False), (lines(XYZ, RGB), True), (lines(XYZ, RGB / 255), True),
    (lines(XYZ, RGB * 257), True), (lines(XYZ, np.ones(COUNT) * 0.25), False),
    (lines(XYZ, np.ones(COUNT) * -700, RGB, head=f'{COUNT}\n'), True),
    (lines(XYZ, RGB, np.full(COUNT, -1)), True), (lines(XYZ, NORMALS), False),
    (lines(XYZ, RGB, NORMALS), True), (lines(XYZ, RGB, separator=','), True),
    (lines(XYZ, RGB, separator=', '), True), (lines(XYZ, RGB, separator=';'), True),
    (lines(XYZ, RGB, separator='\t', end='\r\n'), True), (lines(XYZ, RGB, end='\r'), True),
    (lines(XYZ, RGB, separator=';').replace('.', ','), True),
    (lines(XYZ, RGB, end='\n\n', head='\n'), True),
    (lines(XYZ, RGB, head='// exported\n# by hand\n'), True),
    (lines(XYZ, RGB, head='//X Y Z R G B\n'), True),
    (lines(XYZ, RGB, head='//X,Y,Z,R,G,B\n', separator=','), True),
    (lines(XYZ, RGB, head='"x","y","z","red","green","blue"\n', separator=','), True),
    (lines(XYZ, RGB, head='\ufeffx;y;z;Red;Green;Blue\n', separator=';'), True),
    (lines(RGB, XYZ, head='# r g b x y z\n'), True),
    (lines(XYZ, RGB, head='Easting Northing Elevation Red Green Blue\n'), True),
    (lines(XYZ, np.arange(COUNT), head='x y z segment\n'), False)])
@pytest.mark.parametrize('suffix', ['.txt', '.CSV'])
def test_layouts(tmp_path: Path, text: str, colored: bool, suffix: str) -> None:
    path = tmp_path / f'a{suffix}'
    path.write_bytes(text.encode())
    scan = read_scan(path)
    np.testing.assert_array_equal(scan.xyz, XYZ)
    assert scan.xyz.dtype == np.float64 and not scan.unknown_colors
    assert (scan.color is not None) == colored
    if scan.color is not None:
        np.testing.assert_allclose(scan.color, RGB / 255, atol=1e-5)
    assert (scan.segment is not None) == ('segment' in text)


def test_several_scans_of_a_pts_file(tmp_path: Path) -> None:
    part = lines(XYZ, np.ones(COUNT), RGB, head=f'{COUNT}\n')
    (tmp_path / 'a.pts').write_text(part + part)
    assert len(read_scan(tmp_path / 'a.pts')) == 2 * COUNT


@pytest.mark.parametrize('suffix', TEXT_SUFFIXES)
def test_suffixes(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f'a{suffix}').write_text(lines(XYZ))
    assert len(read_scan(tmp_path / f'a{suffix}')) == COUNT


@pytest.mark.parametrize(('text', 'words'), [
    ('', 'rows of three numbers'), ('some text, no numbers\n' * 80, 'rows of three numbers'),
    ('1 2\n3 4\n', 'rows of three numbers'), (lines(XYZ) + '1 2\n', r"line 41: .* got '1 2'"),
    (lines(XYZ) + '1 2 x\n', "line 41: expected 3 numbers, got '1 2 x'"),
    (lines(XYZ, RGB, head='x y z red\n'), 'names 4 columns .* the rows have 6'),
    (lines(XYZ) + 'a b\n' + lines(XYZ), 'line 41')])
def test_what_is_wrong_is_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / 'a.xyz').write_text(text)
    with pytest.raises(InputError, match=f'a.xyz: .*{words}'):
        read_scan(tmp_path / 'a.xyz')


def test_invalid_points_are_dropped(tmp_path: Path) -> None:
    (tmp_path / 'a.xyz').write_text(lines(XYZ) + 'nan 1 2\n1 inf 3\n')
    scan = read_scan(tmp_path / 'a.xyz')
    assert len(scan) == COUNT and scan.input_size == COUNT + 2


def test_columns_that_may_be_colour_are_named(tmp_path: Path) -> None:
    (tmp_path / 'a.xyz').write_text(lines(XYZ, RGB * 10.5))
    assert read_scan(tmp_path / 'a.xyz').unknown_colors == ('colour_in_columns_4_to_6',)


def test_text_is_read_fast(tmp_path: Path) -> None:
    rows = '1.2345 2.3456 3.4567 12 34 56\n' * 200_000
    (tmp_path / 'a.txt').write_text(rows)
    start = time.process_time()
    read_scan(tmp_path / 'a.txt')
    assert time.process_time() - start < 3  # 0.3 s on an idle machine


@pytest.mark.parametrize(('array', 'colored'), [
    (XYZ, False), (XYZ.astype(np.float32), False), (np.column_stack([XYZ, RGB]), True),
    (np.column_stack([XYZ, RGB / 255]), True), ((XYZ * 100).astype(np.int32), False)])
def test_arrays(tmp_path: Path, array: NDArray, colored: bool) -> None:
    np.save(tmp_path / 'a.npy', array)
    scan = read_scan(tmp_path / 'a.npy')
    np.testing.assert_array_equal(scan.xyz, array[:, :3])
    assert (scan.color is not None) == colored


def test_structured_arrays(tmp_path: Path) -> None:
    rows = np.zeros(COUNT, [('X', 'f8'), ('Y', 'f8'), ('Z', 'f8'), ('rgb', 'u1', 3)])
    rows['X'], rows['Y'], rows['Z'], rows['rgb'] = *XYZ.T, RGB
    np.save(tmp_path / 'a.npy', rows)
    scan = read_scan(tmp_path / 'a.npy')
    np.testing.assert_array_equal(scan.xyz, XYZ)
    np.testing.assert_allclose(scan.color, RGB / 255, atol=1e-6)


@pytest.mark.parametrize(('array', 'words'), [
    (XYZ[:, :2], r'rows of x y z, got an array of shape \[40, 2\]'),
    (XYZ.ravel(), r'shape \[120\]'), (XYZ.astype(str), 'expected numbers'),
    (np.array([None] * 9), 'not a readable .npy')])
def test_other_arrays_are_refused(tmp_path: Path, array: NDArray, words: str) -> None:
    np.save(tmp_path / 'a.npy', array)
    with pytest.raises(InputError, match=f'a.npy: .*{words}'):
        read_scan(tmp_path / 'a.npy')
