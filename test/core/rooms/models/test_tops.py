"""Tops: the largest free rectangle of a table, a bed, and the boards of a shelf."""

from mask3d_core.rooms.materials import Material
from mask3d_core.rooms.mesh import join
from mask3d_core.rooms.models.tops import find_boards, find_top, largest_rectangle
from mask3d_core.rooms.solids import ball, box
import numpy as np
import pytest

GREY = Material((0.5, 0.5, 0.5))


def test_the_top_of_a_table() -> None:
    legs = [box((0.05, 0.05, 0.7), GREY).moved(x, y) for x in (-0.6, 0.6) for y in (-0.3, 0.3)]
    table = join([box((1.4, 0.8, 0.04), GREY).moved(z=0.7), *legs])
    top = find_top(table)
    assert top is not None and top.center == pytest.approx((0, 0, 0.74), abs=0.03)
    assert top.size == pytest.approx((1.4, 0.8), abs=0.05)


def test_the_mattress_and_not_the_headboard() -> None:
    bed = join([box((1.4, 2.0, 0.5), GREY), box((1.4, 0.1, 1.1), GREY).moved(y=1.0)])
    top = find_top(bed)
    assert top is not None and top.center[2] == pytest.approx(0.5, abs=0.01)
    assert top.center[1] < 0 and top.size[1] == pytest.approx(1.92, abs=0.06)


@pytest.mark.parametrize('mesh', [ball(0.3, GREY), box((0.1, 0.1, 0.5), GREY)])
def test_no_top_on_what_is_round_or_small(mesh: object) -> None:
    assert find_top(mesh) is None


def test_the_bottom_of_a_basket_is_no_top() -> None:
    sides = [box((0.02, 0.6, 0.7), GREY).moved(x) for x in (-0.3, 0.3)]
    assert find_top(join([box((0.6, 0.6, 0.02), GREY), *sides])) is None


def test_the_boards_of_a_shelf() -> None:
    boards = [box((0.8, 0.3, 0.02), GREY).moved(z=z) for z in (0.1, 0.5, 0.9)]
    sides = [box((0.02, 0.3, 0.92), GREY).moved(x) for x in (-0.4, 0.4)]
    tops = find_boards(join([*boards, *sides]))
    assert [top.center[2] for top in tops] == pytest.approx([0.12, 0.52, 0.92], abs=0.01)
    assert [top.room for top in tops] == pytest.approx([0.37, 0.37, 1.0], abs=0.02)
    assert all(0.68 <= top.size[0] <= 0.86 and top.size[1] >= 0.24 for top in tops)


def test_compartments_at_one_height() -> None:
    walls = [box((0.02, 0.3, 0.4), GREY).moved(x) for x in (-0.4, 0, 0.4)]
    shelf = join([box((0.8, 0.3, 0.02), GREY).moved(z=z) for z in (0.05, 0.4)] + walls)
    low = [top for top in find_boards(shelf) if top.center[2] < 0.2]
    assert sorted(round(top.center[0], 1) for top in low) == [-0.2, 0.2]


def test_a_block_has_no_boards_inside() -> None:
    assert [top.center[2] for top in find_boards(box((1, 0.5, 0.6), GREY))] == [0.6]


@pytest.mark.parametrize(('cells', 'rows', 'columns'), [
    ([[1, 1], [1, 1]], (0, 2), (0, 2)),
    ([[0, 1, 1], [0, 1, 1], [1, 0, 0]], (0, 2), (1, 3)),
    ([[1, 0, 1, 1, 1]], (0, 1), (2, 5)),
    ([[0, 0]], (0, 0), (0, 0)),
])
def test_the_largest_rectangle(cells: list[list[int]], rows: tuple[int, int],
                               columns: tuple[int, int]) -> None:
    assert largest_rectangle(np.array(cells, bool)) == (rows, columns)
