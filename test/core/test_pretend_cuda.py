"""
All tensors are on the GPU where they must be, and no operation is used that CUDA lacks.

CI has no GPU: an emulated device rejects what CUDA rejects, and computes on the CPU.
"""

from collections.abc import Iterator

from mask3d_core import ExtractSettings, Scan, Segmenter
from mask3d_core import segmenter as segmenters
from mask3d_core.bench.training import room_targets
from mask3d_core.classes import load_classes
from mask3d_core.engines import TorchEngine
from mask3d_core.model import Mask3D, ModelConfig
from mask3d_core.stopwatch import Stopwatch
from mask3d_core.training.data_loader import Batch, Sample
from mask3d_core.training.learner import ModelWithLoss
from mask3d_core.voxels import voxelize
from mask3d_core.weights.checkpoint import untrained_weights, Weights
import numpy as np
import pytest
import torch
from torch.utils import backend_registration

if not hasattr(backend_registration, '_setup_privateuseone_for_python_backend'):
    pytest.skip('this torch has no Python backend to emulate a device', allow_module_level=True)
from pretend_cuda import DEVICE, PretendCuda, PretendTensor, waits  # noqa: E402

CLASSES = load_classes('scannet20').without(['wall', 'floor'])
KINDS = {'paper': {}, 'segments': {'on_segments': True}, 'learned': {'queries': 'learned'},
         'ours': {'queries': 'fps_feature', 'votes': True}}


@pytest.fixture(autouse=True)
def _pretend(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(segmenters, 'check_memory', lambda *_: None)  # it has none of its own
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    with PretendCuda():
        yield
    torch.__future__.set_overwrite_module_params_on_conversion(False)


@pytest.fixture(params=KINDS)
def weights(request: pytest.FixtureRequest) -> Weights:
    model = ModelConfig('Res16UNet14A', num_classes=18, hidden_dim=32, feedforward_dim=64,
                        num_heads=4, num_queries=20, **KINDS[request.param])
    return untrained_weights(model, CLASSES, voxel_size=0.05)


@pytest.fixture(scope='module')
def scan() -> Scan:
    """Return a floor with two boxes on it."""
    random = np.random.default_rng(0)
    floor = random.uniform(0, 3, (3000, 3)) * [1, 1, .01]
    boxes = [random.uniform(0, .6, (1000, 3)) + [x, 1, 0] for x in (.3, 1.8)]
    xyz = np.concatenate([floor, *boxes]).astype(np.float32)
    return Scan.from_points(xyz, random.uniform(0, 1, xyz.shape).astype(np.float32))


def test_it_rejects_what_cuda_rejects() -> None:
    here = torch.arange(4)
    there = here.to(DEVICE)
    assert isinstance(there, PretendTensor) and (there + 1).cpu().tolist() == [1, 2, 3, 4]
    with pytest.raises(RuntimeError, match='some tensors are on the GPU, some on the CPU'):
        there + here
    with pytest.raises(RuntimeError, match='integers: CUDA has none'):
        there @ there


def test_segment(weights: Weights, scan: Scan) -> None:
    settings = ExtractSettings(min_points=0, dbscan_eps=0, overlap_threshold=None)
    here, there = (Segmenter(weights, TorchEngine(weights, device)).segment(scan, settings)
                   for device in (torch.device('cpu'), DEVICE))
    assert len(here)
    np.testing.assert_array_equal(here.masks, there.masks)
    np.testing.assert_allclose(here.score, there.score, rtol=1e-4)


def test_the_host_waits_for_sizes_only(weights: Weights, scan: Scan) -> None:
    """Geometry waits once per level, the decoder never; the masks come back in few transfers."""
    engine = TorchEngine(weights, DEVICE)
    segmenter, watch = Segmenter(weights, engine), Stopwatch(DEVICE)
    scan, voxels = segmenter.prepare(scan, watch)
    there = voxels.to(DEVICE)
    waits.clear()
    pyramid = segmenter.pyramid(there, watch)
    assert waits == ['tolist', *['_unique2'] * 4]  # the extent, and the voxels of each level

    levels = engine.encode(there, pyramid)
    waits.clear()
    with torch.inference_mode():
        prediction = engine.model.decode(levels, [there], pyramid)[0][0]
    assert len(waits) <= 2 * weights.model.on_segments  # for the number of segments

    for settings, most in ((ExtractSettings(min_points=0, dbscan_eps=0), 10),
                           (ExtractSettings(min_points=0), 30)):
        waits.clear()
        segmenter.extract(prediction, voxels, scan, settings)
        assert len(waits) <= most


def test_train(weights: Weights, scan: Scan) -> None:
    if weights.model.on_segments:
        pytest.skip('the instances made up here are of voxels')
    voxels = voxelize(scan, weights.voxelization)
    sample = Sample('room', voxels, room_targets(voxels, 18), len(voxels))

    def gradients(device: torch.device) -> dict[str, torch.Tensor | None]:
        forward = ModelWithLoss(Mask3D(weights.model), 1000, bias=torch.zeros(18))
        forward.model.load_state_dict(weights.state)
        forward = forward.to(device).train()
        batch = Batch([sample], device, weights.model.kernels)
        total, _ = forward(batch, 1.0, torch.Generator().manual_seed(0))
        total.backward()
        torch.nn.utils.clip_grad_norm_(forward.parameters(), 1.0)
        return {name: parameter.grad for name, parameter in forward.named_parameters()}

    here, there = gradients(torch.device('cpu')), gradients(DEVICE)
    for name, gradient in here.items():
        assert gradient is not None and there[name] is not None, name
        torch.testing.assert_close(there[name].cpu(), gradient, atol=1e-4, rtol=1e-3, msg=name)
