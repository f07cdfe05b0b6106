"""Gather, scatter and average rows, between a level and its parents."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding_bag


def bucket(count: int) -> int:
    """Round a number of rows up to one of four sizes between consecutive powers of two."""
    return count + -count % (1 << max(count.bit_length() - 3, 0))


def place_rows(features: Tensor, slots: Tensor, size: int) -> Tensor:
    """
    Scatter row v to `slots[v]` of a table of zeros: [V, C] -> [size, C].

    `slots` must be unique: neither the forward nor the backward pass then adds anything up.
    """
    return _Place.apply(features, slots, size)


def select_rows(features: Tensor, slots: Tensor) -> Tensor:
    """Gather the rows `slots` (unique): [size, C] -> [V, C]."""
    return _Select.apply(features, slots)


def mean_by_group(features: Tensor, group: Tensor, count: int) -> Tensor:
    """
    Average the rows of each group: [V, C], [V] int64 -> [count, C]; zeros for an empty group.

    Rows are added in their order, on a GPU, too: results are reproducible to the bit.
    """
    return mean_of_groups(features, *group_rows(group, count))


def group_rows(group: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the rows sorted by group, stably, and where each group starts."""
    if group.is_cuda:  # bincount would wait for the GPU
        ordered, rows = group.sort(stable=True)
        return rows, torch.searchsorted(ordered, torch.arange(count, device=group.device))
    sizes = torch.bincount(group, minlength=count)
    return group.argsort(stable=True), sizes.cumsum(0) - sizes


def mean_of_groups(features: Tensor, rows: Tensor, starts: Tensor) -> Tensor:
    """Average the groups that `group_rows` returned: [V, C] -> [count, C]."""
    return embedding_bag(rows, features, starts, mode='mean')


class _Place(torch.autograd.Function):

    @staticmethod
    def forward(ctx: Any, features: Tensor, slots: Tensor, size: int) -> Tensor:
        ctx.save_for_backward(slots)
        placed = features.new_zeros(size, features.shape[1])
        return placed.index_copy_(0, slots, features)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return grad.index_select(0, ctx.saved_tensors[0]), None, None


class _Select(torch.autograd.Function):

    @staticmethod
    def forward(ctx: Any, features: Tensor, slots: Tensor) -> Tensor:
        ctx.save_for_backward(slots)
        ctx.size = len(features)
        return features.index_select(0, slots)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        placed = grad.new_zeros(ctx.size, grad.shape[1])
        return placed.index_copy_(0, ctx.saved_tensors[0], grad), None
