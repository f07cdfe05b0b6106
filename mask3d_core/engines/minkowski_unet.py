"""The U-Net of MinkowskiEngine's modules, with our weights."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from mask3d_core.model.backbone import STEM_CHANNELS, UNet
from mask3d_core.model.config import BACKBONES, ModelConfig
from mask3d_core.model.layers import ConvNorm
from mask3d_core.original.names import block_inputs, DOWN_CONVS, renames, UP_CONVS
from mask3d_core.sparse import Level, Pyramid
from mask3d_core.sparse.grid import cell_keys, CROSS, CUBE
from mask3d_core.stop import until_stopped
import torch
from torch import nn, Tensor

CROSS_ORDER: Final = (3, 4, 2, 5, 1, 6, 0)
"""
Our offsets of a cross in MinkowskiEngine's order: the voxel itself, then +x, -x, +y, -y, +z, -z.

Its cubes have our order (src/kernel_region.hpp, `coordinate_at`).
"""
NUM_DOWN: Final = len(DOWN_CONVS)


class MinkowskiUNet(nn.Module):
    """
    Res16UNet of MinkowskiEngine's modules, for inference, with batch norms folded.

    Modules have the names of the original (res16unet.py). Arguments and results of `forward` are
    those of `UNet`, so it can take its place in a `Mask3D`.

    Parameters
    ----------
    config : ModelConfig
    unet : UNet
        Its weights are copied; its batch norms must be folded.

    """

    def __init__(self, config: ModelConfig, unet: UNet) -> None:
        super().__init__()
        backbone = BACKBONES[config.backbone]
        self.conv0p1s1 = _convolution(config.in_channels, STEM_CHANNELS, 5)
        channels = STEM_CHANNELS
        for stage, name in enumerate(DOWN_CONVS + UP_CONVS):
            width, up = backbone.channels[stage], stage >= NUM_DOWN
            self.add_module(name, _strided(channels, width if up else channels, up))
            volume = backbone.decoder_kernel(7 - stage) if up else CUBE
            widths = [block_inputs(backbone.channels)[stage]] + backbone.repeats[stage] * [width]
            self.add_module(f'block{stage + 1}', nn.Sequential(
                *(_Block(*pair, volume) for pair in zip(widths, widths[1:]))))
            channels = width
        self.load_state_dict(minkowski_state(config, unet))

    def forward(self, features: Tensor, pyramid: Pyramid) -> list[Tensor]:
        """Compute the features of all levels, as `UNet.forward`."""
        engine = _minkowski()
        relu = engine.MinkowskiReLU(inplace=True)
        tensor = engine.SparseTensor(features, pyramid.levels[0].coords.int())
        tensor = relu(self.conv0p1s1(tensor))
        skips, outputs = [], []
        for stage, name in until_stopped(enumerate(DOWN_CONVS + UP_CONVS)):
            if stage < NUM_DOWN:
                skips.append(tensor)
            tensor = relu(self.get_submodule(name)(tensor))
            if stage >= NUM_DOWN:
                tensor = engine.cat(tensor, skips.pop())
            tensor = self.get_submodule(f'block{stage + 1}')(tensor)
            if stage >= NUM_DOWN - 1:
                outputs.append(tensor)
        return [_in_order_of(level, output)
                for level, output in zip(reversed(pyramid.levels), outputs)]


class _Block(nn.Module):
    """Two convolutions within a level and a shortcut."""

    def __init__(self, channels_in: int, channels: int, volume: int) -> None:
        super().__init__()
        self.conv1 = _convolution(channels_in, channels, 3, volume == CROSS)
        self.conv2 = _convolution(channels, channels, 3, volume == CROSS)
        self.downsample = (None if channels_in == channels
                           else nn.Sequential(_convolution(channels_in, channels, 1)))
        self.relu = _minkowski().MinkowskiReLU(inplace=True)

    def forward(self, tensor: Any) -> Any:
        """Apply the block to a SparseTensor."""
        shortcut = tensor if self.downsample is None else self.downsample(tensor)
        return self.relu(self.conv2(self.relu(self.conv1(tensor))) + shortcut)


def minkowski_state(config: ModelConfig, unet: UNet) -> dict[str, Tensor]:
    """
    Return the kernels and biases of our U-Net under the names and in the layout of the original.

    Returns
    -------
    dict of name to tensor
        `….kernel` [volume, C, D], of pointwise convolutions [C, D]; `….bias` [1, D] where batch
        norms are folded.

    """
    originals = {rename.ours: rename.original for rename in renames(config)}
    state = {}
    for ours, module in unet.named_modules(prefix='unet'):
        if isinstance(module, ConvNorm):
            name = originals[f'{ours}.weight'].removeprefix('backbone.').removesuffix('kernel')
            state[f'{name}kernel'] = _kernel(module.weight.detach())
            if module.bias is not None:
                state[f'{name}bias'] = module.bias.detach()[None]
    return state


def _kernel(weight: Tensor) -> Tensor:
    """Convert a weight [D, volume, C] to a kernel [volume, C, D], or [C, D] if pointwise."""
    kernel = weight.movedim(0, -1)
    if len(kernel) == CROSS:
        kernel = kernel[list(CROSS_ORDER)]
    return kernel[0] if len(kernel) == 1 else kernel


def _convolution(channels_in: int, channels: int, size: int, cross: bool = False) -> nn.Module:
    """Make a convolution within a level."""
    engine = _minkowski()
    region = engine.RegionType.HYPER_CROSS if cross else engine.RegionType.HYPER_CUBE
    kernel = engine.KernelGenerator(size, region_type=region, dimension=3)
    return engine.MinkowskiConvolution(channels_in, channels, bias=True, kernel_generator=kernel,
                                       dimension=3)


def _strided(channels_in: int, channels: int, up: bool) -> nn.Module:
    """Make a 2 x 2 x 2 convolution of stride 2 to the coarser level, or a transposed one back."""
    engine = _minkowski()
    kind = engine.MinkowskiConvolutionTranspose if up else engine.MinkowskiConvolution
    return kind(channels_in, channels, kernel_size=2, stride=2, bias=True, dimension=3)


def _in_order_of(level: Level, tensor: Any) -> Tensor:
    """Return the features of a SparseTensor in the row order of the level with its voxels."""
    coords = tensor.C.long()
    coords[:, 1:] //= tensor.tensor_stride[0]
    if torch.equal(coords, level.coords):
        return tensor.F
    origin = coords.new_zeros(3)
    theirs, ours = cell_keys(coords, origin)[0], cell_keys(level.coords, origin)[0]
    order, rank = theirs.argsort(), ours.argsort()
    assert torch.equal(theirs[order], ours[rank]), 'MinkowskiEngine made other voxels'
    features = torch.empty_like(tensor.F)
    features[rank] = tensor.F[order]
    return features


def _minkowski() -> Any:
    return import_module('MinkowskiEngine')
