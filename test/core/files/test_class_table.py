"""Class tables in .tsv files."""

from pathlib import Path

from mask3d_core.errors import InputError
from mask3d_core.files.class_table import read_class_table
import pytest


def test_class_tables(tmp_path: Path) -> None:
    path = tmp_path / 'table.tsv'
    path.write_text('id\tname\tred\tgreen\tblue\n1\ta box\t1\t2\t3\n7\tcart\t\t\t\n')
    table = read_class_table(str(path))
    assert (table.ids, table.names, table.colors[0]) == ((1, 7), ('a box', 'cart'), (1, 2, 3))
    assert all(0 <= value <= 255 for value in table.colors[1])
    assert len(read_class_table('s3dis')) == 13
    path.write_bytes('\ufeffid\tname\n2\tbin\n'.encode())  # as Windows saves it
    assert read_class_table(str(path)).names == ('bin',)
    for content, message in {
            '': 'one line for each class', 'id\tname\n': 'one line for each class',
            'id name\n1 box\n': "line 1: expected the columns id and name, .* got: 'id name'",
            '1\tbox\n2\tcar\n': "line 1: expected the columns .* got: '1', 'box'",
            'id\tname\n1.0\tbox\n': "line 2: expected a whole number as id .* got '1.0', 'box'",
            'id\tname\n1\ta\n1\tb\n': 'the id 1 appears more than once',
            'id\tname\n1\ta\n2\ta\n': "the name 'a' appears more than once",
            'id\tname\n0\ta\n': 'line 2: expected an id of 1 or more',
            'id\tname\n65536\ta\n': 'up to 65535, a name',
            'id\tname\tred\tgreen\tblue\n1\ta\t1\t2\t300\n': r'colours of 0\.\.255'}.items():
        path.write_text(content)
        with pytest.raises(InputError, match=rf'table\.tsv: .*{message}'):
            read_class_table(str(path))
