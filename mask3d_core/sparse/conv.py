"""The one operation of our own: a convolution with neighbours on the voxels that exist."""

from __future__ import annotations

from collections.abc import Iterable
import os
from pathlib import Path
import platform
from typing import Any

from mask3d_core.sparse.pyramid import Block, Level
from mask3d_core.sparse.threads import share
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.nn.grad import conv2d_weight


def _made_by_intel() -> bool:
    try:
        with Path('/proc/cpuinfo').open() as cores:  # the whole takes long on a large server
            return 'GenuineIntel' in cores.read(200)
    except OSError:  # not Linux
        return 'GenuineIntel' in platform.processor()


ONEDNN = (torch.backends.mkldnn.is_available()
          and platform.machine().lower() in ('x86_64', 'amd64')
          and not (torch.backends.mkl.is_available() and _made_by_intel()))
"""
Whether products go to oneDNN, which has been measured on x86 only: torch's own, of Intel's MKL,
use the widest vectors on Intel's processors alone, and are faster there.
"""
AVX512 = torch.backends.cpu.get_cpu_capability().startswith('AVX512')
"""Without it gradients are faster by torch's own product, those of weights three times."""

os.environ.setdefault('ONEDNN_PRIMITIVE_CACHE_CAPACITY', '8192')
"""
oneDNN compiles a product of bfloat16 for every shape it meets, some milliseconds each, and by
default forgets all but 1024, which is less than a U-Net has: `_round_up` keeps them few.
It is read when the first product is made.
"""

FEW_ROWS = 64
FEW_NUMBERS = 20480
"""Torch multiplies images up to this size by itself, slower than it multiplies matrices."""

PARTS = 16
"""
Sums over blocks are made in so many parts, however many threads there are: the order of the
additions, and with it every bit of the gradients, is then the same on any number of them.
"""


