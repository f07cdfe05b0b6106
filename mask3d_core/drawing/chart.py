"""Line charts with two axes and a legend, drawn with Pillow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math
from pathlib import Path

from mask3d_core.files.source import file_errors
import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

OVERSAMPLING = 2
"""Charts are drawn this many times larger and downsampled, which smooths lines."""
PLOT_LEFT, PLOT_TOP, PLOT_SIZE, LEGEND_WIDTH, LEGEND_ROW_HEIGHT = 60, 40, 480, 260, 20
"""Pixels; the plot is a square."""
MARKER_RADIUS = 4
"""Pixels."""
GREY, BLACK = (215, 215, 215), (30, 30, 30)
LINE_COLORS = ((31, 119, 180), (214, 130, 14), (44, 140, 44))
"""For lines without a class colour."""


@dataclass(frozen=True)
class Axis:
    """
    An axis of a chart.

    Attributes
    ----------
    label : str
    ticks : pairs of float and str
        Values and their labels, ascending; the axis ranges from the first to the last.

    """

    label: str
    ticks: tuple[tuple[float, str], ...]

    def position(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return the relative positions of values on the axis: 0 at its start, 1 at its end."""
        low, high = self.ticks[0][0], self.ticks[-1][0]
        return (np.asarray(values, np.float64) - low) / ((high - low) or 1.0)


@dataclass(frozen=True, eq=False)
class Line:
    """
    A line through n points.

    Attributes
    ----------
    name : str
        For the legend.
    color : 3 integers 0..255
    x, y : [n] float64
    width : int
        Pixels.
    dots : bool
        Whether the points are marked, for values measured at these points only.

    """

    name: str
    color: tuple[int, int, int]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    width: int = 2
    markers: bool = False


@dataclass(frozen=True, eq=False)
class Chart:
    """
    A line chart.

    Attributes
    ----------
    x_axis, y_axis : Axis
    lines : sequence of Line
        Later ones are drawn on top.
    background_lines : sequence of Line
        Drawn below all others and not listed in the legend.

    """

    x_axis: Axis
    y_axis: Axis
    lines: Sequence[Line]
    background_lines: Sequence[Line] = ()


def linear_axis(label: str, values: ArrayLike) -> Axis:
    """Return an axis that covers finite values, with about five round ticks."""
    low, high = float(np.min(values)), float(np.max(values))
    rough = ((high - low) or abs(high) or 1.0) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= 0.999 * rough)
    first = math.floor(low / step + 1e-6)
    last = max(math.ceil(high / step - 1e-6), first + 1)
    decimals = max(0, -math.floor(math.log10(step) + 1e-6))
    return Axis(label, tuple((tick * step, f'{tick * step:.{decimals}f}')
                             for tick in range(first, last + 1)))


def draw_charts(path: Path, charts: Sequence[Chart]) -> None:
    """
    Draw charts side by side into a .png file.

    Raises
    ------
    InputError
        If the file cannot be written.

    """
    width, height = PLOT_LEFT + PLOT_SIZE + 20 + LEGEND_WIDTH, PLOT_TOP + PLOT_SIZE + 60
    picture = Image.new('RGB', (width * len(charts), height), 'white')
    for place, chart in enumerate(charts):
        image = Image.new('RGB', (OVERSAMPLING * width, OVERSAMPLING * height), 'white')
        _draw(ImageDraw.Draw(image), chart)
        picture.paste(image.resize((width, height), Image.Resampling.LANCZOS), (place * width, 0))
    with file_errors(path):
        picture.save(path)


def _draw(draw: ImageDraw.ImageDraw, chart: Chart) -> None:
    _draw_axes(draw, chart)
    for line in (*chart.background_lines, *chart.lines):
        _draw_line(draw, chart, line)
    for row, line in enumerate(chart.lines):
        y = PLOT_TOP + LEGEND_ROW_HEIGHT * row
        x = PLOT_LEFT + PLOT_SIZE + 20
        draw.line(_scaled([(x, y + 10), (x + 24, y + 10)]), line.color, 3 * OVERSAMPLING)
        _write(draw, (x + 32, y + 10), line.name, 'lm')


def _draw_axes(draw: ImageDraw.ImageDraw, chart: Chart) -> None:
    for tick, text in chart.x_axis.ticks:
        x = PLOT_LEFT + float(chart.x_axis.position(tick)) * PLOT_SIZE
        draw.line(_scaled([(x, PLOT_TOP), (x, PLOT_TOP + PLOT_SIZE)]), GREY, OVERSAMPLING)
        _write(draw, (x, PLOT_TOP + PLOT_SIZE + 14), text, 'mm')
    for tick, text in chart.y_axis.ticks:
        y = PLOT_TOP + (1 - float(chart.y_axis.position(tick))) * PLOT_SIZE
        draw.line(_scaled([(PLOT_LEFT, y), (PLOT_LEFT + PLOT_SIZE, y)]), GREY, OVERSAMPLING)
        _write(draw, (PLOT_LEFT - 10, y), text, 'rm')
    middle, bottom = PLOT_LEFT + PLOT_SIZE / 2, PLOT_TOP + PLOT_SIZE
    _write(draw, (middle, bottom + 38), chart.x_axis.label, 'mm')
    _write(draw, (PLOT_LEFT, PLOT_TOP - 20), chart.y_axis.label, 'lm')


def _draw_line(draw: ImageDraw.ImageDraw, chart: Chart, line: Line) -> None:
    x = PLOT_LEFT + chart.x_axis.position(line.x) * PLOT_SIZE
    y = PLOT_TOP + (1 - chart.y_axis.position(line.y)) * PLOT_SIZE
    pixels = _scaled(list(zip(x.tolist(), y.tolist())))
    draw.line(pixels, line.color, line.width * OVERSAMPLING, joint='curve')
    radius = MARKER_RADIUS * OVERSAMPLING
    for column, row in pixels if line.markers else ():
        draw.ellipse((column - radius, row - radius, column + radius, row + radius), line.color)


def _write(draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, anchor: str) -> None:
    draw.text((OVERSAMPLING * place[0], OVERSAMPLING * place[1]), text, BLACK,
              ImageFont.load_default(13 * OVERSAMPLING), anchor)


def _scaled(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(OVERSAMPLING * x, OVERSAMPLING * y) for x, y in places]
