"""Submanifold sparse convolution: on the occupied voxels of a level, by gather and multiply."""

from __future__ import annotations

from collections.abc import Iterable
import os
from pathlib import Path
import platform
from typing import Any

from mask3d_core.sparse.fused_conv import Epilogue, fused_conv, runs_fused
from mask3d_core.sparse.planes import convolve_planes
from mask3d_core.sparse.pyramid import Block, DeviceKernelMap, KernelMap, Level
from mask3d_core.sparse.rows import bucket
from mask3d_core.sparse.threads import parallel_for
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.nn.grad import conv2d_weight


def _is_intel() -> bool:
    try:
        with Path('/proc/cpuinfo').open() as cores:  # slow to read whole on a large server
            return 'GenuineIntel' in cores.read(200)
    except OSError:  # not Linux
        return 'GenuineIntel' in platform.processor()


X86 = platform.machine().lower() in ('x86_64', 'amd64')
ONEDNN = (torch.backends.mkldnn.is_available() and X86
          and not (torch.backends.mkl.is_available() and _is_intel()))
"""
Whether matrix products use oneDNN; measured on x86 only. Torch's own products use MKL, which has
the widest vector instructions on Intel processors only, and is faster there.
"""
AVX512 = torch.backends.cpu.get_cpu_capability().startswith('AVX512')
"""Without it torch's own product is faster for gradients, three times for those of weights."""

os.environ.setdefault('ONEDNN_PRIMITIVE_CACHE_CAPACITY', '8192')
"""
oneDNN compiles a kernel for each shape of a bfloat16 product, some milliseconds each, and caches
1024 by default. A U-Net has more; `_pad_rows` limits their number. oneDNN reads the variable at
the first product.
"""

MIN_ONEDNN_ROWS = 64
MAX_NATIVE_CONV_SIZE = 20480
"""Torch convolves images of up to this many numbers without oneDNN, slower than a product."""

NUM_PARTIAL_SUMS = 16
"""
Partial sums of a weight's gradient, whatever the number of threads: the order of the additions,
and so every bit of the gradient, does not depend on it.
"""


def planes_pay_off(device: torch.device, dtype: torch.dtype) -> bool:
    """
    Return whether inference is faster plane by plane (`planes.py`), as measured on x86.

    The products have few rows then, which oneDNN multiplies slowly.
    """
    return X86 and device.type == 'cpu' and dtype == torch.float32 and not (ONEDNN and AVX512)


