"""Initial weights of a run: random or fine-tuned, and what is taken of start weights."""

from dataclasses import replace
from pathlib import Path

from mask3d_core.errors import InputError
from mask3d_core.model.config import BACKBONES
from mask3d_core.tiling.settings import TileSettings
from mask3d_core.training.config import load_config, TrainConfig
from mask3d_core.training.setup import initial_weights, TrainingData
from mask3d_core.weights.checkpoint import load_weights, save_weights, Weights
from mask3d_core.weights.shipped import shipped_weights
import pytest
import torch
from toy_rooms import arguments, make_room, SMALL, write_dataset


@pytest.fixture(scope='module')
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp('data') / 'rooms', [make_room(0), make_room(1)])


@pytest.fixture(scope='module')
def start_file(rooms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return weights of another seed."""
    path = tmp_path_factory.mktemp('weights') / 'start.weights'
    config = configure(rooms, path.parent, '--seed', '1')
    save_weights(path, initial_weights(config, TrainingData.open(config), ''))
    return path


def configure(data: Path, output: Path, *keys: str) -> TrainConfig:
    return load_config(None, arguments(data, output, *keys))


def assert_equal_states(one: Weights, other: Weights) -> None:
    for name, tensor in one.state.items():
        assert torch.equal(tensor, other.state[name]), name


def test_fine_tuning_takes_all_but_the_class_head(start_file: Path, rooms: Path,
                                                  tmp_path: Path) -> None:
    config = configure(rooms, tmp_path, '--start_weights', str(start_file))
    data = TrainingData.open(config)
    start = load_weights(start_file)
    assert_equal_states(start, initial_weights(config, data, ''))
    others = replace(data.dataset.classes, ids=(1, 2, 7))
    other = replace(data, dataset=replace(data.dataset, classes=others))
    fresh = initial_weights(config, other, '')
    changed = [name for name in start.state if not torch.equal(start.state[name],
                                                               fresh.state[name])]
    assert changed == ['head.classes.weight', 'head.classes.bias']
    renamed = replace(data.dataset.classes,
                      names=('cup', *data.dataset.classes.names[1:]))
    other = replace(data, dataset=replace(data.dataset, classes=renamed))
    assert not torch.equal(start.state['head.classes.bias'],
                           initial_weights(config, other, '').state['head.classes.bias'])
    with pytest.raises(InputError, match='hidden_dim 32, this configuration 64'):
        initial_weights(replace(config, model=replace(config.model, hidden_dim=64)), data, '')
    with pytest.raises(InputError, match='hidden_dim 32, voxel_size 0.1, this configuration 64, '
                                         '0.3: change model.hidden_dim, voxel_size'):
        initial_weights(replace(config, voxel_size=0.3, model=replace(config.model,
                                                                      hidden_dim=64)), data, '')


def test_fine_tuning_may_change_the_number_of_rounds(start_file: Path, rooms: Path,
                                                     tmp_path: Path) -> None:
    config = configure(rooms, tmp_path, '--start_weights', str(start_file),
                       '--model.num_rounds', '2', '--model.num_queries', '30')
    data = TrainingData.open(config)
    initial = initial_weights(config, data, '')
    assert (initial.model.num_rounds, initial.model.num_queries) == (2, 30)
    assert_equal_states(load_weights(start_file), initial)
    with pytest.raises(InputError, match='queries fps_zero, this configuration learned'):
        initial_weights(replace(config, model=replace(config.model, queries='learned')), data, '')


def test_fine_tuning_may_add_a_head_for_mask_ious(start_file: Path, rooms: Path,
                                                  tmp_path: Path) -> None:
    config = configure(rooms, tmp_path, '--start_weights', str(start_file),
                       '--model.votes', 'true')
    data = TrainingData.open(config)
    save_weights(tmp_path / 'start.weights', initial_weights(replace(
        config, start_weights=''), data, ''))
    config = configure(rooms, tmp_path, '--start_weights', str(tmp_path / 'start.weights'),
                       '--model.votes', 'true', '--model.mask_iou', 'true')
    start = load_weights(tmp_path / 'start.weights')
    initial = initial_weights(config, data, '')
    assert_equal_states(start, initial)
    assert set(initial.state) - set(start.state) == {
        f'head.iou.{layer}.{part}' for layer in (0, 2) for part in ('weight', 'bias')}
    save_weights(tmp_path / 'with_head.weights', initial)
    without = configure(rooms, tmp_path, '--start_weights', str(tmp_path / 'with_head.weights'),
                        '--model.votes', 'true')
    with pytest.raises(InputError, match='mask_iou True, this configuration False'):
        initial_weights(without, data, '')


def test_fine_tuning_may_have_voxels_of_nearly_that_size(start_file: Path, rooms: Path,
                                                         tmp_path: Path) -> None:
    config = configure(rooms, tmp_path, '--start_weights', str(start_file))
    data = TrainingData.open(config)
    for size in (0.08, 0.12, 0.125):
        initial = initial_weights(replace(config, voxel_size=size), data, '')
        assert initial.voxel_size == size
        assert_equal_states(load_weights(start_file), initial)
    for size in (0.079, 0.126):
        with pytest.raises(InputError, match=f'have voxel_size 0.1, this configuration {size}'):
            initial_weights(replace(config, voxel_size=size), data, '')


def test_fine_tuning_may_make_crosses_of_cubes(tmp_path: Path, rooms: Path,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKBONES, 'crosses', BACKBONES[SMALL]._replace(crosses=2))
    config = configure(rooms, tmp_path)
    data = TrainingData.open(config)
    cubes, crosses = (replace(config, model=replace(config.model, backbone=backbone),
                              start_weights=str(tmp_path / f'{start}.weights'))
                      for backbone, start in ((SMALL, 'crosses'), ('crosses', SMALL)))
    for config in (cubes, crosses):
        fresh = initial_weights(replace(config, start_weights=''), data, '')
        save_weights(tmp_path / f'{config.model.backbone}.weights', fresh)

    initial, start = initial_weights(crosses, data, ''), load_weights(crosses.start_weights)

    for name, tensor in initial.state.items():
        was = start.state[name]
        assert torch.equal(tensor, was[:, [4, 10, 12, 13, 14, 16, 22]]
                           if tensor.shape != was.shape else was), name
    assert [initial.state[f'unet.up_blocks.{stage}.0.conv1.weight'].shape[1]
            for stage in range(4)] == [27, 27, 7, 7]
    with pytest.raises(InputError, match='have backbone crosses, this configuration small'):
        initial_weights(cubes, data, '')


@pytest.mark.parametrize('name, keys, tiles', [
    ('toy', (), TileSettings()),
    ('toy', ('--voxel_size', '0.25'), TileSettings(37.5, 1.5, along_walls=False)),
    ('rooms 3, floors of 9 rooms', (), TileSettings()),
    ('s3dis', (), TileSettings(12.0)),
    ('stpls3d', (), TileSettings(50.0, 2.0, along_walls=False)),
    ('stpls3d', ('--tile_size', '40'), TileSettings(40.0, 2.0, along_walls=False)),
    ('scannet', ('--tile_size', '0', '--tile_margin', '0.5'), TileSettings(0.0, 0.5))])
def test_weights_cut_maps_as_suits_the_data_set(rooms: Path, tmp_path: Path, name: str,
                                                keys: tuple[str, ...], tiles: TileSettings,
                                                ) -> None:
    config = configure(rooms, tmp_path, *keys)
    data = TrainingData.open(config)
    named = replace(data, dataset=replace(data.dataset, name=name))
    assert initial_weights(config, named, '').tiles == tiles


def test_a_margin_larger_than_the_tiles_is_refused(rooms: Path, tmp_path: Path) -> None:
    config = configure(rooms, tmp_path, '--tile_size', '2', '--tile_margin', '3')
    with pytest.raises(InputError, match='tile margin of 0 to 2 m'):
        initial_weights(config, TrainingData.open(config), '')


def test_own_scans_start_from_the_weights_that_ship(rooms: Path) -> None:
    file = Path(__file__).parents[3] / 'config' / 'train_own.yaml'
    config = load_config(file, ['--data', str(rooms)])
    shipped = load_weights(shipped_weights())
    assert config.start_weights == 'shipped' and config.voxel_size == shipped.voxel_size
    assert config.max_voxels == shipped.max_voxels
    assert config.augmentation.color_drop == shipped.trained['color_drop']

    initial = initial_weights(config, TrainingData.open(config), '')

    changed = {name for name in initial.state
               if not torch.equal(initial.state[name], shipped.state[name])}
    assert changed == {f'{head}.classes.{part}' for head in ('head', 'votes')
                       for part in ('weight', 'bias')}
