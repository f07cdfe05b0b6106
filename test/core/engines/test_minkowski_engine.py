"""MinkowskiEngine's operators compute with our weights what ours compute, on every level."""

from pathlib import Path
import sys
from types import ModuleType
from typing import Any

from golden_model import golden_model, golden_scans, golden_seeds
from golden_weights import tensor_for
from mask3d_core.classes import load_classes
from mask3d_core.engines import make_engine
from mask3d_core.engines.minkowski_engine import MinkowskiEngine
from mask3d_core.engines.minkowski_unet import CROSS_ORDER, minkowski_state, MinkowskiUNet
from mask3d_core.errors import InputError
from mask3d_core.model import Mask3D, ModelConfig
from mask3d_core.model.layers import fold_batch_norms
from mask3d_core.original.convert import convert_state, infer_config
from mask3d_core.sparse import build_pyramid
from mask3d_core.sparse.grid import cell_shift, CROSS, KERNEL_OFFSETS, NEIGHBOR_OFFSETS
from mask3d_core.stopwatch import Stopwatch
from mask3d_core.voxels import batch_coords, Voxels
from mask3d_core.weights.checkpoint import untrained_weights, Weights
import numpy as np
import pytest
import torch

WHY_MISSING = MinkowskiEngine.missing()
needs_minkowski = pytest.mark.skipif(WHY_MISSING is not None, reason=str(WHY_MISSING))
pytestmark = pytest.mark.filterwarnings('ignore:.*should not be instantiated')  # its functions
BACKBONES = ('Res16UNet34C', 'Res16UNet14A', 'Res16UNet14X')
CASES = ('micro_eval', 'micro_eval_segments', 'tiny_eval', 'tiny_eval_segments',
         'tiny_eval_parametric', 'tiny_eval_npfeat')
FEATURES = 3e-6
"""Tolerance of features of about 3; the operators add in another order."""
BACKBONE, LOGITS, MASKS = 3e-5, 1.8e-5, 3.9e-4
"""Those of `core/model/test_parity.py`."""
CPU = torch.device('cpu')


def random_weights(backbone: str = 'Res16UNet14X', in_channels: int = 3) -> Weights:
    """Make weights whose batch norms have all of mean, variance, scale and shift."""
    generator = torch.Generator().manual_seed(0)
    classes = load_classes('s3dis')
    config = ModelConfig(backbone=backbone, in_channels=in_channels, num_classes=len(classes),
                         num_queries=5, num_rounds=1)
    weights = untrained_weights(config, classes, voxel_size=0.05)
    for name, tensor in weights.state.items():
        if '.norm.' in name and tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5, generator=generator)
            tensor -= 1 if name.endswith(('bias', 'mean')) else 0
    return weights


def random_voxels(count: int, channels: int = 3) -> Voxels:
    """Return up to `count` voxels, of both signs, in no order."""
    generator = torch.Generator().manual_seed(count)
    coords = torch.randint(-12, 13, (count, 3), generator=generator).unique(dim=0)
    coords = coords[torch.randperm(len(coords), generator=generator)]
    features = torch.randn(len(coords), channels, generator=generator)
    return Voxels(coords, features, coords * 0.05, np.zeros(3), torch.arange(len(coords)), None,
                  0.05)


def assert_same_levels(weights: Weights, *scans: Voxels) -> None:
    """Compare the features of all levels of one scan after another with those of torch."""
    ours, theirs = make_engine('torch', weights, CPU), make_engine('minkowski', weights, CPU)
    for voxels in scans:
        pyramid = build_pyramid(batch_coords([voxels]), weights.model.kernels)
        wanted, levels = ours.encode(voxels, pyramid), theirs.encode(voxels, pyramid)
        assert len(levels) == len(wanted) == 5
        for features, torchs in zip(levels, wanted):
            assert features.dtype == torch.float32
            assert float(torchs.std()) > 0.01
            np.testing.assert_allclose(features, torchs, rtol=0, atol=FEATURES)


@needs_minkowski
@pytest.mark.parametrize('backbone', BACKBONES)
def test_all_levels_of_two_scans_after_another(backbone: str) -> None:
    assert_same_levels(random_weights(backbone), random_voxels(2000), random_voxels(300))


@needs_minkowski
@pytest.mark.parametrize('backbone', BACKBONES)
def test_one_voxel(backbone: str) -> None:
    assert_same_levels(random_weights(backbone), random_voxels(1))


@needs_minkowski
def test_colorless_input() -> None:
    assert_same_levels(random_weights(in_channels=1), random_voxels(500, channels=1))


@needs_minkowski
def test_prediction() -> None:
    weights, voxels = random_weights(), random_voxels(700)
    pyramid = build_pyramid(batch_coords([voxels]), weights.model.kernels)
    ours, theirs = (make_engine(name, weights, CPU).predict(voxels, pyramid, 5, Stopwatch(CPU))
                    for name in ('torch', 'minkowski'))
    np.testing.assert_allclose(theirs.class_logits, ours.class_logits, rtol=0, atol=1e-4)
    np.testing.assert_allclose(theirs.mask_logits, ours.mask_logits, rtol=0, atol=1e-3)


