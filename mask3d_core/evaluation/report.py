"""Reports of an evaluation: a text table and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import json
import math
from pathlib import Path
from typing import Any

from mask3d_core.evaluation.scores import AP_NAMES, RATE_NAMES, Scores
from mask3d_core.files.target import atomic_write
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class RunTime:
    """
    Run time and memory of segmenting the scans.

    Attributes
    ----------
    median, p95 : dict of str to float
        Seconds of each stage and their sum, 'together'; median and percentile over the scans.
    peak_bytes : int
        Peak memory of the process, or of the GPU.
    device : str

    """

    median: dict[str, float]
    p95: dict[str, float]
    peak_bytes: int
    device: str


def measure_run_time(seconds: Sequence[Mapping[str, float]], peak_bytes: int, device: str,
                     ) -> RunTime:
    """Summarize the `Instances.seconds` of one or more scans."""
    runs = [{**run, 'together': sum(run.values())} for run in seconds]
    stages = {stage: [run.get(stage, 0.0) for run in runs]  # a scan may skip stages
              for stage in dict.fromkeys(stage for run in runs for stage in run)}
    return RunTime({stage: float(np.median(times)) for stage, times in stages.items()},
                {stage: float(np.percentile(times, 95)) for stage, times in stages.items()},
                peak_bytes, device)


def format_table(scores: Scores) -> str:
    """Format scores as a text table, in percent; '-' for classes without objects."""
    rates = scores.rates is not None
    lines = [_line('percent', 'objects', [*AP_NAMES, *(RATE_NAMES if rates else ())])]
    for row, name in enumerate(scores.classes.names):
        values = [*scores.ap[row], *(scores.rates[row] if scores.rates is not None else ())]
        lines.append(_line(name, str(scores.objects[row]), _percent(values)))
    known = int(np.count_nonzero(~np.isnan(scores.ap[:, 0])))
    mean = [*scores.mean_ap, *(scores.mean_rates if scores.mean_rates is not None else ())]
    lines += ['-' * len(lines[0]),
              _line(f'mean of {known} class{"" if known == 1 else "es"}',
                    str(scores.objects.sum()), _percent(mean))]
    for name, ap in scores.groups.items():
        lines.append(_line(f'mean of {name}', '', _percent(ap)))
    lines.append(_line('class-agnostic', '', _percent(scores.agnostic)))
    return '\n'.join(lines)


def format_run_time(run_time: RunTime) -> str:
    """Format run time and memory as text."""
    stages = ', '.join(f'{stage} {run_time.median[stage]:.3f} / {run_time.p95[stage]:.3f}'
                       for stage in run_time.median)
    return (f'seconds a scan on {run_time.device}, median / 95th percentile: {stages}\n'
            f'peak memory: {run_time.peak_bytes / 1e6:.0f} MB')


def write_scores_json(path: Path, scores: Scores, about: Mapping[str, Any],
                      run_time: RunTime | None = None) -> None:
    """
    Write scores (0..1, null for NaN) and the facts in `about`.

    Raises
    ------
    InputError
        If the file cannot be written.

    """
    content: dict[str, Any] = {**about, **scores.to_dict()}
    if run_time is not None:
        content['seconds'] = {stage: {'median': round(run_time.median[stage], 6),
                                      'p95': round(run_time.p95[stage], 6)}
                              for stage in run_time.median}
        content |= {'peak_bytes': run_time.peak_bytes, 'device': run_time.device}
    with atomic_write(path) as file:
        file.write((json.dumps(content, indent=1) + '\n').encode())


def _line(name: str, objects: str, values: Sequence[str]) -> str:
    return f'{name:24} {objects:>8} ' + ' '.join(f'{value:>9}' for value in values)


def _percent(values: Sequence[float] | NDArray[np.float64]) -> list[str]:
    return ['-' if math.isnan(value) else f'{100 * value:.1f}' for value in values]
