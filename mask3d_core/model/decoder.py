"""The transformer decoder that refines the queries (paper, Sec. III-C, Fig. 2)."""

from __future__ import annotations

from dataclasses import dataclass
import math

from mask3d_core.model.config import ModelConfig
from mask3d_core.model.windows import Windows
from mask3d_core.sparse import product, select_rows
import numpy as np
from numpy.typing import NDArray
import torch
from torch import nn, Tensor
from torch.nn.functional import scaled_dot_product_attention

NARROW_SHARE = 16
"""A query that looks at one in so many voxels, or fewer, looks at them alone."""
TOGETHER = 50
"""So many of these at once: that takes the memory of six keys for each voxel at most."""
BELOW_HALF = -1.7881391e-7
"""
In float32 a logit has a probability below 0.5 exactly if it is below this number, two steps above
-3 * 2^-24: what is nearer to 0 rounds to 0.5.
"""


class Attention(nn.Module):
    """Multi-head attention whose keys and values can be prepared once and used often."""

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
        Attend from queries to prepared keys and values.

        Parameters
        ----------
        queries : [B, Q, D]
        keys, values : [B, V, D]
            `key(x)` and `value(x)`.
        masked : [Q, V] bool, optional
            True where a query must not look (eq. 3); of one scan, so B is 1.

        """
        assert masked is None or len(queries) == 1, 'a mask is of one scan'
        asked = self.query(queries)
        if masked is None or masked.device.type != 'cpu' or torch.is_grad_enabled():
            return self.out(self._attend(asked, keys, values, masked))
        return self.out(self._attend_to_few(asked[0], keys[0], values[0], masked)[None])

    def _attend(self, asked: Tensor, keys: Tensor, values: Tensor, masked: Tensor | None,
                ) -> Tensor:
        """Attend before the last layer, from prepared queries: arguments as of `forward`."""
        mask = None if masked is None else torch.where(masked, -torch.inf, 0.).to(asked.dtype)
        attended = scaled_dot_product_attention(self.heads(asked), self.heads(keys),
                                                self.heads(values), mask)
        return attended.transpose(-2, -3).flatten(-2)

    def _attend_to_few(self, asked: Tensor, keys: Tensor, values: Tensor, masked: Tensor,
                       ) -> Tensor:
        """
        Attend from each query [Q, D] to the rows it may look at alone.

        The sums are the same. Masks are an object each, a hundredth of a map; queries that
        look at much of it are taken together, as while training.
        """
        attended = torch.zeros_like(asked)
        seen = masked.shape[1] - _count(masked)
        wide = seen * NARROW_SHARE > masked.shape[1]
        if wide.any():
            attended[wide] = self._attend(asked[wide][None], keys[None], values[None],
                                          masked[wide])[0]
        for narrow in (~wide & (seen > 0)).nonzero()[:, 0].split(TOGETHER):
            pairs = np.flatnonzero(~masked[narrow].numpy())     # torch is slower
            query, row = np.divmod(pairs, masked.shape[1])
            attended[narrow] = self._attend_in_pairs(asked[narrow], keys, values, query, row)
        return attended

    def _attend_in_pairs(self, asked: Tensor, keys: Tensor, values: Tensor,
                         query: NDArray[np.int64], row: NDArray[np.int64]) -> Tensor:
        """
        Attend from queries [Q, D] to rows of keys and values [V, D].

        Parameters
        ----------
        query, row : [P]
            Which query looks at which row, query by query; each looks at some.

        """
        first = np.flatnonzero(np.diff(query, prepend=-1))      # the first pair of each query
        of, rows = torch.from_numpy(query), torch.from_numpy(row)
        channels = asked.shape[1] // self.num_heads
        wide = torch.promote_types(asked.dtype, torch.float32)
        met = keys.index_select(0, rows).to(wide).mul_(asked.index_select(0, of))
        scores = met.unflatten(1, (-1, channels)).sum(2).div_(math.sqrt(channels))  # [P, heads]
        del met
        highest = torch.from_numpy(np.maximum.reduceat(scores.numpy(), first))
        share = scores.sub_(highest.index_select(0, of)).exp_()
        total = share.new_zeros(len(first), self.num_heads).index_add_(0, of, share)
        seen = values.index_select(0, rows).to(wide).unflatten(1, (-1, channels))
        seen.mul_(share[..., None])
        result = seen.new_zeros(len(first), *seen.shape[1:]).index_add_(0, of, seen)
        return result.div_(total[..., None]).flatten(1).to(asked.dtype)


@dataclass(frozen=True)
class Memory:
    """
    What the queries of one scan look at in one level.

    Attributes
    ----------
    features : [V_l, C_l]
        Features of the U-Net.
    positions : [V_l, D]
        Position encodings.
    mask_features : [V_l, E]
        Mask features averaged over each voxel's part of the finest level: mask logits are linear
        in them, so averaging the features once replaces averaging the logits in every step.

    """

    features: Tensor
    positions: Tensor
    mask_features: Tensor


@dataclass(frozen=True)
class Sight:
    """
    A level as one layer's queries see it.

    Attributes
    ----------
    keys, values : [V_l, D]
    mask_features : [V_l, E]
        As in `Memory`.

    """

    keys: Tensor
    values: Tensor
    mask_features: Tensor

    def sample(self, size: int, generator: torch.Generator | None) -> Sight:
        """Draw `size` voxels (paper, Sec. III-C); all of them when there are no more."""
        count = len(self.keys)
        if count <= size:
            return self
        rows = torch.randperm(count, generator=generator)[:size].to(self.keys.device)
        return Sight(select_rows(self.keys, rows), select_rows(self.values, rows),
                     self.mask_features.index_select(0, rows))


class CrossAttention(nn.Module):
    """Queries look at the voxels inside their own mask (eq. 2, 3)."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.attention = Attention(width, num_heads)
        self.norm = nn.LayerNorm(width)

    def forward(self, queries: Tensor, positions: Tensor, seen: list[Sight],
                masked: list[Tensor]) -> Tensor:
        """Refine [B, Q, D]; keys, values and mask [Q, V_l] of each scan by itself."""
        attended = [self.attention(query[None], sight.keys[None], sight.values[None], mask)
                    for query, sight, mask in zip(queries + positions, seen, masked)]
        return self.norm(queries + torch.cat(attended))


