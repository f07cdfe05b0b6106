"""Weights files: they are read as they were written, and errors name the tensor."""

from dataclasses import replace
import math
from pathlib import Path
import resource
from typing import Any

from mask3d_core.classes import ClassTable
from mask3d_core.errors import InputError
from mask3d_core.model import Mask3D
from mask3d_core.model.config import ModelConfig
from mask3d_core.tiling.settings import TileSettings
from mask3d_core.weights.checkpoint import (
    load_weights,
    MIN_HALF_SIZE,
    save_weights,
    untrained_full_weights,
    untrained_weights,
    Weights,
)
from mask3d_core.weights.state_dict import expected_state
from mask3d_core.weights.weights_path import is_weights_file
import numpy as np
import pytest
import torch

SMALL = ModelConfig(backbone='Res16UNet14A', num_classes=2, hidden_dim=8, feedforward_dim=16,
                    num_heads=2, num_queries=5, levels=(0, 1))
CLASSES = ClassTable((3, 39), ('cabinet', 'other'), ((1, 2, 3), (4, 5, 6)))


@pytest.fixture(scope='module')
def small() -> Weights:
    """Return the untrained weights of a small model."""
    return replace(untrained_weights(SMALL, CLASSES, voxel_size=0.05, seed=3),
                   trained={'data': 'rooms', 'scores': {'AP': 0.5}}, licence='CC0',
                   max_voxels=50000, tiles=TileSettings(20.0, 1.0, along_walls=False),
                   max_contrast=0.25)


