"""Formats of surveying and modelling, written by their libraries."""

from __future__ import annotations

from pathlib import Path
import sys
from typing import Any

from mask3d_core.cli import main
from mask3d_core.conventions import Conventions
from mask3d_core.data.labels import read_labelled
from mask3d_core.errors import InputError
from mask3d_core.files import read_scan
from mask3d_core.scan_checks import find_doubts
import numpy as np
import pytest

COUNT = 200
XYZ = np.round(np.random.default_rng(0).uniform(0, 3, (COUNT, 3)), 3) + [5e5, 5.4e6, 300]
RGB = np.random.default_rng(1).integers(0, 256, (COUNT, 3), dtype=np.uint8)


def las(path: Path, scale: int = 1, **labels: Any) -> Path:
    laspy = pytest.importorskip('laspy', reason='needs the extra formats')
    header = laspy.LasHeader(point_format=3, version='1.4')
    header.offsets, header.scales = XYZ.min(0), [0.001] * 3
    for name in labels:
        header.add_extra_dim(laspy.ExtraBytesParams(name, np.int32))
    cloud = laspy.LasData(header)
    cloud.x, cloud.y, cloud.z = XYZ.T
    cloud.red, cloud.green, cloud.blue = RGB.astype(np.uint16).T * np.uint16(scale)
    for name, values in labels.items():
        cloud[name] = values
    cloud.write(str(path))
    return path


@pytest.mark.parametrize('name', ['a.las', 'a.laz', 'a.LAS'])
@pytest.mark.parametrize('scale', [1, 257])
def test_las(tmp_path: Path, name: str, scale: int) -> None:
    scan = read_scan(las(tmp_path / name, scale))
    np.testing.assert_allclose(scan.xyz, XYZ, atol=1e-6)
    np.testing.assert_allclose(scan.color, RGB / 255, atol=1e-5)
    assert scan.xyz.dtype == np.float64


@pytest.mark.parametrize('wkt', [True, False])
def test_feet_of_a_coordinate_system_are_named(tmp_path: Path, wkt: bool) -> None:
    laspy = pytest.importorskip('laspy', reason='needs the extra formats')
    known = pytest.importorskip('laspy.vlrs.known')
    cloud = laspy.read(las(tmp_path / 'a.las'))
    if wkt:
        vlr = known.WktCoordinateSystemVlr(
            'PROJCS["NAD83",GEOGCS["NAD83",UNIT["degree",0.0174532925199433]],'
            'UNIT["US survey foot",0.304800609601219]]')
    else:
        vlr = known.GeoKeyDirectoryVlr()
        vlr.parse_record_data(np.array([1, 1, 0, 1, 3076, 0, 1, 9003], '<u2').tobytes())
    cloud.header.vlrs.append(vlr)
    cloud.write(str(tmp_path / 'feet.las'))
    [doubt] = find_doubts(read_scan(tmp_path / 'feet.las'), 0.02)
    assert 'is in units of 0.3048006 m, as its file says' in doubt.finding
    assert '--unit 0.3048006' in doubt.remedy()
    given = read_scan(tmp_path / 'feet.las', conventions=Conventions(unit=0.3048006))
    assert not [doubt for doubt in find_doubts(given, 0.02) if 'file says' in doubt.finding]


def test_labels_of_las(tmp_path: Path) -> None:
    label, instance = np.repeat([0, 3], 100), np.repeat([0, 7], 100)
    found = read_labelled(las(tmp_path / 'a.las', label=label, instance=instance))
    np.testing.assert_array_equal(found.label, np.repeat([-1, 3], 100))
    np.testing.assert_array_equal(found.instance, np.repeat([-1, 6], 100))


@pytest.mark.parametrize('colored', [True, False])
def test_e57_with_several_scans(tmp_path: Path, colored: bool) -> None:
    pye57 = pytest.importorskip('pye57', reason='needs the extra formats')
    file = pye57.E57(str(tmp_path / 'a.e57'), mode='w')
    for part in (slice(0, 100), slice(100, COUNT)):
        columns = {f'cartesian{axis}': XYZ[part, place] for place, axis in enumerate('XYZ')}
        if colored:
            columns |= {f'color{name}': RGB[part, place].astype(np.uint16)
                        for place, name in enumerate(('Red', 'Green', 'Blue'))}
        file.write_scan_raw(columns)
    file.close()
    scan = read_scan(tmp_path / 'a.e57')
    np.testing.assert_allclose(scan.xyz, XYZ)
    if colored:
        np.testing.assert_allclose(scan.color, RGB / 255, atol=1e-6)
    assert colored == (scan.color is not None)


