"""The studies of the paper, on small rooms."""

from dataclasses import replace
import json
from pathlib import Path

from mask3d_core.cli import main
from mask3d_core.data.dataset import Dataset
from mask3d_core.errors import InputError
from mask3d_core.evaluation import Evaluation
from mask3d_core.evaluation.dataset_evaluation import dataset_protocol, segment_split
from mask3d_core.evaluation.studies import (
    run_studies,
    vary_eps,
    vary_queries,
    vary_steps,
)
from mask3d_core.evaluation.study_report import bold_best, format_table
from mask3d_core.inspection import EncodedScan
from mask3d_core.model.config import ModelConfig
from mask3d_core.segmenter import load_segmenter, Segmenter
from mask3d_core.weights.checkpoint import save_weights, untrained_weights
import numpy as np
from PIL import Image
import pytest
import torch
from toy_rooms import make_room, SMALL, write_dataset

MODEL = ModelConfig(backbone=SMALL, hidden_dim=32, num_heads=4, feedforward_dim=64,
                    num_classes=2, num_queries=12)


@pytest.fixture(scope='module')
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp('data') / 'rooms'
    return Dataset.open(write_dataset(folder, [make_room(seed) for seed in range(2)]))


def make_segmenter(dataset: Dataset, queries: str, seed: int = 0) -> Segmenter:
    return load_segmenter(untrained_weights(replace(MODEL, queries=queries), dataset.objects,
                                            voxel_size=0.1, seed=seed), 'cpu')


def test_predictions_equal_those_of_the_segmenter(dataset: Dataset) -> None:
    segmenter = make_segmenter(dataset, 'fps_feature')
    settings = dataset_protocol(dataset).settings()
    encoded = EncodedScan(segmenter, make_room(0).scan, 'tests')
    expected = segmenter.predict(encoded.voxels)
    fewer, trained, more = vary_queries(segmenter, settings, (20, 12, 5)).predict(encoded)
    assert [len(one[0].class_logits) for one in (fewer, trained, more)] == [5, 12, 20]
    assert fewer[2]['decoder'] > 0
    steps = list(vary_steps(segmenter, settings).predict(encoded))
    assert len(steps) == 13
    for same, *_ in (trained, steps[-1]):
        assert torch.equal(same.class_logits, expected.class_logits)
        assert torch.equal(same.mask_logits, expected.mask_logits)
    assert not torch.equal(steps[-2][0].class_logits, expected.class_logits)


def test_default_settings_score_as_in_mask3d_evaluate(dataset: Dataset) -> None:
    segmenter = make_segmenter(dataset, 'learned', seed=21)  # it finds something by chance
    protocol = dataset_protocol(dataset)
    settings, names = protocol.settings(), dataset.split('validation')
    studies = [vary_steps(segmenter, settings),
               vary_eps(segmenter, settings, (0, 1.6, 0.2, 0.4))]
    assert [study.settings for study in studies] == [
        tuple(map(str, range(13))), ('0.2', '0.4', '1.6', 'none')]
    assert all(list(study.axis_values) == sorted(set(study.axis_values)) for study in studies)
    seen: list[str] = []
    steps, eps = run_studies(segmenter, dataset, names, studies, protocol, seen.append)
    assert seen == names

    evaluation = Evaluation(dataset.classes, protocol)
    segment_split(segmenter, dataset, names, evaluation)
    default = evaluation.scores()
    for result in (steps[12], eps[2]):  # of 16 voxels of 0.1 m
        assert result.scores.to_dict() == default.to_dict()
    for results in (steps, eps):
        assert len({str(result.scores.to_dict()) for result in results}) > 2
    seconds = eps[0].seconds
    assert set(seconds) == {'voxels', 'pyramid', 'unet', 'superpoints', 'decoder', 'clustering',
                            'instances', 'together'}
    assert seconds['together'] > seconds['unet'] > 0


def test_learned_queries_cannot_be_varied(dataset: Dataset, tmp_path: Path) -> None:
    learned = untrained_weights(replace(MODEL, queries='learned'), dataset.objects, 0.1)
    segmenter = load_segmenter(learned, 'cpu')
    with pytest.raises(InputError, match='learned queries'):
        vary_queries(segmenter, dataset_protocol(dataset).settings())
    save_weights(tmp_path / 'learned.weights', learned)
    assert main(['study', str(dataset.folder), '--weights', str(tmp_path / 'learned.weights'),
                 '--scans', '1', '--eps', '0', '-o', str(tmp_path)]) == 0
    assert 'queries' not in json.loads((tmp_path / 'studies.json').read_text())


    assert main(['study', str(dataset.folder), '--weights', str(tmp_path / 'learned.weights'),
                 '--queries', '5', '-o', str(tmp_path)]) == 1


@pytest.mark.parametrize('options', [
    ['--only', 'steps', '--eps', '0.3'], ['--only', 'eps', '--queries', '3'],
    ['--only', 'queries', '--num-queries', '9'], ['--runs', 'a', '--eps', '0.3']])
def test_options_that_would_be_ignored_are_wrong_usage(dataset: Dataset,
                                                       options: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(['study', str(dataset.folder), *options])
    assert ended.value.code == 2


def test_the_command(dataset: Dataset, tmp_path: Path,
                     capsys: pytest.CaptureFixture[str]) -> None:
    save_weights(tmp_path / 'toy.weights', untrained_weights(MODEL, dataset.objects, 0.1))
    command = ['study', str(dataset.folder), '--weights', str(tmp_path / 'toy.weights'),
               '-o', str(tmp_path / 'out')]
    assert main([*command, '--scans', '1', '--queries', '3,12', '--eps', '0.5,0',
                 '--only', 'queries', 'eps']) == 0
    tables = capsys.readouterr().out.strip().split('\n\n')
    assert [[line.split(' | ')[0] for line in table.splitlines()] for table in tables] == [
        ['| queries', '| ---', '| 3', '| 12'],
        ['| DBSCAN eps, m', '| ---', '| 0.5', '| none']]
    content = json.loads((tmp_path / 'out' / 'studies.json').read_text())
    assert (content['scans'], content['split'], 'steps' in content) == (1, 'validation', False)
    assert [row['setting'] for row in content['queries']] == ['3', '12']
    assert content['eps'][0]['mean'].keys() == {'AP', 'AP50', 'AP25'}
    for name in ('queries', 'eps'):
        with Image.open(tmp_path / 'out' / f'{name}.png') as image:
            assert image.width > 2 * image.height
    assert main([*command, '--split', 'none']) == 1
    assert "has no split 'none'" in capsys.readouterr().err
    for wrong in (['--queries', '0'], ['--eps', 'far'], ['--only', 'all'],
                  ['--runs', 'a', '--eps', '1']):
        with pytest.raises(SystemExit, match='2'):
            main([*command, *wrong])


def test_the_best_of_a_column_is_bold_unless_all_are_equal() -> None:
    scores = np.array([[.101, .5, np.nan], [.2004, .5, np.nan], [.1996, .5, np.nan]])
    assert bold_best(scores) == [['10.1', '50.0', '-'], ['**20.0**', '50.0', '-'],
                                 ['**20.0**', '50.0', '-']]


def test_a_table_in_markdown() -> None:
    assert format_table(['eps', 'AP'], [['none', '**1.0**'], ['0.9', '0.5']]) == (
        '| eps | AP |\n| --- | --- |\n| none | **1.0** |\n| 0.9 | 0.5 |')