class SelfAttention(nn.Module):
    """Queries look at each other."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.attention = Attention(width, num_heads)
        self.norm = nn.LayerNorm(width)

    def forward(self, queries: Tensor, positions: Tensor) -> Tensor:
        """Refine [B, Q, D]."""
        attention, placed = self.attention, queries + positions
        attended = attention(placed, attention.key(placed), attention.value(queries))
        return self.norm(queries + attended)


class FeedForward(nn.Module):
    """Each query thinks by itself."""

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
    """One refinement step at one level."""

    def __init__(self, config: ModelConfig, feature_dim: int) -> None:
        super().__init__()
        width = config.hidden_dim
        self.squeeze = nn.Linear(feature_dim, width)
        self.cross = CrossAttention(width, config.num_heads)
        self.own = SelfAttention(width, config.num_heads)
        self.feed_forward = FeedForward(width, config.feedforward_dim)

    def prepare(self, memory: Memory) -> Sight:
        """Compute keys and values of a level."""
        attention = self.cross.attention
        features = product(memory.features, self.squeeze.weight, self.squeeze.bias)
        keys, values = attention.key, attention.value
        return Sight(product(features + memory.positions, keys.weight, keys.bias),
                     product(features, values.weight, values.bias), memory.mask_features)

    def forward(self, queries: Tensor, positions: Tensor, seen: list[Sight],
                masked: list[Tensor]) -> Tensor:
        """Refine [B, Q, D]."""
        queries = self.cross(queries, positions, seen, masked)
        queries = self.own(queries, positions)
        return self.feed_forward(queries)


class MaskHead(nn.Module):
    """Reads class logits and mask embeddings off the queries (eq. 1)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.hidden_dim
        self.norm = nn.LayerNorm(width)
        self.embedding = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.classes = nn.Linear(width, config.num_classes + 1)
        self.windows = Windows(width) if config.votes else None

    def forward(self, queries: Tensor, seeds: Tensor) -> tuple[Tensor, Tensor]:
        """
        Return class logits [..., Q, K + 1] and mask embeddings [..., Q, D].

        With votes, windows that start at `seeds` [..., Q, 3] follow on the embeddings: D + 8.
        """
        queries = self.norm(queries)
        embedding = self.embedding(queries)
        if self.windows is not None:
            embedding = torch.cat([embedding, self.windows(queries, seeds)], -1)
        return self.classes(queries), embedding


def attention_mask(mask_features: Tensor, embedding: Tensor) -> Tensor:
    """
    Return where queries must not look: [V_l, E], [Q, E] -> [Q, V_l] bool.

    A query whose mask is empty looks everywhere. The comparison is the original's, on
    probabilities of float32: a logit of -1e-9 has probability 0.5 and is not masked.
    """
    masked = embedding @ mask_features.t() < BELOW_HALF
    masked[_count(masked) == len(mask_features)] = False
    return masked


def _count(masked: Tensor) -> Tensor:
    """Count what is true in each row; torch adds bytes six times as fast as truths."""
    return masked.view(torch.int8).sum(1, dtype=torch.int32)
