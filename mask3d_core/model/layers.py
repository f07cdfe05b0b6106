"""Sparse convolutions within and between the levels of a pyramid, each with batch norm."""

from __future__ import annotations

import math

from mask3d_core.sparse import (
    Level,
    place_rows,
    product,
    select_rows,
    sparse_conv,
    strided_conv,
    transposed_conv,
)
from mask3d_core.sparse.grid import CROSS, CUBE, NEIGHBOR_OFFSETS
import torch
from torch import nn, Tensor

NORM_MOMENTUM = 0.02
BLOCK_NORM_MOMENTUM = 0.1
"""Of residual blocks: the original passes its own momentum to all norms but these."""


class ConvNorm(nn.Module):
    """
    A convolution followed by batch norm; `fold` merges the two for inference.

    `weight` is [D, volume, C]: output channels, kernel offsets (x fastest), input channels.
    Subclasses implement `convolve` or `forward`.
    """

    volume = 1

    def __init__(self, channels_in: int, channels: int, momentum: float = NORM_MOMENTUM) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, self.volume, channels_in))
        self.bias: nn.Parameter | None = None
        self.norm: nn.BatchNorm1d | None = nn.BatchNorm1d(channels, momentum=momentum)
        bound = 1 / math.sqrt(self.fan() * self.volume)
        nn.init.uniform_(self.weight, -bound, bound)

    def fan(self) -> int:
        """Return the fan that MinkowskiEngine's initialisation uses: the input channels."""
        return self.weight.shape[2]

    def convolve(self, features: Tensor, level: Level) -> Tensor:
        """Convolve without batch norm."""
        raise NotImplementedError

    def forward(self, features: Tensor, level: Level) -> Tensor:
        """Convolve and apply batch norm: [V, C] -> [V', D]."""
        result = self.convolve(features, level)
        return result if self.norm is None else self.norm(result)

    @torch.no_grad()
    def fold(self) -> None:
        """Fold the running statistics of the batch norm into weight and bias."""
        if self.norm is None:
            return
        norm = self.norm
        assert norm.running_mean is not None and norm.running_var is not None
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        self.weight.mul_(scale[:, None, None])
        self.bias = nn.Parameter(norm.bias - norm.running_mean * scale)
        self.norm = None


class NeighborConv(ConvNorm):
    """A submanifold 3 x 3 x 3 convolution within a level, with an optional residual, and ReLU."""

    volume = CUBE

    def forward(self, features: Tensor, level: Level,
                residual: Tensor | None = None) -> Tensor:
        """Convolve, apply batch norm, add the residual, apply ReLU: [V, C] -> [V, D]."""
        if self.norm is None:
            return sparse_conv(features, self.weight, level, self.bias, residual, relu=True)
        result = self.norm(sparse_conv(features, self.weight, level))
        return (result if residual is None else result + residual).relu()


class CrossConv(NeighborConv):
    """The same with a cross kernel: the voxel and its six face neighbors."""

    volume = CROSS


NEIGHBOR_CONVS = {conv.volume: conv for conv in (NeighborConv, CrossConv)}


class PointConv(ConvNorm):
    """A pointwise (1 x 1 x 1) convolution."""

    def convolve(self, features: Tensor, level: Level) -> Tensor:
        """Multiply each row with the weight: [V, C] -> [V, D]."""
        return product(features, self.weight[:, 0], self.bias)


class DownConv(ConvNorm):
    """A 2 x 2 x 2 convolution of stride 2: from a level to its parents."""

    volume = 8

    def convolve(self, features: Tensor, level: Level) -> Tensor:
        """Convolve without batch norm: [V, C] -> [V', D]."""
        return strided_conv(features, self.weight, level, self.bias)


class UpConv(ConvNorm):
    """A transposed 2 x 2 x 2 convolution of stride 2: from the parents back to a level."""

    volume = 8

    def fan(self) -> int:
        """Return the output channels, as MinkowskiEngine does for transposed convolutions."""
        return self.weight.shape[0]

    def convolve(self, features: Tensor, level: Level) -> Tensor:
        """Convolve without batch norm: [V', C] -> [V, D]."""
        return transposed_conv(features, self.weight, level, self.bias)


class StemConv(ConvNorm):
    """
    A 5 x 5 x 5 convolution, computed as a 3 x 3 x 3 convolution between the parents.

    The features of a parent are those of its eight children, concatenated. Voxels two steps apart
    have parents at most one step apart, so the sum is the same. No kernel map of 125 offsets is
    needed, and a few wide rows are gathered instead of many narrow ones.
    """

    volume = 125
    offsets: Tensor

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__(channels_in, channels)
        self.register_buffer('offsets', _stem_offsets(), persistent=False)

    def forward(self, features: Tensor, level: Level, parents: Level) -> Tensor:  # type: ignore
        """Convolve and apply batch norm: [V, C] -> [V, D]."""
        channels = len(self.weight)
        weight, bias = self.between_parents()
        children = place_rows(features, _slots(level), 8 * len(parents))
        result = sparse_conv(children.view(len(parents), -1), weight, parents, bias)
        result = select_rows(result.view(8 * len(parents), channels), _slots(level))
        return result if self.norm is None else self.norm(result)

    def between_parents(self) -> tuple[Tensor, Tensor | None]:
        """Return weight and bias of the convolution between parents: [8 D, 27, 8 C], [8 D]."""
        padded = nn.functional.pad(self.weight, (0, 0, 0, 1))  # offset 125: zero, out of reach
        weight = padded[:, self.offsets]                       # [D, 8 out, 27, 8 in, C]
        weight = weight.transpose(0, 1).flatten(3).flatten(0, 1)
        return weight, None if self.bias is None else self.bias.repeat(8)


def _slots(level: Level) -> Tensor:
    assert level.slots is not None, 'the coarsest level has no parents'
    return level.slots


def _stem_offsets() -> Tensor:
    """
    Return the 5 x 5 x 5 offset between two children, 125 for none: [8, 27, 8].

    By output child, offset between the parents, and input child.
    """
    with torch.device('cpu'):  # `where` on the meta device imports the compiler of torch, 120 MB
        child = torch.tensor([[k & 1, k >> 1 & 1, k >> 2] for k in range(8)])  # in its parent
        offset = 2 * NEIGHBOR_OFFSETS[None, :, None] + child[None, None] - child[:, None, None]
        index = (offset + 2) @ torch.tensor([1, 5, 25])
        return index.where((offset.abs() <= 2).all(-1), torch.tensor(125))


class FrozenRunningStats:
    """
    A context in which batch norms use the statistics of the batch but keep their running ones.

    For the second forward pass of gradient checkpointing: the first one has updated them already.
    """

    def __init__(self, module: nn.Module) -> None:
        self.norms = [norm for norm in module.modules() if isinstance(norm, nn.BatchNorm1d)]

    def __enter__(self) -> None:
        self.before = [(norm.momentum, norm.num_batches_tracked) for norm in self.norms]
        for norm, (_, count) in zip(self.norms, self.before):
            norm.momentum, norm.num_batches_tracked = 0., None if count is None else count.clone()

    def __exit__(self, *_: object) -> None:
        for norm, (momentum, count) in zip(self.norms, self.before):
            norm.momentum, norm.num_batches_tracked = momentum, count


def fold_batch_norms(model: nn.Module) -> None:
    """Fold all batch norms of a model in evaluation mode (docs/architecture.md, decision 3)."""
    for module in model.modules():
        if isinstance(module, ConvNorm):
            module.fold()
