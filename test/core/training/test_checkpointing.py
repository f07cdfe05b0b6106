"""Checkpoints of a run that validates: the best weights, and the state it resumes from."""

import csv
from dataclasses import replace
from pathlib import Path

from mask3d_core.data.dataset import Dataset
from mask3d_core.errors import InputError
from mask3d_core.training import checkpointing
from mask3d_core.training.checkpointing import RANKING_METRICS
from mask3d_core.training.config import load_config, TrainConfig
from mask3d_core.training.loop import train
from mask3d_core.weights.checkpoint import load_weights
import pytest
from toy_rooms import arguments, make_room, write_dataset

pytestmark = pytest.mark.usefixtures('one_thread')


@pytest.fixture(scope='module')
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp('data') / 'rooms',
                         [make_room(seed) for seed in range(4)])


def configure(data: Path, output: Path, *keys: str) -> TrainConfig:
    return load_config(None, arguments(data, output, *keys))


def test_the_best_weights_are_kept(rooms: Path, tmp_path: Path,
                                   monkeypatch: pytest.MonkeyPatch) -> None:
    """The scores are made up: only their ranking matters."""
    reached = iter([(0.2, 0.1, 0.3), (0.5, 0.1, 0.3), (0.4, 0.9, 0.9)])  # AP50, AP, AP25
    monkeypatch.setattr(checkpointing, 'validate', lambda *_: None)
    monkeypatch.setattr(checkpointing, 'score_values',
                        lambda _: dict(zip(RANKING_METRICS, next(reached))))
    train(configure(rooms, tmp_path, '--epochs', '3', '--validate_every', '1', '--pictures', '0'))
    assert load_weights(tmp_path / 'best.weights').trained['steps'] == 4
    assert load_weights(tmp_path / 'last.weights').trained['steps'] == 6


def test_the_best_weights_stay_the_best_when_a_run_is_resumed(
        rooms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted during its second validation, it has saved the weights of that step."""
    reached = iter([(0.5, 0.1, 0.3), None, (0.4, 0.9, 0.9)])

    def made_up(_: object) -> dict[str, float]:
        values = next(reached)
        if values is None:
            raise KeyboardInterrupt
        return dict(zip(RANKING_METRICS, values))

    monkeypatch.setattr(checkpointing, 'validate', lambda *_: None)
    monkeypatch.setattr(checkpointing, 'score_values', made_up)
    config = configure(rooms, tmp_path, '--epochs', '3', '--validate_every', '1', '--pictures',
                       '0')
    with pytest.raises(KeyboardInterrupt):
        train(config)
    assert load_weights(tmp_path / 'last.weights').trained['steps'] == 4
    train(config, resume=True)
    assert load_weights(tmp_path / 'best.weights').trained['steps'] == 2
    assert load_weights(tmp_path / 'last.weights').trained['steps'] == 6


def test_a_failed_validation_loses_no_steps(tmp_path: Path) -> None:
    grey = make_room(0)
    grey = replace(grey, scan=replace(grey.scan, color=None))
    data = write_dataset(tmp_path / 'data', [grey, make_room(1), make_room(2)])
    names = Dataset.open(data).split('train')
    replace(Dataset.open(data), splits={'train': tuple(names[1:]), 'validation': (names[0],)}
            ).save()
    with pytest.raises(InputError, match='weights are saved, but validation failed: .*room0.npz: '
                                         'the cloud has no colour'):
        train(configure(data, tmp_path / 'run', '--epochs', '2'))
    assert load_weights(tmp_path / 'run' / 'last.weights').trained['steps'] == 2


def test_of_equally_good_weights_the_newer_are_the_best(rooms: Path, tmp_path: Path) -> None:
    train(configure(rooms, tmp_path, '--epochs', '2', '--validate_every', '1', '--pictures', '0'))
    scores = (tmp_path / 'scores.csv').read_text()
    assert {row['AP25'] for row in csv.DictReader(scores.splitlines())} == {'0'}
    assert load_weights(tmp_path / 'best.weights').trained['steps'] == 4
