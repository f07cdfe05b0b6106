"""Regions: the binary masks of a prediction, and their clusters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mask3d_core.device import to_host
from mask3d_core.errors import InputError
from mask3d_core.extraction.point_masks import Groups
from mask3d_core.sparse import parallel_map
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

ROWS_PER_BLOCK = 1 << 14
"""Rows of mask logits processed at once: they stay in the processor's cache."""


@dataclass(frozen=True, eq=False)
class Regions:
    """
    The binary masks of a prediction, without classes.

    Attributes
    ----------
    query : [R] int64
        Query of each region, ascending.
    voxels : R arrays of int64
        Voxels of each region, ascending.
    confidence : [R] float64
        Mean mask probability of its voxels, the mask factor of eq. 7; 0 for an empty region.

    """

    query: NDArray[np.int64]
    voxels: list[NDArray[np.int64]]
    confidence: NDArray[np.float64]


def find_regions(mask_logits: Tensor, segment: Tensor | None) -> Regions:
    """
    Threshold the mask logits at 0: one region per query, empty ones included.

    Parameters
    ----------
    mask_logits : [V, Q], or [S, Q] with segments
    segment : [V] int64 or None
        Row of each voxel in `mask_logits`.

    Raises
    ------
    InputError
        If a logit is NaN.

    """
    on_cpu = mask_logits.device.type == 'cpu'
    rows, probabilities = (_positive if on_cpu else _positive_on_gpu)(mask_logits)
    if segment is None:
        voxels, total = rows, [p.sum(dtype=np.float64) for p in probabilities]
    else:
        members = Groups(segment.cpu().numpy(), len(mask_logits))
        voxels = [members.members(chosen) for chosen in rows]
        total = [p.astype(np.float64) @ members.size[chosen]
                 for p, chosen in zip(probabilities, rows, strict=True)]
    count = np.array([len(chosen) for chosen in voxels])
    return Regions(np.arange(len(voxels)), voxels, np.array(total, np.float64) / (count + 1e-6))


def split_regions(regions: Regions, mask_logits: Tensor, segment: Tensor | None,
                  labels: list[NDArray[np.int64]]) -> Regions:
    """
    Split regions into their clusters; drop noise (label -1) and empty regions.

    Parameters
    ----------
    regions : Regions
        From `find_regions(mask_logits, segment)`.
    mask_logits, segment
        As in `find_regions`.
    labels : R arrays
        Cluster of each voxel of each region.

    """
    split = [number for number, label in enumerate(labels) if label.any()]  # not only cluster 0
    probabilities = _probabilities(mask_logits, segment, [regions.voxels[n] for n in split], split)
    query: list[int] = []
    voxels: list[NDArray[np.int64]] = []
    confidence: list[float] = []
    for number, (rows, label) in enumerate(zip(regions.voxels, labels, strict=True)):
        if label.any():
            parts, means = _parts(rows, label, next(probabilities))
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
    """Split the voxels of one region by label; return the parts and their mean probabilities."""
    clustered = label >= 0
    rows, label, probability = rows[clustered], label[clustered], probability[clustered]
    count = np.bincount(label)
    order = np.argsort(label, kind='stable')
    means = np.bincount(label, probability) / (count + 1e-6)
    return np.split(rows[order], np.cumsum(count))[:-1], means.tolist()


def _probabilities(mask_logits: Tensor, segment: Tensor | None,
                   voxels: list[NDArray[np.int64]], queries: list[int],
                   ) -> Iterator[NDArray[np.float64]]:
    """Yield the mask probabilities of the voxels of each region, given its query."""
    if mask_logits.device.type == 'cpu':  # one after the other: less memory
        batches = [([rows], [query]) for rows, query in zip(voxels, queries)]
    else:  # a round trip each would take longer
        batches = [(voxels, queries)] if queries else []
    for rows_of, query_of in batches:
        sizes = [len(rows) for rows in rows_of]
        rows, query = (torch.from_numpy(each).to(mask_logits.device)
                       for each in (np.concatenate(rows_of), np.repeat(query_of, sizes)))
        rows = rows if segment is None else segment[rows]
        probability = mask_logits[rows, query].float().sigmoid().cpu().numpy()
        yield from np.split(probability.astype(np.float64), np.cumsum(sizes)[:-1])


def check_finite(broken: bool) -> None:
    """Raise InputError if the mask logits are broken: some are NaN."""
    if broken:
        raise InputError('the network predicted NaN: the weights are broken, or the precision is '
                         'too low for them; try float32')


def _positive(mask_logits: Tensor) -> tuple[list[NDArray[np.int64]], list[NDArray[np.float32]]]:
    """Return for each of Q queries the rows with a positive logit, ascending, and its sigmoid."""
    blocks = mask_logits.split(ROWS_PER_BLOCK)

    def find(number: int) -> tuple[list[NDArray[np.int64]], list[NDArray[np.float32]]]:
        block = blocks[number]
        # the sum is fast but may overflow
        check_finite(bool(block.sum().isnan() and block.isnan().any()))
        inside = (block > 0).t().cpu().numpy()
        query, row = np.divmod(np.flatnonzero(inside), inside.shape[1])  # torch is slower
        place = torch.from_numpy(row * len(inside) + query).to(block.device)
        probability = block.flatten()[place].float().sigmoid().cpu().numpy()
        ends = np.cumsum(np.bincount(query, minlength=len(inside)))
        return np.split(row + number * ROWS_PER_BLOCK, ends)[:-1], np.split(probability, ends)[:-1]

    rows, probabilities = zip(*parallel_map(find, len(blocks)))
    return ([np.concatenate(pieces) for pieces in zip(*rows)],
            [np.concatenate(pieces) for pieces in zip(*probabilities)])


def _positive_on_gpu(mask_logits: Tensor,
                     ) -> tuple[list[NDArray[np.int64]], list[NDArray[np.float32]]]:
    """
    Do what `_positive` does on a GPU; only the rows of the masks come back, not the masks.

    The host waits twice: for their number, and for them.
    """
    by_query = mask_logits.t()
    inside = by_query > 0
    query, row = inside.nonzero(as_tuple=True)
    probability = by_query[query, row].float().sigmoid()
    broken, ends, rows, probabilities = to_host(
        by_query.isnan().any(), inside.sum(1).cumsum(0), row.int(), probability)
    check_finite(bool(broken))
    return (np.split(rows.astype(np.int64), ends)[:-1], np.split(probabilities, ends)[:-1])
