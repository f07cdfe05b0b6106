"""Variants of .pcd, generated here, and real clouds."""

from __future__ import annotations

from pathlib import Path
import struct
import time

from hypothesis import given, strategies
from mask3d_core.errors import InputError
from mask3d_core.files import lzf
from mask3d_core.files.pcd import read_pcd
import numpy as np
import pytest
from shared import find_shared

XYZ = np.arange(24, dtype=np.float32).reshape(8, 3) / 8
RGB = np.arange(24, dtype=np.uint8).reshape(8, 3) * 10
PACKED = 255 << 24 | RGB.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
ENCODINGS = ['ascii', 'binary', 'binary_compressed']


def compress(data: bytes) -> bytes:
    """Compress with LZF: greedy matches of at least 3 bytes, otherwise literals."""
    out, literals, here = bytearray(), bytearray(), 0

    def flush() -> None:
        for start in range(0, len(literals), 32):
            run = literals[start:start + 32]
            out.extend([len(run) - 1, *run])
        literals.clear()

    last: dict[bytes, int] = {}
    while here < len(data):
        start = last.get(data[here:here + 3], -1)
        last[data[here:here + 3]] = here
        back = here - start
        if start < 0 or back > 8192 or here + 3 > len(data):
            literals.append(data[here])
            here += 1
            continue
        length = 3
        while length < 264 and here + length < len(data) \
                and data[start + length] == data[here + length]:
            length += 1
        flush()
        if length < 9:
            out.extend([length - 2 << 5 | back - 1 >> 8, back - 1 & 255])
        else:
            out.extend([7 << 5 | back - 1 >> 8, length - 9, back - 1 & 255])
        here += length
    flush()
    return bytes(out)


def pcd(path: Path, encoding: str, fields: list[tuple[str, str, np.ndarray]],
        size: tuple[int, int] | None = None, header: str = '') -> Path:
    """Write fields: name, TYPE, values of shape [N] or [N, COUNT]."""
    columns = [np.atleast_2d(values.T).T for _, _, values in fields]
    width, height = size or (len(columns[0]), 1)
    text = header or '\n'.join([
        '# .PCD v0.7 - Point Cloud Data file format', 'VERSION 0.7',
        'FIELDS ' + ' '.join(name for name, _, _ in fields),
        'SIZE ' + ' '.join(str(c.dtype.itemsize) for c in columns),
        'TYPE ' + ' '.join(kind for _, kind, _ in fields),
        'COUNT ' + ' '.join(str(c.shape[1]) for c in columns),
        f'WIDTH {width}', f'HEIGHT {height}', 'VIEWPOINT 1 2 3 0 1 0 0',
        f'POINTS {len(columns[0])}', f'DATA {encoding}\n'])
    if encoding == 'ascii':
        rows = zip(*columns)
        body = ''.join(' '.join(repr(v.item()) for values in row for v in values) + '\n'
                       for row in rows).encode()
    elif encoding == 'binary':
        body = b''.join(values.tobytes() for row in zip(*columns) for values in row)
    else:
        plain = b''.join(values.tobytes() for values in columns)
        packed = compress(plain)
        body = struct.pack('<II', len(packed), len(plain)) + packed
    path.write_bytes(text.encode() + body)
    return path


AXES = [(axis, 'F', values) for axis, values in zip('xyz', XYZ.T)]


