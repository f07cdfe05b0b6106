"""Studies to read: tables in Markdown, charts, and what JSON holds of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import math
from typing import Any

from mask3d_core.drawing.chart import Axis, Chart, Line, LINE_COLORS, linear_axis
from mask3d_core.evaluation.scores import AP_NAMES, Scores
from mask3d_core.evaluation.studies import Outcome, Study
import numpy as np
from numpy.typing import NDArray

PERCENT = 'percent'


def format_study(study: Study, outcomes: Sequence[Outcome]) -> str:
    """Return the scores, and the seconds that depend on the setting; the best scores are bold."""
    head = [study.label, *AP_NAMES, *(f'{stage}, s' for stage in study.stages)]
    scores = bold_best(np.array([outcome.scores.mean_ap for outcome in outcomes]))
    return format_table(head, [
        [setting, *texts, *(f'{outcome.seconds[stage]:.3f}' for stage in study.stages)]
        for setting, texts, outcome in zip(study.settings, scores, outcomes)])


def format_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    return '\n'.join('| ' + ' | '.join(cells) + ' |'
                     for cells in (head, ['---'] * len(head), *rows))


def bold_best(scores: NDArray[np.float64]) -> list[list[str]]:
    """Write scores in percent, the best of each column bold unless all are alike: [n, m]."""
    rounded = np.round(100 * scores, 1)
    bold = (rounded == rounded.max(axis=0)) & (rounded != rounded.min(axis=0))
    return [['-' if math.isnan(score) else f'**{score:.1f}**' if best else f'{score:.1f}'
             for score, best in zip(*row)] for row in zip(rounded, bold)]


def study_charts(study: Study, outcomes: Sequence[Outcome]) -> list[Chart]:
    """Return the scores over the setting, and beside them the seconds if they depend on it."""
    across = Axis(study.label, tuple(zip(study.places, study.settings)))
    scores = 100 * np.nan_to_num([outcome.scores.mean_ap for outcome in outcomes])
    charts = [_chart(across, PERCENT, dict(zip(AP_NAMES, scores.T)))]
    if study.stages:
        charts.append(_chart(across, 'seconds', {
            stage: np.array([outcome.seconds[stage] for outcome in outcomes])
            for stage in study.stages}))
    return charts


def study_list(study: Study, outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Return what JSON can hold: scores, 0..1 with None for NaN, and median seconds."""
    rows = []
    for setting, outcome in zip(study.settings, outcomes):
        rows.append({'setting': setting, **mean_scores(outcome.scores)})
        if study.stages:
            rows[-1]['seconds'] = {stage: round(time, 6)
                                   for stage, time in outcome.seconds.items()}
    return rows


def mean_scores(scores: Scores) -> dict[str, Any]:
    """Return what JSON can hold of scores, without the classes."""
    content = scores.to_dict()
    return {key: content[key] for key in ('mean', 'class_agnostic')}


def _chart(across: Axis, label: str, values: Mapping[str, NDArray[np.float64]]) -> Chart:
    x = np.array([place for place, _ in across.ticks])
    everything = np.concatenate(list(values.values()))
    return Chart(across, linear_axis(label, everything),
                 [Line(name, color, x, y, markers=True)
                  for color, (name, y) in zip(LINE_COLORS, values.items())])
