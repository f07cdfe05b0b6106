"""Masks stored as rows of points."""

from mask3d_core.extraction import point_masks
from mask3d_core.extraction.point_masks import Groups, intersections, region_masks
from mask3d_core.geometry.point_groups import single_points
import numpy as np
import pytest


@pytest.mark.parametrize('few', [0, 0.05, 2])                    # never gathered, both, always
def test_members_of_groups(few: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(point_masks, 'MAX_GATHER_SHARE', few)
    random = np.random.default_rng(0)
    group = random.integers(0, 40, 500)
    group[group == 7] = 8                                        # the seventh is empty
    groups = Groups(group, 41)
    assert groups.size.tolist() == np.bincount(group, minlength=41).tolist()
    for chosen in ([], [7, 40], [3], [39, 0, 7], list(range(41))):
        found = groups.members(np.array(chosen, np.int64))
        assert found.tolist() == np.flatnonzero(np.isin(group, chosen)).tolist()


@pytest.mark.parametrize('share', [0.01, 0.6])
def test_intersections(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(point_masks, 'GROUPS_PER_PRODUCT', 64)
    inside = np.random.default_rng(1).uniform(size=(9, 1003)) < share
    inside[4] = False
    masks = [np.flatnonzero(mask) for mask in inside]
    np.testing.assert_array_equal(intersections(masks, np.ones(1003, np.int64)),
                                  inside.astype(int) @ inside.T.astype(int))
    assert intersections([], np.ones(1003, np.int64)).shape == (0, 0)


def test_points_of_voxels_and_of_whole_segments() -> None:
    inverse = np.array([0, 2, 1, 1, 0, 2, 2])
    segment = np.array([5, 5, 9, 9, 5, 9, 9])
    regions = [np.array([0, 1]), np.array([2]), np.array([], np.int64)]
    bare = region_masks(regions, single_points(inverse, None), 0)
    assert [mask.tolist() for mask in bare] == [[0, 2, 3, 4], [1, 5, 6], []]
    whole = region_masks(regions, single_points(inverse, segment), 0.5)  # half of 9 is no majority
    assert [mask.tolist() for mask in whole] == [[0, 1, 4], [1, 5, 6], []]
