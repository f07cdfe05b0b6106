"""The warm-up runs all of the network on rooms of the size it says."""

from mask3d_core.classes import load_classes
from mask3d_core.engines import TorchEngine
from mask3d_core.engines.warm_up import make_room, ROOM_EDGES, warm_up
from mask3d_core.model import ModelConfig
from mask3d_core.sparse import fused_conv, kernel_tuning
from mask3d_core.weights.checkpoint import untrained_weights
import pytest
import torch

CLASSES = load_classes('scannet20').without(['wall', 'floor'])


def make_engine(**settings: object) -> TorchEngine:
    config = ModelConfig('Res16UNet14X', num_classes=18, hidden_dim=16, num_heads=2,
                         num_queries=5, **settings)  # type: ignore[arg-type]
    return TorchEngine(untrained_weights(config, CLASSES, voxel_size=0.05), torch.device('cpu'))


@pytest.mark.parametrize('settings', [
    {}, {'on_segments': True}, {'queries': 'learned'}, {'queries': 'fps_feature', 'votes': True}])
def test_it_suits_all_weights(settings: dict[str, object],
                              monkeypatch: pytest.MonkeyPatch) -> None:
    engine, seen = make_engine(**settings), []
    predict = engine.predict
    monkeypatch.setattr(engine, 'predict', lambda voxels, *rest: (
        seen.append((len(voxels), kernel_tuning._tuning)), predict(voxels, *rest)))
    warm_up(engine, engine.model.config, (20, 10))
    (large, measured), (small, not_measured) = seen
    assert large > small and measured and not not_measured


def test_rooms_have_the_voxels_they_should() -> None:
    sizes = [len(make_room(ModelConfig(), edge)) for edge in ROOM_EDGES]
    assert sizes == pytest.approx([75_000, 8_000], rel=.1)


def test_a_gpu_that_is_too_old_uses_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused_conv, 'find_spec', lambda _: 'there')
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda _: (7, 5))
    assert '8.0 or more' in str(fused_conv.why_not_fused.__wrapped__(0))
    monkeypatch.setattr(fused_conv, 'find_spec', lambda _: None)
    assert 'pip install triton' in str(fused_conv.why_not_fused.__wrapped__(0))
