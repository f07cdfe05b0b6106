"""Reports of studies: tables in Markdown, charts and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import math
from typing import Any

from mask3d_core.drawing.chart import Axis, Chart, Line, LINE_COLORS, linear_axis
from mask3d_core.evaluation.scores import AP_NAMES, Scores
from mask3d_core.evaluation.studies import SettingResult, Study
import numpy as np
from numpy.typing import NDArray

PERCENT = 'percent'


def format_study(study: Study, results: Sequence[SettingResult]) -> str:
    """Format scores, and seconds that depend on the setting, as a table; best scores are bold."""
    head = [study.label, *AP_NAMES, *(f'{stage}, s' for stage in study.stages)]
    scores = bold_best(np.array([result.scores.mean_ap for result in results]))
    return format_table(head, [
        [setting, *texts, *(f'{result.seconds[stage]:.3f}' for stage in study.stages)]
        for setting, texts, result in zip(study.settings, scores, results)])


def format_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a table in Markdown."""
    return '\n'.join('| ' + ' | '.join(cells) + ' |'
                     for cells in (head, ['---'] * len(head), *rows))


def bold_best(scores: NDArray[np.float64]) -> list[list[str]]:
    """Format scores in percent, the best of each column bold unless all are equal: [n, m]."""
    rounded = np.round(100 * scores, 1)
    bold = (rounded == rounded.max(axis=0)) & (rounded != rounded.min(axis=0))
    return [['-' if math.isnan(score) else f'**{score:.1f}**' if best else f'{score:.1f}'
             for score, best in zip(*row)] for row in zip(rounded, bold)]


def study_charts(study: Study, results: Sequence[SettingResult]) -> list[Chart]:
    """Return a chart of the scores, and one of the seconds if they depend on the setting."""
    across = Axis(study.label, tuple(zip(study.axis_values, study.settings)))
    scores = 100 * np.nan_to_num([result.scores.mean_ap for result in results])
    charts = [_chart(across, PERCENT, dict(zip(AP_NAMES, scores.T)))]
    if study.stages:
        charts.append(_chart(across, 'seconds', {
            stage: np.array([result.seconds[stage] for result in results])
            for stage in study.stages}))
    return charts


def study_list(study: Study, results: Sequence[SettingResult]) -> list[dict[str, Any]]:
    """Return scores (0..1, None for NaN) and median seconds as plain values for JSON."""
    rows = []
    for setting, result in zip(study.settings, results):
        rows.append({'setting': setting, **mean_scores(result.scores)})
        if study.stages:
            rows[-1]['seconds'] = {stage: round(time, 6)
                                   for stage, time in result.seconds.items()}
    return rows


def mean_scores(scores: Scores) -> dict[str, Any]:
    """Return mean and class-agnostic scores as plain values for JSON."""
    content = scores.to_dict()
    return {key: content[key] for key in ('mean', 'class_agnostic')}


def _chart(across: Axis, label: str, values: Mapping[str, NDArray[np.float64]]) -> Chart:
    x = np.array([place for place, _ in across.ticks])
    everything = np.concatenate(list(values.values()))
    return Chart(across, linear_axis(label, everything),
                 [Line(name, color, x, y, markers=True)
                  for color, (name, y) in zip(LINE_COLORS, values.items())])
