"""The description of a data set, written and read back."""

from __future__ import annotations

from pathlib import Path

from mask3d_core.classes import load_classes
from mask3d_core.data.dataset import (
    color_statistics,
    Dataset,
    DEFAULT_COLORS,
    inner_points,
    ScanFacts,
)
from mask3d_core.data.labels import LabelledScan, write_labelled
from mask3d_core.errors import InputError
import numpy as np
import pytest


def scan_of(color: np.ndarray | None, count: int = 10, segments: bool = False) -> LabelledScan:
    columns = {'xyz': np.arange(count * 3, dtype=np.float32).reshape(count, 3)}
    if color is not None:
        columns['color'] = color
    if segments:
        columns['segment'] = np.arange(count)
    return LabelledScan.from_columns(columns, 'a')


def test_written_is_what_is_read(tmp_path: Path) -> None:
    facts = ScanFacts.of(scan_of(np.full((10, 3), 51, np.uint8)), (0.0, 1.0, 2.0, 3.0))
    data = Dataset(tmp_path, 's3dis', load_classes('s3dis'), ('wall',),
                   {'train': ('a',), 'validation': (), 'test': ()}, {'one': ('a',)},
                   {'a': facts}, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), 0.05, 10)
    data.save()
    assert Dataset.open(tmp_path) == data
    write_labelled_in(data, 'a')
    assert len(data.read('a')) == 10


def write_labelled_in(data: Dataset, name: str) -> None:
    data.path(name).parent.mkdir()
    write_labelled(data.path(name), scan_of(None))


def test_facts_of_a_scan() -> None:
    color = np.array([[0, 51, 255]] * 5 + [[102, 51, 255]] * 5, np.uint8)
    facts = ScanFacts.of(scan_of(color, segments=True))
    assert facts.points == 10 and facts.has_segments and facts.inner is None
    assert facts.color_mean == pytest.approx((0.2, 0.2, 1.0))
    assert facts.color_square == pytest.approx((0.08, 0.04, 1.0))
    assert ScanFacts.of(scan_of(None)) == ScanFacts(10)
    assert ScanFacts.of(scan_of(np.full((10, 3), 77, np.uint8))) == ScanFacts(10)


def test_every_scan_counts_the_same_in_the_colours() -> None:
    dark = ScanFacts(10, color_mean=(0.0,) * 3, color_square=(0.0,) * 3)
    light = ScanFacts(90, color_mean=(1.0,) * 3, color_square=(1.0,) * 3)
    mean, std = color_statistics([dark, light, ScanFacts(5)])
    assert mean == pytest.approx((0.5, 0.5, 0.5)) and std == pytest.approx((0.5, 0.5, 0.5))
    assert color_statistics([dark])[1] == (0.01, 0.01, 0.01)
    assert color_statistics([ScanFacts(5)]) == DEFAULT_COLORS


def test_inner_points_leave_the_margin_out() -> None:
    scan = scan_of(None)  # x = 0, 3, 6 …, y = 1, 4, 7 …
    facts = ScanFacts(10, inner=(3.0, 0.0, 9.0, 7.0))
    assert np.flatnonzero(inner_points(scan, facts)).tolist() == [1, 2]   # the corner, too
    facts = ScanFacts(10, inner=(3.0, 0.0, 9.0, 6.9))
    assert np.flatnonzero(inner_points(scan, facts)).tolist() == [1]
    assert inner_points(scan, ScanFacts(10)).all()


def test_segments_need_all_scans(tmp_path: Path) -> None:
    classes = load_classes('s3dis')
    some = {'a': ScanFacts(9, has_segments=True), 'b': ScanFacts(9)}
    assert not Dataset(tmp_path, 'x', classes, scans=some).on_segments
    assert Dataset(tmp_path, 'x', classes, scans={'a': some['a']}).on_segments
    assert not Dataset(tmp_path, 'x', classes).on_segments


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='is not a prepared data set, it has no dataset.json'):
        Dataset.open(tmp_path)
    for content in ('', '[]', '{"name": "a"}', '{"name": '):
        (tmp_path / 'dataset.json').write_text(content)
        with pytest.raises(InputError, match=r'dataset\.json: not the description of a data set'):
            Dataset.open(tmp_path)
    data = Dataset(tmp_path, 'a', load_classes('s3dis'), splits={'train': ('a',), 'test': ()})
    with pytest.raises(InputError, match="no split 'val', it has: train, test"):
        data.split('val')
    with pytest.raises(InputError, match=r'a\.npz: no such file'):
        data.read('a')
