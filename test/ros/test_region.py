"""The region of interest."""

from mask3d_core.errors import InputError
from mask3d_ros.region import NO_REGION, Region
import numpy as np
import pytest

POINTS = np.array([[0.0, 0, 0], [3, 4, 9], [3, 4.1, 0], [1, 1, 1]])


def test_a_radius_is_of_any_height() -> None:
    region = Region.of([0.0, 0.0, 5.0])
    assert region is not None
    assert region.contains(POINTS).tolist() == [True, True, False, True]


def test_a_box_has_its_borders() -> None:
    region = Region.of([0, 0, 0, 1, 1, 1])
    assert region is not None
    assert region.contains(POINTS).tolist() == [True, False, False, True]


@pytest.mark.parametrize('values', [[], NO_REGION, [7.0, 8.0, 0.0]])
def test_the_whole_map(values: list[float]) -> None:
    assert Region.of(values) is None


@pytest.mark.parametrize(('values', 'words'), [
    ([1.0, 2.0], 'expected \\[x, y, radius\\] or'),
    ([1.0, 2.0, float('nan')], 'expected \\[x, y, radius\\] or'),
    ([0.0, 0.0, -1.0], 'the radius of roi is -1'),
    ([0.0, 0.0, 0.0, 1.0, 0.0, 1.0], 'each maximum above its minimum')])
def test_other_values_are_rejected(values: list[float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Region.of(values)
