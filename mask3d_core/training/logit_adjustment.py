"""Logit adjustment for rare classes (Menon et al., ICLR 2021); not in the Mask3D paper."""

from __future__ import annotations

from collections.abc import Sequence

from mask3d_core.data.dataset import Dataset
import numpy as np
import torch
from torch import Tensor


def class_frequencies(dataset: Dataset, names: Sequence[str]) -> Tensor:
    """
    Return the relative frequencies of the K object classes in some scans.

    Returns
    -------
    [K] float32
        Sum 1. One object is added to each class, so that no frequency is 0.

    """
    ids = np.array(dataset.objects.ids)
    counts = np.ones(len(ids))
    for name in names:
        scan = dataset.read(name)
        rows = np.flatnonzero(scan.instance >= 0)
        first = np.unique(scan.instance[rows], return_index=True)[1]  # as in `make_targets`
        counts += (scan.label[rows][first][:, None] == ids).sum(0)
    return torch.from_numpy(counts / counts.sum()).float()


def adjust_logits(class_logits: Tensor, bias: Tensor) -> Tensor:
    """
    Add the class prior to logits, before the loss.

    With the loss on the adjusted logits, the unadjusted ones learn class-balanced predictions:
    their largest is right as often for rare classes (Menon et al., Long-tail learning via logit
    adjustment, ICLR 2021). The probability of "no object" does not change.

    Parameters
    ----------
    class_logits : [..., K + 1]
        The last class is "no object".
    bias : [K]
        Logarithms of the class frequencies, times a factor in 0..1.

    """
    plain, no_object = class_logits[..., :-1], class_logits[..., -1:]
    biased = plain + bias
    # keep the total of the classes, so that "no object" stays as likely
    shift = plain.logsumexp(-1, keepdim=True) - biased.logsumexp(-1, keepdim=True)
    return torch.cat([biased + shift, no_object], -1)
