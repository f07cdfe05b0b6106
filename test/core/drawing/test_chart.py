"""Axes, and where charts have their lines."""

from pathlib import Path

from mask3d_core.drawing.chart import (
    Axis,
    Chart,
    DOT,
    draw_charts,
    even_axis,
    LEFT,
    Line,
    SIDE,
    TOP,
)
from mask3d_core.errors import InputError
import numpy as np
from PIL import Image
import pytest

RED, BLUE = (220, 20, 20), (20, 20, 220)


@pytest.mark.parametrize(('values', 'ticks'), [
    ([0.3, 9.8], '0 2 4 6 8 10'), ([41.2, 43.9], '41 42 43 44'), ([0.31, 0.42],
     '0.30 0.35 0.40 0.45'), ([-1, 1], '-1.0 -0.5 0.0 0.5 1.0'), ([100, 400],
     '100 200 300 400'), ([5, 5], '5 6'), ([0, 0], '0.0 0.2')])
def test_ticks_are_round_and_enclose_the_values(values: list[float], ticks: str) -> None:
    axis = even_axis('', values)
    assert ' '.join(text for _, text in axis.ticks) == ticks
    assert [value for value, _ in axis.ticks] == pytest.approx(list(map(float, ticks.split())))


def test_points_lie_where_the_axes_say(tmp_path: Path) -> None:
    across = Axis('eps', ((0.5, '0.5'), (1.0, '1'), (1.5, 'none')))
    up = Axis('percent', ((20, '20'), (60, '60')))
    places = np.array([0.5, 1.0, 1.5])
    chart = Chart(across, up, [Line('AP', RED, places, np.array([20., 30, 60]), dots=True)],
                  [Line('', BLUE, places, np.array([50., 50, 50]))])
    draw_charts(tmp_path / 'two.png', [chart, chart])
    with Image.open(tmp_path / 'two.png') as image:
        pixels = np.asarray(image).astype(int)
    one, two = np.split(pixels, 2, axis=1)
    np.testing.assert_array_equal(one, two)
    near = DOT - 2
    for part, height in ((0, 0), (0.5, 0.25), (1, 1)):
        x, y = round(LEFT + part * SIDE), round(TOP + (1 - height) * SIDE)
        dot = one[y - near:y + near, x - near:x + near]
        assert np.abs(dot - RED).max() < 20
    assert np.abs(one[TOP + SIDE // 4, LEFT + 100] - BLUE).max() < 40
    assert np.abs(one[TOP:TOP + 20, LEFT + SIDE + 20:LEFT + SIDE + 44] - RED).sum(2).min() < 40
    with pytest.raises(InputError, match='missing'):
        draw_charts(tmp_path / 'missing' / 'chart.png', [chart])
