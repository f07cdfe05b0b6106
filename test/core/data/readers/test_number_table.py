"""Text tables of numbers, including damaged ones."""

from __future__ import annotations

from pathlib import Path

from mask3d_core.data.readers import number_table
from mask3d_core.data.readers.number_table import read_number_table, TableLines
from mask3d_core.errors import InputError
import numpy as np
import pytest


def read(path: Path, width: int = 3) -> tuple[np.ndarray, TableLines]:
    lines = TableLines()
    return np.concatenate(list(read_number_table(path, width, lines))), lines


@pytest.mark.parametrize('text', [
    '1 2 3\n4 5 6\n', '1,2,3\n4,5,6', '1 2 3 \r\n\r\n 4\t5  6\r\n', '1.0 2e0 +3\n\n4 5 6\n\n'])
def test_layouts(tmp_path: Path, text: str) -> None:
    (tmp_path / 'a.txt').write_text(text)
    rows, lines = read(tmp_path / 'a.txt')
    np.testing.assert_array_equal(rows, [[1, 2, 3], [4, 5, 6]])
    assert rows.dtype == np.float64
    assert lines.notes() == [] and lines.read == 2


@pytest.mark.parametrize('size', [1, 7, 1 << 24])
def test_the_chunk_size_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int,
                                        ) -> None:
    expected = np.round(np.random.default_rng(0).normal(0, 100, (300, 3)), 3)
    text = ['{} {} {}'.format(*row) for row in expected.tolist()]
    text[120] = text[120].replace(' ', '\x10', 1)  # as in Area_5/hallway_6 of S3DIS
    text[130] = text[130] + '\x1000'  # as in Area_5/office_19 of the version 1.2 not aligned
    text[200] = '1 2'
    text[210] = '1 2 x3'
    (tmp_path / 'a.txt').write_text('\n'.join(text))
    monkeypatch.setattr(number_table, 'READ_BYTES', size)
    rows, lines = read(tmp_path / 'a.txt')
    np.testing.assert_array_equal(rows, np.delete(expected, [200, 210], axis=0))
    assert lines.repaired == [121, 131] and lines.dropped == [201, 211] and lines.read == 298
    assert lines.notes() == ['repaired a control character in 2 lines (121, 131)',
                             'dropped as damaged: 2 lines (201, 211)']


def test_lines_of_wrong_lengths_do_not_compensate_each_other(tmp_path: Path) -> None:
    good = '1 2 3\n' * 300
    (tmp_path / 'a.txt').write_text(f'{good}1 2\n1 2 3 4\n{good}')
    rows, lines = read(tmp_path / 'a.txt')
    assert lines.dropped == [301, 302] and len(rows) == 600
    assert (rows == [1, 2, 3]).all()


@pytest.mark.parametrize('word', ['1.2.3', '1-2', '--1', '1e', '1_0', 'nan', '-inf', '1e60', 'x'])
def test_a_line_with_an_invalid_number_is_dropped(tmp_path: Path, word: str) -> None:
    good = '1 2 3\n' * 150
    (tmp_path / 'a.txt').write_text(f'{good}4 {word} 6\n{good}')
    rows, lines = read(tmp_path / 'a.txt')
    assert lines.notes() == ['dropped as damaged: line 151'] and lines.read == 300
    np.testing.assert_array_equal(rows, [[1, 2, 3]] * 300)


def test_files_of_another_format_are_rejected(tmp_path: Path) -> None:
    (tmp_path / 'a.txt').write_text('1 2 3 4 5 6\n' * 10)
    with pytest.raises(InputError, match=r'a\.txt: 10 of 10 lines are not rows of 3 numbers, the '
                                         'first is line 1'):
        read(tmp_path / 'a.txt')
    (tmp_path / 'b.txt').write_bytes(bytes(range(256)) * 50)
    with pytest.raises(InputError, match=r'b\.txt: .* lines are not rows'):
        read(tmp_path / 'b.txt')
    with pytest.raises(InputError, match=r'none\.txt: No such file'):
        read(tmp_path / 'none.txt')


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / 'a.txt').touch()
    rows, lines = read(tmp_path / 'a.txt')
    assert rows.shape == (0, 3) and lines.read == 0
