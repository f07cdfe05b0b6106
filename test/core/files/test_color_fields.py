"""Colours under every accepted name, in every type, and in every format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from mask3d_core.errors import InputError
from mask3d_core.files import decode_pointcloud2, read_scan
from mask3d_core.files.color_fields import CHANNEL_NAMES, find_color, plain_name, unknown_colors
from mask3d_core.files.ply import write_ply
from mask3d_core.scan import Scan
from mask3d_core.scan_checks import find_doubts
import numpy as np
from numpy.typing import NDArray
import pytest

COUNT = 300
XYZ = np.random.default_rng(0).uniform(0, 3, (COUNT, 3)).astype(np.float32)
RGB = np.random.default_rng(1).integers(0, 256, (COUNT, 3), dtype=np.uint8)
PACKED = RGB.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
POINT_FIELD = {'i1': 1, 'u1': 2, 'i2': 3, 'u2': 4, 'i4': 5, 'u4': 6, 'f4': 7, 'f8': 8}
Fields = dict[str, NDArray]


def write_as_ply(path: Path, fields: Fields) -> Scan:
    columns = {axis: XYZ[:, place] for place, axis in enumerate('xyz')} | fields
    rows = np.empty(COUNT, [(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        rows[name] = column
    write_ply(path / 'a.ply', rows)
    return read_scan(path / 'a.ply')


def write_as_pcd(path: Path, fields: Fields) -> Scan:
    columns = {axis: XYZ[:, place] for place, axis in enumerate('XYZ')} | fields
    kinds = {'u': 'U', 'i': 'I', 'f': 'F'}
    rows = np.empty(COUNT, [(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        rows[name] = column
    header = '\n'.join([
        'FIELDS ' + ' '.join(columns),
        'SIZE ' + ' '.join(str(column.dtype.itemsize) for column in columns.values()),
        'TYPE ' + ' '.join(kinds[column.dtype.kind] for column in columns.values()),
        f'POINTS {COUNT}', 'DATA binary\n'])
    (path / 'a.pcd').write_bytes(header.encode() + rows.tobytes())
    return read_scan(path / 'a.pcd')


def write_as_npz(path: Path, fields: Fields) -> Scan:
    np.savez(path / 'a.npz', Points=XYZ, **fields)
    return read_scan(path / 'a.npz')


def write_as_text(path: Path, fields: Fields) -> Scan:
    lines = [' '.join(['//X', 'Y', 'Z', *fields])]
    lines += [' '.join(f'{value:.12g}' for value in row)
              for row in np.stack([*XYZ.T, *fields.values()], axis=1)]
    (path / 'a.txt').write_text('\n'.join(lines))
    return read_scan(path / 'a.txt')


def write_as_message(path: Path, fields: Fields) -> Scan:
    columns = {axis: XYZ[:, place] for place, axis in enumerate('xyz')} | fields
    rows = np.empty(COUNT, [(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        rows[name] = column
    assert rows.dtype.fields is not None
    described = [SimpleNamespace(name=name, offset=kind[1], datatype=POINT_FIELD[kind[0].str[1:]],
                                 count=1) for name, kind in rows.dtype.fields.items()]
    return decode_pointcloud2(SimpleNamespace(
        height=1, width=COUNT, fields=described, is_bigendian=False, row_step=0,
        point_step=rows.dtype.itemsize, data=rows.tobytes()))


FORMATS = [write_as_ply, write_as_pcd, write_as_npz, write_as_text, write_as_message]


def channels(names: str, colors: NDArray = RGB) -> Fields:
    return dict(zip(names.split(), colors.T))


@pytest.mark.parametrize('write', FORMATS)
@pytest.mark.parametrize('fields', [
    channels('red green blue'), channels('r g b'), channels('R G B'), channels('Red Green Blue'),
    channels('RED GREEN BLUE'), channels('diffuse_red diffuse_green diffuse_blue'),
    channels('ambient_red ambient_green ambient_blue'), channels('color_r color_g color_b'),
    channels('colour_r colour_g colour_b'), channels('Color_R Color_G Color_B'),
    channels('scalar_R scalar_G scalar_B'), channels('Rf Gf Bf', RGB / np.float32(255)),
    channels('RGB:0 RGB:1 RGB:2'), channels('Colors_0 Colors_1 Colors_2'),
    channels('red green blue', np.rint(RGB / 255 * 1023).astype(np.uint16)),
    {'argb': PACKED | np.uint32(255 << 24)},
    channels('vertex_red vertex_green vertex_blue'), channels('b g r', RGB[:, ::-1]),
    channels('red green blue', RGB.astype(np.uint16)),
    channels('red green blue', RGB.astype(np.uint16) * np.uint16(257)),
    channels('red green blue', RGB.astype(np.int32)),
    channels('red green blue', RGB.astype(np.float32)),
    channels('red green blue', RGB / np.float64(255)),
    channels('red green blue', RGB / np.float32(255) * np.float32(1.0005)),
    channels('red green blue', np.where(RGB == 255, np.float32(1.004),
                                          RGB / np.float32(255))),
    channels('red green blue', np.where(RGB == 255, 255.4, RGB).astype(np.float32)),
    channels('f_dc_0 f_dc_1 f_dc_2', ((RGB / 255 - 0.5) / 0.28209479).astype(np.float32)),
    {'rgb': PACKED}, {'RGB': PACKED}, {'RGBA': PACKED | 255 << 24}, {'rgba': PACKED},
    {'bgr': RGB[:, ::-1].astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)},
    {'rgb': PACKED.astype(np.int32)}], ids=lambda fields: f'{"-".join(fields)}-'
    f'{next(iter(fields.values())).dtype}')
def test_every_name_and_type_in_every_format(
        tmp_path: Path, write: Callable[[Path, Fields], Scan], fields: Fields) -> None:
    scan = write(tmp_path, fields)
    assert scan.color is not None
    np.testing.assert_allclose(scan.color, RGB / 255, atol=2e-3)
    assert not find_doubts(scan, 0.02)


@pytest.mark.parametrize('write', [write_as_pcd, write_as_message, write_as_ply])
def test_bits_of_a_packed_float(
        tmp_path: Path, write: Callable[[Path, Fields], Scan]) -> None:
    for alpha in (0, 255):
        scan = write(tmp_path, {'rgb': (PACKED | np.uint32(alpha << 24)).view(np.float32)})
        np.testing.assert_allclose(scan.color, RGB / 255, atol=1e-6)
    tiny = write_as_text(tmp_path, {'rgb': PACKED.view(np.float32)})
    np.testing.assert_allclose(tiny.color, RGB / 255, atol=1e-6)
    scan = write(tmp_path, {'rgb': PACKED.astype(np.float32)})  # the number, not its bits
    np.testing.assert_allclose(scan.color, RGB / 255, atol=1e-6)


@pytest.mark.parametrize('write', FORMATS)
@pytest.mark.parametrize(('names', 'named'), [
    ('specular_red specular_green specular_blue', 'specular_red'), ('red green', 'red, green'),
    ('r g', 'r, g'), ('tex_r tex_g tex_b', 'tex_r, tex_g, tex_b'),
    ('hsv_h color_index', 'hsv_h, color_index'), ('albedo', 'albedo')])
def test_what_looks_like_colour_and_is_not_understood_is_named_once(
        tmp_path: Path, write: Callable[[Path, Fields], Scan], names: str, named: str) -> None:
    scan = write(tmp_path, {name: RGB[:, 0] for name in names.split()})
    assert scan.color is None
    [doubt] = find_doubts(scan, 0.02)
    assert doubt.kinds == ('fields',) and named in doubt.finding and 'rename' in doubt.remedy()


@pytest.mark.parametrize('names', [
    'intensity', 'reflectivity ring time', 'range', 'infrared', 'normal_x normal_y', 'score b',
    'nir gps_time'])
def test_other_fields_are_no_colour(names: str) -> None:
    assert find_color(names.split()) is None and unknown_colors(names.split()) == ()


def test_the_table_has_no_name_twice() -> None:
    assert len(set(CHANNEL_NAMES)) == len(CHANNEL_NAMES)
    assert all(plain_name(name) == name for triple in CHANNEL_NAMES for name in triple)


@pytest.mark.parametrize(('colors', 'words'), [
    (RGB.astype(np.int32) - 300, 'got -'), (RGB.astype(np.int64) * 2000, '0..65535'),
    (RGB / 100.0, 'of 0..1, 0..255'), (RGB / -255.0, 'of 0..1')])
def test_values_that_are_no_colours_are_named(tmp_path: Path, colors: NDArray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        write_as_npz(tmp_path, {'color': colors})


@pytest.mark.parametrize('name', ['color', 'colors', 'colour', 'Color', 'rgb', 'RGB', 'rgba',
                                  'point_colors'])
@pytest.mark.parametrize('width', [3, 4])
def test_arrays_of_npz(tmp_path: Path, name: str, width: int) -> None:
    rows = np.column_stack([RGB, np.full(COUNT, 255, np.uint8)])[:, :width]
    np.testing.assert_allclose(write_as_npz(tmp_path, {name: rows}).color, RGB / 255, atol=1e-6)
    reverse = write_as_npz(tmp_path, {'bgr': RGB[:, ::-1]})
    np.testing.assert_allclose(reverse.color, RGB / 255, atol=1e-6)


def test_a_field_of_three_values_is_a_colour() -> None:
    rows = np.zeros(COUNT, [('xyz', 'f4', 3), ('rgb', 'u1', 3)])
    rows['xyz'], rows['rgb'] = XYZ, RGB
    fields = [SimpleNamespace(name=axis, offset=4 * place, datatype=7, count=1)
              for place, axis in enumerate('xyz')]
    fields.append(SimpleNamespace(name='RGB', offset=12, datatype=2, count=3))
    scan = decode_pointcloud2(SimpleNamespace(
        height=1, width=COUNT, fields=fields, is_bigendian=False, row_step=0, point_step=15,
        data=rows.tobytes()))
    np.testing.assert_allclose(scan.color, RGB / 255, atol=1e-6)


@pytest.mark.parametrize('write', [write_as_pcd, write_as_message, write_as_ply])
def test_packed_colours_with_alpha_at_the_end(
        tmp_path: Path, write: Callable[[Path, Fields], Scan]) -> None:
    scan = write(tmp_path, {'rgba': PACKED << 8 | np.uint32(255)})
    np.testing.assert_allclose(scan.color, RGB / 255, atol=1e-6)


def test_bits_of_a_packed_float_in_double_precision(tmp_path: Path) -> None:
    scan = write_as_npz(tmp_path, {'rgb': PACKED.view(np.float32).astype(np.float64)})
    np.testing.assert_allclose(scan.color, RGB / 255, atol=1e-6)


def test_a_list_of_three_values_is_a_colour(tmp_path: Path) -> None:
    rows = np.zeros(COUNT, [('xyz', '<f4', 3), ('count', 'u1'), ('rgb', 'u1', 3)])
    rows['xyz'], rows['count'], rows['rgb'] = XYZ, 3, RGB
    header = ('ply\nformat binary_little_endian 1.0\n' f'element vertex {COUNT}\n'
              + ''.join(f'property float {axis}\n' for axis in 'xyz')
              + 'property list uchar uchar Color\nend_header\n')
    (tmp_path / 'a.ply').write_bytes(header.encode() + rows.tobytes())
    np.testing.assert_allclose(read_scan(tmp_path / 'a.ply').color, RGB / 255, atol=1e-6)


def test_colours_that_were_rounded_to_0_or_1_are_black(tmp_path: Path) -> None:
    scan = write_as_ply(tmp_path, channels('red green blue', (RGB > 127).astype(np.uint8)))
    [doubt] = find_doubts(scan, 0.02)
    assert 'is black at 100% of its points' in doubt.finding


def test_packed_numbers_that_float32_has_rounded_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='rgb has whole numbers of more than 24 bits in float32'):
        write_as_ply(tmp_path, {'rgb': (PACKED | np.uint32(255 << 24)).astype(np.float32)})


def test_paint_is_told_from_colours(tmp_path: Path) -> None:
    """A labelled scan may have scores; a result file of a scan without colour shows instances."""
    more = {'label': np.ones(COUNT, np.int32), 'instance': np.arange(COUNT) % 4,
            'score': np.full(COUNT, 0.5, np.float32)}
    kept = write_as_ply(tmp_path, channels('red green blue') | more | {
        'instance': more['instance'].astype(np.int32)})
    np.testing.assert_allclose(kept.color, RGB / 255, atol=1e-6)
    paint = RGB[:4][more['instance']]
    painted = write_as_ply(tmp_path, channels('red green blue', paint) | more | {
        'instance': more['instance'].astype(np.float32)})
    assert painted.color is None


@pytest.mark.parametrize('share', [0.1, 1.0])
def test_unknown_colours_are_counted(tmp_path: Path, share: float) -> None:
    """As pcl writes the NaN of an unknown colour."""
    rows = [f'{x} {y} {z} {"nan" if number < share * COUNT else float(PACKED[number])}'
            for number, (x, y, z) in enumerate(XYZ)]
    (tmp_path / 'a.pcd').write_text(
        f'FIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F F\nPOINTS {COUNT}\nDATA ascii\n'
        + '\n'.join(rows))
    scan = read_scan(tmp_path / 'a.pcd')
    assert scan.num_colorless == round(share * COUNT)
    [doubt] = find_doubts(scan, 0.02)
    assert f'no colour (NaN) at {scan.num_colorless} of its points' in doubt.finding
    if share < 1:
        assert scan.color is not None
        np.testing.assert_allclose(scan.color[30:], RGB[30:] / 255, atol=1e-6)
        assert (scan.color[:30] == 0).all()
