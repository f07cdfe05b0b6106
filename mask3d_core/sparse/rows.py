"""Move rows between a level and its parents' children; each move is the other's gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def place_rows(features: Tensor, slots: Tensor, size: int) -> Tensor:
    """
    Put row v at `slots[v]` of a table of zeros: [V, C] -> [size, C].

    `slots` must be unique, so that nothing has to be added up, forwards or backwards.
    """
    return _Place.apply(features, slots, size)


def select_rows(features: Tensor, slots: Tensor) -> Tensor:
    """Take the rows `slots` (unique): [size, C] -> [V, C]."""
    return _Select.apply(features, slots)


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