@needs_minkowski
@pytest.mark.parametrize('case', CASES)
def test_golden_case(case: str, golden: Any, golden_json: Any) -> None:
    """The decoder on MinkowskiEngine's features gives the logits and masks of the original."""
    stored, model = golden(case), golden_model(golden_json(case))
    fold_batch_norms(model)
    model.add_module('unet', MinkowskiUNet(model.config, model.unet))
    scans = golden_scans(stored)
    pyramid = build_pyramid(batch_coords(scans))
    with torch.inference_mode():
        features = torch.cat([scan.features for scan in scans])[pyramid.order]
        levels = model.unet(features, pyramid)
        steps = model.refine(levels, scans, pyramid, seeds=golden_seeds(stored))
    shift, compared = cell_shift(batch_coords(scans)), 0
    for number, level in enumerate(reversed(pyramid.levels)):
        for scan, rows in enumerate(level.scans()):
            coords = (level.coords[rows, 1:] * (16 >> number) + shift).tolist()
            row_of = {tuple(xyz): row for row, xyz in enumerate(coords)}
            picked = [row_of[tuple(xyz)] for xyz in stored[f'lvl{number}_b{scan}_coords'].tolist()]
            np.testing.assert_allclose(levels[number][rows][picked],
                                       stored[f'lvl{number}_b{scan}_feats'], atol=BACKBONE)
            compared += len(picked)
    assert compared and len(steps) == len(stored['pred_logits'])
    for number, step in enumerate(steps):
        for scan, prediction in enumerate(step):
            np.testing.assert_allclose(prediction.class_logits,
                                       stored['pred_logits'][number, scan], atol=LOGITS)
            every = int(stored[f'pred_masks_b{scan}_step'])
            np.testing.assert_allclose(prediction.mask_logits[::every],
                                       stored[f'pred_masks_b{scan}'][number], atol=MASKS)


@needs_minkowski
def test_versions_name_the_package_and_what_it_was_built_for() -> None:
    package, torchs = MinkowskiEngine.versions()
    assert package.startswith('MinkowskiEngine 0.') and package.split(' for ')[1] in ('CPUs',
                                                                                      'CUDA')
    assert torchs == f'torch {torch.__version__}'


def test_kernels_have_the_names_and_the_layout_of_the_original(golden_json: Any) -> None:
    original = {name: torch.from_numpy(tensor_for(name, shape)) for name, (_, shape)
                in golden_json('micro_eval')['state_shapes'].items()}
    config = infer_config({name: tuple(tensor.shape) for name, tensor in original.items()},
                          num_heads=2)
    model = Mask3D(config)
    model.load_state_dict(convert_state(original, config))
    kernels = {name.removeprefix('backbone.'): tensor for name, tensor in original.items()
               if name.startswith('backbone.') and name.endswith('.kernel')}
    del kernels['final.kernel']
    state = minkowski_state(config, model.unet)
    assert state.keys() == kernels.keys()
    for name, kernel in kernels.items():
        np.testing.assert_array_equal(state[name], kernel)


def test_folded_norms_become_biases() -> None:
    weights = random_weights()
    model = Mask3D(weights.model)
    model.load_state_dict(weights.state)
    fold_batch_norms(model)
    state = minkowski_state(weights.model, model.unet)
    kernels = {name.removesuffix('kernel') for name in state if name.endswith('.kernel')}
    assert {name.removesuffix('bias') for name in state if name.endswith('.bias')} == kernels
    assert model.unet.stem.bias is not None
    np.testing.assert_array_equal(state['conv0p1s1.bias'], model.unet.stem.bias.detach()[None])


def test_offsets_of_a_cross_in_its_order() -> None:
    offsets = NEIGHBOR_OFFSETS[list(KERNEL_OFFSETS[CROSS])][list(CROSS_ORDER)]
    assert offsets.tolist() == [[0, 0, 0], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0],
                                [0, 0, 1], [0, 0, -1]]


def test_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'MinkowskiEngine', None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r'^engine minkowski cannot be used: MinkowskiEngine is '
                                         r'not installed; .*docs/engines\.md'):
        make_engine('minkowski', random_weights(), CPU)


@pytest.mark.parametrize('line', ["raise ImportError('undefined symbol: _ZN3c10')",
                                  'import MinkowskiEngineBackend_of_another_torch'])
def test_built_for_another_torch(line: str, tmp_path: Path,
                                 monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'MinkowskiEngine.py').write_text(line)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'MinkowskiEngine', raising=False)
    missing = MinkowskiEngine.missing()
    assert missing is not None
    assert missing.startswith('MinkowskiEngine cannot be imported (')
    assert missing.endswith(f'build it again for torch {torch.__version__}')


@pytest.mark.parametrize('precision', [torch.bfloat16, torch.float16])
def test_other_precisions_are_refused(precision: torch.dtype) -> None:
    with pytest.raises(InputError, match='float32 only'):
        MinkowskiEngine(random_weights(), CPU, precision)


def test_cuda_is_refused_if_built_for_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    built = ModuleType('MinkowskiEngine')
    built.is_cuda_available = lambda: False  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, 'MinkowskiEngine', built)
    with pytest.raises(InputError, match='built for CPUs only'):
        MinkowskiEngine(random_weights(), torch.device('cuda'))
