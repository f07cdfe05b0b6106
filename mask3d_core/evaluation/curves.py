"""Draw precision-recall curves."""

from __future__ import annotations

from pathlib import Path

from mask3d_core.drawing.chart import Axis, BLACK, Chart, draw_charts, GREY, Line, LINE_COLORS
from mask3d_core.evaluation.average_precision import Curve
from mask3d_core.evaluation.scores import Scores
import numpy as np
from numpy.typing import NDArray

MAX_CLASS_CURVES = 22
"""Most classes with a curve each in the legend; with more, only means over groups have one."""
RECALL = np.linspace(0, 1, 101)
"""Recalls at which curves are sampled."""
TICKS = tuple((tick / 5, f'{tick / 5:.1f}') for tick in range(6))


def draw_curves(path: Path, scores: Scores) -> None:
    """
    Draw precision over recall at IoU 0.5: each class in its colour, and the mean in black.

    Precision is interpolated as usual: the best one at this recall or a higher one.

    Raises
    ------
    InputError
        If the file cannot be written.

    """
    lines, faint = _lines(scores)
    draw_charts(path, [Chart(Axis('recall', TICKS), Axis('precision at IoU 0.5', TICKS), lines,
                             faint)])


def _lines(scores: Scores) -> tuple[list[Line], list[Line]]:
    """Return the lines of the legend, and faint lines that only show the spread."""
    known = {row: _resample(curve) for row, curve in enumerate(scores.curves)
             if curve is not None}
    if not known:
        return [], []
    table = scores.classes
    mean = Line(f'mean of {len(known)}: AP50 {100 * scores.mean_ap[1]:.1f}', BLACK, RECALL,
                np.mean(list(known.values()), axis=0), width=3)
    if len(known) <= MAX_CLASS_CURVES:
        return [Line(f'{table.names[row]}: {100 * scores.ap[row, 1]:.1f}', table.colors[row],
                     RECALL, precision) for row, precision in known.items()] + [mean], []
    groups = [(name, color, [known[row] for row in scores.rows(name) if row in known])
              for name, color in zip(scores.groups, LINE_COLORS)]
    return ([Line(f'{name}: {100 * scores.groups[name][1]:.1f}', color, RECALL,
                  np.mean(members, axis=0)) for name, color, members in groups if members]
            + [mean], [Line('', GREY, RECALL, precision, width=1)
                       for precision in known.values()])


def _resample(curve: Curve) -> NDArray[np.float64]:
    """Sample a curve: at each of `RECALL` the best precision there or beyond, 0 after its end."""
    recall, precision = curve.recall[:-1][::-1], curve.precision[:-1][::-1]   # recall ascending
    best = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return best[np.searchsorted(recall, RECALL - 1e-9)]