@pytest.mark.parametrize('suffix', ['.obj', '.glb', '.stl', '.off', '.ply'])
def test_a_coarse_mesh_is_sampled(tmp_path: Path, suffix: str) -> None:
    trimesh = pytest.importorskip('trimesh', reason='needs the extra formats')
    mesh = trimesh.creation.box((4, 3, 2.5))
    mesh.export(tmp_path / f'a{suffix}')
    scan = read_scan(tmp_path / f'a{suffix}')
    size = np.ptp(scan.xyz, axis=0)
    expected = (4, 2.5, 3) if suffix == '.glb' else (4, 3, 2.5)  # glTF has y up
    np.testing.assert_allclose(size, expected, atol=0.02)
    assert len(scan) > 20_000
    np.testing.assert_array_equal(scan.xyz, read_scan(tmp_path / f'a{suffix}').xyz)


@pytest.mark.parametrize('names', [('red', 'green', 'blue'),
                                   ('diffuse_red', 'diffuse_green', 'diffuse_blue')])
def test_colours_of_a_coarse_ply(tmp_path: Path, names: tuple[str, str, str]) -> None:
    trimesh = pytest.importorskip('trimesh', reason='needs the extra formats')
    mesh = trimesh.creation.box((4, 3, 2.5))
    mesh.visual.vertex_colors = np.where(mesh.vertices[:, :1] < 0, (200, 100, 50), (20, 40, 60))
    text = mesh.export(file_type='ply', encoding='ascii').decode()
    for ours, name in zip(('red', 'green', 'blue'), names):
        text = text.replace(f'uchar {ours}', f'uchar {name}')
    (tmp_path / 'a.ply').write_text(text)
    scan = read_scan(tmp_path / 'a.ply')
    assert scan.color is not None and len(scan) > 20_000
    for side, color in ((scan.xyz[:, 0] < -1.9, (200, 100, 50)), (scan.xyz[:, 0] > 1.9,
                                                                  (20, 40, 60))):
        np.testing.assert_allclose(np.median(scan.color[side], axis=0) * 255, color, atol=2)


@pytest.mark.parametrize('encoding', ['ascii', 'binary'])
def test_a_coarse_ply_with_names_in_capitals(tmp_path: Path, encoding: str) -> None:
    trimesh = pytest.importorskip('trimesh', reason='needs the extra formats')
    mesh = trimesh.creation.box((4, 3, 2.5))
    mesh.visual.vertex_colors = np.where(mesh.vertices[:, :1] < 0, (200, 100, 50), (20, 40, 60))
    content = mesh.export(file_type='ply', encoding=encoding)
    head, mark, rows = content.partition(b'end_header')
    for name in (b'x', b'y', b'z', b'red', b'green', b'blue'):
        head = head.replace(b' ' + name + b'\n', b' ' + name.upper() + b'\n')
    (tmp_path / 'lower.ply').write_bytes(content)
    (tmp_path / 'capital.ply').write_bytes(head + mark + rows)
    expected, scan = (read_scan(tmp_path / f'{name}.ply') for name in ('lower', 'capital'))
    np.testing.assert_array_equal(scan.xyz, expected.xyz)
    assert scan.color is not None and len(scan) > 20_000
    left = scan.xyz[:, 0] < -1.9
    np.testing.assert_allclose(scan.color[left] * 255, [(200, 100, 50)] * left.sum(), atol=0.1)


@pytest.mark.parametrize(('kind', 'scale'), [('ushort', 257), ('float', 1), ('float', 1 / 255)])
def test_colours_of_a_coarse_ply_of_other_types(tmp_path: Path, kind: str, scale: float) -> None:
    trimesh = pytest.importorskip('trimesh', reason='needs the extra formats')
    mesh = trimesh.creation.box((4, 3, 2.5))
    head, body = mesh.export(file_type='ply', encoding='ascii').decode().split('end_header\n')
    rows = body.splitlines()
    for place, left in enumerate(mesh.vertices[:, 0] < 0):
        rows[place] += ''.join(f' {value * scale:g}' for value in ((200, 100, 50) if left else
                                                                   (20, 40, 60)))
    channels = ''.join(f'property {kind} {name}\n' for name in ('red', 'green', 'blue'))
    (tmp_path / 'a.ply').write_text(head.replace('float z\n', 'float z\n' + channels)
                                    + 'end_header\n' + '\n'.join(rows) + '\n')
    scan = read_scan(tmp_path / 'a.ply')
    assert scan.color is not None and len(scan) > 20_000
    left = scan.xyz[:, 0] < -1.9
    np.testing.assert_allclose(scan.color[left] * 255, [[200, 100, 50]] * left.sum(), atol=0.1)


