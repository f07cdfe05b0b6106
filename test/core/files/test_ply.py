"""Variants of .ply, generated here."""

from __future__ import annotations

from pathlib import Path
import struct
import time

from hypothesis import given, strategies
from mask3d_core.conventions import Conventions
from mask3d_core.errors import InputError
from mask3d_core.files.ply import read_faces, read_ply, write_ply
import numpy as np
import pytest

XYZ = np.arange(24, dtype=np.float64).reshape(8, 3) / 8
RGB = np.arange(24, dtype=np.uint8).reshape(8, 3) * 10
CODES = {'uchar': 'B', 'uint8': 'B', 'short': 'h', 'int': 'i', 'int32': 'i', 'float': 'f',
         'float32': 'f', 'double': 'd'}
ORDERS = {'binary_little_endian': '<', 'binary_big_endian': '>'}
ENCODINGS = ['ascii', *ORDERS]
Elements = list[tuple[str, list[tuple[str, ...]], list[list]]]


def ply(path: Path, encoding: str, elements: Elements, end: str = '\n') -> Path:
    """Write elements: name, properties (type, name) or ('list', type, type, name), rows."""
    lines = ['ply', f'format {encoding} 1.0', 'comment by hand', 'obj_info none']
    for name, properties, rows in elements:
        lines.append(f'element {name} {len(rows)}')
        lines += ['property ' + ' '.join(words) for words in properties]
    body = b''
    for _, properties, rows in elements:
        for row in rows:
            if encoding == 'ascii':
                flat = np.concatenate([np.ravel(value) for value in row]).tolist()
                words = [f'{v:g}' for p, v in zip(properties, row) if p[0] != 'list']
                lists = any(p[0] == 'list' for p in properties)
                body += (' '.join(map('{:g}'.format, flat)) if lists
                         else ' '.join(words)).encode() + end.encode()
            else:
                for words, value in zip(properties, row):
                    if words[0] == 'list':
                        body += struct.pack(ORDERS[encoding] + CODES[words[1]], len(value[1:]))
                        code = CODES[words[2]] * len(value[1:])
                        body += struct.pack(ORDERS[encoding] + code, *value[1:])
                    else:
                        body += struct.pack(ORDERS[encoding] + CODES[words[0]], value)
    path.write_bytes(end.join([*lines, 'end_header', '']).encode() + body)
    return path


def counted(*values: int) -> list[int]:
    """Return a list value as stored in the file: its length first."""
    return [len(values), *values]


VERTEX = [('float', 'x'), ('float', 'y'), ('float', 'z'),
          ('uchar', 'red'), ('uchar', 'green'), ('uchar', 'blue')]
ROWS = [[*map(float, p), *map(int, c)] for p, c in zip(XYZ, RGB)]


