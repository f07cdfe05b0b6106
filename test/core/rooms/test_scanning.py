from dataclasses import replace

from box_room import box_room, CABINET, CUP, FLOOR, TABLE, WALL
from mask3d_core.errors import InputError
from mask3d_core.rooms.camera_path import PATH_KINDS
from mask3d_core.rooms.scanning import FUSIONS, random_style, scan_scene, ScanStyle
import numpy as np
import pytest

ROOM = box_room()
SMALL = ScanStyle(frames=12, width=80, height=60, max_points=8000, voxel_size=0.03)


@pytest.mark.parametrize('path', PATH_KINDS)
@pytest.mark.parametrize('fusion', FUSIONS)
def test_columns(path: str, fusion: str) -> None:
    columns = scan_scene(ROOM, np.random.default_rng(1), replace(SMALL, path=path, fusion=fusion))
    count = len(columns['xyz'])
    assert 500 < count <= 8000
    assert {name: (column.dtype, column.shape) for name, column in columns.items()} == {
        'xyz': (np.float32, (count, 3)), 'color': (np.uint8, (count, 3)),
        'label': (np.int32, (count,)), 'instance': (np.int32, (count,))}
    assert np.isfinite(columns['xyz']).all()


def test_a_path_through_the_room_shows_and_labels_it() -> None:
    columns = scan_scene(ROOM, np.random.default_rng(2), replace(SMALL, path='person', frames=24))
    label, instance, z = columns['label'], columns['instance'], columns['xyz'][:, 2]
    assert set(label) >= {WALL, FLOOR, CABINET, TABLE, CUP}
    for name, number in ((CABINET, 0), (TABLE, 1), (CUP, 2)):
        assert set(instance[label == name]) == {number}
    assert set(instance[(label == WALL) | (label == FLOOR)]) == {-1}
    assert np.median(z[label == FLOOR]) == pytest.approx(0, abs=0.05)
    assert np.median(z[label == TABLE]) == pytest.approx(0.75, abs=0.06)
    assert 3 < np.linalg.norm(np.ptp(columns['xyz'][:, :2], axis=0)) < 9
    red, green, _ = columns['color'][label == CUP].mean(0)
    assert red > 1.5 * green


def test_walls_are_upright_at_random_yaw() -> None:
    turns = set()
    for seed in range(4):
        columns = scan_scene(ROOM, np.random.default_rng(seed), SMALL)
        floor = columns['xyz'][columns['label'] == FLOOR]
        up = np.linalg.eigh(np.cov(floor.T))[1][:, 0]
        assert abs(up[2]) > np.cos(np.radians(2))
        wall = columns['xyz'][columns['label'] == WALL][:, :2]
        turns.add(round(float(np.linalg.eigh(np.cov(wall.T))[1][0, 0]), 3))
    assert len(turns) == 4


@pytest.mark.parametrize('fusion', FUSIONS)
def test_the_same_seed_is_the_same_scan(fusion: str) -> None:
    style = replace(SMALL, fusion=fusion, frames=5)
    one, two = (scan_scene(ROOM, np.random.default_rng(5), style) for _ in range(2))
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_meshes_have_less_noise_than_raw_readings() -> None:
    spread = {}
    for fusion in ('raw', 'mesh'):
        columns = scan_scene(ROOM, np.random.default_rng(6), replace(
            SMALL, fusion=fusion, path='person', max_range=6.0))
        floor = columns['xyz'][columns['label'] == FLOOR].astype(float)
        floor -= floor.mean(0)
        spread[fusion] = np.linalg.eigvalsh(floor.T @ floor / len(floor))[0]
    assert spread['mesh'] < 0.8 * spread['raw']


def test_random_styles() -> None:
    styles = [random_style(np.random.default_rng(seed), max_points=3000) for seed in range(200)]
    assert {style.path for style in styles} == set(PATH_KINDS)
    assert {style.fusion for style in styles} == set(FUSIONS)
    assert all(style.max_points == 3000 and 0.01 <= style.voxel_size <= 0.035 for style in styles)
    whole = [style for style in styles if style.path in ('robot', 'person')]
    assert 0.4 < len(whole) / len(styles) < 0.6
    assert all(style.upright for style in whole)
    assert 10 < sum(not style.upright for style in styles) < 100


def test_the_frame_of_the_camera() -> None:
    for seed in range(5):
        x, y, z = scan_scene(ROOM, np.random.default_rng(seed), replace(
            SMALL, path='frame', fusion='raw', frames=1, upright=False))['xyz'].T
        assert z.min() > 0.2  # ahead
        assert np.abs(x / z).max() < np.tan(SMALL.field_of_view / 2) * 1.02
        assert np.abs(y / z).max() < np.tan(SMALL.field_of_view / 2) * 0.77


def test_a_scan_without_surfaces_is_rejected() -> None:
    away = replace(ROOM, standpoints=np.array([(100.0, 0)]), targets=np.zeros((0, 3)))
    with pytest.raises(InputError, match='within range of the standpoints'):
        scan_scene(away, np.random.default_rng(0), SMALL)


def test_an_invisible_table_does_not_limit_the_range() -> None:
    none = replace(ROOM, targets=np.array([(50.0, 0, 0.7)]), standpoints=np.array([(0.0, 0)]))
    columns = scan_scene(none, np.random.default_rng(0), replace(
        SMALL, path='close', fusion='raw', frames=1, max_range=1.3))
    assert len(columns['xyz']) > 500
