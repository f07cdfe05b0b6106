"""Runs compared as in the paper's Table IV."""

from dataclasses import replace
import json
from pathlib import Path

from mask3d_core.classes import ClassTable
from mask3d_core.cli import main
from mask3d_core.data.dataset import Dataset
from mask3d_core.errors import InputError
from mask3d_core.evaluation import Evaluation, find_protocol, make_truth, Predictions, Scores
from mask3d_core.model.config import ModelConfig
from mask3d_core.training.ablations import format_ablations, open_runs, TrainedRun
from mask3d_core.training.config import config_text, load_config
from mask3d_core.weights.checkpoint import save_weights, untrained_weights
import numpy as np
import pytest
from toy_rooms import make_room, SMALL, write_dataset

CLASS = ClassTable((1,), ('crate',), ((200, 120, 40),))


def trained(name: str, *keys: str) -> TrainedRun:
    return TrainedRun(Path(name), load_config(None, keys))


def scores(found: int) -> Scores:
    """Score so many of ten objects."""
    label, instance = np.ones(2000, np.int64), np.repeat(np.arange(10), 200)
    masks = np.packbits(instance == np.arange(found)[:, None], axis=1).reshape(found, 250)
    evaluation = Evaluation(CLASS, find_protocol('ours'))
    evaluation.add(Predictions(masks, 2000, np.ones(found, np.int32), np.linspace(1, .5, found)),
                   make_truth(label, instance))
    return evaluation.scores()


def test_the_tables_and_where_their_order_differs() -> None:
    text = format_ablations([
        (trained('a'), scores(6)), (trained('b', '--model.queries', 'learned'), scores(8)),
        (trained('c', '--model.queries', 'fps_feature'), scores(2)),
        (trained('d', '--loss.masks', '0'), scores(5)),
        (trained('e', '--loss.dice', '0'), scores(3)), (trained('f', '--seed', '1'), scores(8))])
    queries, order, losses, same = text.split('\n\n')
    assert [line.split(' | ')[::8] for line in queries.splitlines()[2:]] == [
        ['| FPS, zeros', '40.6 |'], ['| learned', '39.7 |'], ['| FPS, features', '38.4 |']]
    assert [line.split(' | ')[7] for line in queries.splitlines()[2:]] == ['2', '1', '1']
    assert '| learned | **' in queries
    assert order == 'Unlike in the paper: learned before FPS, zeros.'
    assert [line.split(' | ')[0] for line in losses.splitlines()[2:]] == [
        '| cross entropy and dice', '| dice', '| cross entropy']
    assert same == "The paper's order."
    tie = format_ablations([(trained('a'), scores(6)),
                            (trained('b', '--model.queries', 'learned'), scores(6))])
    assert tie.endswith('Unlike in the paper: learned as good as FPS, zeros.')


def write_run(folder: Path, dataset: Dataset, *keys: str) -> Path:
    """Write what a run leaves."""
    folder.mkdir()
    config = load_config(None, ['--data', str(dataset.folder), *keys])
    (folder / 'config.yaml').write_text(config_text(config))
    model = ModelConfig(backbone=SMALL, hidden_dim=32, num_heads=4, feedforward_dim=64,
                        num_classes=2, num_queries=5)
    save_weights(folder / 'last.weights', untrained_weights(
        replace(model, queries=config.model.queries), dataset.objects, 0.1))
    return folder


def test_runs_are_measured_by_the_command(tmp_path: Path,
                                          capsys: pytest.CaptureFixture[str]) -> None:
    dataset = Dataset.open(write_dataset(tmp_path / 'data', [make_room(0), make_room(1)]))
    zeros = write_run(tmp_path / 'zeros', dataset)
    learned = write_run(tmp_path / 'learned', dataset, '--model.queries', 'learned')
    longer = write_run(tmp_path / 'longer', dataset, '--loss.dice', '0', '--epochs', '7')
    study = ['study', str(dataset.folder), '--scans', '1', '-o', str(tmp_path / 'out'), '--runs']
    assert main([*study, str(learned), str(zeros)]) == 0
    table = capsys.readouterr().out.splitlines()
    assert [line.split(' | ')[0] for line in table[:4]] == [
        '| queries', '| ---', '| FPS, zeros', '| learned']
    runs = json.loads((tmp_path / 'out' / 'studies.json').read_text())['runs']
    assert [run['queries'] for run in runs] == ['learned', 'fps_zero']
    assert runs[0]['loss'] == {'classes': 2, 'masks': 5, 'dice': 2, 'votes': 10,
                               'mask_iou': 1}
    assert main([*study, str(zeros), str(longer)]) == 1
    assert 'was trained with epochs 7 instead of 601' in capsys.readouterr().err
    milder = write_run(tmp_path / 'milder', dataset, '--loss.masks', '1', '--seed', '1')
    with pytest.raises(InputError, match=r'loss.masks 1.0, 5.0: compare runs in which it is one'):
        open_runs([zeros, learned, milder])
    with pytest.raises(InputError, match='different queries .* model.queries fps_zero and'):
        open_runs([zeros, zeros])
    with pytest.raises(InputError, match=r'nothing.config\.yaml cannot be read'):
        open_runs([tmp_path / 'nothing'])
