"""The sparse convolutional U-Net (paper, Sec. III-A; Choy et al., CVPR 2019)."""

from __future__ import annotations

from contextlib import nullcontext

from mask3d_core.model.config import BACKBONES, ModelConfig
from mask3d_core.model.layers import (
    BLOCK_NORM_MOMENTUM,
    DownConv,
    FrozenRunningStats,
    NEIGHBOR_CONVS,
    NeighborConv,
    PointConv,
    StemConv,
    UpConv,
)
from mask3d_core.sparse import concat_channels, Level, Pyramid
import torch
from torch import nn, Tensor
from torch.utils.checkpoint import checkpoint

STEM_CHANNELS = 32


class ResidualBlock(nn.Module):
    """Two convolutions within a level and a shortcut (a ResNet basic block)."""

    def __init__(self, channels_in: int, channels: int,
                 conv: type[NeighborConv] = NeighborConv) -> None:
        super().__init__()
        self.conv1 = conv(channels_in, channels, BLOCK_NORM_MOMENTUM)
        self.conv2 = conv(channels, channels, BLOCK_NORM_MOMENTUM)
        self.shortcut = None if channels_in == channels else PointConv(channels_in, channels)

    def forward(self, features: Tensor, level: Level) -> Tensor:
        """Apply the block: [V, C] -> [V, D]."""
        shortcut = features if self.shortcut is None else self.shortcut(features, level)
        return self.conv2(self.conv1(features, level), level, shortcut)


class UNet(nn.Module):
    """
    Res16UNet: four strided convolutions down, four transposed ones up, skip connections.

    Attributes
    ----------
    recompute : bool
        Gradient checkpointing in training (Chen et al., 2016): keep only the inputs and outputs
        of blocks and recompute the rest in the backward pass; less memory, a third more time.
    widths : list of 5 int
        Channels of the levels that `forward` returns, coarse to fine.

    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.recompute = False
        backbone = BACKBONES[config.backbone]
        widths, repeats, _ = backbone
        self.stem = StemConv(config.in_channels, STEM_CHANNELS)
        self.down, self.down_blocks = nn.ModuleList(), nn.ModuleList()
        self.up, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        skips, channels = [], STEM_CHANNELS
        for width, count in zip(widths[:4], repeats[:4]):
            skips.append(channels)
            self.down.append(DownConv(channels, channels))
            self.down_blocks.append(_stage(channels, width, count))
            channels = width
        self.widths = [channels]
        for level, width, count in zip((3, 2, 1, 0), widths[4:], repeats[4:]):
            conv = NEIGHBOR_CONVS[backbone.decoder_kernel(level)]
            self.up.append(UpConv(channels, width))
            self.up_blocks.append(_stage(width + skips.pop(), width, count, conv))
            channels = width
            self.widths.append(channels)

    def forward(self, features: Tensor, pyramid: Pyramid) -> list[Tensor]:
        """
        Compute the features of all levels.

        Parameters
        ----------
        features : [V, C]
            In the row order of the finest level.
        pyramid : Pyramid

        Returns
        -------
        Five tensors [V_l, C_l], coarse to fine; C_l as in `widths`.

        """
        levels = pyramid.levels
        features = self._run(self.stem, features, levels[0], levels[1]).relu_()
        skips = []
        for depth, (down, blocks) in enumerate(zip(self.down, self.down_blocks)):
            skips.append(features)
            features = self._run(down, features, levels[depth]).relu_()
            features = self._run_blocks(blocks, features, levels[depth + 1])
        outputs = [features]
        for depth, up, blocks in zip((3, 2, 1, 0), self.up, self.up_blocks):
            features = self._run(up, features, levels[depth]).relu_()
            features = concat_channels(features, skips.pop())
            features = self._run_blocks(blocks, features, levels[depth])
            outputs.append(features)
        return outputs

    def _run(self, module: nn.Module, features: Tensor, *levels: Level) -> Tensor:
        """Run one module, checkpointed if `recompute` is on and gradients are needed."""
        if not (self.recompute and torch.is_grad_enabled()):
            return module(features, *levels)
        return checkpoint(module, features, *levels, use_reentrant=False,
                          preserve_rng_state=False,
                          context_fn=lambda: (nullcontext(), FrozenRunningStats(module)))

    def _run_blocks(self, blocks: nn.Module, features: Tensor, level: Level) -> Tensor:
        for block in blocks:  # type: ignore[attr-defined]
            features = self._run(block, features, level)
        return features


def _stage(channels_in: int, channels: int, count: int,
           conv: type[NeighborConv] = NeighborConv) -> nn.ModuleList:
    return nn.ModuleList(ResidualBlock(channels if i else channels_in, channels, conv)
                         for i in range(count))
