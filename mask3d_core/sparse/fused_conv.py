"""
Sparse convolution on a GPU as one kernel: gather, multiply, add and ReLU.

Triton is optional: where it is missing, or cannot compile, torch's operations are used. How the
kernels work, and why they are our own, is in docs/log/fused_kernels.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache, partial
from importlib.util import find_spec
import os
import subprocess
from typing import Any, NamedTuple
import warnings

from mask3d_core.errors import InputError
from mask3d_core.sparse.gather_table import ConvTables, GatherTable
from mask3d_core.sparse.kernel_tuning import choose_config, Config, Problem
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
MIN_CAPABILITY = (8, 0)
"""Compute capability; Triton uses no tensor cores of older GPUs."""
PART_TILE = 64
"""Rows per tile of the gradient of a weight; fixed, as the order of its sum depends on it."""
MAX_PARTS = 16
MIN_TILES_PER_PART = 32
"""Bounds on the partial sums of a weight's gradient; the number depends on the rows only."""
_mode = 'auto'


@contextmanager
def fused_kernels(mode: str) -> Iterator[None]:
    """
    Set for all threads whether the kernels are used while the context lasts.

    Parameters
    ----------
    mode : str
        'auto': on CUDA, where Triton is installed; the default. 'off': nowhere. 'interpreted': on
        the CPU, too, in Triton's interpreter (environment variable TRITON_INTERPRET), for tests.

    """
    global _mode
    before, _mode = _mode, mode
    try:
        yield
    finally:
        _mode = before


def runs_fused(tensor: Tensor) -> bool:
    """Return whether the kernels are used for the operations on a tensor and those like it."""
    if _mode == 'off' or tensor.dtype not in (*DTYPES, torch.int32, torch.int64):
        return False
    if tensor.device.type == 'cpu':
        return _mode == 'interpreted'
    return tensor.device.type == 'cuda' and why_not_fused(tensor.device.index or 0) is None


@cache
def why_not_fused(device: int) -> str | None:
    """Return why the kernels cannot be used on this CUDA device, or None if they can."""
    if find_spec('triton') is None:
        return 'Triton is not installed: pip install triton'
    if torch.cuda.get_device_capability(device) < MIN_CAPABILITY:
        return 'they need a GPU of compute capability 8.0 or more'
    try:
        _try_kernels(torch.device('cuda', device))
    except InputError as error:
        warnings.warn(f'sparse convolutions use torch: {error}', stacklevel=2)
        return str(error)
    return None


def _try_kernels(device: torch.device) -> None:
    """Convolve one voxel; raise InputError with the reason if Triton cannot do that here."""
    try:
        from triton.errors import TritonError
    except (ImportError, OSError) as error:
        raise InputError(f'Triton cannot be loaded: {error}') from error
    try:
        features = torch.zeros(1, 16, dtype=torch.float16, device=device)
        table = GatherTable(torch.zeros(1, 1, dtype=torch.int32, device=device), 1)
        _convolve(features, features.new_zeros(16, 1, 16), table, NO_EPILOGUE).cpu()
    except (TritonError, RuntimeError, OSError, subprocess.SubprocessError) as error:
        # no C compiler, a GPU newer than Triton, a home that cannot be written, ...
        raise InputError(f'Triton does not work here: {" ".join(str(error).split())}') from error


def on_device(tensor: Tensor) -> AbstractContextManager[Any]:
    """Return a context in which kernels start on the device of a tensor."""
    return torch.cuda.device(tensor.device) if tensor.is_cuda else nullcontext()


class Epilogue(NamedTuple):
    """
    What is added to a convolution before it is stored.

    Attributes
    ----------
    bias : [D] or None
    residual : [R, D] or None
    relu : bool

    """

    bias: Tensor | None = None
    residual: Tensor | None = None
    relu: bool = False


NO_EPILOGUE = Epilogue()


def fused_conv(features: Tensor, weight: Tensor, tables: ConvTables,
               epilogue: Epilogue = NO_EPILOGUE) -> Tensor:
    """
    Convolve: out[r] = sum over k of W[k] in[table[k, r]], then bias, residual and ReLU.

    Under autocast and with gradients as torch's own products: with gradients, the epilogue is
    computed by torch.

    Parameters
    ----------
    features : [V, C]
    weight : [D, volume, C]
    tables : ConvTables
        With tables [volume, R] of rows of the features, and the way back.
    epilogue : Epilogue

    Returns
    -------
    [R, D]

    """
    if torch.is_autocast_enabled(features.device.type):
        dtype = torch.get_autocast_dtype(features.device.type)
        features, weight = features.to(dtype), weight.to(dtype)
    if torch.is_grad_enabled() and (features.requires_grad or weight.requires_grad):
        result: Tensor = _FusedConv.apply(features, weight, tables)
        result = result if epilogue.bias is None else result + epilogue.bias
        result = result if epilogue.residual is None else result + epilogue.residual
        return result.relu() if epilogue.relu else result
    return _convolve(features, weight, tables.forward, epilogue)


