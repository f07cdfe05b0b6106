"""How a step's scans are shared out: over processes, and one after another on each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mask3d_core.errors import InputError
from mask3d_core.training.data_loader import Sample
from mask3d_core.training.losses import NO_OBJECT
from mask3d_core.training.targets import IGNORED
import torch
from torch import distributed

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class Share:
    """
    What one process does in a step.

    Attributes
    ----------
    batches : lists of samples
        Each list goes through the network at once; all processes have equally many.
    class_shares : list of float
        What each batch's class loss, a mean, weighs in that of the whole step: together with the
        other processes' they are 1.
    counted : int
        So many of the batches count. Those after them only keep this process in step with the
        others, which have more: they change nothing.
    stop : bool
        Whether any process was asked to stop.

    """

    batches: list[list[Sample]]
    class_shares: list[float]
    counted: int
    stop: bool


def share_out(fabric: Fabric, loaded: Sequence[Sample | InputError], own: int, budget: int,
              num_queries: int, stop: bool) -> Share:
    """
    Agree with the other processes on a step.

    The loss of a step is that of all its scans together, however they are shared out: mask and
    dice losses are sums over scans, and the class losses are weighed.

    Parameters
    ----------
    fabric : Fabric
    loaded : sequence
        What this process has loaded.
    own : int
        0 when that is borrowed.
    budget, num_queries : int
        As `pack` and `class_weight` take them.
    stop : bool
        Whether this process was asked to stop.

    Raises
    ------
    InputError
        In all processes, when one of them has loaded a scan that cannot be used.

    """
    samples = [sample for sample in loaded if isinstance(sample, Sample)]
    faults = [str(fault) for fault in loaded if isinstance(fault, InputError)]
    sizes = [len(sample.voxels) for sample in samples[:own]]
    weights = [class_weight(sample, num_queries) for sample in samples[:own]]
    count, total = len(pack(sizes, budget)), sum(weights)
    broken = len(faults)
    if fabric.world_size > 1:
        ours = torch.tensor([count, total, stop, broken], dtype=torch.float64,
                            device=fabric.device)
        gathered = [torch.empty_like(ours) for _ in range(fabric.world_size)]
        distributed.all_gather(gathered, ours)
        counts, totals, stops, broke = torch.stack(gathered, 1).tolist()
        count, total, stop, broken = int(max(counts)), sum(totals), any(stops), any(broke)
    if broken:
        raise InputError(gather(fabric, faults)[0])
    rows = pack(sizes, budget, count)
    batches = [[samples[index] for index in batch] for batch in rows]
    shares = [sum(weights[index] for index in batch) / (total or 1) for batch in rows]
    missing = count - len(rows)
    return Share(batches + [[samples[0]]] * missing, shares + [0.0] * missing, len(rows), stop)


def gather(fabric: Fabric, ours: list[str]) -> list[str]:
    """Return what all processes together have to say."""
    said = [ours] * fabric.world_size
    if fabric.world_size > 1:
        distributed.all_gather_object(said, ours)
    return [text for texts in said for text in texts]


def pack(sizes: Sequence[int], budget: int, at_least: int = 1) -> list[list[int]]:
    """
    Split scans, in their order, into batches of at most `budget` voxels.

    Parameters
    ----------
    sizes : B integers
        Voxels of each scan; one above the budget goes alone.
    budget : int
        0: no bound.
    at_least : int
        Number of batches other processes need; B are made where that is more.

    Returns
    -------
    Lists of indices, none of them empty.

    """
    batches: list[list[int]] = []
    room = 0
    for index, size in enumerate(sizes):
        left = len(sizes) - index
        if not batches or 0 < budget and size > room or left <= at_least - len(batches):
            batches.append([])
            room = budget
        batches[-1].append(index)
        room -= size
    return batches


def class_weight(sample: Sample, num_queries: int) -> float:
    """Return the denominator of a scan's class loss: 1 per matched query, less per other."""
    targets = sample.targets
    matched = min(len(targets), num_queries)
    known = float((targets.class_row != IGNORED).sum()) * matched / max(len(targets), 1)
    return known + NO_OBJECT * (num_queries - matched)
