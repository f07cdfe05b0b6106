"""STPLS3D in the layout it is shipped in, to a data set."""

from __future__ import annotations

from pathlib import Path

from mask3d_core.cli import main
from mask3d_core.files.stpls3d import read_stpls3d_scene, stpls3d_sources
from mask3d_core.training.dataset import Dataset, inner_points
import numpy as np
import pytest

CORNER = np.array([500.0, -300.0, 20.0])
"""Of the scenes, metres."""


def rows_of(seed: int, size: tuple[float, float], count: int = 400) -> np.ndarray:
    """Return x, y, z, red, green, blue, class and instance; class 0 is the ground."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate([np.round(rng.uniform((0, 0, 0), (*size, 9), (count, 3)), 3),
                           rng.integers(0, 256, (count, 3)),
                           rng.integers(0, 15, (count, 1)), rng.integers(0, 30, (count, 1))], 1)
    rows[0, :3] = 0
    rows[rows[:, 6] == 0, 7] = -100
    return rows + [*CORNER, 0, 0, 0, 0, 0]


def write_scene(folder: Path, name: str, rows: np.ndarray) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(''.join(
        ','.join(f'{value:.6f}' for value in row) + '\n' for row in rows))
    return folder / name


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / 'raw' / 'Synthetic_v3_InstanceSegmentation'
    for number in (1, 5, 24, 25):
        write_scene(folder, f'{number}_points_GTv3.txt', rows_of(number, (120, 60)))
    write_scene(folder, '26_points.txt', rows_of(26, (40, 30))[:, :6])
    (folder / 'readme.txt').write_text('hello')
    return tmp_path / 'raw'


def test_from_raw_to_data_set(raw: Path, tmp_path: Path) -> None:
    assert main(['prepare', 'stpls3d', str(raw), str(tmp_path / 'out'), '--workers', '1']) == 0

    data = Dataset.open(tmp_path / 'out')
    assert data.split('train') == ['1_points_GTv3', '24_points_GTv3']
    assert data.split('validation') == [f'{scene}_points_GTv3_{block}' for scene in (5, 25)
                                        for block in range(6)]
    assert data.split('test') == ['26_points_0']
    assert data.min_region_size == 10 and data.voxel_size == 0.333
    scene, rows = data.read('1_points_GTv3'), rows_of(1, (120, 60))
    np.testing.assert_allclose(scene.scan.xyz, rows[:, :3] - CORNER, atol=1e-4)
    np.testing.assert_array_equal(np.rint(255 * scene.scan.color), rows[:, 3:6])
    object_ = rows[:, 6] > 0
    np.testing.assert_array_equal(scene.label, np.where(object_, rows[:, 6], -1))
    np.testing.assert_array_equal(scene.instance, np.where(object_, rows[:, 7], -1))
    assert set(data.read('26_points_0').label) == {-1}


def test_blocks_have_a_margin_and_share_no_inner_point(raw: Path, tmp_path: Path) -> None:
    main(['prepare', 'stpls3d', str(raw), str(tmp_path / 'out'), '--workers', '1'])
    data = Dataset.open(tmp_path / 'out')
    rows = rows_of(5, (120, 60))
    counted = np.zeros(len(rows), int)
    for number in range(6):
        name = f'5_points_GTv3_{number}'
        block, inner = data.read(name), data.scans[name].inner
        assert inner is not None
        low, high = np.array(inner[:2]), np.array(inner[2:])
        assert (high - low == 50).all()
        xy = block.scan.xyz[:, :2]
        assert (xy >= low - 2).all() and (xy < high + 2).all()
        margin = ~inner_points(block, data.scans[name])
        assert 0 < margin.sum() < 0.5 * len(block)
        distance = np.linalg.norm(rows[:, None, :3] - CORNER - block.scan.xyz[~margin], axis=2)
        counted[distance.argmin(0)] += 1
    np.testing.assert_array_equal(counted, 1)


def test_damage_is_named(tmp_path: Path) -> None:
    file = write_scene(tmp_path, '1_points_GTv3.txt', rows_of(0, (20, 20))[:, :6])
    with pytest.raises(ValueError, match=r'1_points_GTv3\.txt: 400 of 400 lines are not rows'):
        read_stpls3d_scene(file, True, False)
    file.write_text('')
    with pytest.raises(ValueError, match=r'1_points_GTv3\.txt: expected points, the file is emp'):
        read_stpls3d_scene(file, True, False)
    file.unlink()
    with pytest.raises(ValueError, match='is not STPLS3D: expected files like 1_points_GTv3'):
        stpls3d_sources(tmp_path)
