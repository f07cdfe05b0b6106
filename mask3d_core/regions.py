"""Regions: the masks of a prediction, each split into the parts that hang together."""

from __future__ import annotations

from dataclasses import dataclass

from mask3d_core.errors import InputError
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

BLOCK = 1 << 14
"""Rows of mask logits worked on at once: they stay in the processor's cache."""


@dataclass(frozen=True, eq=False)
class Regions:
    """
    The binary masks of a prediction, before anyone asks for their class.

    Attributes
    ----------
    query : [R] int64
        The query each region comes from, ascending.
    voxels : R arrays of int64
        Its voxels, ascending.
    confidence : [R] float64
        Mean probability of its voxels, the mask factor of eq. 7; 0 for an empty one.

    """

    query: NDArray[np.int64]
    voxels: list[NDArray[np.int64]]
    confidence: NDArray[np.float64]


def find_regions(mask_logits: Tensor, segment: Tensor | None) -> Regions:
    """
    Take the voxels with a positive logit: one region per query, empty ones included.

    Parameters
    ----------
    mask_logits : [V, Q], or [S, Q] with segments
    segment : [V] int64 or None
        Row of each voxel in `mask_logits`.

    Raises
    ------
    InputError
        If the logits are not numbers.

    """
    size = None if segment is None else torch.bincount(segment, minlength=len(mask_logits))
    inside, total = _inside(mask_logits, size)
    if segment is not None:
        inside = inside[:, segment.cpu().numpy()]
    voxels = [np.flatnonzero(row) for row in inside]
    count = np.array([len(rows) for rows in voxels])
    if not np.isfinite(total).all():
        raise InputError('the network answered with NaN: the weights are broken, or the precision '
                         'is too low for them; try float32')
    return Regions(np.arange(len(voxels)), voxels, total / (count + 1e-6))


def split_regions(regions: Regions, mask_logits: Tensor, segment: Tensor | None,
                  labels: list[NDArray[np.int64]]) -> Regions:
    """
    Split regions into their clusters; noise (label -1) and empty regions go.

    Parameters
    ----------
    regions : Regions
        As `find_regions` returns them from the next two arguments.
    mask_logits, segment
        As there.
    labels : R arrays
        Cluster of each voxel of each region.

    """
    query: list[int] = []
    voxels: list[NDArray[np.int64]] = []
    confidence: list[float] = []
    for number, (rows, label) in enumerate(zip(regions.voxels, labels, strict=True)):
        if label.any():
            parts, means = _parts(rows, label, _probability(mask_logits, segment, rows, number))
            query += [number] * len(parts)
            voxels += parts
            confidence += means
        elif len(rows):
            query.append(number)
            voxels.append(rows)
            confidence.append(float(regions.confidence[number]))
    return Regions(np.array(query, np.int64), voxels, np.array(confidence, np.float64))


def _parts(rows: NDArray[np.int64], label: NDArray[np.int64], probability: NDArray[np.float64],
           ) -> tuple[list[NDArray[np.int64]], list[float]]:
    """Split the voxels of one region by label; return them with the mean probability of each."""
    clustered = label >= 0
    rows, label, probability = rows[clustered], label[clustered], probability[clustered]
    count = np.bincount(label)
    order = np.argsort(label, kind='stable')
    means = np.bincount(label, probability) / (count + 1e-6)
    return np.split(rows[order], np.cumsum(count))[:-1], means.tolist()


def _probability(mask_logits: Tensor, segment: Tensor | None, voxels: NDArray[np.int64],
                 query: int) -> NDArray[np.float64]:
    rows = torch.from_numpy(voxels).to(mask_logits.device)
    rows = rows if segment is None else segment[rows]
    return mask_logits[rows, query].float().sigmoid().cpu().numpy().astype(np.float64)


def _inside(mask_logits: Tensor, size: Tensor | None,
            ) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """
    Return where the logits are positive, [Q, rows], and the sum of probabilities there, [Q].

    Rows count `size` times, once without it.
    """
    rows, queries = mask_logits.shape
    inside = torch.empty((queries, rows), dtype=torch.bool, device=mask_logits.device)
    total = torch.zeros(queries, dtype=torch.float64)
    for first in range(0, rows, BLOCK):
        block = mask_logits[first:first + BLOCK].float()
        positive = block > 0
        inside[:, first:first + BLOCK] = positive.t()
        share = block.clamp(min=0).sigmoid() * positive  # of -200 it takes ten times as long
        if size is not None:
            share = share * size[first:first + BLOCK, None]
        total += share.sum(dim=0).cpu()
    return inside.cpu().numpy(), total.numpy()
