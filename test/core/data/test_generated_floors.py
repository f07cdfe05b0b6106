"""Floors as data: rooms along a corridor, as one scan and one by one."""

from __future__ import annotations

import json
from pathlib import Path

from mask3d_core.classes import load_classes
from mask3d_core.cli import main
from mask3d_core.data.check import check_dataset
from mask3d_core.data.dataset import Dataset
from mask3d_core.data.generated import floor_sources, generate_storey, NO_ID, STOREY_ROOMS
from mask3d_core.data.labels import LabelledScan
from mask3d_core.errors import InputError
from mask3d_core.model import ModelConfig
from mask3d_core.rooms.floorplan import WALL_THICKNESS
from mask3d_core.rooms.storey import make_storey
from mask3d_core.weights.checkpoint import save_weights, untrained_weights
import numpy as np
import pytest
from wall_gaps import gaps, WALL

CLASSES = load_classes('rooms')
FLOOR = CLASSES.ids[CLASSES.names.index('floor')]
HELD_OUT = 'held_out_floor_000000'
PARTS = [f'{HELD_OUT}_{part}' for part in ('room_00', 'room_01', 'corridor')]


def prepare(folder: Path, *more: str) -> int:
    return main(['prepare', 'rooms', str(folder), '--seed', '4', *more])


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (folder / 'scans').iterdir()}


