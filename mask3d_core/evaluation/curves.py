"""A picture of precision-recall curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mask3d_core.evaluation.average_precision import Curve
from mask3d_core.evaluation.scores import Scores
from mask3d_core.files.source import naming
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

SCALE = 2
"""Drawn this many times larger, then shrunk: smooth lines."""
LEFT, TOP, SIDE, LEGEND, ROW = 60, 40, 480, 260, 20
"""Margins, side of the square, width of the legend and height of its rows, in pixels."""
MOST = 22
"""Classes whose curves can still be told apart; of more, only means over groups are named."""
GREY, BLACK = (215, 215, 215), (30, 30, 30)
RECALL = np.linspace(0, 1, 101)

Line = tuple[str, tuple[int, int, int], NDArray[np.float64]]


def draw_curves(path: Path, scores: Scores) -> None:
    """
    Draw precision over recall at IoU 0.5: each class in its colour, and the mean in black.

    Precision is drawn as usual, as the best one at this recall or a higher one.

    Raises
    ------
    InputError
        If the file cannot be written.

    """
    image = Image.new('RGB', (SCALE * (LEFT + SIDE + 20 + LEGEND), SCALE * (TOP + SIDE + 60)),
                      'white')
    draw = ImageDraw.Draw(image)
    _draw_axes(draw)
    lines, faint = _lines(scores)
    for precision in faint:
        _draw_line(draw, precision, GREY, 1)
    for _, color, precision in lines:
        _draw_line(draw, precision, color, 3 if color == BLACK else 2)
    for row, (name, color, _) in enumerate(lines):
        y = TOP + ROW * row
        draw.line(_scaled([(LEFT + SIDE + 20, y + 10), (LEFT + SIDE + 44, y + 10)]), color,
                  3 * SCALE)
        _write(draw, (LEFT + SIDE + 52, y + 10), name, 'lm')
    image = image.resize((image.width // SCALE, image.height // SCALE), Image.Resampling.LANCZOS)
    with naming(path):
        image.save(path)


def _lines(scores: Scores) -> tuple[list[Line], list[NDArray[np.float64]]]:
    """Return the lines that are named, and those that only show the spread."""
    known = {row: _resample(curve) for row, curve in enumerate(scores.curves)
             if curve is not None}
    if not known:
        return [], []
    table = scores.classes
    mean: Line = (f'mean of {len(known)}: AP50 {100 * scores.mean_ap[1]:.1f}', BLACK,
                  np.mean(list(known.values()), axis=0))
    if len(known) <= MOST:
        return [(f'{table.names[row]}: {100 * scores.ap[row, 1]:.1f}', table.colors[row], line)
                for row, line in known.items()] + [mean], []
    colors = [(31, 119, 180), (214, 130, 14), (44, 140, 44)]
    groups = [(name, color, [known[row] for row in scores.rows(name) if row in known])
              for name, color in zip(scores.groups, colors)]
    return [(f'{name}: {100 * scores.groups[name][1]:.1f}', color, np.mean(members, axis=0))
            for name, color, members in groups if members] + [mean], list(known.values())


def _resample(curve: Curve) -> NDArray[np.float64]:
    """Return at each of `RECALL` the best precision there or beyond, 0 where it ends."""
    recall, precision = curve.recall[:-1][::-1], curve.precision[:-1][::-1]   # recall ascending
    best = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return best[np.searchsorted(recall, RECALL - 1e-9)]


def _draw_axes(draw: ImageDraw.ImageDraw) -> None:
    for tick in range(6):
        part = tick / 5
        x, y = LEFT + part * SIDE, TOP + (1 - part) * SIDE
        draw.line(_scaled([(x, TOP), (x, TOP + SIDE)]), GREY, SCALE)
        draw.line(_scaled([(LEFT, y), (LEFT + SIDE, y)]), GREY, SCALE)
        _write(draw, (x, TOP + SIDE + 14), f'{part:.1f}', 'mm')
        _write(draw, (LEFT - 10, y), f'{part:.1f}', 'rm')
    _write(draw, (LEFT + SIDE / 2, TOP + SIDE + 38), 'recall', 'mm')
    _write(draw, (LEFT, TOP - 20), 'precision at IoU 0.5', 'lm')


def _draw_line(draw: ImageDraw.ImageDraw, precision: NDArray[np.float64],
               color: tuple[int, int, int], width: int) -> None:
    places = zip((LEFT + RECALL * SIDE).tolist(), (TOP + (1 - precision) * SIDE).tolist())
    draw.line(_scaled(list(places)), color, width * SCALE, joint='curve')


def _write(draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, anchor: str) -> None:
    draw.text((SCALE * place[0], SCALE * place[1]), text, BLACK,
              ImageFont.load_default(13 * SCALE), anchor)


def _scaled(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(SCALE * x, SCALE * y) for x, y in places]
