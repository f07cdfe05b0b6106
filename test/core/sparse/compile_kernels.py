"""Compile the Triton kernels for GPUs that are not here; test_fused_conv.py runs it."""

from __future__ import annotations

from typing import Any

from mask3d_core.model.farthest_kernel import farthest_step
from mask3d_core.sparse import triton_kernels
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

AMPERE, HOPPER = GPUTarget('cuda', 86, 32), GPUTarget('cuda', 90, 32)
MAX_SHARED_BYTES = {AMPERE: 99 * 1024, HOPPER: 227 * 1024}
PRODUCT = {'IN': 96, 'OUT': 80, 'VOLUME': 27, 'ORDERED': False, 'PRECISION': 'ieee',
           'UPCAST': False, 'TILE': 64, 'BLOCK_OUT': 64}
GATHER = {'OUT_STRIDE': 27 * 96, 'OFFSET_STRIDE': 96, 'IN_STRIDE': 1, 'MIRRORED': False,
          'BIAS': True, 'RESIDUAL': True, 'RELU': True, 'BLOCK_IN': 32}
NUMBERS = {'num_rows', 'num_inputs', 'num_tiles', 'num_parts', 'count', 'number'}
INTEGERS = {'table', 'order', 'offsets', 'counts', 'occurs', 'tiles', 'place'}


def compile_for(target: GPUTarget, kernel: Any, dtype: str, constants: dict[str, Any]) -> str:
    """Return the assembly of a kernel whose floating-point arguments are of one type."""
    types = {name: 'i32' if name in NUMBERS else '*i32' if name in INTEGERS else
             '*i64' if name == 'chosen' else '*fp32' if name == 'parts' else f'*{dtype}'
             for name in kernel.arg_names}
    names = list(types)
    signature = {name: 'constexpr' if name in constants else kind for name, kind in types.items()}
    aligned = {(names.index(name),): [['tt.divisibility', 16]]
               for name, kind in signature.items() if kind.startswith('*')}
    source = ASTSource(kernel, signature,
                       {(names.index(name),): value for name, value in constants.items()}, aligned)
    compiled = triton.compile(source, target, {'num_warps': 4, 'num_stages': 3})
    assert compiled.metadata.shared <= MAX_SHARED_BYTES[target], 'the default must fit everywhere'
    return compiled.asm['ptx']


def main() -> None:
    """Compile each kernel; print its name and how it multiplies."""
    for target in MAX_SHARED_BYTES:
        compile_for(target, triton_kernels.list_offsets, 'fp32',
                    {'VOLUME': 27, 'PADDED': 32, 'ORDERED': True, 'TILE': 64})
    print('list_offsets')
    for target in MAX_SHARED_BYTES:
        assembly = compile_for(target, triton_kernels.gather_product, 'bf16', PRODUCT | GATHER)
        assert 'mma' in assembly and 'cp.async' in assembly, 'loads overlap with products'
    print('gather_product bf16: tensor cores')
    assembly = compile_for(AMPERE, triton_kernels.gather_product, 'fp32', PRODUCT | GATHER)
    assert 'mma' not in assembly and 'fma.rn.f32' in assembly
    print('gather_product fp32: exact')
    assembly = compile_for(HOPPER, triton_kernels.weight_gradient, 'fp16',
                           PRODUCT | {'BLOCK_IN': 64})
    assert 'mma' in assembly and 'atom' not in assembly
    print('weight_gradient fp16: tensor cores')
    compile_for(HOPPER, farthest_step, 'fp32', {'WEIGHTED': True, 'PARTS': 128, 'BLOCK': 1024})
    print('farthest_step')


if __name__ == '__main__':
    main()
