"""The class tables that ship with the package."""

from __future__ import annotations

import csv

from mask3d_core.classes import class_table_names, ClassTable, load_classes
from mask3d_core.errors import InputError
import pytest
from shared import find_shared

SIZES = {'scannet20': 20, 'scannet200': 200, 's3dis': 13, 'stpls3d': 14}


@pytest.mark.parametrize('name', class_table_names())
def test_tables_are_complete(name: str) -> None:
    table = load_classes(name)
    assert len(table) == len(table.names) == len(table.colors) == SIZES.get(name, len(table))
    assert len(set(table.ids)) == len(set(table.names)) == len(table)
    assert len(set(table.colors)) >= len(table) - 1
    assert all(0 <= value <= 255 for color in table.colors for value in color)
    assert all(text == text.strip() and text for text in table.names)


@pytest.mark.parametrize('name', SIZES)
def test_tables_are_those_of_the_data_sets(name: str) -> None:
    rows = csv.DictReader((find_shared(f'data/classes/{name}.tsv')).open(), delimiter='\t')
    expected = [(int(row['id']), row['name']) for row in rows]
    table = load_classes(name)
    assert list(zip(table.ids, table.names)) == expected


@pytest.mark.parametrize('name', ['s3dis', 'stpls3d'])
def test_colors_are_distinct(name: str) -> None:
    colors = load_classes(name).colors
    for index, color in enumerate(colors):
        for other in colors[:index]:
            assert sum(abs(a - b) for a, b in zip(color, other)) > 70


def test_without_rows_and_back() -> None:
    table = load_classes('scannet20')
    objects = table.without(('wall', 'floor'))
    assert len(objects) == 18 and objects.ids[0] == 3 and objects.names[0] == 'cabinet'
    assert objects.colors[0] == (31, 119, 180)
    assert objects.rows(['bed', 'cabinet']) == [1, 0]
    assert ClassTable.from_dict(objects.to_dict()) == objects
    with pytest.raises(InputError, match="unknown class 'wall'; there are: cabinet, "):
        objects.rows(['bed', 'wall'])


def test_an_unknown_table_lists_the_known() -> None:
    with pytest.raises(InputError, match="'kitti'; there are: .*s3dis, scannet20, scannet200, s"):
        load_classes('kitti')
