"""The suffix of a file selects the reader."""

from __future__ import annotations

from pathlib import Path

from mask3d_core.errors import InputError
from mask3d_core.files import read_scan
from mask3d_core.files.formats import scan_name
from mask3d_core.files.ply import write_ply
import numpy as np
import pytest
from shared import find_shared

XYZ = np.arange(24, dtype=np.float32).reshape(8, 3)
DEMO = Path(__file__).resolve().parents[3] / 'demo' / 'office.ply'


def test_each_suffix(tmp_path: Path) -> None:
    np.savez(tmp_path / 'a.npz', xyz=XYZ)
    write_ply(tmp_path / 'a.PLY', XYZ.view([('x', 'f4'), ('y', 'f4'), ('z', 'f4')])[:, 0])
    rows = ''.join(f'{x} {y} {z}\n' for x, y, z in XYZ)
    (tmp_path / 'a.pcd').write_text('FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nPOINTS 8\n'
                                    f'DATA ascii\n{rows}')
    for name in ('a.npz', 'a.PLY', 'a.pcd'):
        np.testing.assert_array_equal(read_scan(tmp_path / name).xyz, XYZ)
        np.testing.assert_array_equal(read_scan(str(tmp_path / name)).xyz, XYZ)
        with pytest.raises(InputError, match='only bags have topics'):
            read_scan(tmp_path / name, '/map')


def test_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bag = tmp_path / 'map.1'
    bag.mkdir()
    assert scan_name(bag) == scan_name(f'{bag}/') == 'map.1'
    assert scan_name(tmp_path / 'hall.2.ply') == 'hall.2'
    monkeypatch.chdir(bag)
    assert scan_name('.') == 'map.1'


def test_bags() -> None:
    pytest.importorskip('rosbags', reason='needs the extra bags')
    folder = find_shared('data/bags/lidar_xyzirt_1msg_db3')
    assert len(read_scan(folder)) == 64000
    assert len(read_scan(next(folder.glob('*.db3')), '/lidar/points')) == 64000


@pytest.mark.parametrize(('name', 'words'), [
    ('a.gif', "unknown format '.gif', expected .ply, .pcd, .npz, .npy, "),
    ('a.gif', '.mcap, .db3 or the folder'), ('a.fls', 'export it as .e57'),
    ('noname', 'without suffix'), ('a.bag', 'rosbags-convert')])
def test_unknown_formats(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(InputError, match='no such file'):
        read_scan(tmp_path / name)
    (tmp_path / name).touch()
    with pytest.raises(InputError) as raised:
        read_scan(tmp_path / name)
    assert words in str(raised.value) and name in str(raised.value)


def test_the_demo_scan_stands_upright_on_its_floor() -> None:
    scan = read_scan(DEMO)
    assert DEMO.stat().st_size < 2.5e6 and len(scan) == 138033
    assert scan.color is not None
    carpet = (np.abs(scan.xyz[:, 2]) < 0.05) & (scan.xyz[:, 0] > 3)
    assert carpet.sum() > 5000
    assert np.ptp(scan.xyz[:, 2]) > 3 and scan.color[carpet].mean() < 0.4 < scan.color.mean()