@pytest.fixture(scope='module')
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data set of a held-out floor, to which one for training was added later."""
    folder = tmp_path_factory.mktemp('data') / 'floors'
    assert prepare(folder, '--floor', '2', '--workers', '1') == 0
    assert Dataset.open(folder).splits == {
        'train': (), 'validation': (HELD_OUT,), 'test': (), 'validation_rooms': tuple(PARTS)}
    before = times(folder)
    assert prepare(folder, '--floor', '2', '--workers', '2', '--count', '1') == 0
    assert before.items() <= times(folder).items(), 'what was there is not made again'
    return folder


@pytest.fixture(scope='module')
def parts(prepared: Path) -> list[LabelledScan]:
    data = Dataset.open(prepared)
    return [data.read(name) for name in data.split('validation_rooms')]


def test_floors_from_the_command_line(prepared: Path) -> None:
    data = Dataset.open(prepared)
    assert data.name == 'rooms 4, floors of 2 rooms' and data.background == ('wall', 'floor')
    assert data.classes == CLASSES and data.upright
    assert data.splits == {'train': ('floor_000000',), 'validation': (HELD_OUT,), 'test': (),
                           'validation_rooms': tuple(PARTS)}
    assert {path.stem for path in data.path('').parent.iterdir()} == {
        'floor_000000', HELD_OUT, *PARTS}
    findings = list(check_dataset(data))
    assert {finding.where for finding in findings} <= {'dataset.json'}, findings
    assert not [finding for finding in findings if finding.is_error]


def test_the_parts_joined_are_the_floor(prepared: Path, parts: list[LabelledScan]) -> None:
    floor = Dataset.open(prepared).read(HELD_OUT)
    for values in ('label', 'instance'):
        np.testing.assert_array_equal(
            np.concatenate([getattr(part, values) for part in parts]), getattr(floor, values))
    np.testing.assert_array_equal(np.concatenate([part.scan.xyz for part in parts]),
                                  floor.scan.xyz)
    assert floor.scan.color is not None
    np.testing.assert_array_equal(np.concatenate([part.scan.color for part in parts]),
                                  floor.scan.color)
    assert np.ptp(floor.scan.xyz, axis=0)[2] < 4


def test_instances_are_numbered_through(parts: list[LabelledScan]) -> None:
    numbers = [np.unique(part.instance[part.instance != NO_ID]) for part in parts]
    assert min(len(of_part) for of_part in numbers) > 0
    joined = np.concatenate(numbers)
    assert joined.tolist() == list(range(len(joined)))
    background = [CLASSES.ids[CLASSES.names.index(name)] for name in ('wall', 'floor')]
    for part, of_part in zip(parts, numbers):
        assert set(part.label.tolist()) <= {*CLASSES.ids, NO_ID}
        labels = [np.unique(part.label[part.instance == number]) for number in of_part]
        assert all(len(label) == 1 for label in labels)
        assert not np.isin(labels, [NO_ID, *background]).any()


def test_a_floor_follows_from_its_seed_and_number(prepared: Path,
                                                  parts: list[LabelledScan]) -> None:
    for part, made in zip(parts, generate_storey(4, -1, 2)):
        for stored, column in ((part.scan.xyz, 'xyz'), (part.label, 'label'),
                               (part.instance, 'instance')):
            np.testing.assert_array_equal(stored, made[column])
    other = Dataset.open(prepared).scans['floor_000000']
    assert other.points != sum(len(part) for part in parts)


def test_doorways_are_free_and_have_a_floor(prepared: Path) -> None:
    floor = Dataset.open(prepared).read(HELD_OUT)
    xyz, label = floor.scan.xyz.astype(np.float64), floor.label
    for room in make_storey((4, 0xFFFFFFFF, STOREY_ROOMS), 2, CLASSES)[:-1]:
        back = np.linalg.inv(room.pose)
        x, y, z = (xyz @ back[:3, :3].T + back[:3, 3]).T
        [(start, end)] = gaps(room.scene, 0.0)
        inside = (start + 0.1 < x) & (x < end - 0.1)
        across = (-WALL_THICKNESS - 0.3 < y) & (y < 0.3)
        at_body_height = (0.3 < z) & (z < 1.7)
        assert not (inside & across & at_body_height).any()
        for near in (y < -WALL_THICKNESS, abs(y + WALL_THICKNESS / 2) < 0.08, y > 0):
            assert np.count_nonzero(inside & across & near & (label == FLOOR)) > 20
        beside = (0 < x) & (x < room.scene.mesh.bounds[1][0]) & ~inside
        assert np.count_nonzero(beside & across & at_body_height & (label == WALL)) > 200


def test_a_folder_has_floors_of_one_size(prepared: Path,
                                         capsys: pytest.CaptureFixture[str]) -> None:
    before = times(prepared)
    assert prepare(prepared, '--floor', '3') == 1
    assert "holds the data set 'rooms 4, floors of 2 rooms'" in capsys.readouterr().err
    assert prepare(prepared, '--count', '1') == 1
    assert times(prepared) == before


def test_more_floors_leave_the_others_as_they_are() -> None:
    few, many = floor_sources(1, 1, 5, 9), floor_sources(2, 2, 5, 9)
    assert [(source.name, source.split) for source in many] == [
        ('floor_000000', 'train'), ('floor_000001', 'train'),
        (HELD_OUT, 'validation'), ('held_out_floor_000001', 'validation')]
    assert {source.name: source for source in few}.items() <= {
        source.name: source for source in many}.items()
    assert len({floor_sources(0, 1, *which)[0].version for which in ((5, 9), (5, 8), (6, 9))}) == 3


def test_a_floor_has_a_room(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match='2'):
        prepare(tmp_path, '--floor', '0')
    assert 'argument --floor: expected 1 or more, got 0' in capsys.readouterr().err
    with pytest.raises(InputError, match='expected a floor of 1 room or more, got 0'):
        generate_storey(4, 0, 0)
    assert prepare(tmp_path / 'none', '--floor', '2', '--held-out', '0') == 1
    assert '--count and --held-out are both 0' in capsys.readouterr().err
    assert not (tmp_path / 'none').exists()


def test_a_floor_grows_room_by_room(prepared: Path, tmp_path: Path,
                                    capsys: pytest.CaptureFixture[str]) -> None:
    objects = CLASSES.without(['wall', 'floor'])
    small = ModelConfig('Res16UNet14A', num_classes=len(objects), hidden_dim=16,
                        feedforward_dim=32, num_heads=2, num_queries=8)
    save_weights(tmp_path / 'small.weights', untrained_weights(small, objects, voxel_size=0.1))
    assert main(['bench', str(prepared), '--growing', '--weights', str(tmp_path / 'small.weights'),
                 '--tile-size', '3', '--chart', str(tmp_path / 'growing.png'),
                 '--json', str(tmp_path / 'growing.json')]) == 0
    steps = json.loads((tmp_path / 'growing.json').read_text())['measurements']
    assert [step['rooms'] for step in steps] == [1, 2]
    assert steps[0]['points'] < steps[1]['points']
    assert 0 < steps[1]['segmented'] <= steps[1]['tiles']
    assert (tmp_path / 'growing.png').stat().st_size > 1000
    assert 'ids kept' in capsys.readouterr().out
