"""Rare classes against frequent ones; not in the paper."""

from __future__ import annotations

from collections.abc import Sequence

from mask3d_core.data.dataset import Dataset
import numpy as np
import torch
from torch import Tensor


def class_frequencies(dataset: Dataset, names: Sequence[str]) -> Tensor:
    """
    Return which part of the objects of some scans is of each of the K classes of objects.

    Returns
    -------
    [K] float32
        They add up to 1. One object is added to each class, so that none has a frequency of 0.

    """
    ids = np.array(dataset.objects.ids)
    counts = np.ones(len(ids))
    for name in names:
        scan = dataset.read(name)
        rows = np.flatnonzero(scan.instance >= 0)
        first = np.unique(scan.instance[rows], return_index=True)[1]  # as targets have it
        counts += (scan.label[rows][first][:, None] == ids).sum(0)
    return torch.from_numpy(counts / counts.sum()).float()


def as_frequent(class_logits: Tensor, bias: Tensor) -> Tensor:
    """
    Make of logits for classes that are all alike those for classes as frequent as they are.

    A loss of the result teaches logits that know no frequencies, and whose largest is therefore
    right as often for rare classes (Menon et al., Long-tail learning via logit adjustment, ICLR
    2021). How likely "no object" is does not change.

    Parameters
    ----------
    class_logits : [..., K + 1]
        The last class is "no object".
    bias : [K]
        Logarithms of the frequencies of the classes, or a part of them.

    """
    plain, none = class_logits[..., :-1], class_logits[..., -1:]
    biased = plain + bias
    shift = plain.logsumexp(-1, keepdim=True) - biased.logsumexp(-1, keepdim=True)
    return torch.cat([biased + shift, none], -1)
