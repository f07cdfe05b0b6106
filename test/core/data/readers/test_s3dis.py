"""S3DIS in the layout it is shipped in, to a data set, and to scores."""

from __future__ import annotations

import json
from pathlib import Path

from mask3d_core.classes import load_classes
from mask3d_core.cli import main
from mask3d_core.data.dataset import Dataset
from mask3d_core.data.readers.s3dis import read_s3dis_room, s3dis_sources
from mask3d_core.errors import InputError
from mask3d_core.model.config import ModelConfig
from mask3d_core.weights.checkpoint import save_weights, untrained_weights
import numpy as np
import pytest

CLASSES = dict(zip(load_classes('s3dis').names, load_classes('s3dis').ids))


def rows_of(seed: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([np.round(rng.uniform(0, 9, (count, 3)), 3),
                           rng.integers(0, 256, (count, 3))], 1)


def text_of(rows: np.ndarray) -> str:
    """Return lines as the data set writes them: '0.123 4.5 6.789 12 34 56'."""
    return ''.join(f'{x:.3f} {y:.3f} {z:.3f} {r:.0f} {g:.0f} {b:.0f}\r\n'
                   for x, y, z, r, g, b in rows)


def write_room(root: Path, area: str, room: str, **instances: np.ndarray) -> Path:
    folder = root / area / room
    (folder / 'Annotations').mkdir(parents=True)
    for name, rows in instances.items():
        (folder / 'Annotations' / f'{name}.txt').write_text(text_of(rows))
    (folder / f'{room}.txt').write_text(text_of(np.concatenate(list(instances.values()))))
    return folder


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Return the data set with a room an area, two in Area_1."""
    root = tmp_path / 'raw' / 'Stanford3dDataset_v1.2_Aligned_Version'
    for number in range(1, 7):
        write_room(root, f'Area_{number}', 'office_10', chair_2=rows_of(number, 20),
                   chair_10=rows_of(number + 10, 30), ceiling_1=rows_of(number + 20, 10))
    write_room(root, 'Area_1', 'office_9', stairs_1=rows_of(40, 8), floor_1=rows_of(41, 9))
    (root / 'Area_1' / '.DS_Store').touch()
    (root / 'Area_1' / 'office_9' / 'Annotations' / '._floor_1.txt').write_bytes(b'\0\5\x16')
    (root / 'Area_1' / 'office_9' / 'Annotations' / 'Icon').touch()
    (root / 'Area_5' / 'Area_5_alignmentAngle.txt').touch()
    return tmp_path / 'raw'


def test_from_raw_to_data_set(raw: Path, tmp_path: Path,
                              capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['prepare', 's3dis', str(raw), str(tmp_path / 'out'), '--workers', '1']) == 0

    said = capsys.readouterr()
    assert '[7/7] Area_6_office_10  60 points\n' in said.err
    assert 'train           6 scans' in said.out
    data = Dataset.open(tmp_path / 'out')
    assert list(data.splits['train']) == ['Area_1_office_9', 'Area_1_office_10',
                                          'Area_2_office_10', 'Area_3_office_10',
                                          'Area_4_office_10', 'Area_6_office_10']
    assert list(data.splits['validation']) == ['Area_5_office_10']
    assert data.background == () and not data.on_segments
    room = data.read('Area_5_office_10')
    expected = np.concatenate([rows_of(25, 10), rows_of(5, 20), rows_of(15, 30)])
    np.testing.assert_array_equal(room.scan.xyz, expected[:, :3].astype(np.float32))
    np.testing.assert_array_equal(np.rint(255 * room.scan.color), expected[:, 3:])
    assert room.label.tolist() == [0] * 10 + [8] * 50
    assert room.instance.tolist() == [0] * 10 + [1] * 20 + [2] * 30
    assert data.read('Area_1_office_9').label.tolist() == [1] * 9 + [12] * 8


def test_every_area_can_be_left_out(raw: Path, tmp_path: Path) -> None:
    main(['prepare', 's3dis', str(raw), str(tmp_path / 'out'), '--workers', '1'])
    data = Dataset.open(tmp_path / 'out')
    for area in data.folds:
        fold = data.fold(area)
        train, validation = fold.split('train'), fold.split('validation')
        assert validation == [name for name in data.scans if name.startswith(area)]
        assert sorted(train + validation) == sorted(data.scans)
    assert len(data.folds) == 6
    assert data.fold('Area_5').color_mean == pytest.approx(data.color_mean)
    assert data.fold('Area_1').color_mean != pytest.approx(data.color_mean, abs=1e-4)
    with pytest.raises(InputError, match=r"no fold 'Area_7', it has: Area_1, Area_2"):
        data.fold('Area_7')


def write_found(folder: Path, data: Dataset, names: list[str]) -> None:
    """Write predictions that are right, but for the class of chair_10, as stored ones."""
    folder.mkdir()
    for name in names:
        room = data.read(name)
        objects = np.unique(room.instance)
        first = [int(np.argmax(room.instance == number)) for number in objects]
        wrong = np.bincount(room.instance) == 30
        np.savez(folder / f'{name}.npz', num_points=len(room),
                 masks=np.packbits(room.instance == objects[:, None], axis=1),
                 class_id=np.where(wrong, CLASSES['table'], room.label[first]),
                 score=np.full(len(objects), 0.9))


def test_a_fold_is_evaluated_by_itself(raw: Path, tmp_path: Path,
                                       capsys: pytest.CaptureFixture[str]) -> None:
    main(['prepare', 's3dis', str(raw), str(tmp_path / 'out'), '--workers', '1'])
    data = Dataset.open(tmp_path / 'out')
    write_found(tmp_path / 'found', data, data.fold('Area_1').split('validation'))
    evaluate = ['evaluate', str(tmp_path / 'out'), '--predictions', str(tmp_path / 'found'),
                '--min-region', '5', '-o', str(tmp_path / 'scores')]
    capsys.readouterr()

    assert main([*evaluate, '--fold', 'Area_1']) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ['percent', 'objects', 'AP', 'AP50', 'AP25', 'precision', 'recall']
    content = json.loads((tmp_path / 'scores' / 'scores.json').read_text())
    assert (content['fold'], content['scans'], content['objects']) == ('Area_1', 2, 5)
    chair = next(row for row in content['classes'] if row['name'] == 'chair')
    assert (chair['objects'], chair['AP50'], chair['precision'], chair['recall']) == (
        2, 0.5, 1, 0.5)
    # ceiling, floor and clutter are found whole, chair by half.
    assert content['mean']['recall'] == 0.875
    assert content['class_agnostic']['AP'] == 1
    for fold, sentence in (('Area_2', 'no predictions for 1 of 1 scenes, the first is Area_2_off'),
                           ('Area_7', "no fold 'Area_7', it has: Area_1, Area_2, Area_3")):
        assert main([*evaluate, '--fold', fold]) == 1
        assert sentence in capsys.readouterr().err
    assert main([*evaluate, '--fold', 'Area_1', '--export', str(tmp_path / 'export')]) == 1
    assert 'S3DIS has no server that takes submissions' in capsys.readouterr().err


def test_six_folds_become_one_evaluation(raw: Path, tmp_path: Path) -> None:
    main(['prepare', 's3dis', str(raw), str(tmp_path / 'out'), '--workers', '1'])
    data, weights = Dataset.open(tmp_path / 'out'), tmp_path / 'small.weights'
    config = ModelConfig(backbone='Res16UNet14A', hidden_dim=16, feedforward_dim=32, num_heads=2,
                         num_classes=len(data.classes), num_queries=4)
    save_weights(weights, untrained_weights(config, data.classes, voxel_size=0.05))
    scores = ['-o', str(tmp_path / 'scores'), '--min-region', '5']
    seen = 0
    for area in data.folds:
        assert main(['evaluate', str(tmp_path / 'out'), '--fold', area, '--weights', str(weights),
                     '--num-queries', '4', '--device', 'cpu', '--save', str(tmp_path / 'folds'),
                     *scores]) == 0
        seen += json.loads((tmp_path / 'scores' / 'scores.json').read_text())['objects']

    assert main(['evaluate', '--predictions', str(tmp_path / 'folds'), '--ground-truth',
                 str(tmp_path / 'out' / 'scans'), '--classes', 's3dis', *scores]) == 0

    content = json.loads((tmp_path / 'scores' / 'scores.json').read_text())
    assert (content['scans'], content['objects']) == (7, seen) == (7, 20)
    assert content['mean']['recall'] is not None


def test_the_known_damage_is_repaired_and_named(tmp_path: Path) -> None:
    rows = rows_of(0, 300)
    folder = write_room(tmp_path, 'Area_5', 'hallway_6', ceiling_1=rows)
    file = folder / 'Annotations' / 'ceiling_1.txt'
    lines = file.read_text().splitlines()
    lines[180] = '\x10'.join(lines[180].rsplit(' ', 1))
    lines[200] = lines[200][:9]
    file.write_text('\n'.join(lines))

    scan, = read_s3dis_room(folder, 'Area_5_hallway_6', CLASSES)

    np.testing.assert_array_equal(scan.columns['color'], np.delete(rows, 200, axis=0)[:, 3:])
    assert scan.notes == (
        'ceiling_1.txt: repaired a control character in line 181',
        'ceiling_1.txt: dropped as damaged: line 201',
        'the annotations have 299 points, hallway_6.txt has 300 lines')


def test_damage_beyond_mending_is_named(tmp_path: Path) -> None:
    folder = write_room(tmp_path, 'Area_1', 'office_1', chair_1=rows_of(0, 9))
    file = folder / 'Annotations' / 'chair_1.txt'
    for content, message in {
            'x y z\n' * 9: 'lines are not rows of 6 numbers',
            '1 2 3 4 5 256\n' * 9: r'chair_1\.txt: expected colours of 0\.\.255, got 4 to 256',
            }.items():
        file.write_text(content)
        with pytest.raises(InputError, match=message):
            read_s3dis_room(folder, 'a', CLASSES)
    file.rename(file.with_name('unicorn_1.txt'))
    with pytest.raises(InputError, match=r'unicorn_1\.txt: expected a name like chair_1'):
        read_s3dis_room(folder, 'a', CLASSES)
    (folder / 'Annotations').rename(folder / 'Notes')
    with pytest.raises(InputError, match='office_1: expected files like Annotations/chair_1'):
        read_s3dis_room(folder, 'a', CLASSES)


def test_a_missing_area_fails_at_the_end(raw: Path, tmp_path: Path,
                                         capsys: pytest.CaptureFixture[str]) -> None:
    root = raw / 'Stanford3dDataset_v1.2_Aligned_Version'
    (root / 'Area_4').rename(tmp_path / 'Area_4')

    assert main(['prepare', 's3dis', str(root), str(tmp_path / 'out'), '--workers', '1']) == 1

    said = capsys.readouterr().err
    assert 'Area_4  FAILED: ' in said and '1 of 7 could not be prepared' in said
    assert len(Dataset.open(tmp_path / 'out').scans) == 6


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='is not S3DIS: expected the folders Area_1, Area_2'):
        s3dis_sources(tmp_path, CLASSES)


@pytest.mark.parametrize('name', ['wall_3 (1)', 'wall_3_copy', 'wall_11', 'beam_1'])
@pytest.mark.parametrize('change', ['same', 'shuffled', 'shorter'])
def test_an_annotation_that_repeats_another_is_left_out(tmp_path: Path, name: str, change: str,
                                                        ) -> None:
    wall = rows_of(1, 300)
    copy = {'same': wall, 'shuffled': wall[np.random.default_rng(0).permutation(300)],
            'shorter': wall[:290]}[change]
    room = write_room(tmp_path, 'Area_5', 'office_36', wall_3=wall, chair_1=rows_of(2, 100),
                      floor_1=rows_of(3, 200))
    (room / 'Annotations' / f'{name}.txt').write_text(text_of(copy))
    [scan] = read_s3dis_room(room, 'Area_5_office_36', CLASSES)
    assert len(scan.columns['xyz']) == 600 and len(np.unique(scan.columns['instance'])) == 3
    kept, dropped = (name, 'wall_3') if name == 'beam_1' and change != 'shorter' else (
        'wall_3', name)
    assert scan.notes == (f'{dropped}.txt repeats the points of {kept}.txt: left out',)
    assert (scan.columns['label'] == CLASSES[kept.split('_')[0]]).sum() == 300


def test_annotations_that_only_touch_are_kept(tmp_path: Path) -> None:
    wall, chair = rows_of(1, 300), rows_of(2, 100)
    chair[:80] = wall[:80]
    room = write_room(tmp_path, 'Area_5', 'office_1', wall_3=wall, chair_1=chair)
    [scan] = read_s3dis_room(room, 'Area_5_office_1', CLASSES)
    assert len(scan.columns['xyz']) == 400 and not scan.notes


def test_an_empty_annotation_is_named(tmp_path: Path) -> None:
    room = write_room(tmp_path, 'Area_5', 'office_1', wall_3=rows_of(1, 30))
    (room / 'Annotations' / 'chair_1.txt').touch()
    (room / 'Annotations' / 'chair_2.txt').write_text('\n\n')
    [scan] = read_s3dis_room(room, 'Area_5_office_1', CLASSES)
    assert scan.notes == ('chair_1.txt is empty: left out', 'chair_2.txt is empty: left out')
    assert np.unique(scan.columns['instance']).tolist() == [0]
    (room / 'Annotations' / 'wall_3.txt').write_text('')
    with pytest.raises(InputError, match='all annotations are empty'):
        read_s3dis_room(room, 'Area_5_office_1', CLASSES)
