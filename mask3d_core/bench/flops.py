"""Floating-point operations of U-Net and decoder: those that no implementation can avoid."""

from __future__ import annotations

import itertools

from mask3d_core.model.backbone import STEM_CHANNELS
from mask3d_core.model.config import BACKBONES, ModelConfig
from mask3d_core.sparse import Pyramid
from mask3d_core.sparse.grid import CUBE, Grid
import torch


def count_pairs(grid: Grid, reach: int) -> int:
    """Count the (voxel, neighbor) pairs at most `reach` voxels apart along every axis."""
    steps = range(-reach, reach + 1)
    total = 0
    for dx, dy, dz in itertools.product(steps, steps, steps):
        wanted = grid.keys + dx * grid.stride_x + dy * grid.stride_y + dz
        place = torch.searchsorted(grid.keys, wanted).clamp(max=len(grid.keys) - 1)
        total += int((grid.keys[place] == wanted).sum())
    return total


def count_unet_gflop(config: ModelConfig, pyramid: Pyramid) -> float:
    """
    Return the floating-point operations of the U-Net's convolutions, in GFLOP.

    Only existing neighbors count: not the zeros that the implementation multiplies for missing
    ones. Norms and activations are not counted either. The floor of `mask3d bench` is based on it.
    """
    backbone = BACKBONES[config.backbone]
    sizes = [len(level) for level in pyramid.levels]
    stem_pairs = count_pairs(Grid.sort(pyramid.levels[0].coords)[0], 2)
    total = stem_pairs * config.in_channels * STEM_CHANNELS
    skips, channels = [], STEM_CHANNELS
    for stage, (width, count) in enumerate(zip(backbone.channels, backbone.repeats)):
        down = stage < 4
        finer, level = (stage, stage + 1) if down else (7 - stage, 7 - stage)
        if down:
            skips.append(channels)
        moved = channels if down else width
        total += sizes[finer] * channels * moved
        kernel = CUBE if down else backbone.decoder_kernel(level)
        entering = moved + (0 if down else skips.pop())
        for block in range(count):
            inputs = entering if block == 0 else width
            pairs = pyramid.levels[level].kernel_maps[kernel].num_pairs
            total += pairs * (inputs + width) * width
            total += sizes[level] * inputs * width if inputs != width else 0
        channels = width
    return 2 * total / 1e9


def count_decoder_gflop(config: ModelConfig, pyramid: Pyramid, num_queries: int) -> float:
    """
    Return the decoder's operations on voxels, in GFLOP.

    Masked attention is not counted: it depends on the masks of the queries (`model/decoder.py`).
    """
    widths = BACKBONES[config.backbone].channels[3:]
    width, finest = config.hidden_dim, widths[-1]
    total = len(pyramid.levels[0]) * finest * num_queries             # final masks
    rounds = 1 if config.shared_rounds else config.num_rounds
    for number in config.levels:
        size = len(pyramid.levels[-1 - number])
        total += rounds * size * width * (widths[number] + 2 * width)  # squeeze, keys, values
        total += config.num_rounds * size * finest * num_queries       # masks
    return 2 * total / 1e9
