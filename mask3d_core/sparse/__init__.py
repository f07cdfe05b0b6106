"""The sparse-convolution engine: voxel pyramids and the convolution on them, in plain torch."""

from mask3d_core.sparse.conv import product, product_over_rows, side_by_side, sparse_conv
from mask3d_core.sparse.pyramid import build_pyramid, Level, Pyramid
from mask3d_core.sparse.rows import mean_by_group, place_rows, select_rows
from mask3d_core.sparse.threads import alone, aside, share, shared

__all__ = ['alone', 'aside', 'build_pyramid', 'Level', 'mean_by_group', 'place_rows', 'product',
           'product_over_rows', 'Pyramid', 'select_rows', 'share', 'shared', 'side_by_side',
           'sparse_conv']
