"""Logit adjustment for class frequencies."""

from pathlib import Path

from mask3d_core.data.dataset import Dataset
from mask3d_core.training.config import load_config
from mask3d_core.training.logit_adjustment import adjust_logits, class_frequencies
from mask3d_core.training.setup import TrainingData
import pytest
import torch
from toy_rooms import arguments, make_room, write_dataset

LOGITS = torch.tensor([[2.0, -1.0, 0.5, 3.0], [0.0, 0.0, 0.0, -2.0]])
FREQUENCIES = torch.tensor([0.7, 0.2, 0.1])


def test_probabilities_are_multiplied_by_frequencies_except_for_no_object() -> None:
    plain = LOGITS.softmax(-1)
    biased = adjust_logits(LOGITS, FREQUENCIES.log()).softmax(-1)
    torch.testing.assert_close(biased[:, -1], plain[:, -1])
    expected = plain[:, :-1] * FREQUENCIES
    expected *= plain[:, :-1].sum(1, keepdim=True) / expected.sum(1, keepdim=True)
    torch.testing.assert_close(biased[:, :-1], expected)
    torch.testing.assert_close(adjust_logits(LOGITS, torch.zeros(3)), LOGITS)


@pytest.mark.parametrize('balance', [0.0, 0.5, 1.0])
def test_learned_logits_keep_the_frequencies_that_are_not_adjusted(balance: float) -> None:
    """The objects differ only in frequency; with balance 1 the learned logits are equal."""
    logits = torch.zeros(4, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=100)
    wanted = torch.tensor([0.35, 0.1, 0.05, 0.5])  # half are "no object"

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        adjusted = adjust_logits(logits, balance * FREQUENCIES.log())
        value = -(wanted * adjusted.log_softmax(-1)).sum()
        value.backward()
        return value

    optimizer.step(loss)
    learned = logits.detach().softmax(-1)
    left = FREQUENCIES ** (1 - balance)
    torch.testing.assert_close(learned, torch.cat([0.5 * left / left.sum(),
                                                   torch.tensor([0.5])]), atol=2e-3, rtol=0)


def test_frequencies_count_objects_not_points(tmp_path: Path) -> None:
    rooms = [make_room(seed, boxes=3) for seed in range(3)]  # two crates and a bin in each
    folder = write_dataset(tmp_path / 'rooms', rooms)
    dataset = Dataset.open(folder)
    frequencies = class_frequencies(dataset, dataset.split('train'))
    assert dict(zip(dataset.objects.names, frequencies.tolist())) == pytest.approx(
        {'crate': 7 / 11, 'bin': 4 / 11})

    config = load_config(None, arguments(folder, tmp_path, '--balance', '0.5'))
    bias = TrainingData.open(config).logit_adjustment(config)
    assert bias is not None and torch.allclose(bias, 0.5 * frequencies.log())
    plain = load_config(None, arguments(folder, tmp_path))
    assert TrainingData.open(plain).logit_adjustment(plain) is None
