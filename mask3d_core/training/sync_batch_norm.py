"""Synchronized batch norm on GPUs and CPUs; torch's own `SyncBatchNorm` needs GPUs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import distributed, nn, Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional


class _Normalize(torch.autograd.Function):
    """Normalize [V, C] by the mean and variance over the rows of all processes."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, bias: Tensor, eps: float,
                contributes: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        mean = features.mean(0, dtype=torch.float32)  # var_mean is ten times slower on CPUs
        variance = (features - mean).square_().mean(0).double()
        mean = mean.double()
        # sum, sum of squares and number of rows, in float64: their sums over the processes give
        # mean and variance in one all-reduce
        rows = mean.new_full((1,), len(features) * contributes)
        sums = torch.cat([mean * rows, (variance + mean.square()) * rows, rows])
        distributed.all_reduce(sums)
        mean, square = (sums[:-1] / sums[-1]).view(2, -1)
        variance = (square - mean.square()).clamp(min=0)
        mean, variance, count = mean.float(), variance.float(), sums[-1]
        ctx.save_for_backward(features, weight, mean, (variance + eps).rsqrt(), count)
        ctx.mark_non_differentiable(mean, variance, count)
        ctx.contributes = contributes
        result = functional.batch_norm(features, mean, variance, weight, bias, eps=eps)
        return result, mean, variance, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        features, weight, mean, inverse_std, count = ctx.saved_tensors
        normal = (features - mean).mul_(inverse_std)
        grad_bias = grad.sum(0, dtype=torch.float32)
        grad_weight = (grad * normal).sum(0)
        sums = torch.stack([grad_bias, grad_weight])
        distributed.all_reduce(sums)
        mean_bias, mean_weight = sums / count.float()
        scale = weight * inverse_std * ctx.contributes
        grad_features = normal.mul_(-mean_weight).sub_(mean_bias).add_(grad).mul_(scale)
        return grad_features.to(features.dtype), grad_weight, grad_bias, None, None


class SyncBatchNorm(nn.BatchNorm1d):
    """BatchNorm1d with statistics over the rows of all processes in training mode."""

    contributes = True
    """Whether this process's rows contribute; see `batch_norm_contribution`."""

    def forward(self, features: Tensor) -> Tensor:
        """Normalize [V, C]; a collective operation: all processes must call it equally often."""
        if not self.training:
            return super().forward(features)
        assert self.running_mean is not None and self.running_var is not None
        assert self.momentum is not None
        result, mean, variance, count = _Normalize.apply(
            features, self.weight, self.bias, self.eps, self.contributes)
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)).float(), self.momentum)
            if self.num_batches_tracked is not None:  # None during activation recomputation
                self.num_batches_tracked += 1
        return result


@contextmanager
def batch_norm_contribution(model: nn.Module, contributes: bool) -> Iterator[None]:
    """
    Set whether this process's rows contribute to batch norm statistics, inside the context.

    Rows that do not contribute are normalized by the statistics of the other processes and change
    no gradient. The process only takes part in the collective calls that the others wait for.
    """
    norms = [norm for norm in model.modules() if isinstance(norm, SyncBatchNorm)]
    for norm in norms:
        norm.contributes = contributes
    try:
        yield
    finally:
        for norm in norms:
            norm.contributes = True


def convert_sync_batch_norm(model: nn.Module) -> None:
    """Replace every BatchNorm1d by a SyncBatchNorm; parameter names and values stay."""
    for module in list(model.modules()):
        for name, norm in list(module.named_children()):
            if type(norm) is nn.BatchNorm1d:
                synced = SyncBatchNorm(norm.num_features, norm.eps, norm.momentum)
                synced.load_state_dict(norm.state_dict())
                setattr(module, name, synced)