@pytest.fixture(scope='module')
def small_file(small: Weights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return their file."""
    path = tmp_path_factory.mktemp('weights') / 'small.weights'
    save_weights(path, small)
    return path


def rewrite(source: Path, path: Path, **changes: Any) -> Path:
    """Write a changed copy of a weights file without any checks."""
    torch.save(torch.load(source, weights_only=True) | changes, path)
    return path


def test_a_saved_file_is_loaded_unchanged(small: Weights, small_file: Path) -> None:
    loaded = load_weights(small_file)

    for name in ('model', 'classes', 'voxel_size', 'voxel_color', 'max_voxels', 'color_mean',
                 'color_std', 'trained', 'licence', 'tiles', 'max_contrast'):
        assert getattr(loaded, name) == getattr(small, name), name
    assert list(loaded.state) == list(small.state)
    assert all(torch.equal(loaded.state[name], small.state[name]) for name in small.state)
    Mask3D(loaded.model).load_state_dict(dict(loaded.state))


def test_older_files_have_no_limit_of_voxels(small_file: Path, tmp_path: Path) -> None:
    content = torch.load(small_file, weights_only=True)
    del content['max_voxels']
    torch.save(content, tmp_path / 'old.weights')
    assert load_weights(tmp_path / 'old.weights').max_voxels == 0


def test_older_files_have_no_limit_of_contrast(small_file: Path, tmp_path: Path) -> None:
    content = torch.load(small_file, weights_only=True)
    del content['max_contrast']
    torch.save(content, tmp_path / 'old.weights')
    assert load_weights(tmp_path / 'old.weights').voxelization.max_contrast == 0


@pytest.mark.parametrize('voxel_size, tiles', [
    (0.05, TileSettings()), (1 / 3, TileSettings(50.0, 2.0, along_walls=False))])
def test_older_files_cut_maps_as_suits_their_voxels(small_file: Path, tmp_path: Path,
                                                    voxel_size: float, tiles: TileSettings,
                                                    ) -> None:
    path = rewrite(small_file, tmp_path / 'old.weights', voxel_size=voxel_size)
    content = torch.load(path, weights_only=True)
    del content['tiles']
    torch.save(content, path)
    old = load_weights(path)
    assert old.tiles is None and old.tiling == tiles
    save_weights(path, old)
    assert load_weights(path).tiles is None


def test_tile_settings_can_be_overridden(small: Weights) -> None:
    assert small.with_tiles(None, None) is small
    assert small.with_tiles(0.0, None).tiling == TileSettings(0.0, 1.0, along_walls=False)
    assert small.with_tiles(30.0, 2.0).tiling == TileSettings(30.0, 2.0, along_walls=False)
    old = replace(small, tiles=None)
    assert old.with_tiles(None, 0.5).tiling == TileSettings(8.0, 0.5)
    with pytest.raises(InputError, match='tile margin of 0 to 20 m'):
        small.with_tiles(None, 21.0)


def test_half_precision_halves_the_file(small: Weights, tmp_path: Path) -> None:
    big, path = tmp_path / 'big.weights', tmp_path / 'half.weights'
    save_weights(big, small)
    save_weights(path, small, half=True)

    loaded = load_weights(path)

    assert path.stat().st_size < 0.6 * big.stat().st_size
    for name, tensor in small.state.items():
        assert loaded.state[name].dtype == tensor.dtype, name
        torch.testing.assert_close(loaded.state[name], tensor, rtol=1e-3, atol=1e-6)
        assert tensor.numel() >= MIN_HALF_SIZE or torch.equal(loaded.state[name], tensor), name


def test_weights_files_are_told_from_others(small_file: Path, tmp_path: Path) -> None:
    other, text = tmp_path / 'other.ckpt', tmp_path / 'notes.txt'
    torch.save({'state_dict': {}}, other)
    text.write_text('mask3d weights')

    assert is_weights_file(small_file)
    assert not is_weights_file(other) and not is_weights_file(text)


def test_an_interrupted_save_leaves_the_old_file(small: Weights, small_file: Path,
                                                 tmp_path: Path) -> None:
    path = tmp_path / 'some.weights'
    path.write_bytes(small_file.read_bytes())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # as on a full disk
    try:
        with pytest.raises(InputError, match='some.weights.*too large'):
            save_weights(path, small)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert path.read_bytes() == small_file.read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == ['some.weights']


@pytest.mark.parametrize('trained, fault', [
    ({'data': 'rooms', 'versions': {'numpy': '2', 'torch': torch.__version__}},
     r'trained.versions.torch \(TorchVersion\)$'),
    ({'scores': {'AP': np.float64(0.5)}}, r'trained.scores.AP \(float64\)$'),
    ({'function': lambda: 0}, r'trained.function \(function\)$'),
    ({'path': Path('x'), 'epochs': 3}, r'trained.path \(PosixPath\)$')])
def test_metadata_that_could_not_be_read_is_not_saved(small: Weights, tmp_path: Path,
                                                      trained: dict[str, Any], fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        save_weights(tmp_path / 'bad.weights', replace(small, trained=trained))

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('change, message', [
    (lambda state: state.pop('positions.gauss'), 'positions.gauss is missing'),
    (lambda state: state.update(surplus=torch.zeros(1)), 'surplus is unknown'),
    (lambda state: state.update({'positions.gauss': torch.zeros(3, 5)}),
     r'positions.gauss is \[3, 5\] float32, expected \[3, 4\] float32'),
    (lambda state: state.update({'positions.gauss': torch.zeros(3, 4).double()}),
     r'positions.gauss is \[3, 4\] float64, expected \[3, 4\] float32'),
])
def test_a_tensor_that_does_not_fit_is_named(small_file: Path, tmp_path: Path, change: Any,
                                             message: str) -> None:
    state = torch.load(small_file, weights_only=True)['state']
    change(state)
    path = rewrite(small_file, tmp_path / 'bad.weights', state=state)

    with pytest.raises(InputError, match=message):
        load_weights(path)


def test_a_state_that_does_not_fit_is_not_saved(small: Weights, tmp_path: Path) -> None:
    state = dict(small.state)
    state.pop('positions.gauss')

    with pytest.raises(InputError, match='positions.gauss is missing'):
        save_weights(tmp_path / 'bad.weights', replace(small, state=state))

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('changes, message', [
    ({'version': 2}, 'version 2 .* update'),
    ({'voxel_size': -1.0}, 'voxel size above 0'),
    ({'max_voxels': math.inf}, 'damaged'),
    ({'max_voxels': -1}, 'max_voxels of 0 or more, got -1'),
    ({'max_contrast': -0.1}, 'max_contrast of 0 or more, got -0.1'),
    ({'tiles': {'size': -1.0, 'margin': 0.3, 'along_walls': True}}, 'tile size in metres'),
    ({'tiles': {'size': math.nan, 'margin': 0.3, 'along_walls': True}}, 'tile size in metres'),
    ({'tiles': {'size': 8.0, 'margin': 9.0, 'along_walls': True}}, 'tile margin of 0 to 8 m'),
    ({'tiles': {'size': 8.0, 'margin': 0.3, 'along_walls': 'no'}}, 'damaged'),
    ({'tiles': {'size': 'large', 'margin': 0.3, 'along_walls': True}}, 'damaged'),
    ({'tiles': {'size': 8.0}}, 'damaged'),
    ({'tiles': [8.0, 0.3]}, 'damaged'),
    ({'voxel_color': 'median'}, "'mean' or 'first'"),
    ({'color_std': [1.0, 0.0, 1.0]}, 'color_std above 0'),
    ({'color_mean': [1.0]}, 'damaged'),
    ({'classes': {'ids': [1]}}, 'damaged'),
    ({'classes': {'ids': [1], 'names': ['a'], 'colors': [[0, 0, 0]]}}, '1 classes, the model 2'),
    ({'model': {}}, 'damaged'),
    ({'model': SMALL.to_dict() | {'wings': 2}}, "another version.*'wings'"),
    ({'state': [1]}, 'damaged'),
    ({'state': {'positions.gauss': 1}}, 'damaged'),
])
def test_invalid_metadata_is_an_error(small_file: Path, tmp_path: Path,
                                      changes: dict[str, Any], message: str) -> None:
    path = rewrite(small_file, tmp_path / 'bad.weights', **changes)

    with pytest.raises(InputError, match=message):
        load_weights(path)


def test_files_of_other_kinds_are_errors(tmp_path: Path) -> None:
    original, other = tmp_path / 'original.ckpt', tmp_path / 'other.pt'
    torch.save({'state_dict': {'model.x': torch.zeros(1)}}, original)
    torch.save(torch.zeros(2), other)
    with_objects = tmp_path / 'objects.ckpt'
    torch.save({'state_dict': {}, 'hyper_parameters': Path('x')}, with_objects)

    with pytest.raises(InputError, match='run `mask3d convert .*original.ckpt original.weights`'):
        load_weights(original)
    with pytest.raises(InputError, match='run `mask3d convert .*objects.ckpt objects.weights`'):
        load_weights(with_objects)
    with pytest.raises(InputError, match='other.pt is not a weights file'):
        load_weights(other)


def test_a_damaged_file_is_an_error(small_file: Path, tmp_path: Path) -> None:
    whole = small_file.read_bytes()
    path = tmp_path / 'broken.weights'
    for content in (b'', b'hello', whole[:200], whole[:-100], whole[:len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(InputError, match='broken.weights is'):
            load_weights(path)
    with pytest.raises(InputError, match='there is no weights file'):
        load_weights(tmp_path / 'none.weights')
    with pytest.raises(InputError, match='there is no weights file'):
        load_weights(tmp_path)


def test_a_flipped_bit_is_detected(small_file: Path, tmp_path: Path) -> None:
    content = bytearray(small_file.read_bytes())
    content[len(content) // 2] ^= 64
    path = tmp_path / 'flipped.weights'
    path.write_bytes(content)

    with pytest.raises(InputError, match='flipped.weights'):
        load_weights(path)


def test_code_in_a_pickle_is_not_executed(tmp_path: Path) -> None:
    marker = tmp_path / 'ran'

    class Touch:
        def __reduce__(self) -> Any:
            return Path.touch, (marker,)

    path = tmp_path / 'bad.weights'
    torch.save({'format': 'mask3d weights', 'version': 1, 'model': Touch()}, path)

    with pytest.raises(InputError, match='not a weights file'):
        load_weights(path)
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.exists(), 'the file contains no code that would run'


def test_untrained_weights_are_reproducible_from_the_seed() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one, same, other = (untrained_weights(SMALL, CLASSES, seed=seed).state for seed in (0, 0, 1))

    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one['positions.gauss'], other['positions.gauss'])


def test_demo_weights_are_the_full_model_untrained() -> None:
    weights = untrained_full_weights()

    assert weights.model == ModelConfig()
    assert weights.trained == {}
    assert weights.uses_color
    assert 'chair' in weights.classes.names and 'wall' not in weights.classes.names


def test_the_expected_state_is_on_the_meta_device() -> None:
    assert all(tensor.is_meta for tensor in expected_state(ModelConfig()).values())
