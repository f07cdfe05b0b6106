"""Mask losses of many queries, without the full masks in memory."""

from __future__ import annotations

from typing import Any

from mask3d_core.sparse import product, product_over_rows
from mask3d_core.training.matcher import MIN_LOGIT, row_chunks
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional


class MaskLosses(torch.autograd.Function):
    """
    Binary cross entropy and dice loss of masks given as mask features and query embeddings.

    Mask logits are the product of the two. Forward and backward pass compute them in chunks of
    rows; the backward pass recomputes them instead of keeping them.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, embeddings: Tensor, members: Tensor,
                matched: Tensor) -> tuple[Tensor, Tensor]:
        """
        Compute both losses.

        Parameters
        ----------
        features : [V, E]
        embeddings : [P, E]
        members : [V, T] 0 or 1
            Masks of the instances.
        matched : [P] int64
            Index of the instance that is matched with each embedding.

        Returns
        -------
        entropy, dice : [P]
            Binary cross entropy, mean over the voxels; dice loss (Milletari et al., 2016).

        """
        entropy, extent, common = (features.new_zeros(len(embeddings)) for _ in range(3))
        for rows in row_chunks(len(features), len(embeddings), features.device):
            logits = product(features[rows], embeddings)
            inside = members[rows].index_select(1, matched)
            entropy -= (inside * logits).sum(0)
            entropy += functional.softplus(logits.clamp_(min=MIN_LOGIT)).sum(0)
            probabilities = logits.sigmoid_()
            extent += probabilities.sum(0)
            common += probabilities.mul_(inside).sum(0)
        overlap = 2 * common + 1
        extent += members.sum(0)[matched] + 1
        ctx.save_for_backward(features, embeddings, members, matched, overlap, extent)
        return entropy / len(features), 1 - overlap / extent

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_entropy: Tensor, grad_dice: Tensor,
                 ) -> tuple[Tensor, Tensor, None, None]:
        """Compute the gradients of features and embeddings, chunk by chunk."""
        features, embeddings, members, matched, overlap, extent = ctx.saved_tensors
        per_voxel = grad_entropy / len(features)
        # dice, with mask t and p = sigmoid(x):
        # d (1 - overlap / extent) / d p = overlap / extent^2 - 2 t / extent
        outside, within = grad_dice * overlap / extent.square(), -2 * grad_dice / extent
        grad_features = torch.empty_like(features)
        grad_embeddings = torch.zeros_like(embeddings)
        for rows in row_chunks(len(features), len(embeddings), features.device):
            inside = members[rows].index_select(1, matched)
            probabilities = product(features[rows], embeddings).clamp_(min=MIN_LOGIT).sigmoid_()
            grad = probabilities * (1 - probabilities)  # d p / d x
            grad *= torch.addcmul(outside, inside, within)
            grad.addcmul_(probabilities.sub_(inside), per_voxel)  # cross entropy: p - t
            grad_features[rows] = product(grad, embeddings.t())
            grad_embeddings += product_over_rows(grad, features[rows])
        return grad_features, grad_embeddings, None, None