def test_faces_without_vertices_are_an_input_error(tmp_path: Path) -> None:
    (tmp_path / 'a.ply').write_text(
        'ply\nformat ascii 1.0\nelement vertex 0\n'
        + ''.join(f'property float {axis}\n' for axis in 'xyz')
        + 'element face 1\nproperty list uchar int vertex_indices\nend_header\n3 0 1 2\n')
    with pytest.raises(InputError, match='a.ply: cloud has 0 finite points'):
        read_scan(tmp_path / 'a.ply')


@pytest.mark.parametrize('change', ['fine', 'labelled', 'no faces'])
def test_vertices_of_other_ply_meshes_are_the_points(tmp_path: Path, change: str) -> None:
    trimesh = pytest.importorskip('trimesh', reason='needs the extra formats')
    mesh = trimesh.creation.box((4, 3, 2.5)).subdivide_to_size(0.15 if change == 'fine' else 2)
    text = mesh.export(file_type='ply', encoding='ascii').decode()
    if change == 'labelled':
        head, body = text.split('end_header\n')
        rows = body.splitlines()
        body = '\n'.join(row + ' 3' if place < len(mesh.vertices) else row
                         for place, row in enumerate(rows))
        text = (head.replace('float z\n', 'float z\nproperty int label\n')
                + 'end_header\n' + body + '\n')
    if change == 'no faces':
        text = text[:text.rindex('\n', 0, text.index('\n3 ') + 1)] + '\n'
        text = text.replace(f'element face {len(mesh.faces)}', 'element face 0')
    (tmp_path / 'a.ply').write_text(text)
    assert len(read_scan(tmp_path / 'a.ply')) == len(mesh.vertices)


def test_a_coarse_ply_needs_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trimesh = pytest.importorskip('trimesh', reason='needs the extra formats')
    trimesh.creation.box((4, 3, 2.5)).export(tmp_path / 'a.ply')
    monkeypatch.setitem(sys.modules, 'trimesh', None)
    with pytest.raises(InputError, match=r"a.ply: .* pip install 'trimesh'.* only 8 vertices, so "
                                         'points are sampled on its faces'):
        read_scan(tmp_path / 'a.ply')


def test_vertices_of_a_fine_mesh_keep_their_colours(tmp_path: Path) -> None:
    trimesh = pytest.importorskip('trimesh', reason='needs the extra formats')
    mesh = trimesh.creation.icosphere(5, 0.5)
    color = np.random.default_rng(0).integers(0, 256, (len(mesh.vertices), 3), dtype=np.uint8)
    mesh.visual.vertex_colors = color
    mesh.export(tmp_path / 'a.glb')
    scan = read_scan(tmp_path / 'a.glb')
    assert scan.color is not None and len(scan) == len(color)
    np.testing.assert_allclose(scan.color.mean(0), color.mean(0) / 255, atol=1e-3)


@pytest.mark.parametrize('suffix', ['.obj', '.glb'])
@pytest.mark.parametrize('spacing', [5.0, 0.02])
def test_textures(tmp_path: Path, suffix: str, spacing: float) -> None:
    trimesh = pytest.importorskip('trimesh', reason='needs the extra formats')
    image = pytest.importorskip('PIL.Image').new('RGB', (16, 16), (200, 100, 50))
    image.paste((20, 40, 60), (0, 0, 8, 16))
    mesh = trimesh.Trimesh([[0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0]],
                           [[0, 1, 2], [0, 2, 3]]).subdivide_to_size(spacing)
    mesh.visual = trimesh.visual.TextureVisuals(uv=mesh.vertices[:, :2] / 2, image=image)
    mesh.export(tmp_path / f'a{suffix}')
    scan = read_scan(tmp_path / f'a{suffix}')
    assert scan.color is not None and (len(scan) == len(mesh.vertices) or spacing > 1)
    left, right = scan.color[scan.xyz[:, 0] < 0.7], scan.color[scan.xyz[:, 0] > 1.3]
    np.testing.assert_allclose(np.median(left, axis=0) * 255, (20, 40, 60), atol=2)
    np.testing.assert_allclose(np.median(right, axis=0) * 255, (200, 100, 50), atol=2)


def test_a_mesh_without_colour_beside_one_with(tmp_path: Path) -> None:
    trimesh = pytest.importorskip('trimesh', reason='needs the extra formats')
    colored = trimesh.creation.box((1, 1, 1))
    colored.visual.vertex_colors = np.random.default_rng(0).integers(0, 256, (8, 3))
    scene = trimesh.Scene([colored, trimesh.creation.box((1, 1, 1))])
    scene.export(tmp_path / 'a.glb')
    scan = read_scan(tmp_path / 'a.glb')
    assert scan.color is not None and 2 * scan.num_colorless == len(scan)