@pytest.mark.parametrize('encoding', ENCODINGS)
@pytest.mark.parametrize('end', ['\n', '\r\n'])
def test_plain(tmp_path: Path, encoding: str, end: str) -> None:
    scan = read_ply(ply(tmp_path / 'a.ply', encoding, [('vertex', VERTEX, ROWS)], end))
    assert scan.xyz.dtype == np.float32
    np.testing.assert_array_equal(scan.xyz, XYZ)
    np.testing.assert_allclose(scan.color, RGB / 255, atol=1e-6)


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_any_order_double_and_extra_properties(tmp_path: Path, encoding: str) -> None:
    properties = [('short', 'quality'), ('double', 'z'), ('int', 'segment'), ('float32', 'b'),
                  ('double', 'x'), ('float32', 'g'), ('float32', 'r'), ('uint8', 'alpha'),
                  ('double', 'y')]
    rows = [[-3, z, 1000 - i, i / 8, x, 0.5, 0.25, 255, y] for i, (x, y, z) in enumerate(XYZ)]
    scan = read_ply(ply(tmp_path / 'a.ply', encoding, [('vertex', properties, rows)]))
    assert scan.xyz.dtype == np.float64
    np.testing.assert_array_equal(scan.xyz, XYZ)
    assert scan.color is not None and scan.segment is not None
    np.testing.assert_array_equal(scan.color, [[0.25, 0.5, i / 8] for i in range(8)])
    np.testing.assert_array_equal(scan.segment, 1000 - np.arange(8))


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_elements_around_the_vertices_are_skipped(tmp_path: Path, encoding: str) -> None:
    faces = [('list', 'uchar', 'int', 'vertex_indices'), ('short', 'material')]
    face_rows = [[counted(0, 1, 2), 4], [counted(), 5], [counted(3, 4, 5, 6, 7), 6]]
    camera = [('float', 'x'), ('float', 'view')]
    path = ply(tmp_path / 'a.ply', encoding, [
        ('camera', camera, [[9.0, 8.0]]), ('face', faces, face_rows), ('vertex', VERTEX, ROWS),
        ('tristrips', faces, face_rows)])
    scan = read_ply(path)
    np.testing.assert_array_equal(scan.xyz, XYZ)
    np.testing.assert_allclose(scan.color, RGB / 255, atol=1e-6)


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_vertices_with_lists(tmp_path: Path, encoding: str) -> None:
    properties = [('float', 'x'), ('list', 'uchar', 'int', 'seen_by'), ('float', 'y'),
                  ('list', 'int32', 'double', 'weights'), ('float', 'z')]
    rows = [[float(x), counted(*range(i)), float(y), counted(*range(3 - i % 3)), float(z)]
            for i, (x, y, z) in enumerate(XYZ)]
    scan = read_ply(ply(tmp_path / 'a.ply', encoding, [('vertex', properties, rows)]))
    np.testing.assert_array_equal(scan.xyz, XYZ)
    assert scan.color is None


TRIANGLES = [[counted(0, 1, 2)], [counted(3, 7, 1)], [counted(5, 4, 6)]]


@pytest.mark.parametrize('encoding', ENCODINGS)
@pytest.mark.parametrize('name', ['vertex_indices', 'vertex_index'])
def test_faces(tmp_path: Path, encoding: str, name: str) -> None:
    corners = [('list', 'uchar', 'int', name)]
    textured = [*corners, ('list', 'uchar', 'float', 'texcoord'), ('short', 'flags')]
    more = [[*row, counted(*range(6)), -3] for row in TRIANGLES]
    expected = [[0, 1, 2], [3, 7, 1], [5, 4, 6]]
    for number, elements in enumerate((
            [('vertex', VERTEX, ROWS), ('face', corners, TRIANGLES)],
            [('face', textured, more), ('edge', [('int', 'a')], [[1]]),
             ('vertex', VERTEX, ROWS)])):
        faces = read_faces(ply(tmp_path / f'{number}.ply', encoding, elements))
        np.testing.assert_array_equal(faces, expected)
        assert faces is not None and faces.dtype == np.int64


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_unsupported_faces_are_rejected(tmp_path: Path, encoding: str) -> None:
    corners = [('list', 'uchar', 'int', 'vertex_indices')]

    def faces(*rows: list[int]) -> Path:
        return ply(tmp_path / 'a.ply', encoding, [
            ('vertex', VERTEX, ROWS), ('face', corners, [[row] for row in rows])])

    for rows in ([counted(0, 1, 2, 3)] * 2, [counted(0, 1, 2), counted(0, 1, 2, 3)],
                 [counted(0, 1, 2), counted()]):
        with pytest.raises(InputError, match='a.ply: expected triangles'):
            read_faces(faces(*rows))
    with pytest.raises(InputError, match=r'a.ply: expected faces of vertices 0..7, got 0..8'):
        read_faces(faces(counted(0, 1, 8)))
    assert read_faces(faces()) is None
    assert read_faces(ply(tmp_path / 'a.ply', encoding, [('vertex', VERTEX, ROWS)])) is None


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_truncated_faces_are_rejected(tmp_path: Path, encoding: str) -> None:
    corners = [('list', 'uchar', 'int', 'vertex_indices')]
    content = ply(tmp_path / 'a.ply', encoding, [
        ('vertex', VERTEX, ROWS), ('face', corners, TRIANGLES)]).read_bytes()
    for cut in range(2, 15):
        (tmp_path / 'cut.ply').write_bytes(content[:-cut])
        with pytest.raises(InputError, match='cut.ply: '):
            read_faces(tmp_path / 'cut.ply')


