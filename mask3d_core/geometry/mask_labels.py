"""Labels: masks that may overlap as one number for each place, so that one pass finds them all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray


class MaskLabels:
    """
    Places that are in the same masks have the same label.

    Parameters
    ----------
    masks : I arrays
        Places of each mask, 0..count - 1.
    count : int

    Attributes
    ----------
    of_place : [count] unsigned integer
        0 for places in no mask.
    of_mask : I lists of int
        Labels of the places of each mask.
    number : int
        Of labels; 0 counts.

    """

    def __init__(self, masks: Sequence[NDArray[np.integer]], count: int) -> None:
        label = np.zeros(count + 1, np.int64)                   # the last place is in no mask
        masks_of: list[list[int]] = [[]]
        for index, mask in enumerate(masks):
            before, row = np.unique(label[mask], return_inverse=True)
            label[mask] = len(masks_of) + row
            masks_of += [[*masks_of[old], index] for old in before.tolist()]
        used, label = np.unique(label, return_inverse=True)     # some labels were split up
        self.number = len(used)
        self.of_place = label[:-1].astype(np.min_scalar_type(self.number))
        self.of_mask: list[list[int]] = [[] for _ in masks]
        for new, old in enumerate(used.tolist()):
            for index in masks_of[old]:
                self.of_mask[index].append(new)

    def rows(self, label: NDArray[np.unsignedinteger], start: int = 0,
             ) -> Iterator[NDArray[np.int32]]:
        """Yield the rows of each mask, ascending, given the labels of rows from `start` on."""
        rows = np.argsort(label, kind='stable').astype(np.int32)  # up to 16 bits: a radix sort
        rows += np.int32(start)
        ends = np.cumsum(np.bincount(label, minlength=self.number)).tolist()
        for labels in self.of_mask:
            found = [rows[ends[own - 1]:ends[own]] for own in labels]
            joined = np.concatenate([*found, rows[:0]])
            if len(found) > 1:
                joined.sort()
            yield joined