def test_a_scan_of_e57_without_colour_beside_one_with(tmp_path: Path) -> None:
    pye57 = pytest.importorskip('pye57', reason='needs the extra formats')
    file = pye57.E57(str(tmp_path / 'a.e57'), mode='w')
    columns = {f'cartesian{axis}': XYZ[:, place] for place, axis in enumerate('XYZ')}
    colors = {f'color{name}': RGB[:, place] for place, name in enumerate(('Red', 'Green', 'Blue'))}
    file.write_scan_raw(columns)
    file.write_scan_raw(columns | colors)
    file.close()
    scan = read_scan(tmp_path / 'a.e57')
    assert scan.color is not None and scan.num_colorless == COUNT
    np.testing.assert_allclose(scan.color[COUNT:], RGB / 255, atol=1e-6)


def test_invalid_points_of_e57_are_counted(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pye57 = pytest.importorskip('pye57', reason='needs the extra formats')
    file = pye57.E57(str(tmp_path / 'a.e57'), mode='w')
    state = (np.arange(COUNT) % 5 == 0).astype(np.int8) * 2
    columns = {f'cartesian{axis}': XYZ[:, place] for place, axis in enumerate('XYZ')}
    colors = {f'color{name}': RGB[:, place] for place, name in enumerate(('Red', 'Green', 'Blue'))}
    file.write_scan_raw(columns | colors | {'cartesianInvalidState': state})
    file.write_scan_raw(columns | {'intensity': np.linspace(0, 1, COUNT)})
    file.close()
    scan = read_scan(tmp_path / 'a.e57')
    rows = np.flatnonzero(state == 0)
    assert scan.input_size == 2 * COUNT and scan.color is not None
    np.testing.assert_array_equal(scan.kept, [*rows, *range(COUNT, 2 * COUNT)])
    np.testing.assert_allclose(scan.xyz, np.concatenate([XYZ[rows], XYZ]))
    np.testing.assert_allclose(scan.color[:len(rows)], RGB[rows] / 255, atol=1e-6)
    assert main(['info', str(tmp_path / 'a.e57')]) == 0
    said = capsys.readouterr().out
    assert '360 and 40 without a position' in said and 'not used  intensity' in said


def test_a_truncated_las_is_named(tmp_path: Path) -> None:
    path = las(tmp_path / 'a.las')
    path.write_bytes(path.read_bytes()[:-34 * 50])
    with pytest.raises(InputError, match='a.las: expected 200 points, got 150: .* truncated'):
        read_scan(path)


@pytest.mark.parametrize('scale', [1, 255])
def test_colours_of_the_vertices_of_an_obj(tmp_path: Path, scale: int) -> None:
    pytest.importorskip('trimesh', reason='needs the extra formats')
    (tmp_path / 'a.obj').write_text(''.join(
        f'v {x} {y} {z} {red:g} {green:g} {blue:g}\n' for (x, y, z), (red, green, blue) in
        zip(XYZ - XYZ[0], RGB * (scale / 255))))
    if scale == 1:
        np.testing.assert_allclose(read_scan(tmp_path / 'a.obj').color, RGB / 255, atol=5e-3)
        return
    with pytest.raises(InputError, match=r'of 0\.\.1, got up to 25\d: divide them by 255'):
        read_scan(tmp_path / 'a.obj')


def test_a_file_that_a_mesh_needs_is_named(tmp_path: Path) -> None:
    pytest.importorskip('trimesh', reason='needs the extra formats')
    (tmp_path / 'a.gltf').write_text(
        '{"asset": {"version": "2.0"}, "buffers": [{"uri": "gone.bin", "byteLength": 36}]}')
    with pytest.raises(InputError, match='a.gltf: not a readable mesh .*gone.bin'):
        read_scan(tmp_path / 'a.gltf')


@pytest.mark.parametrize(('name', 'package', 'library'), [
    ('a.las', 'laspy', 'laspy'), ('a.laz', 'laspy', 'laspy'), ('a.e57', 'pye57', 'pye57'),
    ('a.obj', 'trimesh', 'trimesh'), ('a.glb', 'trimesh', 'trimesh')])
def test_without_its_library_a_format_says_what_to_install(
        tmp_path: Path, name: str, package: str, library: str,
        monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / name).write_bytes(b'x' * 100)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InputError, match=f'{name}: reading .* needs the package {package}: pip '
                                         r'install .*mask3d_ros\[formats\]'):
        read_scan(tmp_path / name)


@pytest.mark.parametrize(('name', 'library'), [
    ('a.las', 'laspy'), ('a.laz', 'laspy'), ('a.e57', 'pye57'), ('a.glb', 'trimesh')])
def test_damaged_files_are_named(tmp_path: Path, name: str, library: str) -> None:
    pytest.importorskip(library, reason='needs the extra formats')
    (tmp_path / name).write_bytes(b'LASF' + b'x' * 300)
    with pytest.raises(InputError, match=f'{name}: not a readable'):
        read_scan(tmp_path / name)
