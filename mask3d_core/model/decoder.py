"""The transformer decoder that refines the queries (paper, Sec. III-C, Fig. 2)."""

from __future__ import annotations

from dataclasses import dataclass
import math
from typing import NamedTuple

from mask3d_core.model.config import ModelConfig
from mask3d_core.model.windows import Windows
from mask3d_core.sparse import product, select_rows
from mask3d_core.stop import until_stopped
import numpy as np
from numpy.typing import NDArray
import torch
from torch import nn, Tensor
from torch.nn.functional import scaled_dot_product_attention

SPARSE_MASK_RATIO = 16
"""Attention is sparse for queries that attend to at most 1 in this many voxels."""
SPARSE_QUERIES_AT_ONCE = 50
"""Queries per batch of sparse attention: bounds the memory to about six keys per voxel."""
MASKED_BELOW_LOGIT = -1.7881391e-7
"""
Mask logits below this number have a float32 probability below 0.5. It is two floating-point steps
above -3 * 2^-24: the probability of logits nearer to 0 rounds to 0.5.
"""


class Attention(nn.Module):
    """Multi-head attention whose keys and values can be computed once and used repeatedly."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value, self.out = nn.Linear(width, width), nn.Linear(width, width)
        bound = math.sqrt(6 / (width + 3 * width))  # Xavier over the stacked [3 D, D] matrix
        for layer in (self.query, self.key, self.value):
            nn.init.uniform_(layer.weight, -bound, bound)
        for layer in (self.query, self.key, self.value, self.out):
            nn.init.zeros_(layer.bias)

    def heads(self, rows: Tensor) -> Tensor:
        """Split the channels: [B, V, D] -> [B, heads, V, D / heads]."""
        return rows.unflatten(-1, (self.num_heads, -1)).transpose(-2, -3)

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor,
                masked: Tensor | None = None) -> Tensor:
        """
        Attend from queries to projected keys and values.

        Parameters
        ----------
        queries : [B, Q, D]
        keys, values : [B, V, D]
            `key(x)` and `value(x)`.
        masked : [Q, V] bool, optional
            True where attention is masked out (eq. 3); belongs to one scan, so B is 1.

        """
        assert masked is None or len(queries) == 1, 'a mask belongs to one scan'
        projected = self.query(queries)
        if masked is None or masked.device.type != 'cpu' or torch.is_grad_enabled():
            return self.out(self._dense(projected, keys, values, masked))
        return self.out(self._sparse(projected[0], keys[0], values[0], masked)[None])

    def _dense(self, projected: Tensor, keys: Tensor, values: Tensor, masked: Tensor | None,
               ) -> Tensor:
        """Attend to all rows with an additive mask, without the output layer: [B, Q, D]."""
        mask = None if masked is None else torch.where(masked, -torch.inf, 0.).to(projected.dtype)
        attended = scaled_dot_product_attention(self.heads(projected), self.heads(keys),
                                                self.heads(values), mask)
        return attended.transpose(-2, -3).flatten(-2)

    def _sparse(self, projected: Tensor, keys: Tensor, values: Tensor, masked: Tensor) -> Tensor:
        """
        Gather for each query [Q, D] only the rows that its mask leaves: [Q, D].

        The result is that of `_dense`. A mask is about one object, a hundredth of a map, so most
        of the dense product would be discarded. Queries with large masks use `_dense`.
        """
        attended = torch.zeros_like(projected)
        num_open = masked.shape[1] - _count(masked)             # [Q]
        large = num_open * SPARSE_MASK_RATIO > masked.shape[1]
        if large.any():
            attended[large] = self._dense(projected[large][None], keys[None], values[None],
                                          masked[large])[0]
        few = (~large & (num_open > 0)).nonzero()[:, 0]
        for small in until_stopped(few.split(SPARSE_QUERIES_AT_ONCE)):
            pairs = np.flatnonzero(~masked[small].numpy())      # torch is slower
            query, row = np.divmod(pairs, masked.shape[1])
            attended[small] = self._gather(projected[small], keys, values, query, row)
        return attended

    def _gather(self, projected: Tensor, keys: Tensor, values: Tensor,
                query: NDArray[np.int64], row: NDArray[np.int64]) -> Tensor:
        """
        Attend from queries [Q, D] to some rows of keys and values [V, D].

        Parameters
        ----------
        query, row : [P]
            The pairs of a query and a row it attends to, sorted by query; none is without rows.

        """
        first = np.flatnonzero(np.diff(query, prepend=-1))      # first pair of each query
        queries, rows = torch.from_numpy(query), torch.from_numpy(row)
        channels = projected.shape[1] // self.num_heads
        exact = torch.promote_types(projected.dtype, torch.float32)
        products = keys.index_select(0, rows).to(exact).mul_(projected.index_select(0, queries))
        scores = products.unflatten(1, (-1, channels)).sum(2)   # [P, heads]
        scores = scores.div_(math.sqrt(channels))
        del products
        # softmax over the rows of each query; the maximum is subtracted so that exp is finite
        highest = torch.from_numpy(np.maximum.reduceat(scores.numpy(), first))
        weight = scores.sub_(highest.index_select(0, queries)).exp_()
        total = weight.new_zeros(len(first), self.num_heads).index_add_(0, queries, weight)
        weighted = values.index_select(0, rows).to(exact).unflatten(1, (-1, channels))
        weighted.mul_(weight[..., None])                        # [P, heads, D / heads]
        result = weighted.new_zeros(len(first), *weighted.shape[1:])
        result = result.index_add_(0, queries, weighted)
        return result.div_(total[..., None]).flatten(1).to(projected.dtype)


@dataclass(frozen=True)
class Memory:
    """
    One feature level of one scan, the input of cross-attention.

    Attributes
    ----------
    features : [V_l, C_l]
        Features of the U-Net.
    positions : [V_l, D]
        Position encodings.
    mask_features : [V_l, E]
        Mask features, average-pooled from the finest level. Mask logits are linear in them:
        pooling the features once replaces pooling the logits in every step.

    """

    features: Tensor
    positions: Tensor
    mask_features: Tensor


@dataclass(frozen=True)
class LevelKeys:
    """
    Keys and values of one level, projected by one decoder layer.

    Attributes
    ----------
    keys, values : [V_l, D]
    mask_features : [V_l, E]
        As in `Memory`.

    """

    keys: Tensor
    values: Tensor
    mask_features: Tensor

    def sample(self, size: int, generator: torch.Generator | None) -> LevelKeys:
        """Draw at most `size` voxels (paper, Sec. III-C)."""
        count = len(self.keys)
        if count <= size:
            return self
        rows = torch.randperm(count, generator=generator)[:size].to(self.keys.device)
        return LevelKeys(select_rows(self.keys, rows), select_rows(self.values, rows),
                         self.mask_features.index_select(0, rows))


class CrossAttention(nn.Module):
    """Masked cross-attention: queries attend to the voxels of their mask (eq. 2, 3)."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.attention = Attention(width, num_heads)
        self.norm = nn.LayerNorm(width)

    def forward(self, queries: Tensor, positions: Tensor, levels: list[LevelKeys],
                masked: list[Tensor]) -> Tensor:
        """Refine [B, Q, D]; each scan has its own keys, values and mask [Q, V_l]."""
        attended = [self.attention(query[None], level.keys[None], level.values[None], mask)
                    for query, level, mask in zip(queries + positions, levels, masked)]
        return self.norm(queries + torch.cat(attended))


