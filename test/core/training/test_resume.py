"""A resumed run gives the weights of an uninterrupted one, bit for bit."""

from collections.abc import Iterator
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
import time

from mask3d_core.errors import InputError
from mask3d_core.stop import Stopped
from mask3d_core.tiling.settings import TileSettings
from mask3d_core.training.config import load_config, TrainConfig
from mask3d_core.training.loop import train
from mask3d_core.training.run_folder import load_state, RunLogger
from mask3d_core.training.sync_batch_norm import SyncBatchNorm
from mask3d_core.weights.checkpoint import load_weights, save_atomic
import pytest
import torch
from torch import nn
import toy_rooms
from toy_rooms import arguments, make_room, write_dataset

pytestmark = pytest.mark.usefixtures('one_thread')

KEYS = ['--epochs', '6', '--log_every', '1', '--save_every', '3', '--pictures', '0',
        '--validate_every', '6', '--learning_rate', '1e-3', '--batch_size', '3',
        '--augmentation.insertions', '2']
"""
12 steps, of three scans and of one, with objects of others; checkpoints after steps 2, 3, 4, 6, 8,
9 ...
"""


@pytest.fixture(scope='module')
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp('data') / 'rooms',
                         [make_room(seed) for seed in range(4)])


@pytest.fixture(scope='module')
def whole(rooms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an uninterrupted run."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    output = tmp_path_factory.mktemp('runs') / 'whole'
    try:
        train(configure(rooms, output))
    finally:
        torch.set_num_threads(before)
    return output


def configure(data: Path, output: Path, *keys: str) -> TrainConfig:
    return load_config(None, arguments(data, output, *KEYS, *keys))


def logged(output: Path) -> list[list[str]]:
    """Return step, epoch, losses, gradient norm and rate of every logged step."""
    lines = (output / 'log.csv').read_text().splitlines()
    return [line.split(',')[:9] for line in lines]


def wait_for_steps(output: Path, count: int) -> None:
    """Wait until so many steps are logged."""
    end = time.monotonic() + 300
    while not (output / 'log.csv').exists() or len(logged(output)) <= count:
        assert time.monotonic() < end, 'the run does not begin'
        time.sleep(0.02)


def assert_equal_runs(one: Path, other: Path) -> None:
    """Compare weights, optimizer, schedule and logs, bit for bit."""
    def flat(value: object, name: str = '') -> Iterator[tuple[str, object]]:
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from flat(inner, f'{name}.{key}')
        elif isinstance(value, list):
            yield from flat(dict(enumerate(value)), name)
        else:
            yield name, value

    ours, theirs = (dict(flat(load_state(run / 'state.pt'))) for run in (one, other))
    assert ours.keys() == theirs.keys()
    del ours['.trained.command']  # one of them was started by another program
    for name, value in ours.items():
        same = torch.equal(value, theirs[name]) if isinstance(value, torch.Tensor) \
            else value == theirs[name]
        assert same, name
    weights = [load_weights(run / 'last.weights').state for run in (one, other)]
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())
    assert logged(one) == logged(other)
    assert (one / 'scores.csv').read_text() == (other / 'scores.csv').read_text()


def start(rooms: Path, output: Path, *keys: str) -> subprocess.Popen[str]:
    """Start a run in a process of its own, with workers."""
    return subprocess.Popen(
        [sys.executable, toy_rooms.__file__, 'train',
         *arguments(rooms, output, *KEYS, '--workers', '2', *keys)],
        env=os.environ | {'OMP_NUM_THREADS': '1'}, stderr=subprocess.PIPE, text=True,
        start_new_session=True)


def test_stopped_by_ctrl_c_and_resumed(whole: Path, rooms: Path, tmp_path: Path) -> None:
    output = tmp_path / 'run'
    process = start(rooms, output)
    wait_for_steps(output, 3)
    os.killpg(process.pid, signal.SIGINT)  # a terminal tells the workers, too
    _, output_text = process.communicate(timeout=300)
    assert process.returncode == 1
    assert 'stopped by SIGINT after step ' in output_text and 'Traceback' not in output_text
    assert 3 <= load_state(output / 'state.pt')['step'] < 12
    train(configure(rooms, output), resume=True)
    assert_equal_runs(whole, output)


def test_killed_and_resumed(whole: Path, rooms: Path, tmp_path: Path) -> None:
    output = tmp_path / 'run'
    process = start(rooms, output)
    wait_for_steps(output, 5)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL
    train(configure(rooms, output, '--workers', '1'), resume=True)
    assert_equal_runs(whole, output)


