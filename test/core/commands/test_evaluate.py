"""`mask3d evaluate` on small data sets, and its protocols."""

from dataclasses import replace
import json
from pathlib import Path

from mask3d_core.bench.evaluation import measure_evaluation
from mask3d_core.classes import ClassTable, load_classes
from mask3d_core.cli import main
from mask3d_core.data.benchmark import find_protocol
from mask3d_core.data.dataset import Dataset, ScanFacts
from mask3d_core.data.labels import LabelledScan, write_labelled
from mask3d_core.errors import InputError
from mask3d_core.evaluation.dataset_evaluation import block_truth, check_classes
from mask3d_core.evaluation.ground_truth import NOT_EVALUATED
from mask3d_core.extraction.postprocess import ExtractSettings
from mask3d_core.model.config import ModelConfig
from mask3d_core.weights.checkpoint import save_weights, untrained_weights
import numpy as np
import pytest

SCANNET = load_classes('scannet20')
POINTS = 1500
BOXES = {0: (2, 0), 1: (5, 4), 2: (7, 9)}
"""Label and instance of each third of the points: floor, chair, table."""


def room(seed: int, name: str) -> LabelledScan:
    """Make a floor and two boxes."""
    random = np.random.default_rng(seed)
    part = np.repeat([0, 1, 2], POINTS // 3)
    low = np.array([[0, 0, 0], [0.2, 0.2, 0], [2, 2, 0]])[part]
    size = np.array([[3, 3, 0.02], [0.6, 0.6, 0.6], [0.6, 0.6, 0.6]])[part]
    label, instance = np.array([BOXES[p] for p in range(3)])[part].T
    return LabelledScan.from_columns(
        {'xyz': (low + size * random.random((POINTS, 3))).astype(np.float32),
         'color': random.integers(0, 255, (POINTS, 3)).astype(np.uint8), 'label': label,
         'instance': instance}, name)


@pytest.fixture(scope='module')
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Return a data set of two rooms."""
    folder = tmp_path_factory.mktemp('data')
    (folder / 'scans').mkdir()
    rooms = [room(0, 'a'), room(1, 'b')]
    made = Dataset(folder, 'scannet', SCANNET, ('wall', 'floor'),
                   {'validation': ('a', 'b')}, {},
                   {labelled.name: ScanFacts.of(labelled) for labelled in rooms})
    for labelled in rooms:
        write_labelled(made.path(labelled.name), labelled)
    made.save()
    return made


@pytest.fixture(scope='module')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the weights of a small untrained model."""
    config = ModelConfig(backbone='Res16UNet14A', hidden_dim=16, feedforward_dim=32, num_heads=2,
                         num_queries=8)
    path = tmp_path_factory.mktemp('weights') / 'small.weights'
    save_weights(path, untrained_weights(config, SCANNET.without(['wall', 'floor']),
                                         voxel_size=0.05))
    return path


def write_perfect(folder: Path, names: tuple[str, ...] = ('a', 'b')) -> None:
    part = np.repeat([0, 1, 2], POINTS // 3)
    for name in names:
        np.savez(folder / f'{name}.npz', num_points=POINTS, score=np.array([0.9, 0.7]),
                 masks=np.packbits(part == np.array([[1], [2]]), axis=1),
                 class_id=np.array([5, 7]))


def test_weights_on_a_data_set(dataset: Dataset, weights: Path, tmp_path: Path,
                               capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / 'scores'
    status = main(['evaluate', str(dataset.folder), '--weights', str(weights), '-o', str(out),
                   '--num-queries', '8', '--device', 'cpu'])
    text = capsys.readouterr().out
    assert status == 0
    assert 'mean of 2 classes' in text
    assert 'peak memory' in text
    content = json.loads((out / 'scores.json').read_text())
    assert (content['scans'], content['objects'], content['split']) == (2, 4, 'validation')
    assert set(content['seconds']) == {'voxels', 'pyramid', 'unet', 'decoder', 'clustering',
                                       'instances', 'together'}
    assert content['peak_bytes'] > 1e6
    assert (out / 'curves.png').stat().st_size > 1000


def test_a_benchmark_is_evaluated_with_its_number_of_queries(
        dataset: Dataset, weights: Path, tmp_path: Path) -> None:
    assert main(['evaluate', str(dataset.folder), '--weights', str(weights), '-o', str(tmp_path),
                 '--device', 'cpu']) == 0
    settings = json.loads((tmp_path / 'scores.json').read_text())['settings']
    assert settings['num_queries'] == 150


def test_maps_are_cut_as_by_mask3d_segment(dataset: Dataset, weights: Path, tmp_path: Path,
                                           ) -> None:
    evaluate = ['evaluate', str(dataset.folder), '--device', 'cpu', '--weights', str(weights),
                '--num-queries', '8', '--top-k', '8']
    for name, options, tiles in (
            ('default', [], {'size': 8.0, 'margin': 0.5, 'along_walls': True}),
            ('whole', ['--tile-size', '0'], {'size': 0.0, 'margin': 0.5, 'along_walls': True}),
            ('cut', ['--tile-size', '1'], {'size': 1.0, 'margin': 0.5, 'along_walls': True})):
        folder = tmp_path / name
        assert main([*evaluate, '-o', str(folder), '--save', str(folder), *options]) == 0
        content = json.loads((folder / 'scores.json').read_text())
        assert content['settings']['tiles'] == tiles
        assert ('joining' in content['seconds']) == (name == 'cut')
    default, whole, cut = (np.load(tmp_path / name / 'a.npz')['score']
                           for name in ('default', 'whole', 'cut'))
    np.testing.assert_array_equal(default, whole)
    assert not np.array_equal(default, cut)


def test_predictions_are_not_saved_over_the_truth(
        dataset: Dataset, weights: Path, tmp_path: Path,
        capsys: pytest.CaptureFixture[str]) -> None:
    scans = dataset.path('a').parent
    assert main(['evaluate', str(dataset.folder), '--weights', str(weights), '--save', str(scans),
                 '-o', str(tmp_path)]) == 1
    assert 'a.npz is read, and would be overwritten' in capsys.readouterr().err


def test_as_robot_evaluates_the_output_of_mask3d_segment(
        dataset: Dataset, weights: Path, tmp_path: Path) -> None:
    evaluate = ['evaluate', str(dataset.folder), '--min-region', '20']
    model = ['--weights', str(weights), '--num-queries', '8', '--device', 'cpu']
    assert main([*evaluate, *model, '--as-robot', '--save', str(tmp_path / 'robot'), '-o',
                 str(tmp_path / 'scores')]) == 0
    for name in 'ab':
        assert main(['segment', str(dataset.path(name)), *model, '-o',
                     str(tmp_path / 'segmented' / name), '--score-threshold', '0']) == 0
        evaluated = np.load(tmp_path / 'robot' / f'{name}.npz')
        segmented = np.load(tmp_path / 'segmented' / name / 'instances.npz')
        np.testing.assert_array_equal(evaluated['masks'], segmented['masks'])
        np.testing.assert_array_equal(evaluated['class_id'], segmented['class_id'])
    assert json.loads((tmp_path / 'scores' / 'scores.json').read_text())['as_robot']


def test_weights_and_their_stored_predictions_have_equal_scores(
        dataset: Dataset, weights: Path, tmp_path: Path) -> None:
    model = ['--weights', str(weights), '--num-queries', '8', '--device', 'cpu']
    every = ['--all-classes', '--score-threshold', '0', '--min-points', '1',
             '--overlap-threshold', '1', '--no-superpoints']
    evaluate = ['evaluate', str(dataset.folder), '--min-region', '20', '-o', str(tmp_path / 'out')]
    for name in 'ab':
        assert main(['segment', str(dataset.path(name)), *model, '-o',
                     str(tmp_path / 'segmented' / name), '--top-k', '500', '--dbscan-eps', '0.95',
                     *every]) == 0
    rows = []
    for source in ([*model, '--export', str(tmp_path / 'export'), '--save',
                    str(tmp_path / 'save')],
                   *(['--predictions', str(tmp_path / folder)]
                     for folder in ('export', 'save', 'segmented'))):
        assert main([*evaluate, *source]) == 0
        rows.append(json.loads((tmp_path / 'out' / 'scores.json').read_text())['classes'])
    assert rows[0] == rows[1] == rows[2] == rows[3]
    assert any(row['AP25'] for row in rows[0])


def test_stored_predictions_on_a_data_set(dataset: Dataset, tmp_path: Path,
                                          capsys: pytest.CaptureFixture[str]) -> None:
    write_perfect(tmp_path)
    assert main(['evaluate', str(dataset.folder), '--predictions', str(tmp_path), '-o',
                 str(tmp_path / 'scores')]) == 0
    assert capsys.readouterr().out.splitlines()[-2].split()[-3:] == ['100.0'] * 3
    (tmp_path / 'b.npz').unlink()
    assert main(['evaluate', str(dataset.folder), '--predictions', str(tmp_path), '-o',
                 str(tmp_path / 'scores')]) == 1
    assert 'no predictions for 1 of 2 scenes, the first is b' in capsys.readouterr().err


def test_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth, found = tmp_path / 'truth', tmp_path / 'found'
    truth.mkdir()
    found.mkdir()
    write_perfect(found, ('a',))
    labelled = room(0, 'a')
    numbers = np.where(labelled.label > 0, 1000 * labelled.label + labelled.instance + 1, 0)
    np.savetxt(truth / 'a.txt', numbers, '%d')
    arguments = ['evaluate', '--predictions', str(found), '--ground-truth', str(truth), '-o',
                 str(tmp_path / 'scores')]
    assert main([*arguments, '--classes', 'scannet20']) == 0
    assert 'mean of 2 classes' in capsys.readouterr().out
    assert main([*arguments, '--classes', 'scannet20', '--confidence', '0.8']) == 0
    mean = json.loads((tmp_path / 'scores' / 'scores.json').read_text())['mean']
    assert mean == {'AP': 1, 'AP50': 1, 'AP25': 1, 'precision': 0.5, 'recall': 0.5}
    assert main([*arguments, '--classes', 'scannet20', '--min-region', '501']) == 0
    content = json.loads((tmp_path / 'scores' / 'scores.json').read_text())
    assert content['objects'] == 0
    labels = (truth / 'a.txt').read_bytes()
    assert main([*arguments, '--classes', 'scannet20', '--export', str(truth)]) == 1
    assert 'a.txt is read, and would be overwritten' in capsys.readouterr().err
    assert (truth / 'a.txt').read_bytes() == labels
    (truth / 'a.txt').write_text('many\n')
    assert main([*arguments, '--classes', 'scannet20']) == 1
    assert 'a.npz' not in capsys.readouterr().err
    (truth / 'a.txt').write_text('0\n' * (POINTS - 1))
    assert main([*arguments, '--classes', 'scannet20']) == 1
    assert 'a.npz: expected predictions over the 1499 points' in capsys.readouterr().err


def test_folders_of_ones_own_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth, found = tmp_path / 'truth', tmp_path / 'found'
    truth.mkdir()
    found.mkdir()
    write_perfect(found, ('a',))
    write_labelled(truth / 'a.ply', room(0, 'a'))
    table = tmp_path / 'ours.tsv'
    table.write_text('id\tname\n5\tstool\n7\tdesk\n')
    arguments = ['evaluate', '--predictions', str(found), '--ground-truth', str(truth), '-o',
                 str(tmp_path / 'scores'), '--classes']
    assert main([*arguments, str(table)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[1:3]] == [
        [name, '1', *['100.0'] * 3] for name in ('stool', 'desk')]
    assert lines[4].startswith('mean of 2 classes')        # the floor is in no table, so void
    table.write_text('id\tname\n7\tdesk\n')
    assert main([*arguments, str(table)]) == 0
    assert '1 of 2 predictions are of classes that are not' in capsys.readouterr().err
    for wrong, sentence in (('scannet21', "no class table 'scannet21'; there are: "),
                            ('none.tsv', 'none.tsv: No such file')):
        assert main([*arguments, wrong]) == 1
        assert sentence in capsys.readouterr().err


def test_leftovers_need_precision_and_recall(dataset: Dataset, tmp_path: Path,
                                             capsys: pytest.CaptureFixture[str]) -> None:
    write_perfect(tmp_path)
    arguments = ['evaluate', str(dataset.folder), '--predictions', str(tmp_path), '-o',
                 str(tmp_path / 'scores'), '--leftovers']
    assert main([*arguments, 'chair']) == 1
    assert 'leftovers count in precision and recall only' in capsys.readouterr().err
    assert main([*arguments, 'roof', '--confidence', '0.5']) == 1
    assert "unknown class 'roof'; there are: cabinet, bed" in capsys.readouterr().err
    assert main([*arguments, 'chair', '--confidence', '0.5']) == 0
    chair = capsys.readouterr().out.splitlines()[3].split()
    assert chair == ['chair', '2', *['100.0'] * 3, '50.0', '100.0']


@pytest.mark.parametrize('arguments', [
    ['none', '--weights', 'none.weights'], ['DATA', '--weights', 'none.weights'],
    ['DATA', '--split', 'train', '--weights', 'none.weights'], ['DATA', '--predictions', 'none'],
    ['DATA', '--fold', 'Area_5', '--predictions', 'FOUND'],
    ['--ground-truth', 'none', '--predictions', 'FOUND', '--classes', 's3dis'],
    ['--ground-truth', 'FOUND', '--predictions', 'FOUND', '--classes', 'stpls3d']])
def test_wrong_input_leaves_no_folder_behind(arguments: list[str], dataset: Dataset,
                                             tmp_path: Path) -> None:
    (tmp_path / 'found').mkdir()
    write_perfect(tmp_path / 'found')
    places = {'DATA': str(dataset.folder), 'FOUND': str(tmp_path / 'found')}
    assert main(['evaluate', *[places.get(word, word) for word in arguments], '-o',
                 str(tmp_path / 'scores'), '--export', str(tmp_path / 'export')]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ['found']


@pytest.mark.parametrize('option, value, expected', [
    ('--confidence', '7', 'a number from 0 to 1'), ('--confidence', '-0.1', 'a number from 0'),
    ('--confidence', 'nan', 'a number from 0 to 1'), ('--top-k', '0', '1 or more, or -1 for all'),
    ('--dbscan-eps', '-1', 'metres, 0 or more'), ('--min-region', '0', '1 or more')])
def test_numbers_out_of_range(option: str, value: str, expected: str,
                              capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(['evaluate', 'none', '--weights', 'none', option, value])
    assert ended.value.code == 2
    assert f'argument {option}: expected {expected}' in capsys.readouterr().err


@pytest.mark.parametrize('arguments', [
    [], ['data'], ['--weights', 'w'], ['data', '--weights', 'w', '--predictions', 'p'],
    ['data', '--ground-truth', 'g', '--predictions', 'p'],
    ['--ground-truth', 'g', '--predictions', 'p'], ['--ground-truth', 'g', '--weights', 'w'],
    ['data', '--weights', 'w', '--classes', 's3dis'],
    ['data', '--predictions', 'p', '--save', 's'], ['data', '--predictions', 'p', '--top-k', '5'],
    ['data', '--predictions', 'p', '--tile-size', '8'],
    ['data', '--predictions', 'p', '--dbscan-eps', '0'],
    ['--ground-truth', 'g', '--predictions', 'p', '--classes', 's3dis', '--fold', 'Area_1'],
    ['--ground-truth', 'g', '--predictions', 'p', '--classes', 's3dis', '--split', 'test'],
    ['data', '--predictions', 'p', '--device', 'cpu'],
    ['data', '--predictions', 'p', '--precision', 'float16'],
    ['data', '--weights', 'w', '--benchmark', '1'], ['--benchmark', '0']])
def test_wrong_usage(arguments: list[str], tmp_path: Path,
                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(['evaluate', *arguments])
    assert ended.value.code == 2
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_is_a_file(dataset: Dataset, tmp_path: Path,
                                  capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / 'file').write_text('')
    write_perfect(tmp_path)
    for option, place in (('-o', 'file'), ('-o', 'file/scores'), ('--export', 'file')):
        assert main(['evaluate', str(dataset.folder), '--predictions', str(tmp_path), option,
                     str(tmp_path / place)]) == 1
        assert f'{place} is a file or inside one: give a folder' in capsys.readouterr().err


def test_only_the_inner_part_of_a_block_is_evaluated() -> None:
    labelled = room(0, 'block')
    facts = ScanFacts(POINTS, inner=(0.0, 0.0, 1.0, 1.0))
    data = Dataset(Path(), 'stpls3d', SCANNET, scans={'block': facts})
    truth = block_truth(data, labelled)
    inner = (labelled.scan.xyz[:, :2] < 1).all(axis=1)
    np.testing.assert_array_equal(truth.object == NOT_EVALUATED, ~inner)
    whole = block_truth(Dataset(Path(), 'stpls3d', SCANNET), labelled)
    assert (whole.object != NOT_EVALUATED).all()


def test_weights_of_other_classes_are_refused() -> None:
    check_classes(SCANNET.without(['wall']), SCANNET)
    with pytest.raises(InputError, match="class 2 is 'floor' in the data set, but 'chair' in "
                                         'the weights'):
        check_classes(load_classes('scannet200'), SCANNET.without(['wall']))
    with pytest.raises(InputError, match='no class in common'):
        check_classes(ClassTable((99,), ('lamp',), ((0, 0, 0),)), SCANNET)
    with pytest.raises(InputError, match="the ids of the weights, such as 99 for 'wall'"):
        check_classes(ClassTable((99,), ('wall',), ((0, 0, 0),)), SCANNET)


def test_the_settings_of_the_original() -> None:
    facts = {name: (protocol.settings().top_k, protocol.settings().dbscan_eps,
                    protocol.num_queries)
             for name in ('scannet', 'scannet200', 's3dis', 'stpls3d')
             for protocol in [find_protocol(name)]}
    assert facts == {'scannet': (500, 0.95, 150), 'scannet200': (750, 0.95, 150),
                     's3dis': (-1, 0.6, 100), 'stpls3d': (750, 14.0, 160)}
    assert find_protocol('scannet').settings().all_classes
    assert not find_protocol('scannet').settings().superpoints
    assert find_protocol('scannet').settings().overlap_threshold is None


def test_other_data_is_evaluated_as_on_a_robot() -> None:
    settings, robot = find_protocol('our office').settings(), ExtractSettings()
    assert settings.superpoints and settings.dbscan_eps is robot.dbscan_eps is None
    assert settings.overlap_threshold == robot.overlap_threshold == 0.5
    assert find_protocol('our office').num_queries is None
    name = 'rooms 0'
    assert find_protocol(name).num_queries == 200
    assert replace(find_protocol(name), num_queries=None) == find_protocol('our office')


def test_evaluating_is_fast() -> None:
    timing = measure_evaluation(scans=2, points=150_000, predictions=100)
    # 0.6 s a scan is asked for; a busy machine may be several times slower than an idle one.
    assert (timing.overlaps + timing.scores) / 2 < 0.6
    assert 0 < timing.result.mean_ap[0] < 1
