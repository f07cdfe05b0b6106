"""Convolutions between a level and its parents: 2 x 2 x 2 with stride 2, and transposed."""

from __future__ import annotations

from mask3d_core.sparse.conv import product
from mask3d_core.sparse.fused_conv import Epilogue, fused_conv, runs_fused
from mask3d_core.sparse.pyramid import Level
from mask3d_core.sparse.rows import place_rows, select_rows
from torch import Tensor


def strided_conv(features: Tensor, weight: Tensor, level: Level,
                 bias: Tensor | None = None) -> Tensor:
    """
    Convolve from a level to its parents: out[p] = sum over children v of W[place of v] in[v].

    Parameters
    ----------
    features : [V, C]
    weight : [D, 8, C]
        By place among the children, x fastest.
    level : Level
    bias : [D], optional

    Returns
    -------
    [num_parents, D]

    """
    if runs_fused(features):
        return fused_conv(features, weight, level.to_parents, Epilogue(bias))
    # concatenate each parent's children, zeros for absent ones
    children = place_rows(features, _slots(level), 8 * level.num_parents)
    return product(children.view(level.num_parents, -1), weight.flatten(1), bias)


def transposed_conv(features: Tensor, weight: Tensor, level: Level,
                    bias: Tensor | None = None) -> Tensor:
    """
    Convolve from the parents back to a level: out[v] = W[place of v] in[parent of v].

    Parameters
    ----------
    features : [num_parents, C]
    weight : [D, 8, C]
    level : Level
    bias : [D], optional

    Returns
    -------
    [V, D]

    """
    if runs_fused(features):
        return fused_conv(features, weight, level.from_parents, Epilogue(bias))
    # compute all eight children and keep the occupied ones
    channels_in = weight.shape[2]
    weight = weight.transpose(0, 1).reshape(-1, channels_in)
    bias = None if bias is None else bias.repeat(8)
    children = product(features, weight, bias)
    return select_rows(children.view(8 * len(features), -1), _slots(level))


def _slots(level: Level) -> Tensor:
    assert level.slots is not None, 'the coarsest level has no parents'
    return level.slots
