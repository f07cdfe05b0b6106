"""Several processes compute what one does, however they are launched, and fail together."""

import csv
from dataclasses import replace
from pathlib import Path

from launched import environment, finish, start, start_torchrun
from mask3d_core.data.dataset import Dataset
from mask3d_core.errors import InputError
from mask3d_core.training.config import load_config, TrainConfig
from mask3d_core.training.data_loader import DistributedBatchSampler
from mask3d_core.training.distributed import make_fabric
from mask3d_core.training.loop import train
from mask3d_core.training.setup import initial_weights, TrainingData
from mask3d_core.weights.checkpoint import load_weights, Weights
import pytest
import torch
import toy_rooms
from toy_rooms import arguments, make_room, write_dataset

pytestmark = pytest.mark.usefixtures('one_thread')

KEYS = ['--batch_size', '3', '--epochs', '2', '--log_every', '1', '--validate_every', '2',
        '--pictures', '0', '--learning_rate', '1e-4', '--augmentation.scale', '0',
        '--augmentation.elastic', '0']
"""Four rooms: steps of three scans and of one, twice."""


@pytest.fixture(scope='module')
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp('data') / 'rooms',
                         [make_room(seed) for seed in range(4)])


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline='') as file:
        return list(csv.DictReader(file))


def assert_same_result(one: Path, other: Path, start: Weights) -> None:
    """Compare two runs, up to the order of sums."""
    pairs = list(zip(rows(one / 'log.csv'), rows(other / 'log.csv'), strict=True))
    assert len(pairs) == 4
    for ours, theirs in pairs:
        for name in ('loss', 'class', 'mask', 'dice', 'learning_rate'):
            assert float(theirs[name]) == pytest.approx(float(ours[name]), rel=1e-3), name
        norm = float(ours['gradient_norm'])  # masks are thresholded: rounding may flip them
        assert float(theirs['gradient_norm']) == pytest.approx(norm, rel=3.6e-3)
    assert rows(one / 'scores.csv') == rows(other / 'scores.csv')
    states = [load_weights(run / 'last.weights').state for run in (one, other)]
    for name, initial in start.state.items():
        ours, theirs = (state[name] for state in states)
        if 'attention.key.bias' in name:
            continue  # cancels in softmax: its gradient is rounding noise, which Adam amplifies
        if initial.is_floating_point():
            assert (ours - theirs).norm() <= 1e-2 * (ours - initial).norm(), name
        else:
            assert torch.equal(ours, theirs), name


def test_torchrun_splits_steps_that_do_not_divide(rooms: Path, tmp_path: Path) -> None:
    """One process packs two scans at once, two processes one each; for the third, one is idle."""
    config = load_config(None, arguments(rooms, tmp_path / 'one', *KEYS, '--batch_voxels', '2400'))
    train(config)
    both = start_torchrun([toy_rooms.__file__, 'train', *arguments(
        rooms, tmp_path / 'two', *KEYS, '--batch_voxels', '1200')])
    output = finish(both)[1]
    assert both.returncode == 0, output
    assert '2 x cpu' in output
    assert_same_result(tmp_path / 'one', tmp_path / 'two',
                       initial_weights(config, TrainingData.open(config), ''))


def test_batch_norm_without_synchronization(rooms: Path, tmp_path: Path) -> None:
    """The file has the statistics of rank 0: of its one scan per step, not of both."""
    keys = ['--batch_size', '2', '--epochs', '1', '--validation_split', '']
    states = []
    for name, more in (('all', ()), ('own', ('--sync_batch_norm', 'false'))):
        process = start([toy_rooms.__file__, 'train',
                      *arguments(rooms, tmp_path / name, *keys, '--devices', '2', *more)],
                     environment())
        text = finish(process)[1]
        assert process.returncode == 0, text
        states.append(load_weights(tmp_path / name / 'last.weights').state)
    first = next(name for name in states[0] if name.endswith('running_mean'))
    assert not torch.allclose(states[0][first], states[1][first], rtol=1e-3)
    tracked = first.replace('running_mean', 'num_batches_tracked')
    assert int(states[0][tracked]) == int(states[1][tracked]) == 2


