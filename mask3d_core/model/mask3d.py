"""Mask3D: voxels in, one class and one mask per query out (Schult et al., ICRA 2023)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast, NamedTuple

from mask3d_core.errors import InputError
from mask3d_core.model.backbone import UNet
from mask3d_core.model.config import ModelConfig
from mask3d_core.model.decoder import attention_mask, DecoderLayer, MaskHead, Memory, Sight
from mask3d_core.model.positions import FourierPositions
from mask3d_core.model.queries import farthest_points, Queries
from mask3d_core.model.votes import choose_seeds, VoteHead, Votes
from mask3d_core.model.windows import window_features
from mask3d_core.sparse import mean_by_group, product, Pyramid, select_rows
from mask3d_core.voxels import Voxels
import torch
from torch import nn, Tensor

SAMPLE_SIZES = (200, 800, 3200, 12800, 51200)
"""
Most voxels a query looks at while training, per level, coarse to fine (paper, Sec. III-C).

Each refinement step draws anew; at test time a query looks at all voxels.
"""


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


class StepPrediction(NamedTuple):
    """
    What the queries of one scan say at one refinement step, for training.

    The masks of all steps together are large, and the loss needs few of them: they are kept as
    the two factors whose product they are (eq. 1).

    Attributes
    ----------
    class_logits : [Q, K + 1]
    embeddings : [Q, E]
        Of the queries, folded (`Mask3D._fold`).
    mask_features : [V, E], or [S, E] for a model on segments
        Of the scan; the same tensor in all steps.
    votes : Votes or None
        Of the scan, the same in all steps; None for a model without.

    """

    class_logits: Tensor
    embeddings: Tensor
    mask_features: Tensor
    votes: Votes | None = None

    @property
    def mask_logits(self) -> Tensor:
        """Multiply the factors: [V, Q] or [S, Q]."""
        return product(self.mask_features, self.embeddings)


@dataclass(frozen=True)
class Scene:
    """
    What the decoder sees of one scan.

    Attributes
    ----------
    memories : list of Memory
        One per attended level.
    mask_features : [V, E] or [S, E]
        What masks are linear in (`Mask3D._mask_features`), in the order of the scan's voxels or
        segments.
    encodings : [Q, D]
        Position encodings of the voxels the queries start at.
    features : [Q, C]
        Finest features there.
    votes : Votes or None
    seeds : [Q, 3]
        What these voxels vote for, metres from the middle of the scan; means nothing without
        votes.

    """

    memories: list[Memory]
    mask_features: Tensor
    encodings: Tensor
    features: Tensor
    votes: Votes | None
    seeds: Tensor


class Mask3D(nn.Module):
    """The whole network."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.unet = UNet(config)
        finest = self.unet.widths[-1]
        self.mask_projection = nn.Linear(finest, config.hidden_dim)
        self.votes = VoteHead(finest, config.num_classes) if config.votes else None
        self.positions = FourierPositions(config.hidden_dim)
        self.queries = Queries(config, finest)
        rounds = 1 if config.shared_rounds else config.num_rounds
        self.rounds = nn.ModuleList(
            nn.ModuleList(DecoderLayer(config, self.unet.widths[level])
                          for level in config.levels) for _ in range(rounds))
        self.head = MaskHead(config)

    def forward(self, scans: Sequence[Voxels], pyramid: Pyramid, num_queries: int | None = None,
                seeds: Sequence[Tensor] | None = None, every_step: bool = False,
                generator: torch.Generator | None = None,
                ) -> list[list[Prediction]] | list[list[StepPrediction]]:
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
            Voxels the queries start at, instead of those that `choose_seeds` or farthest point
            sampling choose.
        every_step : bool
            Return a `StepPrediction` of each step instead of the last step's `Prediction`.
        generator : torch.Generator, optional
            On the CPU; draws the voxels queries look at while training (`SAMPLE_SIZES`).

        Returns
        -------
        For each step (only the last one unless `every_step`) the predictions of all scans.

        """
        levels = self.unet(torch.cat([scan.features for scan in scans])[pyramid.order], pyramid)
        with torch.autocast(levels[-1].device.type, enabled=False):  # masks are thresholded
            exact = [level.to(self.mask_projection.weight.dtype) for level in levels]
            if every_step:
                return self.refine(exact, scans, pyramid, num_queries, seeds, generator)
            return self.decode(exact, scans, pyramid, num_queries, seeds)

    def decode(self, levels: list[Tensor], scans: Sequence[Voxels], pyramid: Pyramid,
               num_queries: int | None = None, seeds: Sequence[Tensor] | None = None,
               ) -> list[list[Prediction]]:
        """Turn the U-Net's features into the last predictions; arguments as of `forward`."""
        last = self.refine(levels, scans, pyramid, num_queries, seeds)[-1]
        return [[Prediction(step.class_logits, step.mask_logits) for step in last]]

    def refine(self, levels: list[Tensor], scans: Sequence[Voxels], pyramid: Pyramid,
               num_queries: int | None = None, seeds: Sequence[Tensor] | None = None,
               generator: torch.Generator | None = None) -> list[list[StepPrediction]]:
        """Turn the U-Net's features into what is predicted before and after every step."""
        votes = self._vote(levels[-1], scans, pyramid)
        if seeds is None:
            seeds = [self._seeds(scan, said, num_queries or self.config.num_queries)
                     for scan, said in zip(scans, votes)]
        scenes = self._scenes(levels, scans, pyramid, votes, seeds)
        queries, positions = self._initial_queries(scenes)
        places = torch.stack([scene.seeds for scene in scenes])
        steps = []
        for layer, seen, size in self._steps(scenes):
            steps.append(self._step(queries, places, scenes))
            if self.training:
                seen = [sight.sample(size, generator) for sight in seen]
            masked = [attention_mask(sight.mask_features, step.embeddings.detach())
                      for sight, step in zip(seen, steps[-1])]
            queries = layer(queries, positions, seen, masked)
        return [*steps, self._step(queries, places, scenes)]

    def _vote(self, finest: Tensor, scans: Sequence[Voxels], pyramid: Pyramid,
              ) -> list[Votes] | list[None]:
        """Let the voxels of each scan vote, in the order of the scan's voxels."""
        if self.votes is None:
            return [None] * len(scans)
        ranks = pyramid.rank.split([len(scan) for scan in scans])
        return [self.votes(select_rows(finest, rank), scan.centers - scan.centers.mean(0))
                for scan, rank in zip(scans, ranks)]

    def _seeds(self, scan: Voxels, votes: Votes | None, count: int) -> Tensor:
        """Choose the voxels the queries start at: [Q]."""
        if self.config.queries == 'learned':
            assert count == self.config.num_queries, 'learned queries cannot be added or removed'
            return scan.coords.new_zeros(0)  # learned queries start nowhere
        return farthest_points(scan.coords, count) if votes is None else choose_seeds(votes, count)

    def _scenes(self, levels: list[Tensor], scans: Sequence[Voxels], pyramid: Pyramid,
                votes: Sequence[Votes | None], seeds: Sequence[Tensor]) -> list[Scene]:
        """Gather for each scan what its queries will see."""
        finest = self._mask_features(levels[-1], pyramid, votes)
        sizes = [len(scan) for scan in scans]
        mask_features = list(select_rows(finest, pyramid.rank).split(sizes))
        if self.config.on_segments:
            segments = [_segments(scan) for scan in scans]
            mask_features = [mean_by_group(masks, segment, int(segment.max()) + 1)
                             for masks, segment in zip(mask_features, segments)]
            finest = torch.cat([masks[segment] for masks, segment
                                in zip(mask_features, segments)])[pyramid.order]
        centers = torch.cat([scan.centers for scan in scans])[pyramid.order]
        memories = self._memories(levels, pyramid, centers, finest.detach())
        ranks = pyramid.rank.split(sizes)
        return [Scene(memory, masks, self._encode(scan.centers, scan.centers[seed]),
                      levels[-1][rank[seed]], said,
                      scan.centers[seed] if said is None else said.centers.detach()[seed])
                for memory, masks, scan, rank, seed, said
                in zip(memories, mask_features, scans, ranks, seeds, votes)]

    def _mask_features(self, finest: Tensor, pyramid: Pyramid, votes: Sequence[Votes | None],
                       ) -> Tensor:
        """Return what masks are linear in: finest features, a one, windows, [V, E]."""
        parts = [finest, torch.ones_like(finest[:, :1])]
        if self.config.votes:  # masks teach windows, not votes
            centers = torch.cat([said.centers.detach() for said in votes if said is not None])
            parts.append(window_features(centers)[pyramid.order])
        return torch.cat(parts, 1)

    def _fold(self, embeddings: Tensor) -> Tensor:
        """
        Let mask embeddings meet the features before their projection: [..., D] -> [..., E].

        A mask is e (W f + b) = (e W) f + e b: W meets a hundred queries instead of all voxels, and
        the finest features f are fewer than D. Windows behind the embeddings stay as they are.
        """
        width = self.config.hidden_dim
        embedding, window = embeddings[..., :width], embeddings[..., width:]
        weight, bias = self.mask_projection.weight, self.mask_projection.bias
        return torch.cat([embedding @ weight, (embedding @ bias)[..., None], window], -1)

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

    def _steps(self, scenes: list[Scene]) -> Iterator[tuple[DecoderLayer, list[Sight], int]]:
        """
        Yield each step's layer, what the queries of each scan see, and how much to sample.

        With shared rounds a level's keys are computed once.
        """
        prepared: list[list[Sight]] = []
        for turn in range(self.config.num_rounds):
            if turn == 0 or not self.config.shared_rounds:
                layers = cast(Iterable[DecoderLayer], self.rounds[turn])
                prepared = [[layer.prepare(scene.memories[place]) for scene in scenes]
                            for place, layer in enumerate(layers)]
            for layer, seen, level in zip(layers, prepared, self.config.levels):
                yield layer, seen, SAMPLE_SIZES[level]

    def _step(self, queries: Tensor, seeds: Tensor, scenes: list[Scene]) -> list[StepPrediction]:
        """Return what the queries of each scan, which started at `seeds` [B, Q, 3], say."""
        classes, embeddings = self.head(queries, seeds)
        return [StepPrediction(logits, embedding, scene.mask_features, scene.votes)
                for logits, embedding, scene in zip(classes, self._fold(embeddings), scenes)]


def _segments(scan: Voxels) -> Tensor:
    if scan.segment is None:
        raise InputError('these weights predict masks on segments, but the scan has none: give '
                         'every point a segment id, or convert the weights with --masks points')
    return scan.segment
