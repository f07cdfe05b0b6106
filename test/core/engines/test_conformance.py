"""What every engine promises: the same weights find the same instances."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from golden_model import golden_model, golden_scans, golden_seeds
from mask3d_core.classes import load_classes
from mask3d_core.data.generated import generate_room
from mask3d_core.engines import Engine, ENGINES, make_engine
from mask3d_core.errors import InputError
from mask3d_core.extraction.postprocess import ExtractSettings
from mask3d_core.files import read_scan
from mask3d_core.instances import Instances
from mask3d_core.model import Mask3D, ModelConfig, Prediction
from mask3d_core.scan import Scan
from mask3d_core.segmenter import load_segmenter, Segmenter
from mask3d_core.sparse import build_pyramid
from mask3d_core.stopwatch import Stopwatch
from mask3d_core.voxels import batch_coords, Voxels
from mask3d_core.weights.checkpoint import untrained_weights, Weights
import numpy as np
import pytest
import torch

CPU = torch.device('cpu')
CASES = ('micro_eval', 'micro_eval_segments', 'tiny_eval', 'tiny_eval_segments',
         'tiny_eval_parametric', 'tiny_eval_npfeat')
LOGITS, MASKS = 1.8e-5, 3.9e-4
"""As in `test/core/model/test_parity.py`."""
MAX_DIFFERENT_BITS = 1e-5
HELD_OUT_SEED, HELD_OUT_ROOMS = 501, (1, 2, 3)
OFFICE = Path(__file__).parents[3] / 'demo' / 'office.ply'
CLASSES = load_classes('scannet20').without(['wall', 'floor'])
KINDS = {'paper': {}, 'segments': {'on_segments': True}, 'learned': {'queries': 'learned'},
         'ours': {'backbone': 'Res16UNet14X', 'queries': 'fps_feature', 'votes': True,
                  'mask_iou': True},
         'colourless': {'in_channels': 1}, 'own_rounds': {'shared_rounds': False},
         'finest': {'levels': (1, 4)}}


@pytest.fixture(scope='module', params=ENGINES)
def name(request: pytest.FixtureRequest) -> str:
    """Return the name of an engine that is installed."""
    missing = ENGINES[request.param].missing()
    if missing is not None:
        pytest.skip(missing)
    return request.param


@pytest.fixture(params=KINDS)
def weights(request: pytest.FixtureRequest) -> Weights:
    """Return small weights whose batch norms do something."""
    values = {'backbone': 'Res16UNet14A', 'num_queries': 12, 'num_rounds': 2, 'hidden_dim': 32,
              'num_heads': 4, 'feedforward_dim': 64, 'num_classes': len(CLASSES)}
    config = ModelConfig(**(values | KINDS[request.param]))
    weights = untrained_weights(config, CLASSES, voxel_size=0.05, seed=3)
    return replace(weights, state=with_norms(weights.state))


def with_norms(state: Any) -> dict[str, torch.Tensor]:
    """Return a state whose batch norms are not the identity."""
    random = torch.Generator().manual_seed(4)
    return {name: tensor + 0.2 * torch.rand(tensor.shape, generator=random)
            if '.norm.' in name and tensor.is_floating_point() else tensor
            for name, tensor in state.items()}


def box_scan(seed: int, size: float, colored: bool = True) -> Scan:
    """Return points on the surface of a room with a box."""
    random = np.random.default_rng(seed)
    xyz = random.uniform(0, size, (6000, 3)).astype(np.float32)
    xyz[:4000, 2] = 0
    xyz[4000:, 0] = np.where(random.random(2000) < 0.5, 0.3, xyz[4000:, 0])
    color = random.random((len(xyz), 3)).astype(np.float32)
    return Scan.from_points(xyz, color if colored else None)


def predict(engine: Engine, weights: Weights, scan: Scan, num_queries: int) -> Prediction:
    """Voxelize a scan and run the network."""
    segmenter = Segmenter(weights, engine)
    _, voxels = segmenter.prepare(scan, Stopwatch(CPU))
    return segmenter.predict(voxels, num_queries=num_queries)


def assert_same(one: Prediction, other: Prediction) -> None:
    """Compare two predictions."""
    torch.testing.assert_close(one.class_logits, other.class_logits, atol=LOGITS, rtol=1e-4)
    torch.testing.assert_close(one.mask_logits, other.mask_logits, atol=MASKS, rtol=1e-4)
    torch.testing.assert_close(one.objectness, other.objectness, atol=LOGITS, rtol=1e-4)
    torch.testing.assert_close(one.mask_iou, other.mask_iou, atol=LOGITS, rtol=1e-4)


@pytest.mark.parametrize('case_name', CASES)
def test_golden_predictions(name: str, case_name: str, golden: Any, golden_json: Any) -> None:
    case, model = golden(case_name), golden_model(golden_json(case_name))
    engine = make_engine(name, weights_of(model), CPU)
    for number, voxels in enumerate(golden_scans(case)):
        seeds = golden_seeds(case)
        found = engine.predict(without_segments(voxels, model), pyramid_of(voxels, model),
                               model.config.num_queries, Stopwatch(CPU),
                               None if seeds is None else seeds[number])
        np.testing.assert_allclose(found.class_logits, case['pred_logits'][-1][number],
                                   atol=LOGITS)
        step = int(case[f'pred_masks_b{number}_step'])
        np.testing.assert_allclose(found.mask_logits[::step],
                                   case[f'pred_masks_b{number}'][-1], atol=MASKS)


def weights_of(model: Mask3D) -> Weights:
    """Return a model of 18 classes as weights."""
    return replace(untrained_weights(model.config, CLASSES), state=model.state_dict())


def without_segments(voxels: Voxels, model: Mask3D) -> Voxels:
    """Remove the segments where the model has no use for them, as the segmenter does."""
    return voxels if model.config.on_segments else replace(voxels, segment=None)


def pyramid_of(voxels: Voxels, model: Mask3D) -> Any:
    """Build the pyramid of one scan."""
    return build_pyramid(batch_coords([voxels]), model.config.kernels)


@pytest.fixture(scope='module')
def scans() -> list[Scan]:
    """Return the bundled scan, and rooms that the shipped weights were not trained on."""
    rooms = [generate_room(HELD_OUT_SEED, number) for number in HELD_OUT_ROOMS]
    return [read_scan(OFFICE),
            *(Scan.from_points(room['xyz'], room['color']) for room in rooms)]


@pytest.fixture(scope='module')
def expected(scans: list[Scan]) -> list[Instances]:
    """Return the instances that torch finds in them."""
    segmenter = load_segmenter(device='cpu', engine='torch')
    return [segmenter.segment(scan) for scan in scans]


def test_shipped_weights_find_the_same_instances(
        name: str, scans: list[Scan], expected: list[Instances]) -> None:
    if name == 'torch':
        pytest.skip('the others are compared with it')
    segmenter = load_segmenter(device='cpu', engine=name)
    for scan, wanted in zip(scans, expected):
        found = segmenter.segment(scan)
        np.testing.assert_array_equal(found.class_id, wanted.class_id)
        # a query may attend to a voxel with a logit of nearly 0 with one engine only
        np.testing.assert_allclose(found.score, wanted.score, atol=2e-3)
        assert np.unpackbits(found.masks ^ wanted.masks).mean() <= MAX_DIFFERENT_BITS
        np.testing.assert_allclose(found.box_center, wanted.box_center, atol=0.01)


def test_all_kinds_of_models(name: str, weights: Weights) -> None:
    engine, reference = (make_engine(one, weights, CPU) for one in (name, 'torch'))
    for seed, size in ((5, 2.0), (6, 3.5)):     # two scans of different size, one engine
        scan = box_scan(seed, size, weights.uses_color)
        assert_same(predict(engine, weights, scan, weights.model.num_queries),
                    predict(reference, weights, scan, weights.model.num_queries))


def test_the_number_of_queries_changes(name: str, weights: Weights) -> None:
    if weights.model.queries == 'learned':
        pytest.skip('the number of learned queries is fixed')
    engine, reference = (make_engine(one, weights, CPU) for one in (name, 'torch'))
    scan = box_scan(7, 2.0, weights.uses_color)
    for count in (1, 5, 20):
        found = predict(engine, weights, scan, count)
        assert found.class_logits.shape[0] == found.mask_logits.shape[1] == count
        assert_same(found, predict(reference, weights, scan, count))


def test_one_voxel(name: str, weights: Weights) -> None:
    config = weights.model
    one = torch.zeros(1, dtype=torch.int64)
    voxels = Voxels(torch.tensor([[0, 0, 0]]), torch.full((1, config.in_channels), 0.3),
                    torch.zeros(1, 3), np.zeros(3), one, one if config.on_segments else None, 0.05)
    pyramid = build_pyramid(batch_coords([voxels]), config.kernels)
    found, wanted = (make_engine(engine, weights, CPU).predict(
        voxels, pyramid, config.num_queries, Stopwatch(CPU)) for engine in (name, 'torch'))
    assert len(found.mask_logits) == 1
    assert_same(found, wanted)


def test_the_result_is_reproducible_to_the_bit(name: str) -> None:
    if name == 'minkowski':
        pytest.skip('threads of MinkowskiEngine take turns at random (docs/engines.md)')
    weights = untrained_weights(ModelConfig('Res16UNet14A', num_classes=len(CLASSES)), CLASSES,
                                voxel_size=0.05)
    engine, scan = make_engine(name, weights, CPU), box_scan(8, 3.0)
    one, two = (predict(engine, weights, scan, 10) for _ in range(2))
    assert torch.equal(one.mask_logits, two.mask_logits)
    assert torch.equal(one.class_logits, two.class_logits)


def test_stages_are_timed(name: str) -> None:
    segmenter = load_segmenter(untrained_weights(
        ModelConfig('Res16UNet14A', num_classes=len(CLASSES)), CLASSES, voxel_size=0.1),
        'cpu', engine=name)
    found = segmenter.segment(box_scan(9, 2.0), ExtractSettings(superpoints=False))
    assert {'pyramid', 'unet', 'decoder'} <= set(found.seconds)


def test_an_unknown_engine_is_named() -> None:
    with pytest.raises(InputError, match="unknown engine 'tpu'; expected auto, torch, onnx"):
        load_segmenter(device='cpu', engine='tpu')