class _FusedConv(torch.autograd.Function):

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, tables: ConvTables) -> Tensor:
        ctx.save_for_backward(features, weight)
        ctx.tables = tables
        return _convolve(features, weight, tables.forward, NO_EPILOGUE, training=True)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        features, weight = ctx.saved_tensors
        grad, needed = grad.contiguous(), ctx.needs_input_grad
        return (_convolve_back(grad, weight, ctx.tables) if needed[0] else None,
                _weight_gradient(grad, features, ctx.tables.forward).to(weight.dtype)
                if needed[1] else None, None)


def _convolve(features: Tensor, weight: Tensor, table: GatherTable, epilogue: Epilogue,
              training: bool = False) -> Tensor:
    channels, volume, channels_in = weight.shape
    constants = {'IN': channels_in, 'OUT': channels, 'OUT_STRIDE': volume * channels_in,
                 'IN_STRIDE': 1, 'OFFSET_STRIDE': channels_in, 'MIRRORED': False}
    return _gather_product(features, weight.contiguous(), table, epilogue, constants, training)


def _convolve_back(grad: Tensor, weight: Tensor, tables: ConvTables) -> Tensor:
    """Return the gradient of the features: the way back, with the transposed weight."""
    channels, volume, channels_in = weight.shape
    constants = {'IN': channels, 'OUT': channels_in, 'OUT_STRIDE': 1, 'OFFSET_STRIDE': channels_in,
                 'IN_STRIDE': volume * channels_in, 'MIRRORED': tables.mirrored}
    return _gather_product(grad, weight.contiguous(), tables.backward, NO_EPILOGUE, constants,
                           tune=True)


def _gather_product(inputs: Tensor, weight: Tensor, table: GatherTable, epilogue: Epilogue,
                    constants: dict[str, int], tune: bool) -> Tensor:
    """Launch `triton_kernels.gather_product` with the best configuration that is known."""
    from mask3d_core.sparse.triton_kernels import gather_product

    inputs = inputs.contiguous()
    channels = constants['OUT']
    output = inputs.new_empty(table.num_rows, channels)
    bias, residual, relu = epilogue
    residual = None if residual is None else residual.contiguous()

    def run(config: Config, compile_only: bool = False) -> None:
        tiles = table.tiles(config.tile)
        programs = -(-channels // config.block_out) * len(tiles.counts)
        _start(gather_product, (programs,), compile_only)(
            inputs, weight, table.table, table.order_or_any, tiles.offsets, tiles.counts,
            weight if bias is None else bias, inputs if residual is None else residual, output,
            table.num_rows, table.num_inputs, VOLUME=table.volume,
            ORDERED=table.order is not None, BIAS=bias is not None,
            RESIDUAL=residual is not None, RELU=relu, **constants, **_common(inputs, config))

    if table.num_rows:
        with on_device(inputs):
            problem = Problem('gather', inputs.dtype, _precision(inputs), constants['IN'],
                              channels, table.volume)
            run(choose_config(problem, table.num_rows, inputs.device, run, tune))
    return output


def _weight_gradient(grad: Tensor, features: Tensor, table: GatherTable) -> Tensor:
    """Launch `triton_kernels.weight_gradient`: [R, D], [V, C] -> [D, volume, C] float32."""
    from mask3d_core.sparse.triton_kernels import weight_gradient

    features, grad = features.contiguous(), grad.to(features.dtype)
    channels, channels_in = grad.shape[1], features.shape[1]
    count = -(-table.num_rows // PART_TILE)
    num_parts = max(1, min(MAX_PARTS, count // MIN_TILES_PER_PART))
    parts = grad.new_empty(num_parts, channels, table.volume, channels_in, dtype=torch.float32)
    if not count:
        return parts.zero_()[0]

    def run(config: Config, compile_only: bool = False) -> None:
        tiles = table.tiles(PART_TILE)
        blocks = -(-channels // config.block_out) * -(-channels_in // config.block_in)
        _start(weight_gradient, (blocks, table.volume, num_parts), compile_only)(
            grad, features, table.table, table.order_or_any, tiles.by_offset, tiles.num_by_offset,
            parts, table.num_rows, table.num_inputs, count, num_parts, IN=channels_in,
            OUT=channels, VOLUME=table.volume, ORDERED=table.order is not None,
            **_common(grad, config))

    with on_device(grad):
        problem = Problem('weight', grad.dtype, _precision(grad), channels_in, channels,
                          table.volume)
        run(choose_config(problem, table.num_rows, grad.device, run, True))
    return parts.sum(0)


def _start(kernel: Any, grid: tuple[int, ...], compile_only: bool) -> Callable[..., Any]:
    return partial(kernel.warmup, grid=grid) if compile_only else kernel[grid]


def _common(tensor: Tensor, config: Config) -> dict[str, Any]:
    """Return the arguments that all products have."""
    interpreted = os.environ.get('TRITON_INTERPRET') == '1'
    return {'PRECISION': _precision(tensor), 'UPCAST': interpreted, 'TILE': config.tile,
            'BLOCK_OUT': config.block_out, 'BLOCK_IN': config.block_in,
            'num_warps': config.num_warps, 'num_stages': config.num_stages}


def _precision(tensor: Tensor) -> str:
    """Return how float32 is multiplied: exactly, unless torch may round its own products."""
    tf32 = tensor.dtype == torch.float32 and torch.backends.cuda.matmul.allow_tf32
    return 'tf32' if tf32 else 'ieee'
