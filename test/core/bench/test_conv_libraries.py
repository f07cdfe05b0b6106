"""Other sparse convolution libraries compute the same U-Net as ours."""

from collections.abc import Callable

import interpreted_triton  # noqa: F401 — the fused kernels, which ocnn's take the place of
from mask3d_core.bench import conv_libraries
from mask3d_core.bench.conv_libraries import (
    GatherTableUNet,
    library_unet,
    SpconvUNet,
    unet_seconds,
)
from mask3d_core.classes import load_classes
from mask3d_core.engines.warm_up import make_room
from mask3d_core.errors import InputError
from mask3d_core.model import ModelConfig
from mask3d_core.model.backbone import UNet
from mask3d_core.model.layers import fold_batch_norms
from mask3d_core.sparse import build_pyramid, fused_kernels, Pyramid
from mask3d_core.weights.checkpoint import untrained_weights
import pytest
import torch
from torch import Tensor


def make_unet(backbone: str = 'Res16UNet14A') -> tuple[ModelConfig, UNet]:
    """Return a small folded U-Net whose batch norms do something."""
    torch.manual_seed(0)
    config = ModelConfig(backbone, num_classes=18, hidden_dim=16, num_heads=2)
    unet = UNet(config).eval()
    for module in unet.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            torch.nn.init.uniform_(module.running_mean, -.1, .1)
    fold_batch_norms(unet)
    return config, unet


def voxels(config: ModelConfig, seed: int, count: int = 300) -> tuple[Tensor, Pyramid]:
    """Return features and pyramid of random voxels, also with negative coordinates."""
    draw = torch.Generator().manual_seed(seed)
    coords = torch.randint(-9, 9, (count, 4), generator=draw)
    coords[:, 0] = 0
    pyramid = build_pyramid(coords.unique(dim=0), config.kernels)
    return torch.randn(len(pyramid.order), config.in_channels, generator=draw), pyramid


def test_spconv() -> None:
    """Two scans in turns: tables of one are not used for the other."""
    config, unet = make_unet()
    library = pytest.importorskip('spconv.pytorch', reason='spconv is not installed')
    other = SpconvUNet(library, unet).train()  # without a GPU it has no bias in evaluation mode
    scans = [voxels(config, seed) for seed in (1, 2)]
    for scan in (0, 0, 1, 0):
        with torch.inference_mode():
            for found, wanted in zip(other(*scans[scan]), unet(*scans[scan]), strict=True):
                torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def test_a_function_of_our_tables() -> None:
    config, unet = make_unet('Res16UNet14X')
    sizes = []

    def convolve(features: Tensor, weight: Tensor, bias: Tensor, rows: Tensor) -> Tensor:
        sizes.append(rows.shape[1])
        gathered = torch.cat([features, torch.zeros_like(features[:1])])[rows.long()]
        return torch.einsum('rkc,dkc->rd', gathered, weight) + bias

    other = GatherTableUNet(unet, convolve)
    for seed in (1, 2):
        features, pyramid = voxels(config, seed)
        with torch.inference_mode():
            wanted = unet(features, pyramid)
        with fused_kernels('interpreted'):
            for found, level in zip(other(*voxels(config, seed)), wanted, strict=True):
                torch.testing.assert_close(found, level, atol=1e-4, rtol=1e-4)
    assert set(sizes) == {7, 8, 27}


def test_times_or_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    config, _ = make_unet()
    weights = untrained_weights(config, load_classes('scannet20').without(['wall', 'floor']), 0.05)

    def other(name: str, unet: UNet) -> Callable[[Tensor, Pyramid], list[Tensor]]:
        if name == 'absent':
            raise InputError('not installed')
        if name == 'broken':
            raise OSError('no driver\nfound')
        factor = 2 if name == 'wrong' else 1
        return lambda features, pyramid: [factor * level for level in unet(features, pyramid)]

    monkeypatch.setattr(conv_libraries, 'LIBRARIES', ('same', 'absent', 'broken', 'wrong'))
    monkeypatch.setattr(conv_libraries, 'library_unet', other)
    ours, theirs = unet_seconds(weights, make_room(config, 12), torch.device('cpu'),
                                torch.float32, 1)
    time = theirs.pop('same')
    assert ours > 0 and isinstance(time, float) and time > 0
    assert theirs == {'absent': 'not installed', 'broken': 'OSError: no driver found',
                      'wrong': 'its features are others'}


def test_why_a_library_is_not_compared() -> None:
    with pytest.raises(InputError, match='no kernels of the shape of a cross'):
        SpconvUNet(torch, make_unet('Res16UNet14X')[1])
    with pytest.raises(InputError, match='not installed'):
        library_unet('no_such_library', make_unet()[1])
