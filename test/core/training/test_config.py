"""The configuration of a training run: values, and messages for wrong ones."""

from dataclasses import replace
from pathlib import Path

from mask3d_core.cli import main
from mask3d_core.errors import InputError
from mask3d_core.training.config import config_text, differences, load_config, TrainConfig
from mask3d_core.training.matcher import LossWeights
import pytest

ROOT = Path(__file__).resolve().parents[3]


def refusal(*arguments: str) -> str:
    """Return why arguments are refused."""
    with pytest.raises(InputError) as caught:
        load_config(None, arguments)
    return str(caught.value)


def test_keys_of_every_type() -> None:
    config = load_config(None, ['--epochs', '7', '--learning_rate', '1e-3', '--use_color=false',
                                '--output', '2024', '--model.levels', '0,1,2',
                                '--train-splits', 'train,validation', '--data', 'a b',
                                '--augmentation.elastic_granularity', '[0.1, 1e-1]',
                                '--extract.overlap_threshold', '0.7'])
    assert (config.epochs, config.learning_rate, config.use_color) == (7, 1e-3, False)
    assert (config.output, config.data) == ('2024', 'a b')
    assert config.train_splits == ('train', 'validation')
    assert config.model.levels == (0, 1, 2)
    assert config.augmentation.elastic_granularity == (0.1, 0.1)
    assert config.extract.overlap_threshold == 0.7
    assert config.extract.dbscan_eps == TrainConfig().extract.dbscan_eps != 0.95


def test_null_is_a_value_where_it_is_allowed() -> None:
    config = load_config(None, ['--extract.overlap_threshold', 'null'])
    assert config.extract.overlap_threshold is None
    assert 'epochs' in refusal('--epochs', 'null')


@pytest.mark.parametrize(('key', 'nearest'), [
    ('learningrate', 'learning_rate'), ('lr', 'learning_rate'),
    ('optimizer.lr', 'learning_rate'), ('optimizer.weight_decay', 'weight_decay'),
    ('model.num_query', 'model.num_queries'), ('num_queries', 'model.num_queries'),
    ('augmentation.flips', 'augmentation.flip'), ('epoch', 'epochs'),
    ('trainer.max_epochs', 'epochs'), ('data.batch_size', 'batch_size'),
    ('clip', 'gradient_clip'), ('model.Backbone', 'model.backbone'), ('zzz', None)])
def test_an_unknown_key_names_the_nearest(key: str, nearest: str | None) -> None:
    words = refusal(f'--{key}', '1')
    assert f'unknown key {key!r} in the command line' in words
    assert words.endswith(f'the nearest key is {nearest!r}' if nearest else 'the command line')


@pytest.mark.parametrize(('arguments', 'words'), [
    (['--epochs', 'many'], "epochs in the command line is 'many': expected a whole number"),
    (['--epochs', '1.5'], 'expected a whole number'),
    (['--epochs', 'true'], 'expected a whole number'),
    (['--use_color', '1'], 'expected true or false'),
    (['--learning_rate', 'fast'], 'expected a number'),
    (['--learning_rate', 'nan'], 'expected learning_rate above 0, got nan'),
    (['--model', 'large'], 'model in the command line is a section'),
    (['--model.levels', '0,x'], 'expected a list, each a whole number'),
    (['--seed', '-1'], 'expected seed of 0 or more, got -1'),
    (['--epochs', '0'], 'expected epochs above 0, got 0'),
    (['--model.backbone', 'ResNet'], "unknown backbone 'ResNet'"),
    (['--model.num_classes', '3'], 'is derived from the data set'),
    (['--loss.masks', '-1'], 'expected loss.masks of 0 or more, got -1.0'),
    (['--loss.dice', 'inf'], 'expected loss.dice of 0 or more, got inf'),
    (['--loss.masks', '0', '--loss.dice', '0'], 'both 0: masks would not be trained'),
    (['--loss.dise', '1'], "the nearest key is 'loss.dice'"),
    (['--balance', '1.5'], 'expected balance in 0..1, got 1.5'),
    (['--tile_size', '-1'], 'expected tile_size in metres, or 0 to cut nothing, got -1.0'),
    (['--tile_margin', 'nan'], 'expected tile_margin in metres, 0 or more, got nan'),
    (['--loss', '1'], 'loss in the command line is a section'),
    (['--epochs'], '--epochs has no value'),
    (['--epochs', '--seed', '1'], '--epochs has no value'),
    (['--seed', '1', '--seed', '2'], '--seed is given twice'),
    (['epochs', '1'], "expected --key before 'epochs'"),
    (['--data', 'x', '--data.y', '1'], '--data.y is below --data, which is given a value'),
])
def test_a_wrong_value_is_named(arguments: list[str], words: str) -> None:
    assert words in refusal(*arguments)


def test_the_command_line_overrides_the_file(tmp_path: Path) -> None:
    file = tmp_path / 'run.yaml'
    file.write_text('epochs: 5\nlearning_rate: 2e-4\nmodel:\n  num_queries: 30\n')
    config = load_config(file, ['--epochs', '9'])
    assert (config.epochs, config.learning_rate, config.model.num_queries) == (9, 2e-4, 30)


@pytest.mark.parametrize(('text', 'words'), [
    ('epochs: [', 'cannot be read'), ('- 1', 'expected `key: value` lines'),
    ('epocs: 3', "unknown key 'epocs' in "), ('model: 3', 'is a section'),
    ('data: 3', 'expected text'),
    ('epochs: 3\nloss:\n  dice: 1\nepochs: 4', 'in the lines 1 and 4'),
    ('loss:\n  dice: 1\n  dice: 2', "duplicate key 'dice'")])
def test_a_broken_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / 'run.yaml'
    file.write_text(text)
    with pytest.raises(InputError, match='run.yaml') as caught:
        load_config(file)
    assert words in str(caught.value)


def test_a_configuration_round_trips(tmp_path: Path) -> None:
    config = load_config(None, ['--data', 'x', '--model.levels', '1,2', '--seed', '5'])
    file = tmp_path / 'config.yaml'
    file.write_text(config_text(config))
    assert load_config(file) == config


def test_the_default_loss_weights_are_those_of_the_paper(tmp_path: Path) -> None:
    file = tmp_path / 'run.yaml'
    file.write_text('epochs: 5\n')  # as written by versions without `loss`
    paper, dice = load_config(file), load_config(file, ['--loss.masks', '0'])
    assert paper.loss == LossWeights(classes=2, masks=5, dice=2)
    assert dice.loss == LossWeights(classes=2, masks=0, dice=2)
    assert differences(paper, dice) == ['loss.masks 5.0 instead of 0.0']


def test_differences_exclude_what_may_change_on_resume() -> None:
    config = TrainConfig()
    assert differences(config, replace(config, workers=9, output='other', log_every=3)) == []
    other = replace(config, seed=4, model=replace(config.model, num_queries=3))
    assert differences(config, other) == ['seed 0 instead of 4',
                                          'model.num_queries 100 instead of 3']


@pytest.mark.parametrize('file', sorted((ROOT / 'config').glob('train_*.yaml')),
                         ids=lambda file: file.stem)
def test_the_configurations_that_ship_are_read(file: Path) -> None:
    config = load_config(file)
    assert config.batch_voxels > 0


def test_the_command_shows_and_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['train', '--show', '--epochs', '3']) == 0
    assert 'epochs: 3\n' in capsys.readouterr().out
    assert main(['train', '--epoch', '3']) == 1
    assert "the nearest key is 'epochs'" in capsys.readouterr().err
    assert main(['train']) == 1
    assert 'set --data' in capsys.readouterr().err
