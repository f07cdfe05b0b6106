"""A training step: accumulated gradients, learning rates, and the progress line."""

import os
from pathlib import Path
import re
from types import SimpleNamespace

from mask3d_core.model import Mask3D
from mask3d_core.training.config import load_config, TrainConfig
from mask3d_core.training.data_loader import Sample
from mask3d_core.training.distributed import make_fabric
from mask3d_core.training.learner import Learner
from mask3d_core.training.loop import accumulate_gradients
from mask3d_core.training.micro_batches import split_step
from mask3d_core.training.progress import Progress
from mask3d_core.training.setup import initial_weights, TrainingData
import pytest
import torch
from toy_rooms import arguments, make_room, write_dataset

pytestmark = pytest.mark.usefixtures('one_thread')


@pytest.fixture(scope='module')
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp('data') / 'rooms',
                         [make_room(seed) for seed in range(3)])


def make_learner(rooms: Path, *keys: str, num_steps: int = 20,
                 ) -> tuple[Learner, TrainConfig, TrainingData]:
    config = load_config(None, arguments(rooms, Path('unused'), '--learning_rate', '1e-3', *keys))
    training_data = TrainingData.open(config)
    weights = initial_weights(config, training_data, '')
    model = Mask3D(weights.model)
    model.load_state_dict(weights.state)
    learner = Learner(make_fabric(config), model, config, num_steps,
                      training_data.logit_adjustment(config))
    return learner, config, training_data


def test_the_loss_is_weighed_as_configured(rooms: Path) -> None:
    def total_and_class_gradient(*keys: str) -> tuple[float, float]:
        learner, config, training_data = make_learner(rooms, *keys)
        sample = training_data.samples(config)[0, 0]
        assert isinstance(sample, Sample)
        split = split_step(learner.fabric, [sample], 1, 0, 12, stop=False)
        total, *_ = accumulate_gradients(learner, split, config.seed, step=0)
        gradient = learner.model.head.classes.weight.grad
        assert gradient is not None
        return total, float(gradient.abs().sum())

    paper, gradient = total_and_class_gradient()
    assert gradient > 0
    doubled = total_and_class_gradient(
        '--loss.classes', '4', '--loss.masks', '10', '--loss.dice', '4')
    assert doubled == pytest.approx((2 * paper, 2 * gradient), rel=1e-4)
    assert total_and_class_gradient('--loss.classes', '0')[1] == 0


def test_balance_adjusts_logits_for_class_frequencies(tmp_path: Path) -> None:
    """With equal logits the frequent class is more probable after adjustment: less gradient."""
    uneven = write_dataset(tmp_path / 'rooms', [make_room(seed, boxes=3) for seed in range(3)])
    gradients = []
    for balance in ('0', '1'):
        learner, config, training_data = make_learner(
            uneven, '--balance', balance, '--model.votes', 'true', '--model.queries',
            'fps_feature')
        assert learner.model.votes is not None
        for layer in (learner.model.head.classes, learner.model.votes.classes):
            torch.nn.init.zeros_(layer.weight)
            torch.nn.init.zeros_(layer.bias)
        sample = training_data.samples(config)[0, 0]
        assert isinstance(sample, Sample)
        split = split_step(learner.fabric, [sample], 1, 0, 12, stop=False)
        accumulate_gradients(learner, split, config.seed, step=0)
        gradients.append([(layer.bias.grad[0] - layer.bias.grad[1]).item() for layer in (
            learner.model.head.classes, learner.model.votes.classes)])
    assert all(balanced > plain for plain, balanced in zip(*gradients)), gradients