def product(features: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """
    Apply a linear layer, as `torch.nn.functional.linear`: [M, C], [D, C] -> [M, D].

    If `ONEDNN`, it runs as a 1 x 1 convolution, for which torch calls oneDNN with the widest
    vector instructions of the processor. Torch's own matrix product was 2.3 times slower on an
    AMD EPYC (docs/log/speed.md). Results and gradients are the same sums.
    """
    padded = _pad_rows(features)
    if padded is not features:
        return product(padded, weight, bias)[:len(features)]
    if not _worth_onednn(features):
        return functional.linear(features, weight, bias)
    # With a 1 x 1 kernel dilation has no effect, but without it torch does not call oneDNN when it
    # runs on a single thread.
    result = functional.conv2d(_as_image(features), weight[..., None, None], bias, dilation=2)
    return _as_rows(result)


def _product_back(grad: Tensor, matrix: Tensor) -> Tensor:
    """Multiply with a matrix without transposing it: [M, C] x [C, D] -> [M, D]."""
    padded = _pad_rows(grad)
    if padded is not grad:
        return _product_back(padded, matrix)[:len(grad)]
    if not (AVX512 and _worth_onednn(grad)):
        return grad @ matrix
    return _as_rows(
        functional.conv_transpose2d(_as_image(grad), matrix[..., None, None], dilation=2))


def product_over_rows(grad: Tensor, features: Tensor) -> Tensor:
    """Sum the outer products of rows, as a weight's gradient does: [M, D], [M, C] -> [D, C]."""
    features = features.to(grad.dtype)  # under autocast they may differ, which oneDNN rejects
    grad, features = _pad_rows(grad), _pad_rows(features)
    if not (AVX512 and _worth_onednn(grad)) or features.numel() <= MAX_NATIVE_CONV_SIZE:
        return grad.t() @ features
    size = (grad.shape[1], features.shape[1], 1, 1)
    return conv2d_weight(_as_image(features), size, _as_image(grad), dilation=2)[..., 0, 0]


def _worth_onednn(rows: Tensor) -> bool:
    return ONEDNN and not rows.is_cuda and len(rows) >= MIN_ONEDNN_ROWS


def _compiled_by_shape(rows: Tensor) -> bool:
    """Return whether oneDNN compiles this product by shape: in bfloat16 on a CPU."""
    device = rows.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else rows.dtype
    return device == 'cpu' and dtype == torch.bfloat16


def _pad_rows(rows: Tensor) -> Tensor:
    """
    Pad a factor that is compiled by shape with rows of zeros, so that shapes recur.

    The number of rows is rounded up to one of four sizes between consecutive powers of two.
    """
    missing = bucket(len(rows)) - len(rows)
    if not (missing and _compiled_by_shape(rows)):
        return rows
    return functional.pad(rows, (0, 0, 0, missing))


def _as_image(rows: Tensor) -> Tensor:
    """View rows [M, C] as a channels-last image [1, C, M, 1], without a copy."""
    return rows[None, :, None].permute(0, 3, 1, 2)


def _as_rows(image: Tensor) -> Tensor:
    return image.permute(0, 2, 3, 1).reshape(image.shape[2], image.shape[1])


def sparse_conv(features: Tensor, weight: Tensor, level: Level, bias: Tensor | None = None,
                residual: Tensor | None = None, relu: bool = False) -> Tensor:
    """
    Convolve the voxels of a level: out[u] = sum over k of W[k] in[u + offset k].

    Offsets are those of `KERNEL_OFFSETS`; absent neighbors contribute nothing. Bias, residual and
    ReLU are fused: applied while a block is in the cache. They are for inference, where batch
    norm is folded.

    Parameters
    ----------
    features : [V, C]
    weight : [D, volume, C]
    level : Level
        With a kernel map for this volume.
    bias : [D], optional
    residual : [V, D], optional
    relu : bool

    Returns
    -------
    [V, D]

    """
    kernel_map = _kernel_map(level, weight)
    if isinstance(kernel_map, DeviceKernelMap) and runs_fused(features):
        return fused_conv(features, weight, kernel_map.tables, Epilogue(bias, residual, relu))
    if torch.is_autocast_enabled(features.device.type):  # as torch does for its own products
        dtype = torch.get_autocast_dtype(features.device.type)
        features, weight = features.to(dtype), weight.to(dtype)
    if torch.is_grad_enabled() and (features.requires_grad or weight.requires_grad):
        result = _SparseConv.apply(features, weight, level)
        result = result if bias is None else result + bias
        result = result if residual is None else result + residual
        return result.relu() if relu else result
    return _convolve(features, weight, level, bias, residual, relu)


def _convolve(features: Tensor, weight: Tensor, level: Level, bias: Tensor | None = None,
              residual: Tensor | None = None, relu: bool = False) -> Tensor:
    kernel_map, padded = _kernel_map(level, weight), _with_zero_row(features)
    result = _empty_before_zero_row(features, len(level), len(weight))

    def finish(part: Tensor, rows: slice) -> None:
        if residual is not None:
            part += residual[rows]
        if relu:
            part.relu_()

    if kernel_map.planes is not None:
        convolve_planes(padded, weight, kernel_map.planes, result, lambda part, rows: finish(
            part if bias is None else part.add_(bias), rows))
        return result
    blocks = kernel_map.blocks

    def convolve(numbers: Iterable[int]) -> None:
        gather = _NeighborGather(padded, blocks)
        for block in map(blocks.__getitem__, numbers):
            part = product(gather(block), _block_weight(weight, block), bias)
            finish(part, slice(block.start, block.stop))
            result[block.start:block.stop] = part

    if features.is_cuda:
        convolve(range(len(blocks)))
    else:
        parallel_for(convolve, len(blocks))
    return result


def _kernel_map(level: Level, weight: Tensor) -> KernelMap | DeviceKernelMap:
    volume = weight.shape[1]
    assert volume in level.kernel_maps, 'the pyramid was built without `ModelConfig.kernels`'
    return level.kernel_maps[volume]


def _blocks(level: Level, weight: Tensor) -> list[Block]:
    kernel_map = _kernel_map(level, weight)
    assert kernel_map.planes is None, 'planes have no gradients'
    return kernel_map.blocks


def _block_weight(weight: Tensor, block: Block) -> Tensor:
    """Return the weights of a block's offsets: [D, n * C]."""
    if block.offsets is not None:
        weight = weight.index_select(1, block.offsets)
    return weight.reshape(len(weight), -1)


def concat_channels(features: Tensor, more: Tensor) -> Tensor:
    """
    Concatenate the channels of two [V, .] tensors.

    On a CPU and without gradients, the result has a row of zeros behind it in memory
    (`_with_zero_row`).
    """
    if torch.is_grad_enabled() or features.dtype != more.dtype or features.is_cuda:
        return torch.cat([features, more], 1)
    channels = features.shape[1] + more.shape[1]
    joined = _empty_before_zero_row(features, len(features), channels)
    return torch.cat([features, more], 1, out=joined)


def _empty_before_zero_row(like: Tensor, rows: int, channels: int) -> Tensor:
    """Return an uninitialised [rows, channels] with a row of zeros behind it in memory."""
    longer = like.new_empty(rows + 1, channels)
    longer[rows] = 0
    return longer[:rows]


def _with_zero_row(features: Tensor) -> Tensor:
    """
    Return the features with a row of zeros appended: [V + 1, C].

    No copy is made if the memory behind the features holds such a row, which is checked here: a
    copy of the finest level takes longer than gathering from it. On a GPU, checking would take
    longer than the copy.
    """
    rows, channels = features.shape
    memory = features.untyped_storage().nbytes() // features.element_size()
    end = features.storage_offset() + (rows + 1) * channels
    if features.is_contiguous() and memory >= end and not features.is_cuda:
        longer = features.as_strided((rows + 1, channels), (channels, 1))
        if not longer[rows].any():
            return longer
    return functional.pad(features, (0, 0, 0, 1))


class _NeighborGather:
    """
    Gathers the neighbors of one block after another into one buffer.

    `padded` is [V + 1, C]; its last row, of zeros, stands for absent neighbors.
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
        Convolve the gradient with the mirrored kernel.

        v is the neighbor of u at offset k exactly if u is the neighbor of v at -k. So the gathered
        gradients are used twice: multiplied with the weights they give the gradient of the
        features, multiplied with the features that of the weights. The first convolution of a
        network needs only the latter, and its features have fewer channels than its gradients:
        there the features are gathered.
        """
        features, weight = ctx.saved_tensors
        blocks, grad = _blocks(ctx.level, weight), grad.contiguous()
        grad_features = torch.empty_like(features) if ctx.needs_input_grad[0] else None
        padded = _with_zero_row(features if grad_features is None else grad)
        by_offset = weight.transpose(0, 1).contiguous()  # [volume, D, C]
        all_offsets = torch.arange(len(by_offset), device=weight.device)
        num_parts = 1 if features.is_cuda else min(NUM_PARTIAL_SUMS, len(blocks))
        exact = torch.promote_types(weight.dtype, torch.float32)
        totals = torch.zeros(num_parts, *by_offset.shape, dtype=exact, device=weight.device)

        def convolve(numbers: Iterable[int]) -> None:
            gather = _NeighborGather(padded, blocks)
            for number in numbers:
                for block in blocks[number::num_parts]:
                    offsets = all_offsets if block.offsets is None else block.offsets
                    gathered, rows = gather(block), slice(block.start, block.stop)
                    if grad_features is None:
                        part = product_over_rows(grad[rows], gathered).to(exact)
                        part = part.view(len(weight), len(offsets), -1).transpose(0, 1)
                    else:
                        offsets = len(all_offsets) - 1 - offsets  # of the mirrored kernel
                        matrix = by_offset.index_select(0, offsets).flatten(0, 1)
                        grad_features[rows] = _product_back(gathered, matrix)
                        part = product_over_rows(gathered, features[rows]).to(exact)
                        part = part.view(-1, *by_offset.shape[1:])
                    totals[number].index_add_(0, offsets, part)

        if features.is_cuda:
            convolve(range(num_parts))
        else:
            parallel_for(convolve, num_parts)
        grad_weight = totals.sum(0) if num_parts > 1 else totals[0]
        return grad_features, grad_weight.transpose(0, 1).to(weight.dtype).contiguous(), None