class SelfAttention(nn.Module):
    """Self-attention among the queries of a scan."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.attention = Attention(width, num_heads)
        self.norm = nn.LayerNorm(width)

    def forward(self, queries: Tensor, positions: Tensor) -> Tensor:
        """Refine [B, Q, D]."""
        attention, positioned = self.attention, queries + positions
        attended = attention(positioned, attention.key(positioned), attention.value(queries))
        return self.norm(queries + attended)


class FeedForward(nn.Module):
    """Feed-forward network, applied to each query."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))
        for parameter in self.layers.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        self.norm = nn.LayerNorm(width)

    def forward(self, queries: Tensor) -> Tensor:
        """Refine [B, Q, D]."""
        return self.norm(queries + self.layers(queries))


class DecoderLayer(nn.Module):
    """One refinement step: cross-attention to one level, self-attention, feed-forward."""

    def __init__(self, config: ModelConfig, feature_dim: int) -> None:
        super().__init__()
        width = config.hidden_dim
        self.squeeze = nn.Linear(feature_dim, width)
        self.cross = CrossAttention(width, config.num_heads)
        self.own = SelfAttention(width, config.num_heads)  # its name in weights files
        self.feed_forward = FeedForward(width, config.feedforward_dim)

    @property
    def self_attention(self) -> SelfAttention:
        """Self-attention of the queries; its tensors are called `own` in weights files."""
        return self.own

    def prepare(self, memory: Memory) -> LevelKeys:
        """Compute keys and values of a level."""
        attention = self.cross.attention
        features = product(memory.features, self.squeeze.weight, self.squeeze.bias)
        keys, values = attention.key, attention.value
        return LevelKeys(product(features + memory.positions, keys.weight, keys.bias),
                         product(features, values.weight, values.bias), memory.mask_features)

    def forward(self, queries: Tensor, positions: Tensor, levels: list[LevelKeys],
                masked: list[Tensor]) -> Tensor:
        """Refine [B, Q, D]; `levels` and `masked` are of one level, for each scan."""
        queries = self.cross(queries, positions, levels, masked)
        queries = self.self_attention(queries, positions)
        return self.feed_forward(queries)


