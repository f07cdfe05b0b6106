"""What `mask3d prepare check` finds in data sets with one mistake each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mask3d_core.classes import ClassTable, load_classes
from mask3d_core.cli import main
from mask3d_core.data.check import check_dataset, DatasetIssue, fingerprint
from mask3d_core.data.dataset import Dataset, ScanFacts
from mask3d_core.data.generated import generate_room
from mask3d_core.data.labels import LabelledScan, write_labelled
import numpy as np
from numpy.typing import NDArray
import pytest

CLASSES = ClassTable((1, 2, 5), ('floor', 'box', 'cart'), ((1, 2, 3),) * 3)


def arrays(seed: int) -> dict[str, NDArray]:
    """Return a scan without mistakes: floor, two boxes and a cart."""
    rng = np.random.default_rng(seed)
    xyz = rng.uniform(0, 3, (100, 3)).astype(np.float32)
    xyz[:2, 0] = 0, 3
    return {'xyz': xyz,
            'color': rng.integers(0, 256, (100, 3), dtype=np.uint8),
            'label': np.repeat([1, 2, 2, 5], 25), 'instance': np.repeat([-1, 0, 1, 2], 25)}


def make(folder: Path, change: Callable[[dict[str, NDArray]], object] | None = None,
         names: tuple[str, ...] = ('a', 'b', 'c')) -> Dataset:
    """Write a data set whose first scan is changed; the last scan validates."""
    (folder / 'scans').mkdir()
    facts = {}
    for seed, name in enumerate(names):
        columns = arrays(seed)
        if change is not None and seed == 0:
            change(columns)
        scan = LabelledScan.from_columns(columns, name)
        write_labelled(folder / 'scans' / f'{name}.npz', scan)
        facts[name] = ScanFacts.of(scan)
    data = Dataset(folder, 'ours', CLASSES, ('floor',), {
        'train': names[:-1], 'validation': names[-1:], 'test': ()}, scans=facts)
    data.save()
    return data


def findings(data: Dataset) -> list[str]:
    return [str(finding) for finding in check_dataset(data)]


def test_a_good_data_set_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path)
    assert main(['prepare', 'check', str(tmp_path)]) == 0
    assert capsys.readouterr().out == f'{tmp_path}: 3 scans, no errors, 0 warnings\n'
    assert main(['prepare', '--check', str(tmp_path)]) == 0
    assert capsys.readouterr().out == f'{tmp_path}: 3 scans, no errors, 0 warnings\n'


def put(key: str, rows: object, value: object) -> Callable[[dict[str, NDArray]], object]:
    return lambda columns: columns[key].__setitem__(rows, value)


@pytest.mark.parametrize(('change', 'expected'), [
    (put('label', [26, 27], 7), 'error: a: label 7 (2 points) is not in the class table'),
    (lambda c: c.update(label=np.full(100, -1)), 'error: a: has no labels'),
    (lambda c: c.update(instance=np.full(100, -1)), 'warning: a: has no instances'),
    (put('instance', slice(25, 30), -1),
     'warning: a: 5 points have a class but no instance: label 2'),
    (put('instance', [30, 31], 9),
     'warning: a: instance 10 (in the .npz 9) has fewer than 10 points'),
    (put('label', [26, 27], 5),
     'warning: a: instance 1 (in the .npz 0) has points of several classes'),
    (lambda c: c.update(xyz=c['xyz'] * 1000),
     'error: a: is 3000 long, expected metres: with voxels of 0.02 m that is 1.5e+05 voxels'),
    (lambda c: c.update(xyz=c['xyz'] / 1000),
     'error: a: is 0.003 long, expected metres: with voxels of 0.02 m that is 0.15 voxels'),
    (lambda c: c.update(color=c['color'] // 128),
     'error: a: has colours from 0 to 1, expected 0..255: probably they were 0..1'),
    (put('color', slice(None), 30), 'warning: a: has one colour everywhere, 30'),
    (put('color', slice(None), 0), 'warning: a: has one colour everywhere, 0'),
    (lambda c: c.pop('color'), 'warning: a: has no colour, others have')])
def test_each_mistake_is_found_where_it_is(
        tmp_path: Path, change: Callable[[dict[str, NDArray]], object], expected: str) -> None:
    assert expected in findings(make(tmp_path, change))


def test_a_scan_in_the_frame_of_a_camera_is_doubted(tmp_path: Path) -> None:
    def wall_ahead(columns: dict[str, NDArray]) -> None:
        xyz = np.random.default_rng(0).uniform((-1, -1, 2), (1, 1, 4), (2000, 3))
        repeated = {key: column.repeat(20, axis=0) for key, column in columns.items()}
        columns.update(repeated, xyz=xyz.astype(np.float32))

    assert ('warning: a: lies in front of a camera that looks along z: expected z up; prepare it '
            'anew: if so, give --up=-y') in findings(make(tmp_path, wall_ahead))


def test_errors_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, put('label', [26, 27], 7))
    assert main(['prepare', 'check', str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert 'error: a: label 7' in said.out and '1 errors, 1 warnings, see above' in said.err


def test_the_same_scan_in_two_splits_is_a_leak(tmp_path: Path) -> None:
    def shuffled_copy_of_c(columns: dict[str, NDArray]) -> None:
        order = np.random.default_rng(5).permutation(100)
        columns.update({key: value[order] for key, value in arrays(2).items()})

    assert findings(make(tmp_path, shuffled_copy_of_c)) == [
        'error: c: has the same points as a: a leak from train to validation']


def test_the_same_scan_twice_in_a_split_is_odd(tmp_path: Path) -> None:
    assert findings(make(tmp_path, lambda columns: columns.update(arrays(1)))) == [
        'warning: b: has the same points as a']


def test_a_name_in_two_splits_is_a_leak(tmp_path: Path) -> None:
    data = make(tmp_path)
    splits = data.splits | {'validation': ('b', 'c')}  # type: ignore[operator]
    assert 'error: b: is in the splits train and validation' in findings(
        replace(data, splits=splits))


def test_captures_of_one_room_belong_into_one_split(tmp_path: Path) -> None:
    names = ('scene0001_00', 'scene0002_00', 'scene0001_01')
    assert findings(make(tmp_path, names=names)) == [
        'error: scene0001_01: shows the same room as scene0001_00: a leak from train to '
        'validation']


def test_files_missing_damaged_and_left_over(tmp_path: Path) -> None:
    data = make(tmp_path)
    data.path('a').rename(tmp_path / 'scans' / 'z.npz')
    data.path('b').write_bytes(b'PK')
    found = findings(data)
    assert found[0] == 'warning: z: is in no split: left over from an earlier run'
    assert f'error: a: {data.path("a")}: no such file' in found
    assert any(line.startswith(f'error: b: {data.path("b")}: not a readable') for line in found)


def test_the_description_is_checked(tmp_path: Path) -> None:
    data = make(tmp_path, lambda columns: columns.update(segment=np.arange(100)))
    changed = replace(data, background=('roof',), splits={'train': (), 'test': ('a', 'b', 'c')})
    assert [line for line in findings(changed) if 'dataset.json' in line] == [
        'error: dataset.json: there is no training scan',
        'warning: dataset.json: there is no validation scan: the weights cannot be '
        'evaluated',
        "error: dataset.json: the background 'roof' is not in the class table",
        'warning: dataset.json: 2 of 3 scans have no segments: training on segments makes '
        'superpoints for them']


def test_a_data_set_may_serve_for_evaluation_only(tmp_path: Path) -> None:
    data = make(tmp_path)
    assert findings(replace(data, splits={'train': (), 'validation': ('a', 'b', 'c')})) == [
        'warning: dataset.json: there is no training scan: the data set serves for evaluation '
        'only']


def test_classes_that_never_occur_are_named(tmp_path: Path) -> None:
    data = make(tmp_path)
    more = ClassTable((1, 2, 5, 8), ('floor', 'box', 'cart', 'crane'), ((1, 2, 3),) * 4)
    assert list(check_dataset(replace(data, classes=more))) == [
        DatasetIssue(False, 'dataset.json', 'no training scan has a point of: crane')]


def test_test_scans_need_no_labels(tmp_path: Path) -> None:
    data = make(tmp_path, lambda columns: columns.update(label=np.full(100, -1)))
    splits = {'train': ('b',), 'validation': ('c',), 'test': ('a',)}
    assert findings(replace(data, splits=splits)) == []


def test_the_fingerprint_is_of_the_points_in_any_order() -> None:
    xyz = arrays(0)['xyz']
    assert fingerprint(xyz) == fingerprint(xyz[::-1]) != fingerprint(xyz[:, ::-1])
    moved = xyz.copy()
    moved[7, 2] += 1e-3
    assert fingerprint(xyz) != fingerprint(moved)


@pytest.mark.parametrize(('turned', 'expected'), [
    (lambda xyz: xyz[:, [0, 2, 1]] * np.array([1, 1, -1]), 'y seems to point up'),
    (lambda xyz: xyz / 0.3048, 'as high as in a room in feet: expected metres; prepare it anew: '
                               'if so, give --unit ft'),
    (lambda xyz: xyz / [70_000, 111_000, 1], 'degrees of longitude'),
    (lambda xyz: xyz * 10, 'give --unit dm'), (lambda xyz: xyz, '')])
def test_axes_and_units_are_doubted(tmp_path: Path, turned: Callable[[NDArray], NDArray],
                                    expected: str) -> None:
    (tmp_path / 'scans').mkdir()
    facts = {}
    for name, number in (('a', 2), ('b', 4)):
        room = generate_room(7, number)
        if name == 'a':
            room['xyz'] = turned(room['xyz']).astype(np.float32)
        scan = LabelledScan.from_columns(room, name)
        write_labelled(tmp_path / 'scans' / f'{name}.npz', scan)
        facts[name] = ScanFacts.of(scan)
    data = Dataset(tmp_path, 'ours', load_classes('rooms'), ('wall', 'floor'), {
        'train': ('a',), 'validation': ('b',)}, scans=facts)
    found = [text for text in findings(data) if 'expected' in text]
    assert len(found) == bool(expected) and all(
        text.startswith('warning: a: ') and expected in text for text in found)