def test_two_slurm_tasks_stop_together_at_a_loss_that_is_not_finite(
        rooms: Path, tmp_path: Path) -> None:
    keys = ['--batch_size', '2', '--epochs', '1', '--learning_rate', '1e20']
    place = environment(SLURM_NTASKS='2', SLURM_NNODES='1', SLURM_NTASKS_PER_NODE='2',
                        SLURM_JOB_NAME='train', SLURM_NODEID='0')
    command = [toy_rooms.__file__, 'train', *arguments(rooms, tmp_path / 'run', *keys)]
    both = [start(command, place | {'SLURM_PROCID': str(rank), 'SLURM_LOCALID': str(rank)})
            for rank in (0, 1)]
    output = [finish(process)[1] for process in both]
    names = TrainingData.open(load_config(None, arguments(rooms, tmp_path / 'run'))).training
    scans = ', '.join(names[index] for _, index in list(DistributedBatchSampler(0, 4, 2, 1))[1])
    for process, text in zip(both, output):
        assert process.returncode == 1 and 'Traceback' not in text, text
        assert f'mask3d: the loss is nan at step 1, with the scans {scans}: check' in text
    assert '2 x cpu' in output[0] and not (tmp_path / 'run' / 'last.weights').exists()


def test_two_processes_stop_together_at_a_damaged_scan(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / 'data', [make_room(0), make_room(1)])
    (data / 'scans' / 'room1.npz').write_bytes(b'no archive')
    both = start([toy_rooms.__file__, 'train',
                  *arguments(data, tmp_path / 'run', '--devices', '2')], environment())
    output = finish(both)[1]
    assert both.returncode == 1, output
    assert 'mask3d: scan room1: ' in output and 'Traceback' not in output


def test_two_processes_stop_together_when_validation_fails(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / 'data', [make_room(seed) for seed in range(3)])
    replace(Dataset.open(data), splits={'train': ('room0', 'room1'), 'validation': ('room2',)}
            ).save()
    (data / 'scans' / 'room2.npz').write_bytes(b'no archive')
    both = start([toy_rooms.__file__, 'train', *arguments(
        data, tmp_path / 'run', '--devices', '2', '--epochs', '1')], environment())
    output = finish(both)[1]
    assert both.returncode == 1, output
    assert 'validation failed: ' in output and 'room2.npz' in output and 'Traceback' not in output
    assert load_weights(tmp_path / 'run' / 'last.weights').trained['steps'] == 1


@pytest.mark.parametrize(('variables', 'expected'), [
    ({'TORCHELASTIC_RUN_ID': 'x', 'WORLD_SIZE': '8', 'GROUP_WORLD_SIZE': '2', 'RANK': '5',
      'LOCAL_RANK': '1', 'GROUP_RANK': '1'}, (8, 5, 4)),
    ({'SLURM_NTASKS': '6', 'SLURM_NNODES': '3', 'SLURM_NTASKS_PER_NODE': '2', 'SLURM_PROCID': '3',
      'SLURM_LOCALID': '1', 'SLURM_NODEID': '1', 'SLURM_JOB_NAME': 'train'}, (6, 3, 2)),
    ({'SLURM_NTASKS': '1', 'SLURM_NNODES': '1', 'SLURM_PROCID': '0', 'SLURM_JOB_NAME': 'bash'},
     (1, 0, 1)),  # a shell on a node
    ({}, (1, 0, 1)),
])
def test_the_launcher_determines_the_number_of_processes(
        monkeypatch: pytest.MonkeyPatch, variables: dict[str, str],
        expected: tuple[int, int, int]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    fabric = make_fabric(TrainConfig(device='cpu'))
    local = getattr(fabric.strategy, 'num_processes', 1)
    assert (fabric.world_size, fabric.global_rank, local) == expected


def test_devices_that_contradict_the_launcher_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ('SLURM_NTASKS', 'SLURM_NNODES'):
        monkeypatch.setenv(name, '1')
    assert make_fabric(TrainConfig(device='cpu', devices=0)).world_size == 1
    with pytest.raises(InputError, match='--ntasks-per-node 4'):
        make_fabric(TrainConfig(device='cpu', devices=4))
    monkeypatch.setenv('SLURM_NTASKS', '2')
    with pytest.raises(InputError, match='refuses these devices: .*--ntasks-per-node=2'):
        make_fabric(TrainConfig(device='cpu'))
