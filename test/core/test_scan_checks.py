"""What is said of scans that are probably wrong, and that nothing is said of others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
import re

from mask3d_core.conventions import Conventions, parse_unit, ROTATED_AXES
from mask3d_core.data.generated import generate_room
from mask3d_core.files import read_scan
from mask3d_core.files.columns import scan_from_columns
from mask3d_core.scan import Scan
from mask3d_core.scan_checks import Doubt, find_doubts, LEVEL
import numpy as np
from numpy.typing import NDArray
import pytest
from scipy.spatial.transform import Rotation
from shared import find_shared

ROOT = Path(__file__).resolve().parents[2]
VOXEL = 0.03
UP = np.array([np.cos(0.8), 0, np.sin(0.8)])
"""At 46 degrees of latitude, in geocentric coordinates."""
Change = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@pytest.fixture(scope='module')
def room() -> NDArray[np.float64]:
    """Return a furnished room that was scanned by a robot, z up."""
    xyz = generate_room(4711, 61)['xyz'].astype(np.float64)
    return np.asarray(xyz)


def doubts(xyz: NDArray[np.floating], frame: str = 'map', voxel: float = VOXEL) -> list[Doubt]:
    return find_doubts(replace(Scan.from_points(xyz), frame=frame), voxel)


def turned(x: str, y: str, z: str) -> Change:
    """Return what puts these axes of a scan, such as '-y', in place of x, y and z."""
    def turn(xyz: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([xyz[:, 'xyz'.index(axis[-1])] * (-1 if axis[0] == '-' else 1)
                         for axis in (x, y, z)], axis=1)

    return turn


def geocentric(xyz: NDArray[np.float64]) -> NDArray[np.float64]:
    east = np.array([0.0, 1, 0])
    return xyz @ np.array([east, np.cross(UP, east), UP]) + 6.371e6 * UP


@pytest.mark.parametrize('change', [
    lambda xyz: xyz, lambda xyz: xyz.astype(np.float32), lambda xyz: xyz + [5e5, 5.4e6, 300],
    lambda xyz: xyz + [0, 6.36e6, 100], lambda xyz: xyz + [0, 0, 30],
    turned('y', '-x', 'z'), lambda xyz: xyz[::5],
    lambda xyz: xyz[xyz[:, 0] > np.median(xyz[:, 0])]])
def test_nothing_is_said_of_a_room(room: NDArray[np.float64], change: Change) -> None:
    assert doubts(change(room)) == []


@pytest.mark.parametrize(('change', 'kinds', 'words'), [
    (turned('x', 'z', '-y'), 'axes', '(y seems to point up): expected z up'),
    (turned('x', '-z', 'y'), 'axes', '(-y seems to point up): expected z up'),
    (turned('z', 'y', '-x'), 'axes', '(x seems to point up)'),
    (turned('-z', 'y', 'x'), 'axes', '(-x seems to point up)'),
    (turned('y', 'x', '-z'), 'axes', '(-z seems to point up)'),
    (geocentric, 'axes', 'geocentric coordinates (ECEF)'),
    (lambda xyz: xyz * 1000, 'units', '(a room in millimetres?): expected metres'),
    (lambda xyz: xyz * 100, 'units', '(a room in centimetres?)'),
    (lambda xyz: xyz / 0.0254, 'units', '(a room in inches?)'),
    (lambda xyz: xyz / 10, 'units', '(a room in larger units?)'),
    (lambda xyz: xyz / 0.3048, 'units', 'in feet'),
    (lambda xyz: xyz * 10, 'units', 'in decimetres'),
    (lambda xyz: xyz / [70_000, 111_000, 1] + [8, 50, 300], 'degrees', 'degrees of longitude'),
    (lambda xyz: turned('x', 'z', '-y')(xyz) * 1000, 'axes units',
     '(a room in millimetres?): expected z up and metres'),
])
def test_axes_and_units_are_doubted_in_one_sentence(room: NDArray[np.float64], change: Change,
                                                    kinds: str, words: str) -> None:
    found = doubts(change(room))
    assert [' '.join(doubt.kinds) for doubt in found] == [kinds]
    assert words in found[0].finding


@pytest.mark.parametrize('about', [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.8, 0.6, 0.0)])
@pytest.mark.parametrize('degrees', [20, 30])
@pytest.mark.parametrize('change', [lambda xyz: xyz, turned('x', '-z', 'y')])
def test_the_tilt_of_a_floor_is_said(room: NDArray[np.float64], degrees: int, change: Change,
                                     about: tuple[float, float, float]) -> None:
    tilt = Rotation.from_rotvec(np.radians(degrees) * np.array(about))
    [doubt] = doubts(change(tilt.apply(room)))
    assert (doubt.kinds, doubt.up, doubt.remedy()) == (('axes',), '', LEVEL)
    said = re.search(r'\(its floor seems to be tilted by about (\d+) degrees\)', doubt.finding)
    z = change(tilt.apply([[0.0, 0, 1]]))[0, 2]
    assert said and abs(int(said[1]) - np.degrees(np.arccos(z))) < 3


def test_what_mends_a_tilted_scan_in_millimetres(room: NDArray[np.float64]) -> None:
    [doubt] = doubts(1000 * Rotation.from_rotvec([np.radians(20), 0, 0]).apply(room))
    assert doubt.kinds == ('axes', 'units')
    assert doubt.remedy() == f'if so, give --unit mm, and {LEVEL}'


@pytest.mark.parametrize('degrees', [20, 30])
def test_the_axis_that_a_scan_is_tilted_about_is_not_named(degrees: int) -> None:
    cluttered = generate_room(4711, 62)['xyz'].astype(np.float64)
    for about in np.eye(3)[:2]:
        tilt = Rotation.from_rotvec(np.radians(degrees) * about)
        [doubt] = doubts(tilt.apply(cluttered))
        assert (doubt.kinds, doubt.up) == (('axes',), '')
        assert doubt.remedy().endswith('level it first if none does')


@pytest.mark.parametrize(('frame', 'optical'), [
    ('camera_color_optical_frame', True), ('left_optical', True), ('Optical_Frame', True),
    ('robot/camera_optical_link', True), ('map', False), ('optical_table', False), ('', False)])
def test_the_name_of_a_frame_says_that_it_is_optical(room: NDArray[np.float64], frame: str,
                                                     optical: bool) -> None:
    assert [doubt.kinds for doubt in doubts(room, frame)] == [('axes',)] * optical


def test_what_was_dropped_is_said(room: NDArray[np.float64]) -> None:
    stray = np.concatenate([room, [[1e30, 0, 0]]])
    black = find_doubts(Scan.from_points(stray, np.zeros(stray.shape, np.uint8)), VOXEL)
    assert [doubt.kinds for doubt in black] == [('colour',), ('outliers',)]
    assert 'has the colour (0, 0, 0) everywhere' in black[0].finding
    assert 'has 1 point more than 100 km from the others, which is dropped' in black[1].finding
    assert 'has 3 points' in doubts(np.concatenate([room, [[1e9, 0, 0]] * 3]))[0].finding


def test_colour_that_is_missing_at_many_points_is_said(room: NDArray[np.float64]) -> None:
    color = np.random.default_rng(0).integers(1, 255, room.shape).astype(np.uint8)
    for step, expected in ((5, []), (2, [('colour',)])):
        color[::step] = 0
        found = find_doubts(Scan.from_points(room, color), VOXEL)
        assert [doubt.kinds for doubt in found] == expected
    assert 'is black at 60% of its points' in found[0].finding


def test_float32_far_from_the_origin_is_said(room: NDArray[np.float64]) -> None:
    far = (room + [5e5, 5.4e6, 300]).astype(np.float32)
    assert 'where float32 has steps of 50 cm' in doubts(far)[-1].finding
    assert doubts((room + [5e4, 0, 0]).astype(np.float32)) == []


def test_coarse_weights_are_for_large_maps(room: NDArray[np.float64]) -> None:
    rng = np.random.default_rng(0)
    ground = rng.uniform(-300, 300, (40_000, 3)) * [1, 1, 0.001]
    house = rng.uniform(0, 1, (5, 1000, 3)) * [30, 20, 90]
    house[[0, 1], :, 0], house[[2, 3], :, 1], house[4, :, 2] = [[0], [30]], [[0], [20]], 90
    town = np.concatenate([ground, *house])
    for voxel in (0.33, 1.0):
        assert doubts(town, voxel=voxel) == []
    assert 'which is little for weights with voxels of 1 m' in doubts(room, voxel=1.0)[0].finding
    assert 'millimetres' in doubts(town * 1000 / 50, voxel=0.33)[0].finding


@pytest.mark.parametrize('count', [8, 50, 400])
def test_small_clouds_of_any_shape_are_not_judged(count: int) -> None:
    rng = np.random.default_rng(count)
    for shape in ((3, 3, 3), (2, 0, 0), (0, 0, 2), (2, 2, 0)):
        doubts(rng.random((count, 3)) * shape)  # does not fail
    assert doubts(rng.random((count, 3)) * 3) == []


def test_real_clouds() -> None:
    assert find_doubts(read_scan(ROOT / 'demo' / 'office.ply'), VOXEL) == []
    kinect = read_scan(find_shared('data/bags/kinect_tabletop_ros2_mcap_zstd'))
    assert kinect.frame == 'camera_rgb_optical_frame'
    for frame in (kinect.frame, 'map'):
        assert [doubt.kinds for doubt in find_doubts(replace(kinect, frame=frame), VOXEL)] == [
            ('axes',)]
    lidar = read_scan(find_shared('data/bags/lidar_xyzirt_1msg_db3'))
    assert find_doubts(lidar, VOXEL) == []


@pytest.mark.parametrize(('up', 'unit'), [('y', 0.001), ('-y', 1.0), ('x', 1.0), ('-x', 0.1),
                                          ('-z', 0.01)])
@pytest.mark.parametrize('given', [Conventions('y'), Conventions('x', 0.01), Conventions('-z')])
def test_the_remedy_holds_for_the_file_whatever_was_given(
        room: NDArray[np.float64], up: str, unit: float, given: Conventions) -> None:
    """Read a file in wrong conventions, do what the warnings say, and be left in peace."""
    file = np.empty_like(room)
    for place, (axis, sign) in enumerate(ROTATED_AXES[up]):
        file[:, axis] = sign * room[:, place] / unit
    columns = {axis: file[:, place] for place, axis in enumerate('xyz')}
    for _ in range(3):
        found = find_doubts(scan_from_columns(columns, conventions=given), VOXEL)
        if not found:
            break
        [doubt] = found
        given = Conventions(doubt.up or given.up,
                            parse_unit(doubt.unit) if doubt.unit else given.unit)
    np.testing.assert_allclose(given.to_metres(file), room, atol=1e-9)
