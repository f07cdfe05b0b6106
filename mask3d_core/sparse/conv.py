"""The one operation of our own: a 3 x 3 x 3 convolution on the voxels that exist."""

from __future__ import annotations

from typing import Any

from mask3d_core.sparse.pyramid import Block, Level
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

FEW_ROWS = 64


def product(features: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """
    Multiply rows with a matrix: [M, C] x [D, C] -> [M, D].

    On a CPU it is handed to torch as a 1 x 1 convolution, which oneDNN multiplies with the widest
    vectors of any processor; torch's own matrix product was 2.3 times slower on an AMD EPYC
    (docs/benchmarks.md). Same sums, same gradients.
    """
    rows, channels = features.shape
    if features.is_cuda or rows < FEW_ROWS or not torch.backends.mkldnn.is_available():
        return functional.linear(features, weight, bias)
    image = features.view(1, rows, 1, channels).permute(0, 3, 1, 2)  # channels last: no copy
    # Dilation means nothing to a kernel of one, but without it one thread gets the slow product.
    result = functional.conv2d(image, weight.view(*weight.shape, 1, 1), bias, dilation=2)
    return result.permute(0, 2, 3, 1).reshape(rows, len(weight))


def sparse_conv(features: Tensor, weight: Tensor, level: Level, bias: Tensor | None = None,
                residual: Tensor | None = None, relu: bool = False) -> Tensor:
    """
    Convolve the voxels of a level: out[u] = sum over k of W[k] in[u + offset k].

    Rows without a neighbour at an offset contribute nothing there. Offsets run x fastest, as in
    `Grid.neighbors`. Bias, residual and rectifier are applied while a block is still in the
    cache; they are for inference, where batch norm has been folded away.

    Parameters
    ----------
    features : [V, C]
    weight : [D, 27, C]
    level : Level
        The table of the convolution.
    bias : [D], optional
    residual : [V, D], optional
    relu : bool

    Returns
    -------
    [V, D]

    """
    if torch.is_grad_enabled() and (features.requires_grad or weight.requires_grad):
        result = _SparseConv.apply(features, weight, level)
        result = result if bias is None else result + bias
        result = result if residual is None else result + residual
        return result.relu() if relu else result
    return _convolve(features, weight, level, bias, residual, relu)


def _convolve(features: Tensor, weight: Tensor, level: Level, bias: Tensor | None = None,
              residual: Tensor | None = None, relu: bool = False) -> Tensor:
    gather = _Gather(features, level)
    result = _rows_followed_by_zeros(features, len(level), len(weight))
    for block in level.blocks:
        part = product(gather(block), _block_weight(weight, block), bias)
        if residual is not None:
            part += residual[block.start:block.stop]
        if relu:
            part.relu_()
        result[block.start:block.stop] = part
    return result


def _block_weight(weight: Tensor, block: Block) -> Tensor:
    """Return the weights of the offsets that occur in a block: [D, n * C]."""
    if block.offsets is not None:
        weight = weight.index_select(1, block.offsets)
    return weight.reshape(len(weight), -1)


def _rows_followed_by_zeros(like: Tensor, rows: int, channels: int) -> Tensor:
    """Return an uninitialised [rows, channels] whose memory goes on with a row of zeros."""
    longer = like.new_empty(rows + 1, channels)
    longer[rows] = 0
    return longer[:rows]


def _followed_by_zeros(features: Tensor) -> Tensor:
    """
    Return [V + 1, C] whose last row is zero.

    Costs nothing where the memory behind the features happens to hold that row: looked at, not
    believed. A copy of the finest features took longer than gathering them.
    """
    rows, channels = features.shape
    memory = features.untyped_storage().nbytes() // features.element_size()
    if features.is_contiguous() and memory >= features.storage_offset() + features.numel() + channels:
        longer = features.as_strided((rows + 1, channels), (channels, 1))
        if not longer[rows].any():
            return longer
    return functional.pad(features, (0, 0, 0, 1))


class _Gather:
    """Gathers the neighbours of one block after another into the same buffer."""

    def __init__(self, features: Tensor, level: Level) -> None:
        self.channels = features.shape[1]
        self.padded = _followed_by_zeros(features)  # the last row is "no neighbour"
        longest = max(len(block.neighbors) for block in level.blocks)
        self.buffer = features.new_empty(longest, self.channels)

    def __call__(self, block: Block) -> Tensor:
        """Return [rows, n * C]; valid until the next call."""
        gathered = self.buffer[:len(block.neighbors)]
        torch.index_select(self.padded, 0, block.neighbors, out=gathered)
        return gathered.view(block.stop - block.start, -1)


class _SparseConv(torch.autograd.Function):

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, level: Level) -> Tensor:
        ctx.save_for_backward(features, weight)
        ctx.level = level
        return _convolve(features, weight, level)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        features, weight = ctx.saved_tensors
        grad = grad.contiguous()
        grad_features = grad_weight = None
        if ctx.needs_input_grad[0]:
            # v is the neighbour of u at offset k exactly if u is that of v at -k
            mirrored = weight.flip(1).permute(2, 1, 0).contiguous()
            grad_features = _convolve(grad, mirrored, ctx.level)
        if ctx.needs_input_grad[1]:
            grad_weight = _weight_gradient(features, grad, weight, ctx.level)
        return grad_features, grad_weight, None


def _weight_gradient(features: Tensor, grad: Tensor, weight: Tensor, level: Level) -> Tensor:
    gather = _Gather(features, level)
    result = torch.zeros_like(weight)
    for block in level.blocks:
        part = grad[block.start:block.stop].t() @ gather(block)  # [D, rows] @ [rows, n * C]
        part = part.view(len(weight), -1, weight.shape[2])
        if block.offsets is None:
            result += part
        else:
            result.index_add_(1, block.offsets, part)
    return result
