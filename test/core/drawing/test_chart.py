"""Axes, and the positions of lines in charts."""

from pathlib import Path

from mask3d_core.drawing.chart import (
    Axis,
    Chart,
    draw_charts,
    Line,
    linear_axis,
    MARKER_RADIUS,
    PLOT_LEFT,
    PLOT_SIZE,
    PLOT_TOP,
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
    axis = linear_axis('', values)
    assert ' '.join(text for _, text in axis.ticks) == ticks
    assert [value for value, _ in axis.ticks] == pytest.approx(list(map(float, ticks.split())))


def test_points_are_drawn_at_their_axis_positions(tmp_path: Path) -> None:
    across = Axis('eps', ((0.5, '0.5'), (1.0, '1'), (1.5, 'none')))
    up = Axis('percent', ((20, '20'), (60, '60')))
    places = np.array([0.5, 1.0, 1.5])
    chart = Chart(across, up, [Line('AP', RED, places, np.array([20., 30, 60]), markers=True)],
                  [Line('', BLUE, places, np.array([50., 50, 50]))])
    draw_charts(tmp_path / 'two.png', [chart, chart])
    with Image.open(tmp_path / 'two.png') as image:
        pixels = np.asarray(image).astype(int)
    one, two = np.split(pixels, 2, axis=1)
    np.testing.assert_array_equal(one, two)
    near = MARKER_RADIUS - 2
    for part, height in ((0, 0), (0.5, 0.25), (1, 1)):
        x, y = round(PLOT_LEFT + part * PLOT_SIZE), round(PLOT_TOP + (1 - height) * PLOT_SIZE)
        dot = one[y - near:y + near, x - near:x + near]
        assert np.abs(dot - RED).max() < 20
    assert np.abs(one[PLOT_TOP + PLOT_SIZE // 4, PLOT_LEFT + 100] - BLUE).max() < 40
    right = PLOT_LEFT + PLOT_SIZE
    legend = one[PLOT_TOP:PLOT_TOP + 20, right + 20:right + 44]
    assert np.abs(legend - RED).sum(2).min() < 40
    with pytest.raises(InputError, match='missing'):
        draw_charts(tmp_path / 'missing' / 'chart.png', [chart])
