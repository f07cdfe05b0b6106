"""Masks that may overlap, found by labels in one pass."""

from mask3d_core.geometry.mask_labels import MaskLabels
import numpy as np
import pytest


@pytest.mark.parametrize('masks, share', [(0, 0.5), (1, 0.5), (5, 0.3), (12, 0.5)])
def test_rows_of_masks(masks: int, share: float) -> None:
    random = np.random.default_rng(masks)
    inside = random.uniform(size=(masks, 3000)) < share          # of 12 masks: 2,100 labels
    inside[2:3] = False
    labels = MaskLabels([np.flatnonzero(mask) for mask in inside], 3000)
    assert labels.number == len(np.unique(np.append(inside, np.zeros((masks, 1), bool), axis=1),
                                          axis=1).T)
    place = random.integers(0, 3000, 5000)
    for start in (0, 1000):
        found = list(labels.rows(labels.of_place.take(place), start))
        assert [rows.tolist() for rows in found] == [
            (np.flatnonzero(mask[place]) + start).tolist() for mask in inside]
        assert all(rows.dtype == np.int32 for rows in found)