def test_property_names_of_cloudcompare(tmp_path: Path) -> None:
    properties = [('float', 'X'), ('float', 'Y'), ('float', 'Z'), ('float', 'scalar_Segment')]
    rows = [[*map(float, p), float(i)] for i, p in enumerate(XYZ)]
    scan = read_ply(ply(tmp_path / 'a.ply', 'ascii', [('vertex', properties, rows)]))
    np.testing.assert_array_equal(scan.segment, range(8))
    assert scan.unused_fields == ()


@pytest.mark.parametrize('line', ['comment by Åsa', 'comment TextureFile 部屋の全部.png'])
def test_comments_in_any_script(tmp_path: Path, line: str) -> None:
    path = ply(tmp_path / 'a.ply', 'ascii', [('vertex', VERTEX, ROWS)])
    path.write_bytes(path.read_bytes().replace(b'comment by hand', line.encode()))
    np.testing.assert_array_equal(read_ply(path).xyz, XYZ.astype(np.float32))


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_the_last_of_two_equal_property_names_is_used(tmp_path: Path, encoding: str) -> None:
    properties = [('float', 'x'), *VERTEX, ('list', 'uchar', 'int', 'near')]
    rows = [[9.0, *row, counted(*range(number % 3))] for number, row in enumerate(ROWS)]
    path = ply(tmp_path / 'a.ply', encoding, [('vertex', properties, rows)])
    np.testing.assert_array_equal(read_ply(path).xyz, XYZ.astype(np.float32))


def test_ascii_nan_and_inf(tmp_path: Path) -> None:
    rows = [[*row] for row in ROWS] + [[np.nan, 0, 0, 1, 2, 3], [0, -np.inf, 0, 1, 2, 3]]
    scan = read_ply(ply(tmp_path / 'a.ply', 'ascii', [('vertex', VERTEX, rows[::-1])]))
    np.testing.assert_array_equal(scan.kept, np.arange(2, 10))
    np.testing.assert_array_equal(scan.xyz, XYZ[::-1])
    assert scan.input_size == 10


@pytest.mark.parametrize('encoding', ENCODINGS)
@pytest.mark.parametrize('lists', [False, True])
def test_truncated_files_are_rejected(tmp_path: Path, encoding: str, lists: bool) -> None:
    properties = [*VERTEX, *([('list', 'uchar', 'int', 'seen_by')] if lists else [])]
    rows = [[*row, *([counted(1, 2)] if lists else [])] for row in ROWS]
    content = ply(tmp_path / 'a.ply', encoding, [('vertex', properties, rows)]).read_bytes()
    end = len(content) - (2 if encoding == 'ascii' else 1)  # ascii: the newline, a digit
    for size in range(0, end, 3):
        (tmp_path / 'cut.ply').write_bytes(content[:size])
        with pytest.raises(InputError, match='cut.ply: '):
            read_ply(tmp_path / 'cut.ply')


HEADER = 'ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\n'


