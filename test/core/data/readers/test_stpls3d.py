"""STPLS3D in the layout it is shipped in, to a data set, and to a submission."""

from __future__ import annotations

from pathlib import Path

from mask3d_core.cli import main
from mask3d_core.data.dataset import Dataset, inner_points
from mask3d_core.data.readers.stpls3d import read_stpls3d_scene, stpls3d_sources
from mask3d_core.errors import InputError
from mask3d_core.evaluation.predictions import read_predictions
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


def test_scenes_may_be_sorted_as_the_original_wants_them(raw: Path) -> None:
    folder = raw / 'Synthetic_v3_InstanceSegmentation'
    for split, scenes in (('train', (1, 24)), ('validation', (5, 25))):
        (folder / split).mkdir()
        for scene in scenes:
            name = f'{scene}_points_GTv3.txt'
            (folder / name).rename(folder / split / name)
    assert {(source.name.split('_')[0], source.split) for source in stpls3d_sources(raw)} == {
        ('1', 'train'), ('24', 'train'), ('5', 'validation'), ('25', 'validation'),
        ('26', 'test')}


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


def test_blocks_have_the_numbers_of_the_benchmark(raw: Path, tmp_path: Path) -> None:
    rows = rows_of(0, (100, 150))
    rows[1:5, :3] = CORNER + [[100, 150, 0], [50, 50, 0], [50, 10, 0], [25, 100, 0]]
    far = (rows[:, 0] > CORNER[0] + 50) & (rows[:, 1] > CORNER[1] + 50) & (
        rows[:, 1] < CORNER[1] + 100)
    file = write_scene(tmp_path, '7_points_GTv3.txt', rows[~far])
    scans = read_stpls3d_scene(file, True, True)
    # Two columns of three squares; the one that only has a corner point is left out.
    assert [(scan.name[-1], scan.inner) for scan in scans] == [
        ('0', (0, 0, 50, 50)), ('1', (0, 50, 50, 100)), ('2', (0, 100, 50, 150)),
        ('3', (50, 0, 100, 50)), ('5', (50, 100, 100, 150))]


def test_a_submission_holds_the_squares_without_their_margin(raw: Path, tmp_path: Path) -> None:
    main(['prepare', 'stpls3d', str(raw), str(tmp_path / 'out'), '--workers', '1'])
    data, found = Dataset.open(tmp_path / 'out'), tmp_path / 'found'
    found.mkdir()
    for name in data.split('validation'):
        block = data.read(name)
        inner = inner_points(block, data.scans[name])
        masks = [block.label < 7, block.label >= 7, ~inner, np.ones(len(block), bool)]
        np.savez(found / f'{name}.npz', num_points=len(block), masks=np.packbits(masks, axis=1),
                 class_id=np.array([3, 7, 1, 2]), score=np.array([0.9, 0.7, 0.5, 0.25]))
    assert main(['evaluate', str(tmp_path / 'out'), '--predictions', str(found), '-o',
                 str(tmp_path / 'scores'), '--export', str(tmp_path / 'export')]) == 0

    assert sorted(path.name for path in (tmp_path / 'export').iterdir()) == sorted(
        [f'{scene}_points_GTv3_0{number}_inst_nostuff.txt' for scene in (5, 25)
         for number in range(6)] + ['predicted_masks'])
    rows = rows_of(5, (120, 60))
    xy = (rows[:, :2] - CORNER[:2]).astype(np.float32)
    for number in range(6):
        left, front = 50 * (number // 2), 50 * (number % 2)
        square = ((xy >= [left, front]) & (xy <= [left + 50, front + 50])).all(axis=1)
        path = tmp_path / 'export' / f'5_points_GTv3_0{number}_inst_nostuff.txt'
        assert [line.split()[1:] for line in path.read_text().splitlines()] == [
            ['3', '0.9'], ['7', '0.7'], ['2', '0.25']]       # nothing of the margin's mask is left
        masks = np.unpackbits(read_predictions(path).masks, axis=1, count=square.sum())
        label = rows[square, 6]
        np.testing.assert_array_equal(masks, [label < 7, label >= 7, label >= 0])


def test_whole_scenes_are_no_submission(raw: Path, tmp_path: Path,
                                        capsys: pytest.CaptureFixture[str]) -> None:
    main(['prepare', 'stpls3d', str(raw), str(tmp_path / 'out'), '--workers', '1'])
    data = Dataset.open(tmp_path / 'out')
    (tmp_path / 'found').mkdir()
    for name in [*data.split('train'), *data.split('test')]:
        np.savez(tmp_path / 'found' / f'{name}.npz', masks=np.zeros((0, 0), np.uint8),
                 num_points=0, class_id=np.zeros(0, int), score=np.zeros(0))
    evaluate = ['evaluate', str(tmp_path / 'out'), '--predictions', str(tmp_path / 'found'), '-o',
                str(tmp_path / 'scores'), '--export', str(tmp_path / 'export'), '--split']
    capsys.readouterr()
    assert main([*evaluate, 'test']) == 0                    # without labels there are no scores
    assert 'mean of 0 classes' in capsys.readouterr().out
    assert (tmp_path / 'export' / '26_points_00_inst_nostuff.txt').read_text() == ''
    assert main([*evaluate, 'train']) == 1
    assert '1_points_GTv3 is a whole scene, but the benchmark' in capsys.readouterr().err


def test_damage_is_named(tmp_path: Path) -> None:
    file = write_scene(tmp_path, '1_points_GTv3.txt', rows_of(0, (20, 20))[:, :6])
    with pytest.raises(InputError, match=r'1_points_GTv3\.txt: 400 of 400 lines are not rows'):
        read_stpls3d_scene(file, True, False)
    file.write_text('')
    with pytest.raises(InputError, match=r'1_points_GTv3\.txt: expected points, the file is emp'):
        read_stpls3d_scene(file, True, False)
    file.unlink()
    with pytest.raises(InputError, match='is not STPLS3D: expected files like 1_points_GTv3'):
        stpls3d_sources(tmp_path)
