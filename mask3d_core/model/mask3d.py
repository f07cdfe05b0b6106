"""Mask3D: voxels in, one class and one mask per query out (Schult et al., ICRA 2023)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast, NamedTuple

from mask3d_core.errors import InputError
from mask3d_core.model.backbone import UNet
from mask3d_core.model.config import ModelConfig
from mask3d_core.model.decoder import attention_mask, DecoderLayer, LevelKeys, MaskHead, Memory
from mask3d_core.model.positions import FourierPositions
from mask3d_core.model.queries import farthest_points, Queries
from mask3d_core.model.votes import choose_seeds, VoteHead, Votes
from mask3d_core.model.windows import window_features
from mask3d_core.sparse import mean_by_group, product, Pyramid, select_rows
from mask3d_core.stop import until_stopped
from mask3d_core.voxels import Voxels
import torch
from torch import nn, Tensor

SAMPLE_SIZES = (200, 800, 3200, 12800, 51200)
"""
Largest number of voxels a query attends to in training, per level, coarse to fine (paper, Sec.
III-C).

Each refinement step draws new samples; at inference queries attend to all voxels.
"""


@dataclass(frozen=True)
class Prediction:
    """
    The predictions of the queries of one scan.

    Attributes
    ----------
    class_logits : [Q, K + 1]
        The last class is "no object".
    mask_logits : [V, Q], or [S, Q] for a model on segments
        In the order of the scan's voxels; a voxel is in the mask if its logit is positive.
    objectness : [V] or None
        Probability that a voxel belongs to an object, from the votes; None for a model without.
    mask_iou : [Q] or None
        Predicted intersection over union of the mask and an object; None for a model without.

    """

    class_logits: Tensor
    mask_logits: Tensor
    objectness: Tensor | None = None
    mask_iou: Tensor | None = None


class StepPrediction(NamedTuple):
    """
    The predictions of the queries of one scan at one refinement step, for training.

    The mask logits of all steps are large, and the loss needs few of them. So they are kept as
    the two factors of their product (eq. 1).

    Attributes
    ----------
    class_logits : [Q, K + 1]
    embeddings : [Q, E]
        Mask embeddings of the queries, after `Mask3D._fold_projection`.
    mask_features : [V, E], or [S, E] for a model on segments
        Of the scan; the same tensor in all steps.
    votes : Votes or None
        Of the scan, the same in all steps; None for a model without votes.
    iou_logits : [Q] or None
        Of `Prediction.mask_iou`.

    """

    class_logits: Tensor
    embeddings: Tensor
    mask_features: Tensor
    votes: Votes | None = None
    iou_logits: Tensor | None = None

    @property
    def mask_logits(self) -> Tensor:
        """Multiply the factors: [V, Q] or [S, Q]."""
        return product(self.mask_features, self.embeddings)

    @property
    def prediction(self) -> Prediction:
        """What post-processing needs."""
        return Prediction(self.class_logits, self.mask_logits,
                          None if self.votes is None else self.votes.objectness,
                          None if self.iou_logits is None else self.iou_logits.sigmoid())


@dataclass(frozen=True)
class DecoderInput:
    """
    The inputs of the decoder for one scan.

    Attributes
    ----------
    memories : list of Memory
        One per attended level.
    mask_features : [V, E] or [S, E]
        Factor of the mask logits (`Mask3D._mask_features`), in the order of the scan's voxels or
        segments.
    encodings : [Q, D]
        Position encodings of the voxels the queries start at.
    features : [Q, C]
        Features of these voxels at the finest level.
    votes : Votes or None
    seed_centers : [Q, 3]
        Votes of these voxels, metres, relative to the mean of the scan's voxels. Unused without
        votes.

    """

    memories: list[Memory]
    mask_features: Tensor
    encodings: Tensor
    features: Tensor
    votes: Votes | None
    seed_centers: Tensor


class Mask3D(nn.Module):
    """The whole network: backbone, initial queries, decoder, mask head."""

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
            Q; by default the number used in training. The number of learned queries is fixed.
        seeds : B tensors [Q], optional
            Voxels the queries start at, instead of those of `choose_seeds` or farthest point
            sampling.
        every_step : bool
            Return a `StepPrediction` of each step instead of the last step's `Prediction`.
        generator : torch.Generator, optional
            On the CPU; samples the voxels that queries attend to in training (`SAMPLE_SIZES`).

        Returns
        -------
        For each step (only the last one unless `every_step`) the predictions of all scans.

        """
        levels = self.unet(torch.cat([scan.features for scan in scans])[pyramid.order], pyramid)
        with torch.autocast(levels[-1].device.type, enabled=False):  # mask logits are thresholded
            exact = [level.to(self.mask_projection.weight.dtype) for level in levels]
            if every_step:
                return self.refine(exact, scans, pyramid, num_queries, seeds, generator)
            return self.decode(exact, scans, pyramid, num_queries, seeds)

    def decode(self, levels: list[Tensor], scans: Sequence[Voxels], pyramid: Pyramid,
               num_queries: int | None = None, seeds: Sequence[Tensor] | None = None,
               ) -> list[list[Prediction]]:
        """Compute the last predictions from the U-Net's features; arguments as in `forward`."""
        last = self.refine(levels, scans, pyramid, num_queries, seeds)[-1]
        return [[step.prediction for step in last]]

    def refine(self, levels: list[Tensor], scans: Sequence[Voxels], pyramid: Pyramid,
               num_queries: int | None = None, seeds: Sequence[Tensor] | None = None,
               generator: torch.Generator | None = None) -> list[list[StepPrediction]]:
        """Compute the predictions before the first and after every refinement step."""
        votes = self._vote(levels[-1], scans, pyramid)
        if seeds is None:
            seeds = [self._choose_seeds(scan, vote, num_queries or self.config.num_queries)
                     for scan, vote in zip(scans, votes)]
        inputs = self._decoder_inputs(levels, scans, pyramid, votes, seeds)
        queries, positions = self._initial_queries(inputs)      # [B, Q, D] each
        centers = torch.stack([scan.seed_centers for scan in inputs])
        steps = []
        for layer, keys, size in until_stopped(self._refinement_steps(inputs)):
            steps.append(self._predict(queries, centers, inputs))
            if self.training:
                keys = [level.sample(size, generator) for level in keys]
            masked = [attention_mask(level.mask_features, step.embeddings.detach())
                      for level, step in zip(keys, steps[-1])]
            queries = layer(queries, positions, keys, masked)
        return [*steps, self._predict(queries, centers, inputs)]

    def _vote(self, finest: Tensor, scans: Sequence[Voxels], pyramid: Pyramid,
              ) -> list[Votes] | list[None]:
        """Compute the votes of each scan, in the order of its voxels."""
        if self.votes is None:
            return [None] * len(scans)
        ranks = pyramid.rank.split([len(scan) for scan in scans])
        return [self.votes(select_rows(finest, rank), scan.centers - scan.centers.mean(0))
                for scan, rank in zip(scans, ranks)]

    def _choose_seeds(self, scan: Voxels, votes: Votes | None, count: int) -> Tensor:
        """Choose the voxels the queries start at: [Q]."""
        if self.config.queries == 'learned':
            assert count == self.config.num_queries, 'the number of learned queries is fixed'
            return scan.coords.new_zeros(0)  # learned queries start at no voxel
        return farthest_points(scan.coords, count) if votes is None else choose_seeds(votes, count)

    def _decoder_inputs(self, levels: list[Tensor], scans: Sequence[Voxels], pyramid: Pyramid,
                        votes: Sequence[Votes | None], seeds: Sequence[Tensor],
                        ) -> list[DecoderInput]:
        """Split the levels [V_l, C_l] by scan and compute the mask features."""
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
        return [DecoderInput(memory, masks, self._encode(scan.centers, scan.centers[seed]),
                             levels[-1][rank[seed]], vote,
                             scan.centers[seed] if vote is None else vote.centers.detach()[seed])
                for memory, masks, scan, rank, seed, vote
                in zip(memories, mask_features, scans, ranks, seeds, votes)]

    def _mask_features(self, finest: Tensor, pyramid: Pyramid, votes: Sequence[Votes | None],
                       ) -> Tensor:
        """
        Return the voxels' factor of the mask logits: [V, E], in the order of the finest level.

        Columns: features of the finest level, a one for the bias of the projection, monomials of
        the vote for the windows.
        """
        parts = [finest, torch.ones_like(finest[:, :1])]
        if self.config.votes:  # detached: mask losses train the windows, not the votes
            centers = torch.cat([vote.centers.detach() for vote in votes if vote is not None])
            parts.append(window_features(centers)[pyramid.order])
        return torch.cat(parts, 1)

    def _fold_projection(self, embeddings: Tensor) -> Tensor:
        """
        Apply the mask projection to the embeddings instead of the voxels: [..., D] -> [..., E].

        A mask logit is e (W f + b) = (e W) f + e b: W is multiplied with a hundred queries instead
        of all voxels, and f has fewer channels than D. Window coefficients, the columns after the
        embedding, stay as they are.
        """
        width = self.config.hidden_dim
        embedding, window = embeddings[..., :width], embeddings[..., width:]
        weight, bias = self.mask_projection.weight, self.mask_projection.bias
        return torch.cat([embedding @ weight, (embedding @ bias)[..., None], window], -1)

    def _memories(self, features: list[Tensor], pyramid: Pyramid, centers: Tensor,
                  mask_features: Tensor) -> list[list[Memory]]:
        """
        Return the attended levels of each scan.

        Parameters
        ----------
        features : tensors [V_l, C_l], coarse to fine
        pyramid : Pyramid
        centers, mask_features : [V, 3], [V, E]
            Of the finest level; pooled from level to level.

        """
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
        """Encode positions [Q, 3] relative to the bounding box of a cloud [V, 3]."""
        return self.positions(positions, cloud.amin(0), cloud.amax(0))

    def _initial_queries(self, inputs: list[DecoderInput]) -> tuple[Tensor, Tensor]:
        """Return content and position of the queries: [B, Q, D] each."""
        return self.queries(torch.stack([scan.encodings for scan in inputs]),
                            torch.stack([scan.features for scan in inputs]))

    def _refinement_steps(self, inputs: list[DecoderInput],
                          ) -> Iterator[tuple[DecoderLayer, list[LevelKeys], int]]:
        """
        Yield for each step its layer, the level's keys for each scan, and the sample size.

        With shared rounds the keys of a level are computed once.
        """
        prepared: list[list[LevelKeys]] = []
        for number in range(self.config.num_rounds):
            if number == 0 or not self.config.shared_rounds:
                layers = cast(Iterable[DecoderLayer], self.rounds[number])
                prepared = [[layer.prepare(scan.memories[place]) for scan in inputs]
                            for place, layer in enumerate(layers)]
            for layer, keys, level in zip(layers, prepared, self.config.levels):
                yield layer, keys, SAMPLE_SIZES[level]

    def _predict(self, queries: Tensor, seed_centers: Tensor, inputs: list[DecoderInput],
                 ) -> list[StepPrediction]:
        """Apply the mask head to the queries [B, Q, D] that started at `seed_centers`."""
        heads = self.head(queries, seed_centers)
        ious = [None] * len(inputs) if heads.iou_logits is None else heads.iou_logits
        return [StepPrediction(logits, embedding, scan.mask_features, scan.votes, iou)
                for logits, embedding, iou, scan
                in zip(heads.class_logits, self._fold_projection(heads.embeddings), ious, inputs)]


def _segments(scan: Voxels) -> Tensor:
    if scan.segment is None:
        raise InputError('these weights predict masks on segments, but the scan has none: give '
                         'every point a segment id, or convert the weights with --masks points')
    return scan.segment
