"""Ablation studies: compare runs trained with one setting changed (paper, Table IV)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
import itertools
from pathlib import Path
from typing import Any

from mask3d_core.errors import InputError
from mask3d_core.evaluation.scores import AP_NAMES, Scores
from mask3d_core.evaluation.study_report import bold_best, format_table, mean_scores
from mask3d_core.training.config import differences, load_config, TrainConfig
from mask3d_core.training.run_folder import CONFIG, LAST
from mask3d_core.weights.checkpoint import load_weights
import numpy as np

VARIED_KEYS = ('model.queries', 'loss.masks', 'loss.dice', 'seed')
"""Keys in which the runs may differ; runs that differ only in the seed are averaged."""


@dataclass(frozen=True)
class Variant:
    """
    One row of Table IV.

    Attributes
    ----------
    name : str
    paper : float
        AP on ScanNet that the paper reports, percent.

    """

    name: str
    paper: float


BOTH_LOSSES = Variant('cross entropy and dice', 40.6)
ZERO_QUERIES = Variant('FPS, zeros', 40.6)
QUERY_VARIANTS = {'learned': Variant('learned', 39.7), 'fps_zero': ZERO_QUERIES,
           'fps_feature': Variant('FPS, features', 38.4)}
LOSS_VARIANTS = {(True, False): Variant('cross entropy', 27.0),
                 (False, True): Variant('dice', 38.0), (True, True): BOTH_LOSSES}
"""By whether the weights of cross entropy and of dice are above 0."""


@dataclass(frozen=True)
class TrainedRun:
    """
    A finished training run.

    Attributes
    ----------
    folder : Path
    config : TrainConfig

    """

    folder: Path
    config: TrainConfig

    @property
    def weights(self) -> Path:
        """Return its last weights: best weights favor the run that was validated most often."""
        return self.folder / LAST

    @property
    def queries(self) -> Variant:
        """Return how its queries are initialized."""
        return QUERY_VARIANTS[self.config.model.queries]

    @property
    def loss(self) -> Variant:
        """Return which mask losses it was trained with."""
        return LOSS_VARIANTS[self.config.loss.masks > 0, self.config.loss.dice > 0]


def open_runs(folders: Sequence[Path]) -> list[TrainedRun]:
    """
    Read the configurations of training runs that are to be compared.

    Raises
    ------
    InputError
        If a folder holds no run or no weights, or if the runs differ in other keys than
        `VARIED_KEYS`, or in none.

    """
    runs = [TrainedRun(folder, load_config(folder / CONFIG)) for folder in folders]
    for run in runs[1:]:
        others = [text for text in differences(run.config, runs[0].config)
                  if text.split()[0] not in VARIED_KEYS]
        if others:
            raise InputError(f'{run.folder} was trained with {", ".join(others)} as in '
                             f'{runs[0].folder}: compare runs that differ only in '
                             f'{", ".join(VARIED_KEYS)}')
    for name in ('masks', 'dice'):
        weights = sorted({getattr(run.config.loss, name) for run in runs} - {0})
        if len(weights) > 1:
            raise InputError(f'the runs were trained with loss.{name} '
                             f'{", ".join(map(str, weights))}: compare runs in which it is one '
                             'number, or 0')
    for run in runs:
        load_weights(run.weights)  # fail now, not after hours of evaluating the runs before
    if not _tables(runs):
        raise InputError('expected runs with different queries (model.queries), or with '
                         'model.queries fps_zero and different mask losses (loss.masks or '
                         'loss.dice 0), got ' + ', '.join(map(str, folders)))
    return runs


def format_ablations(measured: Sequence[tuple[TrainedRun, Scores]]) -> str:
    """Return parts (a) and (b) of Table IV, with the rows for which there is a run."""
    return '\n\n'.join(
        _format_variants(name, {variant: [measured[row][1] for row in rows]
                                for variant, rows in lines.items()})
        for name, lines in _tables([run for run, _ in measured]))


def _tables(runs: Sequence[TrainedRun]) -> list[tuple[str, dict[Variant, list[int]]]]:
    """Return the parts of Table IV with more than one row, and the indices of each row's runs."""
    queries, losses = defaultdict(list), defaultdict(list)
    for row, run in enumerate(runs):
        if run.loss == BOTH_LOSSES:
            queries[run.queries].append(row)
        if run.queries == ZERO_QUERIES:
            losses[run.loss].append(row)
    return [(name, lines) for name, lines in (('queries', queries), ('mask loss', losses))
            if len(lines) > 1]


def _format_variants(name: str, group: Mapping[Variant, Sequence[Scores]]) -> str:
    """Return a table, the paper's best first, and where our order differs from the paper's."""
    variants = sorted(group, key=lambda variant: -variant.paper)
    scores = np.array([np.mean([[*run.mean_ap, *run.agnostic] for run in group[variant]], axis=0)
                       for variant in variants])
    head = [name, *AP_NAMES, *(f'{measure} without classes' for measure in AP_NAMES), 'runs',
            "the paper's AP"]
    table = format_table(head, [
        [variant.name, *texts, str(len(group[variant])), f'{variant.paper:.1f}']
        for variant, texts in zip(variants, bold_best(scores))])
    return f'{table}\n\n{_compare_order(variants, np.round(100 * scores[:, :3], 1).tolist())}'


def _compare_order(variants: Sequence[Variant], reached: Sequence[list[float]]) -> str:
    """List the variants, the paper's best first, whose order by AP, AP50, AP25 differs."""
    notes = []
    for row, later in itertools.combinations(range(len(variants)), 2):
        if reached[later] >= reached[row]:
            place = 'before' if reached[later] > reached[row] else 'as good as'
            notes.append(f'{variants[later].name} {place} {variants[row].name}')
    return f'Unlike in the paper: {"; ".join(notes)}.' if notes else "The paper's order."


def ablation_list(measured: Sequence[tuple[TrainedRun, Scores]]) -> list[dict[str, Any]]:
    """Return settings and mean scores of each run, for JSON."""
    return [{'run': str(run.folder), 'queries': run.config.model.queries,
             'loss': asdict(run.config.loss), 'seed': run.config.seed, **mean_scores(scores)}
            for run, scores in measured]
