"""Mask3D: voxels in, one class and one mask per query out (Schult et al., ICRA 2023)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from mask3d_core.errors import InputError
from mask3d_core.model.config import ModelConfig
from mask3d_core.model.decoder import attention_mask, DecoderLayer, MaskHead, Memory
from mask3d_core.model.positions import FourierPositions
from mask3d_core.model.queries import farthest_points, Queries
from mask3d_core.model.unet import UNet
from mask3d_core.sparse import product, Pyramid, select_rows
from mask3d_core.voxels import Voxels
import torch
from torch import nn, Tensor

KeysValues = list[tuple[Tensor, Tensor]]
"""Of one level: keys and values of each scan."""


@dataclass(frozen=True)
class Prediction:
    """
    What the queries of one scan say.

    Attributes
    ----------
    class_logits : [Q, K + 1]
        The last class is "no object".
    mask_logits : [V, Q], or [S, Q] for a model on segments
        In the order of the scan's voxels; in the mask where positive.

    """

    class_logits: Tensor
    mask_logits: Tensor


@dataclass(frozen=True)
class Scene:
    """
    What the decoder sees of one scan.

    Attributes
    ----------
    memories : list of Memory
        One per attended level.
    mask_features : [V, D] or [S, D]
        In the order of the scan's voxels or segments.
    encodings : [Q, D]
        Position encodings of the voxels the queries start at.
    features : [Q, C]
        Finest features there.

    """

    memories: list[Memory]
    mask_features: Tensor
    encodings: Tensor
    features: Tensor


class Mask3D(nn.Module):
    """The whole network."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.unet = UNet(config)
        finest = self.unet.widths[-1]
        self.mask_projection = nn.Linear(finest, config.hidden_dim)
        self.positions = FourierPositions(config.hidden_dim)
        self.queries = Queries(config, finest)
        rounds = 1 if config.shared_rounds else config.num_rounds
        self.rounds = nn.ModuleList(
            nn.ModuleList(DecoderLayer(config, self.unet.widths[level])
                          for level in config.levels) for _ in range(rounds))
        self.head = MaskHead(config)

    def forward(self, scans: Sequence[Voxels], pyramid: Pyramid, num_queries: int | None = None,
                seeds: Sequence[Tensor] | None = None, every_step: bool = False,
                ) -> list[list[Prediction]]:
        """
        Segment a batch of scans.

        Parameters
        ----------
        scans : B scans
        pyramid : Pyramid
            Built from `batch_coords(scans)`.
        num_queries : int, optional
            Q; the number used in training by default. Learned queries cannot be changed.
        seeds : B tensors [Q], optional
            Voxels the queries start at, instead of farthest point sampling.
        every_step : bool
            Also return what the queries say before each refinement step.

        Returns
        -------
        For each step (only the last one unless `every_step`) the predictions of all scans.

        """
        levels = self.unet(torch.cat([scan.features for scan in scans])[pyramid.order], pyramid)
        return self.decode(levels, scans, pyramid, num_queries, seeds, every_step)

    def decode(self, levels: list[Tensor], scans: Sequence[Voxels], pyramid: Pyramid,
               num_queries: int | None = None, seeds: Sequence[Tensor] | None = None,
               every_step: bool = False) -> list[list[Prediction]]:
        """Turn the U-Net's features into predictions; arguments as of `forward`."""
        if seeds is None:
            seeds = [self._seeds(scan, num_queries or self.config.num_queries) for scan in scans]
        scenes = self._scenes(levels, scans, pyramid, seeds)
        queries, positions = self._initial_queries(scenes)
        steps = []
        for layer, prepared, memories in self._steps(scenes):
            logits, embeddings = self.head(queries)
            if every_step:
                steps.append(_predictions(logits, embeddings, scenes))
            masked = [attention_mask(memory.mask_features, embedding)
                      for memory, embedding in zip(memories, embeddings.detach())]
            queries = layer(queries, positions, prepared, masked)
        logits, embeddings = self.head(queries)
        return [*steps, _predictions(logits, embeddings, scenes)]

    def _seeds(self, scan: Voxels, count: int) -> Tensor:
        """Choose the voxels the queries start at: [Q]."""
        if self.config.queries == 'learned':
            assert count == self.config.num_queries, 'learned queries cannot be added or removed'
            return scan.coords.new_zeros(0)  # learned queries start nowhere
        return farthest_points(scan.coords, count)

    def _scenes(self, levels: list[Tensor], scans: Sequence[Voxels], pyramid: Pyramid,
                seeds: Sequence[Tensor]) -> list[Scene]:
        """Gather for each scan what its queries will see."""
        finest = product(levels[-1], self.mask_projection.weight, self.mask_projection.bias)
        sizes = [len(scan) for scan in scans]
        mask_features = list(select_rows(finest, pyramid.rank).split(sizes))
        if self.config.on_segments:
            mask_features = [_segment_means(masks, _segments(scan))
                             for masks, scan in zip(mask_features, scans)]
            finest = torch.cat([masks[_segments(scan)]
                                for masks, scan in zip(mask_features, scans)])[pyramid.order]
        centers = torch.cat([scan.centers for scan in scans])[pyramid.order]
        memories = self._memories(levels, pyramid, centers, finest.detach())
        ranks = pyramid.rank.split(sizes)
        return [Scene(memory, masks, self._encode(scan.centers, scan.centers[seed]),
                      levels[-1][rank[seed]])
                for memory, masks, scan, rank, seed
                in zip(memories, mask_features, scans, ranks, seeds)]

    def _memories(self, features: list[Tensor], pyramid: Pyramid, centers: Tensor,
                  mask_features: Tensor) -> list[list[Memory]]:
        """Return for each scan the attended levels; `features` run coarse to fine."""
        by_level = {}
        for depth, level in enumerate(pyramid.levels):
            number = len(pyramid.levels) - 1 - depth
            by_level[number] = [
                Memory(features[number][rows], self._encode(centers[rows], centers[rows]),
                       mask_features[rows]) for rows in level.scans()
            ] if number in self.config.levels else []
            if level.slots is not None:
                centers, mask_features = level.pool(centers), level.pool(mask_features)
        return [list(memories) for memories
                in zip(*(by_level[number] for number in self.config.levels))]

    def _encode(self, cloud: Tensor, positions: Tensor) -> Tensor:
        """Encode positions [Q, 3] relative to the box around a cloud [V, 3]."""
        return self.positions(positions, cloud.amin(0), cloud.amax(0))

    def _initial_queries(self, scenes: list[Scene]) -> tuple[Tensor, Tensor]:
        """Return content and position of the queries: [B, Q, D] each."""
        return self.queries(torch.stack([scene.encodings for scene in scenes]),
                            torch.stack([scene.features for scene in scenes]))

    def _steps(self, scenes: list[Scene],
               ) -> Iterator[tuple[DecoderLayer, KeysValues, list[Memory]]]:
        """Yield the refinement steps; with shared rounds a level's keys are computed once."""
        prepared: list[KeysValues] = []
        for turn in range(self.config.num_rounds):
            if turn == 0 or not self.config.shared_rounds:
                layers = cast(Iterable[DecoderLayer], self.rounds[turn])
                prepared = [[layer.prepare(scene.memories[place]) for scene in scenes]
                            for place, layer in enumerate(layers)]
            for place, layer in enumerate(layers):
                yield layer, prepared[place], [scene.memories[place] for scene in scenes]


def _predictions(logits: Tensor, embeddings: Tensor, scenes: list[Scene]) -> list[Prediction]:
    return [Prediction(classes, product(scene.mask_features, embedding))
            for classes, embedding, scene in zip(logits, embeddings, scenes)]


def _segments(scan: Voxels) -> Tensor:
    if scan.segment is None:
        raise InputError('these weights predict masks on segments, but the scan has none: give '
                         'every point a segment id, or convert the weights with --masks points')
    return scan.segment


def _segment_means(features: Tensor, segment: Tensor) -> Tensor:
    """Average the rows of each segment: [V, D] -> [S, D]."""
    count = torch.bincount(segment)
    total = features.new_zeros(len(count), features.shape[1]).index_add(0, segment, features)
    return total / count[:, None].to(features.dtype)