class HeadOutput(NamedTuple):
    """
    Predictions of queries.

    Attributes
    ----------
    class_logits : [..., Q, K + 1]
    embeddings : [..., Q, D]
        Mask embeddings (eq. 1). With votes, the coefficients of windows are appended:
        [..., Q, D + 8].
    iou_logits : [..., Q] or None
        Of the intersection over union of the mask and an object; None without `mask_iou`.

    """

    class_logits: Tensor
    embeddings: Tensor
    iou_logits: Tensor | None


class MaskHead(nn.Module):
    """Predicts class logits and mask embeddings from the queries (eq. 1)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.hidden_dim
        self.norm = nn.LayerNorm(width)
        self.embedding = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.classes = nn.Linear(width, config.num_classes + 1)
        self.windows = Windows(width) if config.votes else None
        self.iou = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1)
                                 ) if config.mask_iou else None

    def forward(self, queries: Tensor, seeds: Tensor) -> HeadOutput:
        """Predict from queries [..., Q, D] whose windows are around `seeds` [..., Q, 3]."""
        queries = self.norm(queries)
        embedding = self.embedding(queries)
        if self.windows is not None:
            embedding = torch.cat([embedding, self.windows(queries, seeds)], -1)
        iou_logits = None if self.iou is None else self.iou(queries)[..., 0]
        return HeadOutput(self.classes(queries), embedding, iou_logits)


def attention_mask(mask_features: Tensor, embedding: Tensor) -> Tensor:
    """
    Return where attention is masked out: [V_l, E], [Q, E] -> [Q, V_l] bool.

    A query with an empty mask attends everywhere. The original compares probabilities in float32,
    so a logit of -1e-9 has probability 0.5 and is not masked out.
    """
    masked = embedding @ mask_features.t() < MASKED_BELOW_LOGIT
    empty = _count(masked) == len(mask_features)
    return masked.masked_fill_(empty[:, None], False)  # indexing would wait for a GPU


def _count(masked: Tensor) -> Tensor:
    """Count the True values of each row; torch sums int8 six times as fast as bool."""
    return masked.view(torch.int8).sum(1, dtype=torch.int32)
