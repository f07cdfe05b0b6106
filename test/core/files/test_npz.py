"""Scans in .npz archives."""

from __future__ import annotations

from pathlib import Path

from mask3d_core.errors import InputError
from mask3d_core.files.npz import read_npz
import numpy as np
from numpy.typing import NDArray
import pytest

XYZ = np.arange(24, dtype=np.float64).reshape(8, 3) / 8
RGB = np.arange(24, dtype=np.uint8).reshape(8, 3) * 10


@pytest.mark.parametrize(('xyz', 'color'), [('xyz', 'color'), ('points', 'colors')])
@pytest.mark.parametrize('rgb', [RGB, RGB / 255, (RGB / 255).astype(np.float32)])
def test_names_and_types(tmp_path: Path, xyz: str, color: str, rgb: NDArray) -> None:
    np.savez_compressed(tmp_path / 'a.npz', **{xyz: XYZ, color: rgb, 'segment': np.arange(8),
                                               'other': np.zeros(3)})
    scan = read_npz(tmp_path / 'a.npz')
    np.testing.assert_array_equal(scan.xyz, XYZ)
    np.testing.assert_allclose(scan.color, RGB / 255, atol=1e-6)
    np.testing.assert_array_equal(scan.segment, np.arange(8))


def test_only_positions(tmp_path: Path) -> None:
    np.savez(tmp_path / 'a.npz', points=XYZ)
    scan = read_npz(tmp_path / 'a.npz')
    assert scan.color is None and scan.segment is None and len(scan) == 8


def test_invalid_files_are_named_in_the_error(tmp_path: Path) -> None:
    np.savez(tmp_path / 'no_xyz.npz', color=RGB)
    np.savez(tmp_path / 'pickled.npz', xyz=np.array([None] * 8))
    np.savez(tmp_path / 'flat.npz', xyz=XYZ.ravel())
    np.save(tmp_path / 'single.npy', XYZ)
    (tmp_path / 'single.npy').rename(tmp_path / 'single.npz')
    (tmp_path / 'text.npz').write_text('x y z')
    (tmp_path / 'empty.npz').touch()
    content = (tmp_path / 'flat.npz').read_bytes()
    (tmp_path / 'cut.npz').write_bytes(content[:len(content) // 2])
    (tmp_path / 'damaged.npz').write_bytes(content[:150] + b'damage' + content[156:])
    np.savez_compressed(tmp_path / 'packed.npz', xyz=np.random.default_rng(0).random((99, 3)))
    packed = (tmp_path / 'packed.npz').read_bytes()
    (tmp_path / 'packed.npz').write_bytes(packed[:300] + b'\xff' * 200 + packed[500:])
    unreadable = dict.fromkeys(('text', 'empty', 'cut', 'damaged', 'packed'), 'not a readable')
    for name, words in {'no_xyz': "'xyz' or 'points'", 'pickled': 'allow_pickle', 'flat': '[24]',
                        'single': 'single .npy', 'absent': 'No such file', **unreadable}.items():
        with pytest.raises(InputError) as raised:
            read_npz(tmp_path / f'{name}.npz')
        assert f'{name}.npz: ' in str(raised.value) and words in str(raised.value)


@pytest.mark.parametrize(('arrays', 'words'), [
    ({'x': XYZ[:, 0], 'y': XYZ[:, 1], 'z': XYZ[:7, 2]}, 'expected z with 8 values'),
    ({'xyz': XYZ, 'color': RGB[:7]}, r"array 'color' of shape \[8, 3\], got \[7, 3\]"),
    ({'xyz': XYZ, 'red': RGB[:, 0], 'green': RGB[:, 1], 'blue': RGB[:7, 2]},
     'expected blue with 8 values'),
    ({'xyz': XYZ, 'segment': np.arange(9)}, 'expected segment with 8 values'),
    ({'xyz': np.zeros((3, 90))}, r'a row for each point, got .* \[3, 90\]: transpose')])
def test_arrays_of_other_lengths(tmp_path: Path, arrays: dict[str, NDArray], words: str) -> None:
    np.savez(tmp_path / 'a.npz', **arrays)  # type: ignore[arg-type,unused-ignore]
    with pytest.raises(InputError, match=f'a.npz: .*{words}'):
        read_npz(tmp_path / 'a.npz')


@pytest.mark.parametrize('name', ['XYZ', 'Points', 'coords', 'positions', 'vertices'])
def test_other_names_of_positions(tmp_path: Path, name: str) -> None:
    np.savez(tmp_path / 'a.npz', **{name: XYZ})
    np.testing.assert_array_equal(read_npz(tmp_path / 'a.npz').xyz, XYZ)


def test_columns_and_rows_with_colours(tmp_path: Path) -> None:
    np.savez(tmp_path / 'a.npz', x=XYZ[:, 0], y=XYZ[:, 1], z=XYZ[:, 2], R=RGB[:, 0], G=RGB[:, 1],
             B=RGB[:, 2])
    np.savez(tmp_path / 'b.npz', points=np.column_stack([XYZ, RGB]))
    for name in ('a', 'b'):
        scan = read_npz(tmp_path / f'{name}.npz')
        np.testing.assert_array_equal(scan.xyz, XYZ)
        np.testing.assert_allclose(scan.color, RGB / 255, atol=1e-6)
