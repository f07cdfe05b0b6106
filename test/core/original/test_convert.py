"""Conversion of checkpoints of the original."""

from collections.abc import Callable
from pathlib import Path
import re
from typing import Any

from mask3d_core.cli import main
from mask3d_core.data.benchmark import benchmarks
from mask3d_core.errors import InputError
from mask3d_core.model import Mask3D
from mask3d_core.model.config import BACKBONES, ModelConfig
from mask3d_core.original.convert import (
    class_table,
    ConversionReport,
    convert_checkpoint,
    convert_state,
    ConvertOptions,
)
from mask3d_core.original.names import infer_config
from mask3d_core.tiling.settings import TileSettings
from mask3d_core.weights.checkpoint import load_weights, save_weights, Weights
from original_checkpoint import golden_state, lightning, State
import pytest
from shared import find_shared
import torch


@pytest.fixture(scope='module')
def original(golden_json: Callable[[str], dict[str, Any]]) -> State:
    """Return the original's weights of the smallest golden case."""
    return golden_state(golden_json)


@pytest.fixture(scope='module')
def config(golden_json: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Return its configuration, with references as in configurations of the original."""
    model = golden_json('micro_eval')['config'] | {
        'train_on_segments': '${general.train_on_segments}', 'voxel_size': '${data.voxel_size}'}
    return {'general': {'train_on_segments': True, 'num_targets': 19, 'seed': 7,
                        'experiment_name': 'validation'},
            'data': {'voxel_size': 0.02, 'add_colors': True, 'add_normals': False,
                     'train_dataset': {'dataset_name': 'scannet'}},
            'model': model}


@pytest.fixture(scope='module')
def converted(original: State, config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
              ) -> tuple[Weights, ConversionReport]:
    """Convert a complete checkpoint."""
    path = tmp_path_factory.mktemp('original') / 'scannet_val.ckpt'
    return convert_checkpoint(lightning(path, original, config))


def test_a_checkpoint_gives_its_model_and_its_facts(
        converted: tuple[Weights, ConversionReport]) -> None:
    weights, report = converted

    assert weights.model == ModelConfig(
        backbone='Res16UNet14A', hidden_dim=16, feedforward_dim=32, num_heads=2, num_queries=10,
        num_rounds=2, on_segments=True)
    assert weights.classes.names[0] == 'cabinet' and len(weights.classes) == 18
    assert (weights.voxel_size, weights.voxel_color) == (0.02, 'first')
    assert weights.color_mean[0] == pytest.approx(0.477931259)
    assert weights.trained == {'data': 'scannet', 'converted_from': 'scannet_val.ckpt',
                               'epoch': 599, 'steps': 123, 'seed': 7, 'experiment': 'validation'}
    assert weights.tiles == TileSettings(12.0)
    assert 'tiles: 12 m, with a margin of 0.5 m (those of scannet20)' in report.facts
    assert not report.warnings
    assert not any('assumed' in fact for fact in report.facts)


def test_the_report_names_every_tensor(converted: tuple[Weights, ConversionReport],
                                       original: State) -> None:
    weights, report = converted
    fates = {name: fate for name, fate, _ in report.tensors}

    assert set(fates) == {f'model.{name}' for name in original} | {'criterion.empty_weight'}
    assert {name for name, fate in fates.items() if fate.startswith('dropped: ')} == {
        'criterion.empty_weight', 'model.backbone.final.kernel', 'model.backbone.final.bias'}
    ours = [name for fate in fates.values() if not fate.startswith('dropped')
            for name in fate.split(', ')]
    assert sorted(ours) == sorted(weights.state)
    assert ('model.pos_enc.gauss_B', 'positions.gauss', '[3, 8] float32') in report.tensors


def test_tensor_values_are_kept(converted: tuple[Weights, ConversionReport],
                                original: State, tmp_path: Path) -> None:
    save_weights(tmp_path / 'ours', converted[0])
    state = load_weights(tmp_path / 'ours').state
    kernel = original['backbone.block2.0.conv1.kernel']
    projection = original['self_attention.0.1.self_attn.in_proj_weight']

    assert torch.equal(state['unet.down_blocks.1.0.conv1.weight'][5, 7, 3], kernel[7, 3, 5])
    assert torch.equal(state['unet.down_blocks.1.0.shortcut.weight'][:, 0].t(),
                       original['backbone.block2.0.downsample.0.kernel'])
    assert torch.equal(state['rounds.0.1.own.attention.key.weight'], projection[16:32])
    assert torch.equal(state['queries.projection.2.weight'],
                       original['query_projection.layers.2.weight'][..., 0])
    assert torch.equal(state['mask_projection.weight'].t(), original['mask_features_head.kernel'])
    assert torch.equal(state['unet.up.3.norm.running_var'],
                       original['backbone.bntr7.bn.running_var'])
    Mask3D(converted[0].model).load_state_dict(dict(state))
    expected = convert_state(original)
    assert all(torch.equal(state[name], expected[name]) for name in expected)


def test_the_published_architecture_converts_completely() -> None:
    state = {}
    for line in find_shared('golden/state_dict_34c.txt').read_text().splitlines():
        name, shape, dtype = line.split('\t')
        size = [int(number) for number in re.findall(r'\d+', shape)]
        state[name.removeprefix('model.')] = torch.empty(
            size, dtype=getattr(torch, dtype), device='meta')

    assert infer_config({name: tuple(t.shape) for name, t in state.items()}) == ModelConfig()
    ours = convert_state(state)
    dropped = sum(state[f'backbone.final.{leaf}'].numel() for leaf in ('kernel', 'bias'))
    assert sum(t.numel() for t in ours.values()) == sum(
        t.numel() for t in state.values()) - dropped


def test_the_command_prints_the_report(original: State, config: dict[str, Any], tmp_path: Path,
                                       capsys: pytest.CaptureFixture[str]) -> None:
    path = lightning(tmp_path / 'scannet_val.ckpt', original, config)

    status = main(['convert', str(path), str(tmp_path / 'out.weights'), '--masks', 'points'])

    lines = capsys.readouterr().out.splitlines()
    assert status == 0
    assert len([line for line in lines if '  ->  ' in line]) == len(original) + 1
    assert 'masks on segments: False (given)' in lines
    assert 'attention heads: 2 (from the checkpoint: model.num_heads)' in lines
    assert '3 dropped, no missing and no unexpected tensors' in lines[-1]
    assert not load_weights(tmp_path / 'out.weights').model.on_segments
    assert main(['convert', str(path), str(path)]) == 1
    assert 'is read, and would be overwritten' in capsys.readouterr().err


def test_a_checkpoint_without_configuration_says_what_was_assumed(original: State,
                                                                  tmp_path: Path) -> None:
    path = lightning(tmp_path / 'bare.ckpt', original)

    weights, report = convert_checkpoint(path)
    given, _ = convert_checkpoint(path, ConvertOptions(
        num_heads=4, num_rounds=2, num_queries=50, on_segments=True, voxel_size=0.04,
        classes='scannet20', licence='mine', color_mean=(0.1, 0.2, 0.3)))

    assert (weights.model.num_heads, weights.model.num_rounds, weights.model.num_queries,
            weights.model.on_segments, weights.voxel_size) == (8, 3, 100, False, 0.02)
    assert sum('assumed: the checkpoint does not say' in fact for fact in report.facts) == 5
    assert (given.model.num_heads, given.model.num_rounds, given.model.num_queries,
            given.model.on_segments, given.voxel_size) == (4, 2, 50, True, 0.04)
    assert (given.licence, given.color_mean) == ('mine', (0.1, 0.2, 0.3))


def test_the_options_of_the_command_are_used(original: State, tmp_path: Path) -> None:
    path, out = lightning(tmp_path / 'bare.ckpt', original), tmp_path / 'out.weights'
    assert main(['convert', str(path), str(out), '--num-heads', '4', '--num-rounds', '2',
                 '--num-queries', '50', '--masks', 'segments', '--voxel-size', '0.04',
                 '--color-mean', '.1', '.2', '.3', '--color-std', '.4', '.5', '.6',
                 '--licence', 'mine']) == 0
    weights = load_weights(out)
    assert (weights.model.num_heads, weights.model.num_rounds, weights.model.num_queries,
            weights.model.on_segments, weights.voxel_size) == (4, 2, 50, True, 0.04)
    assert (weights.color_mean, weights.color_std) == ((.1, .2, .3), (.4, .5, .6))
    assert weights.licence == 'mine'


def test_options_that_contradict_the_tensors_are_refused(original: State, tmp_path: Path) -> None:
    original = original | {'query_feat.weight': torch.zeros(6, 32)}
    original |= {'query_pos.weight': torch.zeros(6, 32)}
    path = lightning(tmp_path / 'learned.ckpt', original)
    with pytest.raises(InputError, match='queries: the tensors of the checkpoint have 6, not 50'):
        convert_checkpoint(path, ConvertOptions(num_queries=50))


@pytest.mark.parametrize('change, message', [
    (lambda state: state.pop('decoder_norm.bias'), 'decoder_norm.bias is missing'),
    (lambda state: state.update({'head.extra': torch.zeros(2)}), 'head.extra is unknown'),
    (lambda state: state.update({'decoder_norm.bias': torch.zeros(17)}),
     r'decoder_norm.bias is \[17\] float32, which cannot become head.norm.bias \[16\] float32'),
    (lambda state: state.update({'backbone.conv1p1s2.kernel': torch.zeros(())}),
     r'backbone.conv1p1s2.kernel is \[\] float32'),
    (lambda state: state.update({'backbone.conv0p1s1.kernel': torch.zeros(27, 3, 32)}),
     r'backbone.conv0p1s1.kernel is \[27, 3, 32\]'),
    (lambda state: state.pop('class_embed_head.weight'), 'lacks class_embed_head.weight'),
    (lambda state: state.pop('pos_enc.gauss_B'), 'only the fourier position encoding'),
    (lambda state: state.pop('backbone.block3.0.conv2.kernel'), 'lacks backbone.block3.0'),
    (lambda state: state.update({'level_embed.weight': torch.zeros(4, 16)}), 'level embeddings'),
    (lambda state: state.update({'backbone.block1.1.conv2.kernel': torch.zeros(27, 32, 32)}),
     r'blocks \(2, 1, 1, 1, 1, 1, 1, 1\); supported are Res16UNet34C'),
    (lambda state: state.update({'backbone.conv0p1s1.kernel': torch.zeros(125, 6, 32)}),
     'needs 6 features a point'),
])
def test_what_does_not_fit_is_named(original: State, tmp_path: Path, change: Any,
                                    message: str) -> None:
    state = dict(original)
    change(state)

    with pytest.raises(InputError, match=message):
        convert_checkpoint(lightning(tmp_path / 'bad.ckpt', state),
                           ConvertOptions(num_heads=2))


@pytest.mark.parametrize('path, value', [
    ('pre_norm', True), ('positional_encoding_type', 'sine'), ('scatter_type', 'max'),
    ('random_queries', True), ('normalize_pos_enc', False)])
def test_unsupported_settings_are_refused(original: State, config: dict[str, Any],
                                          tmp_path: Path, path: str, value: Any) -> None:
    changed = config | {'model': config['model'] | {path: value}}

    with pytest.raises(InputError, match=f'model.{path} = {value}'):
        convert_checkpoint(lightning(tmp_path / 'other.ckpt', original, changed))


def test_rounds_with_their_own_weights(original: State) -> None:
    own = re.compile(r'(cross_attention|self_attention|ffn_attention|lin_squeeze)\.0\.(.*)')
    state = dict(original)
    for name, tensor in original.items():
        if match := own.fullmatch(name):
            state[f'{match[1]}.1.{match[2]}'] = tensor + 1

    config = infer_config({name: tuple(t.shape) for name, t in state.items()}, num_rounds=3)

    assert (config.num_rounds, config.shared_rounds) == (2, False)
    ours = convert_state(state)
    assert torch.equal(ours['rounds.1.0.squeeze.bias'], ours['rounds.0.0.squeeze.bias'] + 1)


@pytest.mark.parametrize('name', [name for name, shape in BACKBONES.items()
                                  if name != 'small' and not shape.crosses])
def test_backbones_are_inferred_from_shapes(original: State, name: str) -> None:
    channels, counts, _ = BACKBONES[name]
    shapes = {key: tuple(t.shape) for key, t in original.items() if '.block' not in key}
    for block, (width, count) in enumerate(zip(channels, counts, strict=True), 1):
        shapes |= {f'backbone.block{block}.{i}.conv2.kernel': (27, width, width)
                   for i in range(count)}

    assert infer_config(shapes).backbone == name


@pytest.mark.parametrize('rows, table, voxel_size', [(14, 's3dis', 0.02), (15, 'stpls3d', 0.333)])
def test_other_data_sets(original: State, tmp_path: Path, rows: int, table: str,
                         voxel_size: float) -> None:
    state = original | {'class_embed_head.weight': torch.zeros(rows, 16),
                        'class_embed_head.bias': torch.zeros(rows)}
    path = lightning(tmp_path / 'other.ckpt', state)

    weights, report = convert_checkpoint(path, ConvertOptions(voxel_size=voxel_size))

    assert weights.classes == class_table(benchmarks()[table], rows - 1)
    assert any('colour statistics' in warning for warning in report.warnings)
    with pytest.raises(InputError, match=f'scannet20 has 18 classes, the checkpoint {rows - 1}'):
        convert_checkpoint(path, ConvertOptions(classes='scannet20', voxel_size=voxel_size))
    if table == 'stpls3d':
        with pytest.raises(InputError, match='give --voxel-size'):
            convert_checkpoint(path)


def test_scannet200_keeps_the_orders_of_the_logits() -> None:
    table = class_table(benchmarks()['scannet200'], 200)

    # `label_info.keys()[class + 2]`, and class 0 stands for row 1 (design notes, section 7)
    assert (table.ids[0], table.names[0]) == (2, 'chair')
    assert (table.ids[1], table.names[1]) == (4, 'table')
    assert table.names[198:] == ('unused', 'unused 2')
    assert len(set(table.ids)) == 200


def with_classes(original: State, count: int) -> State:
    return original | {'class_embed_head.weight': torch.zeros(count + 1, 16),
                       'class_embed_head.bias': torch.zeros(count + 1)}


FOREST = {'data': {'train_dataset': {'dataset_name': 'my_forest'}, 'voxel_size': 0.05}}


@pytest.mark.parametrize('count', [1, 2, 5, 13, 14, 18, 40])
@pytest.mark.parametrize('settings', [None, FOREST])
def test_class_tables_of_ones_own(original: State, tmp_path: Path, count: int,
                                  settings: dict[str, Any] | None,
                                  capsys: pytest.CaptureFixture[str]) -> None:
    path = lightning(tmp_path / 'own.ckpt', with_classes(original, count), settings)
    table = tmp_path / 'own.tsv'
    table.write_text('id\tname\n' + ''.join(f'{i}\tplant {i}\n' for i in range(1, count + 1)))
    assert main(['convert', str(path), str(tmp_path / 'own.weights'), '--classes', str(table),
                 '--num-heads', '4']) == 0
    weights = load_weights(tmp_path / 'own.weights')
    assert weights.classes.names == tuple(f'plant {i}' for i in range(1, count + 1))
    assert weights.voxel_size == (0.05 if settings else 0.02)
    assert weights.trained['data'] == ('my_forest' if settings else 'own')
    assert f'classes: {table}, {count} (given)' in capsys.readouterr().out


@pytest.mark.parametrize('count', [2, 5, 13, 14, 18])
def test_what_a_checkpoint_says_of_its_data_decides(original: State, tmp_path: Path, count: int,
                                                    ) -> None:
    path = lightning(tmp_path / 'forest.ckpt', with_classes(original, count), FOREST)
    weights, report = convert_checkpoint(path)
    assert weights.classes.names == tuple(f'class {i}' for i in range(count))
    assert weights.classes.ids == tuple(range(1, count + 1))
    assert f'classes: {count}, numbered' in report.facts
    assert any(f'my_forest of the checkpoint is not known here: its {count} classes' in warning
               and '--classes' in warning for warning in report.warnings)


def test_a_count_decides_only_where_nothing_is_said(original: State, tmp_path: Path) -> None:
    weights, report = convert_checkpoint(lightning(tmp_path / 'a.ckpt', original))
    assert weights.classes == class_table(benchmarks()['scannet'], 18)
    assert 'classes: scannet20 (assumed: the number of classes is 18)' in report.facts
    assert any('does not say what data it was trained on' in text for text in report.warnings)
    weights, report = convert_checkpoint(lightning(tmp_path / 'b.ckpt', with_classes(original, 7)))
    assert weights.classes.names[0] == 'class 0' and weights.voxel_size == 0.02
    assert any('voxel size is not in the checkpoint: 0.02 m' in text for text in report.warnings)


def test_class_agnostic_checkpoints(original: State, tmp_path: Path) -> None:
    for count, names in ((1, ('object',)), (2, ('object', 'object 2'))):
        path = lightning(tmp_path / 'a.ckpt', with_classes(original, count))
        weights, _ = convert_checkpoint(path, ConvertOptions(classes='agnostic'))
        assert weights.classes.names == names


@pytest.mark.parametrize(('classes', 'words'), [
    ('own.tsv', 'the table .*own.tsv has 2 classes, the checkpoint 18'),
    ('none.tsv', 'none.tsv: No such file'), ('scannet21', "no class table 'scannet21'"),
    ('s3dis', 's3dis has 13 classes, the checkpoint 18')])
def test_tables_that_do_not_fit_are_named(original: State, tmp_path: Path, classes: str,
                                          words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'own.tsv').write_text('id\tname\n1\tstem\n2\tleaf\n')
    path = lightning(tmp_path / 'a.ckpt', original)
    with pytest.raises(InputError, match=words):
        convert_checkpoint(path, ConvertOptions(classes=classes))
