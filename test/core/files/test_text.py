"""Clouds in text and in .npy arrays."""

from __future__ import annotations

from pathlib import Path
import time

from mask3d_core.cli import main
from mask3d_core.errors import InputError
from mask3d_core.files import read_scan
from mask3d_core.files.text import TEXT_SUFFIXES
from mask3d_core.scan_checks import find_doubts
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
    (lines(XYZ) + 'a b\n' + lines(XYZ), 'line 41'),
    ('1 2 x\n' + lines(XYZ), "line 1: expected numbers, got '1 2 x'"),
    ('x y z class\n1 2 3 chair\n', "line 2: expected numbers, got '1 2 3 chair'"),
    ('hello\n', "rows of three numbers or more, x y z, got 'hello'")])
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


SMOOTH = np.linspace(20, 250, 400)
HUES = np.rint(np.column_stack([SMOOTH, SMOOTH[::-1] * 0.3 + SMOOTH * 0.9, SMOOTH * 0.8]))
PLACES = np.random.default_rng(2).uniform(-3, 3, (400, 3))
NOISE = np.random.default_rng(3).integers(0, 256, 400)
UNIT = np.tile([0.6, -0.8, 0.0], (400, 1))


@pytest.mark.parametrize('columns', [
    (HUES, np.arange(400) // 40), (HUES, np.arange(400) // 40, np.arange(400) // 20),
    (HUES, NOISE), (NOISE, HUES), (NOISE, HUES, np.arange(400) // 40), (NOISE, HUES, UNIT),
    (HUES, UNIT), (UNIT, HUES), (HUES * 0.999,), (HUES / 255, np.arange(400) // 40)])
@pytest.mark.parametrize('indexed', [False, True])
def test_colours_among_other_columns(tmp_path: Path, columns: tuple[NDArray, ...],
                                     indexed: bool) -> None:
    index = [np.arange(400)] if indexed else []
    np.save(tmp_path / 'a.npy', np.column_stack([*index, PLACES, *columns]))
    scan = read_scan(tmp_path / 'a.npy')
    np.testing.assert_array_equal(scan.xyz, PLACES)
    np.testing.assert_allclose(scan.color, HUES / 255, atol=2e-3)


def test_a_column_with_packed_colours(tmp_path: Path) -> None:
    packed = HUES.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    for dtype in (np.float32, np.float64):
        np.save(tmp_path / 'a.npy', np.column_stack([PLACES, packed.view(np.float32)]
                                                    ).astype(dtype))
        np.testing.assert_allclose(read_scan(tmp_path / 'a.npy').color, HUES / 255, atol=1e-6)
    np.save(tmp_path / 'a.npy', np.column_stack([PLACES, packed]))
    assert read_scan(tmp_path / 'a.npy').unknown_colors == ('colour_in_column_4',)


def test_half_precision(tmp_path: Path) -> None:
    np.save(tmp_path / 'a.npy', np.column_stack([PLACES, HUES / 255]).astype(np.float16))
    np.testing.assert_allclose(read_scan(tmp_path / 'a.npy').color, HUES / 255, atol=1e-3)


@pytest.mark.parametrize('count', [COUNT + 3, 2 * COUNT])
def test_fewer_points_than_announced(tmp_path: Path, count: int) -> None:
    (tmp_path / 'a.pts').write_text(lines(XYZ, RGB, head=f'{count}\n'))
    with pytest.raises(InputError, match=f'{count} points are announced, there are 40'):
        read_scan(tmp_path / 'a.pts')


def test_text_of_other_programs(tmp_path: Path) -> None:
    path = tmp_path / 'a.csv'
    pandas = ''.join(f'{row},{line}\n' for row, line in
                     enumerate(lines(XYZ, RGB, separator=',').splitlines()))
    windows = '-nan(ind) 1.#QNAN nan 0 0 0\n'
    for content in (f',x,y,z,r,g,b\n{pandas}'.encode(), pandas.encode(),
                    lines(XYZ, RGB).encode('utf-16'),
                    lines(XYZ, RGB).replace('.', ',').encode(),
                    (windows + lines(XYZ, RGB) + windows).encode()):
        path.write_bytes(content)
        scan = read_scan(path)
        np.testing.assert_array_equal(scan.xyz, XYZ)
        np.testing.assert_allclose(scan.color, RGB / 255, atol=1e-6)
        assert scan.input_size == COUNT + 2 * content.startswith(b'-')


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
    pairs = np.zeros(COUNT, [('position', 'f8', 3), ('Color', 'f4', 3)])
    pairs['position'], pairs['Color'] = XYZ, RGB / 255
    np.save(tmp_path / 'a.npy', pairs)
    scan = read_scan(tmp_path / 'a.npy')
    np.testing.assert_array_equal(scan.xyz, XYZ)
    np.testing.assert_allclose(scan.color, RGB / 255, atol=1e-6)


@pytest.mark.parametrize(('array', 'words'), [
    (XYZ[:, :2], r'rows of x y z, got an array of shape \[40, 2\]'),
    (XYZ.ravel(), r'shape \[120\]'), (XYZ.astype(str), 'expected numbers'),
    (np.array([None] * 9), 'not a readable .npy.* save numbers'),
    (np.zeros((6, 90)), r'a row for each point, got .* \[6, 90\]: transpose it')])
def test_other_arrays_are_refused(tmp_path: Path, array: NDArray, words: str) -> None:
    np.save(tmp_path / 'a.npy', array)
    with pytest.raises(InputError, match=f'a.npy: .*{words}'):
        read_scan(tmp_path / 'a.npy')


@pytest.mark.parametrize(('names', 'unit'), [
    ('X [m] Y [m] Z [m] R G B', 1.0), ('X [m];Y [m];Z [m];Red;Green;Blue', 1.0),
    ('"X (mm)","Y (mm)","Z (mm)",r,g,b', 0.001), ('Coord_X Coord_Y Coord_Z Red Green Blue', 1.0),
    ('x_coord,y_coord,z_coord,red,green,blue', 1.0), ('PosX PosY PosZ Col_R Col_G Col_B', 1.0),
    ('//X Y Z R G B', 1.0), ('X Y Z Rf Gf Bf', 1.0), ('x_m y_m z_m Red Green Blue', 1.0)])
@pytest.mark.parametrize('turned', [False, True])
def test_names_of_other_programs(tmp_path: Path, names: str, unit: float, turned: bool) -> None:
    """Read columns in both orders: only the names tell which is which."""
    separator = next((mark for mark in ';,' if mark in names), ' ')
    order = slice(None, None, -1 if turned else 1)
    listed = names.removeprefix('//').replace(' [', '[').split(separator)[order]
    head = ('//' if names.startswith('//') else '') + separator.join(listed).replace('[', ' [')
    (tmp_path / 'a.csv').write_text(lines(np.column_stack([XYZ, RGB])[:, order], head=head + '\n',
                                          separator=separator))
    scan = read_scan(tmp_path / 'a.csv')
    np.testing.assert_array_equal(scan.xyz, XYZ)
    np.testing.assert_allclose(scan.color, RGB / 255, atol=1e-5)
    assert (scan.declared_unit, scan.unknown_header, scan.unused_fields) == (unit, '', ())


@pytest.mark.parametrize('head', ['//X Y Z R G B\n40\n', '40\n//X Y Z R G B\n'])
def test_cloudcompare_with_a_number_of_points(tmp_path: Path, head: str) -> None:
    (tmp_path / 'a.asc').write_text(lines(XYZ, RGB, head=head))
    scan = read_scan(tmp_path / 'a.asc')
    np.testing.assert_array_equal(scan.xyz, XYZ)
    np.testing.assert_allclose(scan.color, RGB / 255, atol=1e-5)


def test_columns_that_are_not_used_are_named(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / 'a.txt'
    ones = np.ones((COUNT, 1))
    path.write_text(lines(XYZ, RGB, ones, ones, ones,
                          head='X Y Z R G B Intensity [-] Scalar_Label Roughness_(0.1)\n'))
    assert read_scan(path).unused_fields == ('intensity', 'label', 'roughness_(0_1)')
    assert main(['info', str(path)]) == 0
    assert 'not used  intensity, label, roughness_(0_1)' in capsys.readouterr().out
    path.write_text(lines(XYZ, ones * -700, RGB, NORMALS))
    assert read_scan(path).unused_fields == ('column_4', 'column_8', 'column_9', 'column_10')
    path.write_text(lines(np.arange(COUNT)[:, None], XYZ, RGB, ones * -700))
    assert read_scan(path).unused_fields == ('column_8',)


@pytest.mark.parametrize(('names', 'unused'), [
    ('px py x_m y_m z_m', ('px', 'py')), ('px py pos_x pos_y pos_z', ('px', 'py')),
    ('x y pos_x pos_y pos_z', ('other_x', 'other_y')), ('pos_x pos_y x y z', ('pos_x', 'pos_y'))])
def test_axes_have_names_of_one_form(tmp_path: Path, names: str, unused: tuple[str, ...],
                                     ) -> None:
    pixels = np.stack([np.arange(COUNT) % 8, np.arange(COUNT) // 8], axis=1)
    (tmp_path / 'a.txt').write_text(lines(pixels, XYZ, head=names + '\n'))
    scan = read_scan(tmp_path / 'a.txt')
    np.testing.assert_array_equal(scan.xyz, XYZ)
    assert scan.unused_fields == unused


def test_names_that_are_not_understood_are_said(tmp_path: Path) -> None:
    path = tmp_path / 'a.txt'
    path.write_text(lines(XYZ, RGB, head='Rechts Hoch Hoehe Rot Gruen Blau\n'))
    scan = read_scan(path)
    np.testing.assert_array_equal(scan.xyz, XYZ)
    [doubt] = [doubt for doubt in find_doubts(scan, 0.03) if doubt.kinds == ('header',)]
    assert "has the first line 'Rechts Hoch Hoehe Rot Gruen Blau', which names no" in doubt.finding
    assert 'x y z red green blue' in doubt.remedy()
    path.write_text(lines(PLACES, HUES, head='x y z c1 c2 c3\n'))
    assert read_scan(path).unknown_colors == ('colour_in_c1_c2_c3',)
    path.write_text(lines(XYZ, head='X [m];Y [m];Z [ft]\n', separator=';'))
    with pytest.raises(InputError, match=r'one unit of x, y and z, got: X\[m\], Y\[m\], Z\[ft\]'):
        read_scan(path)
