"""Split the scans of a step: over processes, and into micro-batches on each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mask3d_core.errors import InputError
from mask3d_core.training.data_loader import Sample
from mask3d_core.training.distributed import gather_texts
from mask3d_core.training.losses import NO_OBJECT_WEIGHT
from mask3d_core.training.targets import IGNORED_CLASS
import torch
from torch import distributed

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class StepSplit:
    """
    What one process computes in a step.

    Attributes
    ----------
    micro_batches : lists of samples
        Each goes through the network in one pass; all processes have equally many.
    class_loss_shares : list of float
        Weight of each micro-batch's class loss (a mean) in that of the whole step; their sum over
        all processes is 1.
    num_counted : int
        Number of micro-batches that contribute to the gradients. Those after them are padding, for
        the collective operations of processes that have more.
    stop : bool
        Whether any process was asked to stop.

    """

    micro_batches: list[list[Sample]]
    class_loss_shares: list[float]
    num_counted: int
    stop: bool


def split_step(fabric: Fabric, loaded: Sequence[Sample | InputError], num_local: int,
               max_voxels: int, num_queries: int, stop: bool) -> StepSplit:
    """
    Split a step into micro-batches, as many on every process; a collective operation.

    The loss of a step is that of all its scans in one batch, however they are split: mask and
    dice losses are sums over scans, and the class losses are weighted.

    Parameters
    ----------
    fabric : Fabric
    loaded : sequence
        What this process has loaded.
    num_local : int
        Number of scans that this process contributes; 0 if it only borrows one, as padding.
    max_voxels, num_queries : int
        See `pack` and `class_loss_denominator`.
    stop : bool
        Whether this process was asked to stop.

    Raises
    ------
    InputError
        In all processes, if one of them has loaded a scan that cannot be used.

    """
    samples = [sample for sample in loaded if isinstance(sample, Sample)]
    errors = [str(error) for error in loaded if isinstance(error, InputError)]
    sizes = [len(sample.voxels) for sample in samples[:num_local]]
    weights = [class_loss_denominator(sample, num_queries) for sample in samples[:num_local]]
    count, total = len(pack(sizes, max_voxels)), sum(weights)
    broken = len(errors)
    if fabric.world_size > 1:
        ours = torch.tensor([count, total, stop, broken], dtype=torch.float64,
                            device=fabric.device)
        gathered = [torch.empty_like(ours) for _ in range(fabric.world_size)]
        distributed.all_gather(gathered, ours)
        counts, totals, stops, broke = torch.stack(gathered, 1).tolist()
        count, total, stop, broken = int(max(counts)), sum(totals), any(stops), any(broke)
    if broken:
        raise InputError(gather_texts(fabric, errors)[0])
    rows = pack(sizes, max_voxels, count)
    batches = [[samples[index] for index in batch] for batch in rows]
    shares = [sum(weights[index] for index in batch) / (total or 1) for batch in rows]
    missing = count - len(rows)
    return StepSplit(batches + [[samples[0]]] * missing, shares + [0.0] * missing, len(rows), stop)


def pack(sizes: Sequence[int], max_voxels: int, min_batches: int = 1) -> list[list[int]]:
    """
    Pack scans, in their order, into micro-batches of at most `max_voxels` voxels.

    Parameters
    ----------
    sizes : B integers
        Voxels of each scan; one with more than `max_voxels` gets a micro-batch of its own.
    max_voxels : int
        0: no bound.
    min_batches : int
        Micro-batches that other processes need; at most B are made.

    Returns
    -------
    Lists of indices, none of them empty.

    """
    batches: list[list[int]] = []
    free = 0
    for index, size in enumerate(sizes):
        left = len(sizes) - index
        if not batches or 0 < max_voxels and size > free or left <= min_batches - len(batches):
            batches.append([])
            free = max_voxels
        batches[-1].append(index)
        free -= size
    return batches


def class_loss_denominator(sample: Sample, num_queries: int) -> float:
    """Return the sum of the class loss weights: 1 per matched query, less for the others."""
    targets = sample.targets
    matched = min(len(targets), num_queries)
    known = float((targets.class_row != IGNORED_CLASS).sum()) * matched / max(len(targets), 1)
    return known + NO_OBJECT_WEIGHT * (num_queries - matched)
