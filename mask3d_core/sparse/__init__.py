"""
Sparse convolution in plain torch: voxel pyramids and the convolutions on them.

grid     voxels as sorted integer keys; neighbors, coarser grids
pyramid  the voxels of all levels, their kernel maps and parents; built once per scan
conv     submanifold convolution with its gradient; matrix products by oneDNN
rows     gather, scatter and averages of rows
threads  worker pools: parallel loops, and work in the background
"""

from mask3d_core.sparse.conv import concat_channels, product, product_over_rows, sparse_conv
from mask3d_core.sparse.pyramid import build_pyramid, Level, Pyramid
from mask3d_core.sparse.rows import mean_by_group, place_rows, select_rows
from mask3d_core.sparse.threads import (
    in_background,
    on_one_thread,
    parallel_for,
    parallel_map,
    single_threaded,
)

__all__ = ['build_pyramid', 'concat_channels', 'in_background', 'Level', 'mean_by_group',
           'on_one_thread', 'parallel_for', 'parallel_map', 'place_rows', 'product',
           'product_over_rows', 'Pyramid', 'select_rows', 'single_threaded', 'sparse_conv']
