"""The masks of a prediction, split by DBSCAN; on a GPU before they come to the host."""

from __future__ import annotations

import time

from mask3d_core.device import to_host
from mask3d_core.extraction.clustering.dbscan import cluster_rows
from mask3d_core.extraction.clustering.device_dbscan import cluster_pairs
from mask3d_core.extraction.regions import check_finite, find_regions, Regions, split_regions
import numpy as np
import torch
from torch import Tensor


def clustered_regions(mask_logits: Tensor, segment: Tensor | None, centers: Tensor, eps: float,
                      min_points: int) -> tuple[Regions, float]:
    """
    Threshold the mask logits at 0, and split the masks into parts further apart than eps.

    Parameters
    ----------
    mask_logits, segment
        As in `find_regions`, on any device.
    centers : [V, 3]
        Of the voxels, metres; on any device.
    eps : float
        Metres; 0: nothing is split, and empty masks stay.
    min_points : int
        As in `dbscan`.

    Returns
    -------
    regions, seconds
        Sorted by query, then by their first voxel; `seconds` is the time of the clustering. On a
        GPU that includes finding the masks.

    Raises
    ------
    InputError
        If a logit is NaN.

    """
    start = time.perf_counter()
    if eps and min_points == 1 and mask_logits.device.type != 'cpu':
        on_device = _on_device(mask_logits, segment, centers.to(mask_logits.device), eps)
        if on_device is not None:
            return on_device, time.perf_counter() - start
    regions = find_regions(mask_logits, segment)
    start = time.perf_counter()
    if eps:
        labels = cluster_rows(centers.cpu().numpy(), regions.voxels, eps, min_points)
        regions = split_regions(regions, mask_logits, segment, labels)
    return regions, time.perf_counter() - start


def _on_device(mask_logits: Tensor, segment: Tensor | None, centers: Tensor, eps: float,
               ) -> Regions | None:
    """Do it without the host, which only waits for sizes; None where `cluster_pairs` cannot."""
    by_query = mask_logits.t()
    inside = by_query > 0
    query, row = (inside if segment is None else inside[:, segment]).nonzero(as_tuple=True)
    cluster = cluster_pairs(centers, query, row, eps)
    if cluster is None:
        return None
    probability = by_query[query, row if segment is None else segment[row]].float().sigmoid()
    number = torch.arange(len(row), device=row.device)
    first = torch.full_like(number, len(row)).scatter_reduce_(0, cluster, number, 'amin')[cluster]
    begins = first == number                # pairs are sorted by query, then row: so are regions
    region, order = (begins.cumsum(0) - 1)[first].sort(stable=True)
    firsts = begins.nonzero()[:, 0]
    starts = torch.searchsorted(region, torch.arange(len(firsts), device=row.device))
    broken, rows, probabilities, queries, begin = to_host(
        by_query.isnan().any(), row[order].int(), probability[order], query[firsts], starts)
    check_finite(bool(broken))
    size = np.diff(begin, append=len(rows))
    total = np.bincount(np.repeat(np.arange(len(size)), size), probabilities, len(size))
    return Regions(queries, np.split(rows.astype(np.int64), begin)[1:], total / (size + 1e-6))