@pytest.mark.parametrize('encoding', ENCODINGS)
@pytest.mark.parametrize('name', ['rgb', 'rgba'])
def test_packed_color(tmp_path: Path, encoding: str, name: str) -> None:
    scan = read_pcd(pcd(tmp_path / 'a.pcd', encoding, [*AXES, (name, 'U', PACKED)]))
    np.testing.assert_array_equal(scan.xyz, XYZ)
    np.testing.assert_allclose(scan.color, RGB / 255, atol=1e-6)


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_color_packed_in_a_float(tmp_path: Path, encoding: str) -> None:
    bits = PACKED & 0xffffff if encoding == 'ascii' else PACKED  # text keeps no bits of a NaN
    scan = read_pcd(pcd(tmp_path / 'a.pcd', encoding,
                        [('rgb', 'F', bits.view(np.float32)), *AXES]))
    np.testing.assert_array_equal(scan.xyz, XYZ)
    np.testing.assert_allclose(scan.color, RGB / 255, atol=1e-6)


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_counts_padding_and_separate_color(tmp_path: Path, encoding: str) -> None:
    histogram = np.arange(24, dtype=np.float32).reshape(8, 3)
    xyz = XYZ.astype(np.float64) + 0.1
    fields = [('histogram', 'F', histogram), ('x', 'F', xyz[:, 0]),
              ('_', 'U', np.full((8, 5), 7, np.uint8)), ('g', 'U', RGB[:, 1]),
              ('y', 'F', xyz[:, 1]), ('z', 'F', xyz[:, 2]), ('b', 'U', RGB[:, 2]),
              ('segment', 'I', np.arange(8, dtype=np.int16) - 4), ('r', 'U', RGB[:, 0]),
              ('_', 'I', np.zeros(8, np.int64))]
    scan = read_pcd(pcd(tmp_path / 'a.pcd', encoding, fields))
    assert scan.segment is not None and scan.xyz.dtype == np.float64
    np.testing.assert_array_equal(scan.xyz, xyz)
    np.testing.assert_allclose(scan.color, RGB / 255, atol=1e-6)
    np.testing.assert_array_equal(scan.segment, np.arange(8) - 4)


def test_compressed_without_its_padding(tmp_path: Path) -> None:
    """As written by PCL: the header can list padding that the data does not contain."""
    path = pcd(tmp_path / 'a.pcd', 'binary_compressed', AXES)
    padded = path.read_bytes().replace(b'FIELDS x', b'FIELDS _ x').replace(
        b'SIZE 4', b'SIZE 1 4').replace(b'TYPE F', b'TYPE U F').replace(b'COUNT 1', b'COUNT 4 1')
    path.write_bytes(padded)
    np.testing.assert_array_equal(read_pcd(path).xyz, XYZ)


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_organized_with_invalid_points(tmp_path: Path, encoding: str) -> None:
    xyz = np.tile(XYZ, (2, 1))
    xyz[[2, 11]] = np.nan
    fields = [(axis, 'F', values) for axis, values in zip('xyz', xyz.T)]
    scan = read_pcd(pcd(tmp_path / 'a.pcd', encoding, fields, (4, 4)))
    np.testing.assert_array_equal(scan.kept, np.delete(np.arange(16), [2, 11]))
    np.testing.assert_array_equal(scan.xyz, xyz[scan.kept])
    assert scan.input_size == 16 and scan.color is None


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_an_empty_cloud(tmp_path: Path, encoding: str) -> None:
    path = pcd(tmp_path / 'a.pcd', encoding, [(name, kind, v[:0]) for name, kind, v in AXES])
    with pytest.raises(InputError, match='0 finite points of 0'):
        read_pcd(path)


def test_old_headers(tmp_path: Path) -> None:
    header = ('COLUMNS x y z\r\nSIZE 4 4 4\r\nTYPE F F F\r\nWIDTH 4\r\nHEIGHT 2 # rows\r\n'
              'DATA ascii\r\n')
    scan = read_pcd(pcd(tmp_path / 'a.pcd', 'ascii', AXES, header=header))
    np.testing.assert_array_equal(scan.xyz, XYZ)


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_truncated_files_are_rejected(tmp_path: Path, encoding: str) -> None:
    content = pcd(tmp_path / 'a.pcd', encoding, [*AXES, ('rgb', 'U', PACKED)]).read_bytes()
    for size in range(0, len(content) - 11, 5):  # ascii: a last number without some digits
        (tmp_path / 'cut.pcd').write_bytes(content[:size])
        with pytest.raises(InputError, match='cut.pcd: '):
            read_pcd(tmp_path / 'cut.pcd')


HEADER = 'FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nWIDTH 1\nPOINTS 1\nDATA ascii\n1 2 3\n'


