"""Data sets joined into one."""

from __future__ import annotations

import os
from pathlib import Path
import shutil

from mask3d_core.classes import load_classes
from mask3d_core.cli import main
from mask3d_core.data.dataset import color_statistics, Dataset, ScanFacts
from mask3d_core.data.join import join_datasets
from mask3d_core.data.labels import LabelledScan, write_labelled
from mask3d_core.errors import InputError
import numpy as np
import pytest


def dataset(folder: Path, shade: int | None = 100, table: str = 'rooms') -> Dataset:
    """Write a data set with one scan to train on and one to validate on."""
    (folder / 'scans').mkdir(parents=True)
    columns = {'xyz': np.random.default_rng(0).random((50, 3), np.float32)}
    if shade is not None:
        columns['color'] = np.full((50, 3), shade, np.uint8)
        columns['color'][0] = 0  # one colour everywhere would count as none
    facts = {}
    for name in ('a', 'b'):
        scan = LabelledScan.from_columns(columns, name)
        write_labelled(folder / 'scans' / f'{name}.npz', scan)
        facts[name] = ScanFacts.of(scan)
    data = Dataset(folder, folder.name, load_classes(table), ('wall', 'floor'),
                   {'train': ('a',), 'validation': ('b',), 'test': ()}, {}, facts)
    data.save()
    return data


def test_splits_are_joined_and_names_tell_the_part(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = [dataset(tmp_path / 'one', 50), dataset(tmp_path / 'two', 150)]
    out = tmp_path / 'out'
    main(['prepare', 'join', str(out), str(tmp_path / 'one'), str(tmp_path / 'two')])
    assert '2 scans' in capsys.readouterr().out
    joined = Dataset.open(out)
    assert joined.name == 'one + two'
    assert joined.split('train') == ['one_a', 'two_a']
    assert joined.split('validation') == ['one_b', 'two_b']
    assert (joined.color_mean, joined.color_std) == color_statistics(
        [parts[0].scans['a'], parts[1].scans['a']])
    assert joined.read('two_b').scan.color[1, 0] == pytest.approx(150 / 255)
    assert joined.path('one_a').stat().st_nlink == 2  # no second copy on the disk
    main(['prepare', 'check', str(out)])


def test_repeated_it_follows_its_parts(tmp_path: Path) -> None:
    parts = [dataset(tmp_path / 'one', 50), dataset(tmp_path / 'two', 150)]
    join_datasets(parts, tmp_path / 'out')
    shutil.rmtree(tmp_path / 'one')
    again = join_datasets([dataset(tmp_path / 'one', 90), parts[1]], tmp_path / 'out')
    assert again.read('one_a').scan.color[1, 0] == pytest.approx(90 / 255)


def test_copies_where_there_are_no_links(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError('Invalid cross-device link')

    monkeypatch.setattr(os, 'link', refuse)
    joined = join_datasets([dataset(tmp_path / 'one')], tmp_path / 'out')
    assert len(joined.read('one_a')) == 50 and joined.path('one_a').stat().st_nlink == 1


def test_parts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    one = dataset(tmp_path / 'one')
    cases = [(dataset(tmp_path / 'other' / 'one'), 'different names'),
             (dataset(tmp_path / 'scannet', table='scannet20'), 'other classes'),
             (dataset(tmp_path / 'gray', None), 'gray has none')]
    for other, expected in cases:
        with pytest.raises(InputError, match=expected):
            join_datasets([one, other], tmp_path / 'out')
    with pytest.raises(InputError, match='one of the data sets'):
        join_datasets([one], one.folder)
    one.path('b').unlink()
    with pytest.raises(InputError, match='missing'):
        join_datasets([one], tmp_path / 'out')
    assert not (tmp_path / 'out' / 'dataset.json').exists()