def product(features: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """
    Multiply rows with a matrix: [M, C] x [D, C] -> [M, D].

    Where `ONEDNN` says so, it is handed to torch as a 1 x 1 convolution, which oneDNN multiplies
    with the widest vectors there are; torch's own matrix product was 2.3 times slower on an AMD
    EPYC (docs/log/speed.md). Same sums, same gradients.
    """
    rounded = _round_up(features)
    if rounded is not features:
        return product(rounded, weight, bias)[:len(features)]
    if not _worth_onednn(features):
        return functional.linear(features, weight, bias)
    # Dilation means nothing to a kernel of one, but without it one thread gets the slow product.
    result = functional.conv2d(_image(features), weight[..., None, None], bias, dilation=2)
    return _rows(result)


def _product_back(grad: Tensor, matrix: Tensor) -> Tensor:
    """Multiply with a matrix as it lies in memory: [M, C] x [C, D] -> [M, D]."""
    rounded = _round_up(grad)
    if rounded is not grad:
        return _product_back(rounded, matrix)[:len(grad)]
    if not (AVX512 and _worth_onednn(grad)):
        return grad @ matrix
    return _rows(functional.conv_transpose2d(_image(grad), matrix[..., None, None], dilation=2))


def product_over_rows(grad: Tensor, features: Tensor) -> Tensor:
    """Sum the products of rows, as the gradient of a weight does: [M, D], [M, C] -> [D, C]."""
    features = features.to(grad.dtype)  # under autocast they may differ, which oneDNN refuses
    grad, features = _round_up(grad), _round_up(features)
    if not (AVX512 and _worth_onednn(grad)) or features.numel() <= FEW_NUMBERS:
        return grad.t() @ features
    size = (grad.shape[1], features.shape[1], 1, 1)
    return conv2d_weight(_image(features), size, _image(grad), dilation=2)[..., 0, 0]


def _worth_onednn(rows: Tensor) -> bool:
    return ONEDNN and not rows.is_cuda and len(rows) >= FEW_ROWS


def _compiled_by_shape(rows: Tensor) -> bool:
    """Return whether a product of these rows will be of bfloat16 on a CPU."""
    kind = rows.device.type
    lower = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else rows.dtype
    return kind == 'cpu' and lower == torch.bfloat16


def _round_up(rows: Tensor) -> Tensor:
    """
    Add rows of zeros to a factor that is compiled by shape, so that shapes come again and again.

    There are four numbers of rows in an octave.
    """
    missing = -len(rows) % (1 << max(len(rows).bit_length() - 3, 0))
    if not (missing and _compiled_by_shape(rows)):
        return rows
    return functional.pad(rows, (0, 0, 0, missing))


def _image(rows: Tensor) -> Tensor:
    """View rows as an image whose channels come last: no copy."""
    return rows[None, :, None].permute(0, 3, 1, 2)


def _rows(image: Tensor) -> Tensor:
    return image.permute(0, 2, 3, 1).reshape(image.shape[2], image.shape[1])


def sparse_conv(features: Tensor, weight: Tensor, level: Level, bias: Tensor | None = None,
                residual: Tensor | None = None, relu: bool = False) -> Tensor:
    """
    Convolve the voxels of a level: out[u] = sum over k of W[k] in[u + offset k].

    Rows without a neighbour at an offset contribute nothing there. Offsets are those of
    `KERNELS`. Bias, residual and rectifier are applied while a block is still in the cache; they
    are for inference, where batch norm has been folded away.

    Parameters
    ----------
    features : [V, C]
    weight : [D, volume, C]
    level : Level
        With a table for kernels of this volume.
    bias : [D], optional
    residual : [V, D], optional
    relu : bool

    Returns
    -------
    [V, D]

    """
    if torch.is_autocast_enabled(features.device.type):  # as torch does for its own products
        lower = torch.get_autocast_dtype(features.device.type)
        features, weight = features.to(lower), weight.to(lower)
    if torch.is_grad_enabled() and (features.requires_grad or weight.requires_grad):
        result = _SparseConv.apply(features, weight, level)
        result = result if bias is None else result + bias
        result = result if residual is None else result + residual
        return result.relu() if relu else result
    return _convolve(features, weight, level, bias, residual, relu)


def _convolve(features: Tensor, weight: Tensor, level: Level, bias: Tensor | None = None,
              residual: Tensor | None = None, relu: bool = False) -> Tensor:
    blocks, padded = _blocks(level, weight), _followed_by_zeros(features)
    result = _rows_followed_by_zeros(features, len(level), len(weight))

    def convolve(numbers: Iterable[int]) -> None:
        gather = _Gather(padded, blocks)
        for block in map(blocks.__getitem__, numbers):
            part = product(gather(block), _block_weight(weight, block), bias)
            if residual is not None:
                part += residual[block.start:block.stop]
            if relu:
                part.relu_()
            result[block.start:block.stop] = part

    if features.is_cuda:
        convolve(range(len(blocks)))
    else:
        share(convolve, len(blocks))
    return result


def _blocks(level: Level, weight: Tensor) -> list[Block]:
    volume = weight.shape[1]
    assert volume in level.tables, 'the pyramid was built without `ModelConfig.kernels`'
    return level.tables[volume].blocks


def _block_weight(weight: Tensor, block: Block) -> Tensor:
    """Return the weights of the offsets that occur in a block: [D, n * C]."""
    if block.offsets is not None:
        weight = weight.index_select(1, block.offsets)
    return weight.reshape(len(weight), -1)


def side_by_side(features: Tensor, more: Tensor) -> Tensor:
    """Join the channels of two [V, .]; without gradients, so that a convolution needs no copy."""
    if torch.is_grad_enabled() or features.dtype != more.dtype:
        return torch.cat([features, more], 1)
    channels = features.shape[1] + more.shape[1]
    joined = _rows_followed_by_zeros(features, len(features), channels)
    return torch.cat([features, more], 1, out=joined)


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
    end = features.storage_offset() + (rows + 1) * channels
    if features.is_contiguous() and memory >= end:
        longer = features.as_strided((rows + 1, channels), (channels, 1))
        if not longer[rows].any():
            return longer
    return functional.pad(features, (0, 0, 0, 1))


class _Gather:
    """
    Gathers the neighbours of one block after another into the same buffer.

    `padded` is [V + 1, C]; its last row, of zeros, is "no neighbour".
    """

    def __init__(self, padded: Tensor, blocks: list[Block]) -> None:
        self.channels = padded.shape[1]
        self.padded = padded
        longest = max(len(block.neighbors) for block in blocks)
        self.buffer = padded.new_empty(longest, self.channels)

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
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor, None]:
        """
        Convolve the gradient with the mirrored weights.

        v is the neighbour of u at offset k exactly if u is that of v at -k. So the gathered
        gradients serve twice: times the weights they are the gradient of the features, times the
        features that of the weights. The first convolution needs the second alone, and its
        features are narrower than its gradients: there the features are gathered.
        """
        features, weight = ctx.saved_tensors
        blocks, grad = _blocks(ctx.level, weight), grad.contiguous()
        grad_features = torch.empty_like(features) if ctx.needs_input_grad[0] else None
        padded = _followed_by_zeros(features if grad_features is None else grad)
        by_offset = weight.transpose(0, 1).contiguous()  # [volume, D, C]
        every = torch.arange(len(by_offset), device=weight.device)
        num_parts = 1 if features.is_cuda else min(PARTS, len(blocks))
        wide = torch.promote_types(weight.dtype, torch.float32)
        totals = torch.zeros(num_parts, *by_offset.shape, dtype=wide, device=weight.device)

        def convolve(numbers: Iterable[int]) -> None:
            gather = _Gather(padded, blocks)
            for number in numbers:
                for block in blocks[number::num_parts]:
                    offsets = every if block.offsets is None else block.offsets
                    gathered, rows = gather(block), slice(block.start, block.stop)
                    if grad_features is None:
                        part = product_over_rows(grad[rows], gathered).to(wide)
                        part = part.view(len(weight), len(offsets), -1).transpose(0, 1)
                    else:
                        offsets = len(every) - 1 - offsets
                        matrix = by_offset.index_select(0, offsets).flatten(0, 1)
                        grad_features[rows] = _product_back(gathered, matrix)
                        part = product_over_rows(gathered, features[rows]).to(wide)
                        part = part.view(-1, *by_offset.shape[1:])
                    totals[number].index_add_(0, offsets, part)

        if features.is_cuda:
            convolve(range(num_parts))
        else:
            share(convolve, num_parts)
        grad_weight = totals.sum(0) if num_parts > 1 else totals[0]
        return grad_features, grad_weight.transpose(0, 1).to(weight.dtype).contiguous(), None
