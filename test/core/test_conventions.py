"""Axes and units of files."""

from __future__ import annotations

from pathlib import Path

from mask3d_core.conventions import AS_IS, Conventions, parse_unit, ROTATED_AXES
from mask3d_core.data.generated import generate_room
from mask3d_core.errors import InputError
from mask3d_core.files import read_scan
from mask3d_core.scan import Scan
from mask3d_core.scan_checks import find_doubts
import numpy as np
from numpy.typing import NDArray
import pytest


@pytest.fixture(scope='module')
def room() -> NDArray[np.float32]:
    """Return the points of a generated room that stands upright."""
    for number in range(20):
        xyz = np.asarray(generate_room(7, number)['xyz'], np.float32)
        size = np.ptp(xyz, axis=0)
        if 2 < size[2] < 3 and size.max() > 3 and not find_doubts(Scan.from_points(xyz), 0.03):
            return xyz
    raise AssertionError('no such room')


@pytest.mark.parametrize('up', ROTATED_AXES)
def test_each_axis_becomes_z_by_a_rotation(up: str) -> None:
    points = np.eye(3)
    moved = Conventions(up).to_metres(points)
    direction = np.zeros(3)
    direction['xyz'.index(up[-1])] = -1 if up.startswith('-') else 1
    np.testing.assert_array_equal(Conventions(up).to_metres(direction[None])[0], [0, 0, 1])
    assert np.linalg.det(moved) == pytest.approx(1)


@pytest.mark.parametrize(('text', 'metres'), [
    ('mm', 0.001), ('cm', 0.01), ('dm', 0.1), ('ft', 0.3048), ('in', 0.0254), ('m', 1),
    ('0.1', 0.1), ('10', 10), ('1e-3', 0.001)])
def test_units(text: str, metres: float) -> None:
    assert parse_unit(text) == metres
    np.testing.assert_allclose(Conventions(None, metres).to_metres(np.ones((1, 3))), metres)


@pytest.mark.parametrize('text', ['yard', '0', '-1', 'inf', 'nan', ''])
def test_other_units_are_refused(text: str) -> None:
    with pytest.raises(InputError, match='expected a unit of m, dm'):
        parse_unit(text)


@pytest.mark.parametrize(('factor', 'unit'), [
    (1000, 'mm'), (100, 'cm'), (1 / 0.3048, 'ft'), (10, 'dm'), (0.1, '10'), (0.001, '1000')])
def test_the_warning_names_the_option_that_mends_it(room: NDArray[np.float32], factor: float,
                                                    unit: str, tmp_path: Path) -> None:
    np.savez(tmp_path / 'a.npz', xyz=room * np.float32(factor))
    [doubt] = find_doubts(read_scan(tmp_path / 'a.npz'), 0.03)
    assert doubt.kinds == ('units',) and f'--unit {unit}' in doubt.remedy()
    mended = read_scan(tmp_path / 'a.npz', conventions=Conventions(unit=parse_unit(unit)))
    np.testing.assert_allclose(mended.xyz, room, atol=1e-3)
    assert not find_doubts(mended, 0.03)


@pytest.mark.parametrize(('axes', 'signs', 'option'), [
    ((0, 2, 1), (1, 1, -1), '--up y'), ((0, 2, 1), (1, -1, 1), '--up=-y')])
def test_the_axis_that_points_up_is_named(
        room: NDArray[np.float32], axes: tuple[int, ...], signs: tuple[int, ...], option: str,
        tmp_path: Path) -> None:
    np.savez(tmp_path / 'a.npz', xyz=room[:, axes] * np.array(signs, np.float32))
    [doubt] = find_doubts(read_scan(tmp_path / 'a.npz'), 0.03)
    assert doubt.kinds == ('axes',) and option in doubt.remedy()
    mended = read_scan(tmp_path / 'a.npz',
                       conventions=Conventions(option.removeprefix('--up').strip(' =')))
    np.testing.assert_array_equal(mended.xyz, room)


def test_units_are_converted_before_anything_is_judged(tmp_path: Path) -> None:
    """A hall of 300 m in millimetres spans more than what counts as outliers in metres."""
    xyz = np.random.default_rng(0).uniform(0, 300_000, (1000, 3)) + [5e8, 5.4e9, 3e5]
    np.savez(tmp_path / 'a.npz', xyz=xyz)
    with pytest.raises(InputError, match='beyond'):
        read_scan(tmp_path / 'a.npz')
    scan = read_scan(tmp_path / 'a.npz', conventions=Conventions(unit=0.001))
    assert len(scan) == 1000 and not scan.num_outliers and scan.xyz.dtype == np.float64
    np.testing.assert_allclose(scan.xyz, xyz / 1000, atol=1e-6)


def test_nothing_is_copied_where_nothing_changes() -> None:
    xyz = np.ones((4, 3), np.float32)
    assert AS_IS.to_metres(xyz) is xyz
    assert Conventions('y').to_metres(xyz).dtype == np.float32
