"""Charts: lines over two axes, with a legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math
from pathlib import Path

from mask3d_core.files.source import naming
import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

SCALE = 2
"""Drawn this many times larger, then shrunk: smooth lines."""
LEFT, TOP, SIDE, LEGEND, ROW = 60, 40, 480, 260, 20
"""Margins, side of the square, width of the legend and height of its rows, in pixels."""
DOT = 4
"""Radius of a measured point, in pixels."""
GREY, BLACK = (215, 215, 215), (30, 30, 30)
COLORS = ((31, 119, 180), (214, 130, 14), (44, 140, 44))
"""Of lines that have no colour of their own."""


@dataclass(frozen=True)
class Axis:
    """
    One side of the square.

    Attributes
    ----------
    label : str
    ticks : pairs of float and str
        Values and what is written there, ascending; the axis reaches from the first to the last.

    """

    label: str
    ticks: tuple[tuple[float, str], ...]

    def part(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return where values lie on the axis, 0 at its beginning and 1 at its end."""
        low, high = self.ticks[0][0], self.ticks[-1][0]
        return (np.asarray(values, np.float64) - low) / ((high - low) or 1.0)


@dataclass(frozen=True, eq=False)
class Line:
    """
    A line of n points.

    Attributes
    ----------
    name : str
        For the legend.
    color : 3 integers 0..255
    x, y : [n] float64
    width : int
        Pixels.
    dots : bool
        Whether the points are marked, as where nothing is known between them.

    """

    name: str
    color: tuple[int, int, int]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    width: int = 2
    dots: bool = False


@dataclass(frozen=True, eq=False)
class Chart:
    """
    What one square shows.

    Attributes
    ----------
    across, up : Axis
    lines : sequence of Line
        The later ones lie on top.
    faint : sequence of Line
        Below all others, and not in the legend.

    """

    across: Axis
    up: Axis
    lines: Sequence[Line]
    faint: Sequence[Line] = ()


def even_axis(label: str, values: ArrayLike) -> Axis:
    """Return an axis for some finite values, with about five round ticks."""
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
    Draw charts side by side into a .png.

    Raises
    ------
    InputError
        If the file cannot be written.

    """
    width, height = LEFT + SIDE + 20 + LEGEND, TOP + SIDE + 60
    picture = Image.new('RGB', (width * len(charts), height), 'white')
    for place, chart in enumerate(charts):
        image = Image.new('RGB', (SCALE * width, SCALE * height), 'white')
        _draw(ImageDraw.Draw(image), chart)
        picture.paste(image.resize((width, height), Image.Resampling.LANCZOS), (place * width, 0))
    with naming(path):
        picture.save(path)


def _draw(draw: ImageDraw.ImageDraw, chart: Chart) -> None:
    _draw_axes(draw, chart)
    for line in (*chart.faint, *chart.lines):
        _draw_line(draw, chart, line)
    for row, line in enumerate(chart.lines):
        y = TOP + ROW * row
        draw.line(_scaled([(LEFT + SIDE + 20, y + 10), (LEFT + SIDE + 44, y + 10)]), line.color,
                  3 * SCALE)
        _write(draw, (LEFT + SIDE + 52, y + 10), line.name, 'lm')


def _draw_axes(draw: ImageDraw.ImageDraw, chart: Chart) -> None:
    for tick, text in chart.across.ticks:
        x = LEFT + float(chart.across.part(tick)) * SIDE
        draw.line(_scaled([(x, TOP), (x, TOP + SIDE)]), GREY, SCALE)
        _write(draw, (x, TOP + SIDE + 14), text, 'mm')
    for tick, text in chart.up.ticks:
        y = TOP + (1 - float(chart.up.part(tick))) * SIDE
        draw.line(_scaled([(LEFT, y), (LEFT + SIDE, y)]), GREY, SCALE)
        _write(draw, (LEFT - 10, y), text, 'rm')
    _write(draw, (LEFT + SIDE / 2, TOP + SIDE + 38), chart.across.label, 'mm')
    _write(draw, (LEFT, TOP - 20), chart.up.label, 'lm')


def _draw_line(draw: ImageDraw.ImageDraw, chart: Chart, line: Line) -> None:
    places = _scaled(list(zip((LEFT + chart.across.part(line.x) * SIDE).tolist(),
                              (TOP + (1 - chart.up.part(line.y)) * SIDE).tolist())))
    draw.line(places, line.color, line.width * SCALE, joint='curve')
    for x, y in places if line.dots else ():
        draw.ellipse((x - DOT * SCALE, y - DOT * SCALE, x + DOT * SCALE, y + DOT * SCALE),
                     line.color)


def _write(draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, anchor: str) -> None:
    draw.text((SCALE * place[0], SCALE * place[1]), text, BLACK,
              ImageFont.load_default(13 * SCALE), anchor)


def _scaled(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(SCALE * x, SCALE * y) for x, y in places]