def test_accumulated_gradients_are_those_of_one_batch(rooms: Path) -> None:
    learner, config, training_data = make_learner(rooms)
    learner.model.eval()  # in training mode, batch norm would see only a micro-batch
    samples = [sample for sample in map(training_data.samples(config).__getitem__,
                                        [(0, 0), (0, 1), (0, 2)]) if isinstance(sample, Sample)]
    results = []
    two_scans = len(samples[0].voxels) + len(samples[1].voxels)
    for max_voxels, batches in ((0, 1), (two_scans, 2), (1, 3)):
        split = split_step(learner.fabric, samples, 3, max_voxels, 12, stop=False)
        assert len(split.micro_batches) == batches
        terms = accumulate_gradients(learner, split, config.seed, step=0)
        results.append((terms, {name: tensor.grad.clone() for name, tensor
                                in learner.model.named_parameters() if tensor.grad is not None}))
        learner.optimizer.zero_grad()
    (whole_terms, whole), *parts = results
    assert len(whole) > 50
    noise = 1e-6 * sum(float(gradient.square().sum()) for gradient in whole.values()) ** 0.5
    for terms, gradients in parts:
        assert terms == pytest.approx(whole_terms, rel=1e-5)
        assert gradients.keys() == whole.keys()
        for name, gradient in whole.items():
            tolerance = 5e-3 * gradient.norm() + noise  # the gradient of a key's bias is noise
            assert (gradients[name] - gradient).norm() <= tolerance, name


def test_one_cycle_of_rate_and_momentum(rooms: Path) -> None:
    """The rate rises until step 5 (30 % of 20 steps) and falls until step 19."""
    learner, _, _ = make_learner(rooms, num_steps=20)
    rates, momenta = [], []
    for _ in range(20):
        momenta.append(learner.optimizer.param_groups[0]['betas'][0])
        for weight in learner.model.parameters():
            weight.grad = torch.zeros_like(weight)
        assert learner.update(['a']) == 0
        rates.append(learner.rate)
    expected = {0: (4e-5, 0.95), 5: (1e-3, 0.85), 12: (5e-4, 0.9), 19: (4e-9, 0.95)}
    for step, (rate, momentum) in expected.items():
        assert rates[step] == pytest.approx(rate, rel=1e-5), step
        assert momenta[step] == pytest.approx(momentum), step
    assert rates == sorted(rates[:5]) + sorted(rates[5:], reverse=True)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Give `Progress` a clock that stands still: it only reads the time."""
    now = [100.0]
    for module in ('mask3d_core.progress', 'mask3d_core.training.progress'):
        monkeypatch.setattr(f'{module}.time', SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_the_progress_line(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    progress = Progress(num_steps=7200, steps_per_epoch=12)
    clock[0] += 5
    progress.show_step(11, loss=12.345, rate=1e-4, waiting=1)
    line = capsys.readouterr().err
    assert line.startswith('epoch 1/600 step 11/12  loss 12.35  rate 1.0e-04  5.00 s/step '
                           '(data 20 %)  ')
    assert line.endswith(' 9:59:05 left\n')  # 7189 steps of 5 s
    progress.show_step(12, 1, 1, 0)
    assert capsys.readouterr().err == ''  # in a file: not every step
    progress.message('done')
    progress.show_step(7200, 1, 1, 0)
    assert re.fullmatch(r'mask3d: done\nepoch 600/600 step 12/12 .* 0:00:00 left\n',
                        capsys.readouterr().err)


def test_time_between_steps_is_excluded(clock: list[float]) -> None:
    progress = Progress(100, 10)
    clock[0] += 3
    progress.exclude(3)
    clock[0] += 2
    progress.show_step(1, 1, 1, 0)
    assert progress.seconds == 2


def test_on_a_terminal_the_line_is_updated_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = os.openpty()
    with open(slave, 'w') as terminal, open(master, 'rb', buffering=0) as screen:
        monkeypatch.setattr('sys.stderr', terminal)
        progress = Progress(200000, 10)
        progress.times[0] -= 3
        for done in (1, 2):
            progress.show_step(done, 1, 1, 0)
        progress.message('epoch 1: AP 3')
        shown = ''
        while 'AP 3' not in shown:  # a read returns what has arrived so far
            shown += screen.read(4000).decode()
    first, second, rest = re.split(r'\r(?!\n)', shown)[1:] + re.split(r'\r\n', shown)[1:2]
    assert 'step 1/10' in first and re.search(r' 6 d 2\d h left', first)
    assert 'step 2/10' in second and rest == 'mask3d: epoch 1: AP 3'