@pytest.mark.parametrize(('text', 'words'), [
    ('solid', "does not start with 'ply'"),
    (HEADER, 'no end_header'),
    (HEADER + 'end_header\n1\n', 'x, y and z, got: x'),
    ('ply\nelement vertex 1\nproperty float x\nend_header\n', 'got none'),
    ('ply\nformat binary_middle 1.0\nend_header\n', 'got binary_middle'),
    ('ply\nformat ascii 1.0\nend_header\n', 'got: no elements'),
    ('ply\nformat ascii 1.0\nelement face 0\nend_header\n', 'got: face'),
    ('ply\nformat ascii 1.0\nproperty float x\nend_header\n', "'property float x'"),
    (HEADER + 'property quad y\nend_header\n', "'property quad y'"),
    (HEADER + 'property list float int y\nend_header\n', "'property list float int y'"),
    ('ply\nformat ascii 1.0\nelement vertex -1\nend_header\n', "'-1' rows"),
    (HEADER + 'property float y\nproperty float z\nend_header\n1 2 three\n', 'three'),
    (HEADER + 'property float y\nproperty float z\nproperty uchar red\nend_header\n1 2 3 256\n',
     'property red has the value 256, expected 0..255'),
    (HEADER.replace('vertex 1', 'vertex 99999999999')
     + 'property float y\nproperty float z\nend_header\n1 2 3\n', 'the file is truncated'),
    (HEADER.replace('vertex 1', 'vertex ' + '9' * 20)
     + 'property float y\nproperty float z\nend_header\n1 2 3\n', 'the file is truncated'),
    (HEADER + 'property float y\nproperty float z\nend_header\n1 2 3 255\n', 'got more: does'),
    (HEADER + 'element vertex 2\nend_header\n', 'each element once, got: vertex, vertex'),
])
def test_invalid_files_are_named_in_the_error(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / 'bad.ply').write_text(text)
    with pytest.raises(InputError) as raised:
        read_ply(tmp_path / 'bad.ply')
    assert words in str(raised.value) and 'bad.ply: ' in str(raised.value)


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='none.ply: No such file'):
        read_ply(tmp_path / 'none.ply')
    with pytest.raises(InputError, match='nowhere'):
        write_ply(tmp_path / 'nowhere' / 'a.ply', np.zeros(1, [('x', 'f4')]))


@given(strategies.integers(8, 40), strategies.sampled_from(['f4', 'f8', '>f8']),
       strategies.integers(0, 2 ** 32 - 1))