@pytest.mark.parametrize(('old', 'new', 'words'), [
    ('DATA ascii', 'DATUM', 'no DATA line'),
    ('FIELDS x y z', 'FIELDS x y', 'got: x, y'),
    ('FIELDS x y z\n', '', 'got: no fields'),
    ('SIZE 4 4 4', 'SIZE 4 4', '3 FIELDS, 2 SIZE'),
    ('SIZE 4 4 4', 'SIZE 4 4 5', "'z' has TYPE F, SIZE 5"),
    ('TYPE F F F', 'TYPE F F G', "'z' has TYPE G"),
    ('WIDTH 1', 'COUNT 1 1 0', "'z' has TYPE F, SIZE 4, COUNT 0"),
    ('WIDTH 1\nPOINTS 1\n', '', 'how many points'),
    ('POINTS 1', 'POINTS -1', 'how many points'),
    ('POINTS 1', 'POINTS many', 'how many points'),
    ('DATA ascii', 'DATA zip', 'got zip'),
    ('DATA ascii', 'DATA', 'got nothing'),
    ('1 2 3', '1 2 drei', 'drei'),
    ('1 2 3', '1 2 3', '1 finite points'),
    ('1 2 3', '1 2 3 4', 'got more: does the header name all fields'),
])
def test_invalid_files_are_rejected(tmp_path: Path, old: str, new: str, words: str) -> None:
    (tmp_path / 'bad.pcd').write_text(HEADER.replace(old, new))
    with pytest.raises(InputError) as raised:
        read_pcd(tmp_path / 'bad.pcd')
    assert words in str(raised.value) and 'bad.pcd: ' in str(raised.value)


@given(strategies.lists(strategies.sampled_from(
    [b'a', b'ab', b'abc', b'\0' * 40, b'\0' * 300, bytes(range(256))]), max_size=12),
    strategies.binary(max_size=200))
def test_decompress_inverts_compress(parts: list[bytes], rest: bytes) -> None:
    data = b''.join(parts) + rest
    assert lzf.decompress(compress(data), len(data)) == data


@pytest.mark.parametrize(('packed', 'size', 'words'), [
    (b'\x20\x05', 3, 'before its start'), (b'\x00a\x20', 4, 'is truncated'),
    (b'\x00a\xe0', 9, 'is truncated'),
    (b'\x02abc', 4, 'gives 3 bytes, expected 4'), (b'\x05abc', 6, 'gives 3 bytes')])
def test_damaged_compression_is_rejected(packed: bytes, size: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        lzf.decompress(packed, size)


REAL = {
    'learn13': (207451, 307200), 'test10': (199518, 307200), 'test55': (175178, 307200),
    'open3d_fragment': (113662, 113662), 'pcl_five_people': (239075, 307200),
    'pcl_office1': (254456, 307200), 'pcl_region_growing_rgb_tutorial': (259847, 307200)}


@pytest.mark.parametrize('name', REAL)
def test_real_clouds(name: str) -> None:
    start = time.process_time()
    scan = read_pcd(find_shared(f'data/clouds/{name}.pcd'))
    seconds = time.process_time() - start
    assert (len(scan), scan.input_size) == REAL[name]
    assert scan.color is not None and 0.3 < scan.color.mean() < 0.85
    assert np.abs(scan.xyz).max() < 10 and np.ptp(scan.xyz, axis=0).min() > 0.5
    assert seconds < 5


def test_more_points_than_the_header_says_are_no_loss_without_a_word(tmp_path: Path) -> None:
    points = np.arange(60, dtype='<f4').reshape(20, 3)
    for count in (20, 19):
        header = f'FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nPOINTS {count}\nDATA binary\n'
        (tmp_path / 'a.pcd').write_bytes(header.encode() + points.tobytes())
        if count == 20:
            assert len(read_pcd(tmp_path / 'a.pcd')) == 20
            continue
        with pytest.raises(InputError, match='expected 19 points .* got 240: correct FIELDS'):
            read_pcd(tmp_path / 'a.pcd')
