"""Floating-point operations, counted another way."""

from mask3d_core.bench.flops import count_decoder_gflop, count_pairs, count_unet_gflop
from mask3d_core.model import ModelConfig
from mask3d_core.model.backbone import UNet
from mask3d_core.model.config import BACKBONES
from mask3d_core.model.layers import ConvNorm
from mask3d_core.sparse import build_pyramid
from mask3d_core.sparse.grid import CUBE, Grid
import pytest
import torch


def random_coords(count: int) -> torch.Tensor:
    coords = torch.randint(0, 7, (count, 4), generator=torch.Generator().manual_seed(0))
    coords[:, 0] = 0
    return coords.unique(dim=0)


@pytest.mark.parametrize('reach', [1, 2])
def test_pairs_are_those_within_reach(reach: int) -> None:
    coords = random_coords(120)
    near = (coords[:, None] - coords[None]).abs().amax(2) <= reach
    assert count_pairs(Grid.sort(coords)[0], reach) == int(near.sum())
    if reach == 1:
        assert build_pyramid(coords).levels[0].kernel_maps[CUBE].num_pairs == int(near.sum())


@pytest.mark.parametrize('backbone', ['Res16UNet34C', 'Res16UNet14S', 'Res16UNet14X'])
def test_of_one_voxel_every_convolution_multiplies_one_matrix(backbone: str) -> None:
    config = ModelConfig(backbone)
    pyramid = build_pyramid(torch.tensor([[0, 3, 4, 5]]), config.kernels)
    matrices = [module.weight[:, 0] for module in UNet(config).modules()
                if isinstance(module, ConvNorm)]
    expected = 2 * sum(matrix.numel() for matrix in matrices) / 1e9
    assert count_unet_gflop(config, pyramid) == pytest.approx(expected, rel=1e-12)


def test_the_decoder_of_one_voxel() -> None:
    config = ModelConfig()  # 3 rounds of one set of layers, at the four coarser levels
    widths = BACKBONES['Res16UNet34C'].channels[3:7]
    keys = sum(128 * (width + 2 * 128) for width in widths)
    masks = (3 * 4 + 1) * 96 * 50
    expected = 2 * (keys + masks) / 1e9
    pyramid = build_pyramid(torch.tensor([[0, 3, 4, 5]]))
    assert count_decoder_gflop(config, pyramid, 50) == pytest.approx(expected, rel=1e-12)