def test_write_and_read_are_inverse(tmp_path_factory: pytest.TempPathFactory, count: int,
                                    dtype: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    points = np.zeros(count, [('z', dtype), ('red', 'u1'), ('x', dtype), ('segment', 'i4'),
                              ('green', 'u1'), ('blue', 'u1'), ('y', dtype), ('odd', 'i2')])
    for name in points.dtype.names or ():
        points[name] = random.integers(0, 255, count)
    path = tmp_path_factory.mktemp('ply') / 'a.ply'
    write_ply(path, points, 'a comment')
    scan = read_ply(path)
    np.testing.assert_array_equal(scan.xyz, np.stack([points[axis] for axis in 'xyz'], axis=1))
    assert scan.color is not None and scan.segment is not None
    np.testing.assert_array_equal(np.rint(scan.color[:, 1] * 255), points['green'])
    np.testing.assert_array_equal(scan.segment, points['segment'])


@pytest.mark.parametrize('encoding', ENCODINGS)
@pytest.mark.parametrize('end', [b'\n', b'\r\n', b'\r'])
@pytest.mark.parametrize('comment', [
    b'comment end_header', b'obj_info no end_header here', b'', b'   ', b'comment'])
def test_headers_of_other_programs(tmp_path: Path, encoding: str, end: bytes, comment: bytes,
                                   ) -> None:
    path = ply(tmp_path / 'a.ply', encoding, [('vertex', VERTEX, ROWS)])
    head, _, body = path.read_bytes().partition(b'end_header\n')
    head = head.replace(b'comment by hand', comment).replace(b'\n', end)
    if encoding == 'ascii':
        body = body.replace(b'\n', end)
    path.write_bytes(head + b'end_header' + end + body)
    scan = read_ply(path)
    np.testing.assert_array_equal(scan.xyz, XYZ)
    np.testing.assert_allclose(scan.color, RGB / 255, atol=1e-6)


@pytest.mark.parametrize('lists', [False, True])
def test_blank_lines_between_rows(tmp_path: Path, lists: bool) -> None:
    properties = [*VERTEX, *([('list', 'uchar', 'int', 'seen_by')] if lists else [])]
    rows = [[*row, *([counted(*range(place % 3))] if lists else [])]
            for place, row in enumerate(ROWS)]
    path = ply(tmp_path / 'a.ply', 'ascii', [('vertex', properties, rows)])
    head, mark, body = path.read_bytes().partition(b'end_header\n')
    path.write_bytes(head + mark + b'\n \n' + body.replace(b'\n', b'\n\n'))
    np.testing.assert_array_equal(read_ply(path).xyz, XYZ)


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_vertices_with_lists_are_read_fast(tmp_path: Path, encoding: str) -> None:
    """Row by row with numpy it took 9 s for 300,000 points."""
    count = 60_000
    properties = [('float', 'x'), ('float', 'y'), ('list', 'uchar', 'int', 'seen_by'),
                  ('float', 'z')]
    xyz = np.random.default_rng(0).random((count, 3)).astype(np.float32)
    rows = [[float(x), float(y), counted(*range(place % 3)), float(z)]
            for place, (x, y, z) in enumerate(xyz)]
    path = ply(tmp_path / 'a.ply', encoding, [('vertex', properties, rows)])
    start = time.process_time()
    scan = read_ply(path)
    assert time.process_time() - start < 0.8  # 0.1 s on an idle machine
    np.testing.assert_allclose(scan.xyz, xyz, atol=1e-5)


def test_nan_as_programs_on_windows_write_it(tmp_path: Path) -> None:
    rows = [f'{x} 0 0' for x in range(9)] + ['-nan(ind) 0 0', '1.#QNAN 0 0', '0 -1.#IND 0']
    (tmp_path / 'a.ply').write_text(
        'ply\nformat ascii 1.0\nelement vertex 12\n'
        + ''.join(f'property float {axis}\n' for axis in 'xyz')
        + 'end_header\n' + '\n'.join(rows))
    scan = read_ply(tmp_path / 'a.ply')
    assert len(scan) == 9 and scan.input_size == 12


@pytest.mark.parametrize('encoding', ['ascii', 'binary_little_endian'])
def test_more_rows_than_the_header_says_are_no_loss_without_a_word(tmp_path: Path,
                                                                   encoding: str) -> None:
    xyz = np.arange(60, dtype='<f4').reshape(20, 3)
    body = ('\n'.join(' '.join(map(str, row)) for row in xyz).encode() if encoding == 'ascii'
            else xyz.tobytes())
    for count in (20, 19):
        header = (f'ply\nformat {encoding} 1.0\nelement vertex {count}\n'
                  + ''.join(f'property float {axis}\n' for axis in 'xyz') + 'end_header\n')
        (tmp_path / 'a.ply').write_bytes(header.encode() + body + b'\n')
        if count == 20:
            assert len(read_ply(tmp_path / 'a.ply')) == 20
            continue
        with pytest.raises(InputError, match='expected 19 rows as its header says, got more'):
            read_ply(tmp_path / 'a.ply')


def test_whole_numbers_as_positions(tmp_path: Path) -> None:
    xyz = np.arange(60, dtype='<i4').reshape(20, 3) * 1000
    header = ('ply\nformat binary_little_endian 1.0\nelement vertex 20\n'
              + ''.join(f'property int {axis}\n' for axis in 'xyz') + 'end_header\n')
    (tmp_path / 'a.ply').write_bytes(header.encode() + xyz.tobytes())
    np.testing.assert_array_equal(read_ply(tmp_path / 'a.ply', Conventions(unit=0.001)).xyz,
                                  xyz * 0.001)
