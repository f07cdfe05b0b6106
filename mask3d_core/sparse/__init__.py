"""
Sparse convolution: voxel pyramids and the convolutions on them.

grid          voxels as sorted integer keys; neighbors, coarser grids
pyramid       the voxels of all levels, their kernel maps and parents; built once per scan
conv          submanifold convolution with its gradient; matrix products by oneDNN
planes        the same plane by plane, for inference on CPUs
strided_conv  convolutions from a level to its parents, and back
rows          gather, scatter and averages of rows
threads       worker pools: parallel loops, and work in the background

On a GPU, where Triton is installed, all convolutions are one kernel:

fused_conv      the convolution with its gradient
gather_table    the input rows of each output row, and which offsets occur in each tile of rows
triton_kernels  the kernels
kernel_tuning   the sizes of their tiles, measured once for each device
"""

from mask3d_core.sparse.conv import (
    concat_channels,
    planes_pay_off,
    product,
    product_over_rows,
    sparse_conv,
)
from mask3d_core.sparse.fused_conv import fused_kernels
from mask3d_core.sparse.pyramid import build_pyramid, Level, Pyramid
from mask3d_core.sparse.rows import bucket, mean_by_group, place_rows, select_rows
from mask3d_core.sparse.strided_conv import strided_conv, transposed_conv
from mask3d_core.sparse.threads import (
    in_background,
    map_blocks,
    on_one_thread,
    parallel_for,
    parallel_map,
    single_threaded,
)

__all__ = ['bucket', 'build_pyramid', 'concat_channels', 'fused_kernels', 'in_background', 'Level',
           'map_blocks', 'mean_by_group', 'on_one_thread', 'parallel_for', 'parallel_map',
           'place_rows', 'planes_pay_off', 'product', 'product_over_rows', 'Pyramid',
           'select_rows', 'single_threaded', 'sparse_conv', 'strided_conv', 'transposed_conv']
