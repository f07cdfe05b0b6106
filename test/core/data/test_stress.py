"""The stress set: the same rooms for the same seed, sparse, with many objects; the command."""

from pathlib import Path

from mask3d_core.cli import main
from mask3d_core.data.check import check_dataset
from mask3d_core.data.dataset import Dataset
from mask3d_core.data.generated import NO_ID, room_sources
from mask3d_core.data.stress import generate_stress_room, stress_sources
from mask3d_core.evaluation.dataset_evaluation import dataset_protocol
from mask3d_core.rooms.stress_scan import MAX_POINTS
import numpy as np
import pytest


def test_a_room_of_the_stress_set() -> None:
    room, again, other = (generate_stress_room(0, number) for number in (-1, -1, -2))
    assert all(np.array_equal(room[name], again[name]) for name in room)
    assert len(room['xyz']) != len(other['xyz']) or not np.array_equal(room['xyz'], other['xyz'])
    count = len(room['xyz'])
    assert 10_000 < count <= MAX_POINTS
    assert {name: (column.dtype, column.shape) for name, column in room.items()} == {
        'xyz': (np.float32, (count, 3)), 'color': (np.uint8, (count, 3)),
        'label': (np.int32, (count,)), 'instance': (np.int32, (count,))}
    assert len(np.unique(room['instance'])) - 1 >= 20
    # ceilings are walls, so that only what is hardly seen has no label
    assert (room['label'] == NO_ID).mean() < 0.05


def test_more_rooms_leave_the_others_as_they_are() -> None:
    few, many = stress_sources(1, 1, 5), stress_sources(2, 3, 5)
    assert [(source.name, source.split) for source in many] == [
        ('stress_000000', 'train'), ('stress_000001', 'train'),
        *((f'held_out_stress_{number:06}', 'validation') for number in range(3))]
    assert set(few) <= set(many)
    assert not {source.version for source in many} & {
        source.version for source in (*stress_sources(1, 1, 6), *room_sources(1, 1, 5))}


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ['prepare', 'rooms', str(tmp_path), '--stress', '--held-out', '1', '--workers', '1']
    assert main(command) == 0
    data = Dataset.open(tmp_path)
    assert data.split('validation') == ['held_out_stress_000000']
    assert dataset_protocol(data).background == ('wall', 'floor')
    assert not [finding for finding in check_dataset(data) if finding.is_error]
    assert main([*command, '--floor', '2']) == 1
    assert 'either --stress or --floor' in capsys.readouterr().err