def test_stopped_twice_by_sigterm_and_resumed(whole: Path, rooms: Path, tmp_path: Path) -> None:
    output = tmp_path / 'run'

    def ask(steps: int) -> None:
        wait_for_steps(output, steps)
        os.kill(os.getpid(), signal.SIGTERM)

    def ignore(*_: object) -> None:
        """Take a signal that comes late: pytest would end."""

    before = signal.signal(signal.SIGTERM, ignore)
    try:
        for resume, steps in ((False, 1), (True, 7)):
            asking = threading.Thread(target=ask, args=(steps,))
            asking.start()
            try:
                with pytest.raises(Stopped, match='stopped by SIGTERM .* --resume'):
                    train(configure(rooms, output), resume=resume)
            finally:
                asking.join()
            assert signal.getsignal(signal.SIGTERM) is ignore
    finally:
        signal.signal(signal.SIGTERM, before)
    train(configure(rooms, output), resume=True)
    assert_equal_runs(whole, output)


def test_a_finished_run_stays_as_it_is(whole: Path, rooms: Path) -> None:
    files = {path: path.read_bytes() for path in (whole / 'last.weights', whole / 'log.csv')}
    train(configure(rooms, whole), resume=True)
    assert {path: path.read_bytes() for path in files} == files


def test_start_weights_may_be_gone_when_a_run_is_resumed(whole: Path, rooms: Path, tmp_path: Path,
                                                      ) -> None:
    start = tmp_path / 'start.weights'
    start.write_bytes((whole / 'last.weights').read_bytes())
    config = configure(rooms, tmp_path / 'run', '--start_weights', str(start), '--epochs', '2',
                       '--tile_size', '20')
    train(config, command='the first')
    start.unlink()
    train(config, resume=True, command='the second')
    resumed = load_weights(tmp_path / 'run' / 'last.weights')
    trained = resumed.trained
    assert resumed.tiles == TileSettings(20.0)
    assert (trained['command'], trained['start_weights']) == ('the first', str(start))


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    path = tmp_path / 'state.pt'
    save_atomic(path, {'step': 3, 'learner': {'model': {'a': torch.ones(1000)}}})
    assert load_state(path)['step'] == 3
    whole = path.read_bytes()
    place = whole.index(torch.ones(9).numpy().tobytes())  # inside the tensor, where nothing ends
    path.write_bytes(whole[:place] + b'\x01' + whole[place + 1:])
    with pytest.raises(InputError, match='state.pt is damaged'):
        load_state(path)
    path.write_bytes(whole[:500])
    with pytest.raises(InputError, match='state.pt is damaged'):
        load_state(path)
    assert [file.name for file in tmp_path.iterdir()] == ['state.pt']


def test_a_log_is_truncated_to_the_checkpoint(tmp_path: Path) -> None:
    log = tmp_path / 'log.csv'
    log.write_text('step,loss\n1,5\n2,4\n3,3\n4,')
    folder = RunLogger(tmp_path, 2)
    folder.log(3, {'loss': 2.5})
    folder.close()
    assert log.read_text().splitlines() == ['step,loss', '1,5', '2,4', '3,2.5']


@pytest.mark.parametrize('cut', ['', 'step,lo'])
def test_a_log_without_its_header_gets_one(tmp_path: Path, cut: str) -> None:
    (tmp_path / 'log.csv').write_text(cut)
    folder = RunLogger(tmp_path, 0)
    folder.log(1, {'loss': 2.5})
    folder.close()
    assert (tmp_path / 'log.csv').read_text().splitlines() == ['step,loss', '1,2.5']


def test_synchronized_batch_norm_is_batch_norm(tmp_path: Path) -> None:
    """With one process; for two see test_processes."""
    torch.distributed.init_process_group('gloo', init_method=f'file://{tmp_path}/meet', rank=0,
                                         world_size=1)
    try:
        torch.manual_seed(0)
        plain, synced = nn.BatchNorm1d(5, momentum=0.02), SyncBatchNorm(5, momentum=0.02)
        values = torch.randn(40, 5) * 3 + 7
        results = []
        for norm in (plain, synced):
            features = values.clone().requires_grad_()
            norm.weight.data = torch.linspace(0.5, 2, 5)
            for _ in range(2):
                result = norm(features)
            result.square().sum().backward()
            results.append([result, features.grad, norm.weight.grad, norm.bias.grad,
                            norm.running_mean, norm.running_var, norm.num_batches_tracked])
        for one, other in zip(*results):
            torch.testing.assert_close(one, other, rtol=2e-4, atol=2e-4)
        assert torch.equal(plain.eval()(values), synced.load_state_dict(plain.state_dict())
                           and synced.eval()(values))
    finally:
        torch.distributed.destroy_process_group()
