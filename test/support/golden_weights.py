"""
The weights of the golden data: every tensor of the original's state dict from its name and shape.

The original was filled with these values before its outputs were stored, so no weights file is
needed. Names are those of the original without its prefix `model.`. The random generator is
seeded with the CRC-32 of the name; values are scaled by their fan-in. Do not reorder the
arithmetic: the golden data depends on every bit.
"""

import zlib

import numpy as np
from numpy.typing import NDArray

OCCUPANCY = 0.35
"""Share of the offsets of a sparse kernel at which a voxel has a neighbor."""
LAST_NORM_OF_BLOCK = ('.norm2.', '.norm3.')
GAIN_OF_ONE = ('in_proj_weight', 'out_proj.weight', 'linear2.weight')


def tensor_for(name: str, shape: list[int] | tuple[int, ...]) -> NDArray:
    """Return a tensor of the original: float32, int64 for counters."""
    shape = tuple(int(size) for size in shape)
    random = np.random.RandomState(zlib.crc32(name.encode('utf-8')))
    leaf = name.rsplit('.', 1)[-1]
    if leaf == 'num_batches_tracked':
        return np.zeros(shape, np.int64)
    if leaf == 'running_var':
        return (0.5 + random.random_sample(shape)).astype(np.float32)
    values = random.standard_normal(shape)
    return _scaled(values, name, leaf).astype(np.float32)


def _scaled(values: NDArray, name: str, leaf: str) -> NDArray:
    """Scale standard normal values as the kind of a tensor asks."""
    if leaf == 'gauss_B':
        return values
    if leaf in ('bias', 'in_proj_bias', 'running_mean'):
        return 0.1 * values
    if leaf == 'kernel':
        gain = 0.25 if name.startswith('mask_features_head') else 1.4
        return values * np.sqrt(gain / _fan_in(values.shape, name))
    if values.ndim == 1:  # BatchNorm, LayerNorm
        scale = 0.3 if any(part in name for part in LAST_NORM_OF_BLOCK) else 1.0
        return scale * (1.0 + 0.2 * values)
    gain = 1.0 if name.endswith(GAIN_OF_ONE) else np.sqrt(2.0)
    return gain * values / np.sqrt(float(np.prod(values.shape[1:])))


def _fan_in(shape: tuple[int, ...], name: str) -> float:
    """Return the inputs of one output of a sparse kernel [K, Cin, Cout] or [Cin, Cout]."""
    if 'convtr' in name or len(shape) == 2:
        return shape[-2]  # one offset for each fine voxel
    return OCCUPANCY * shape[0] * shape[-2]
