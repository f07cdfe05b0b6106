"""
Studies of one model under varied settings, as in the paper (Fig. 3, Table VII).

Each scan goes through the U-Net once; decoder and post-processing run once per setting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mask3d_core.data.dataset import Dataset
from mask3d_core.data.protocol import Protocol
from mask3d_core.device import guard_memory
from mask3d_core.errors import InputError
from mask3d_core.evaluation.dataset_evaluation import block_truth, check_classes
from mask3d_core.evaluation.evaluation import Evaluation
from mask3d_core.evaluation.ground_truth import Truth
from mask3d_core.evaluation.scores import Scores
from mask3d_core.extraction.postprocess import ExtractSettings
from mask3d_core.files.source import file_errors
from mask3d_core.inspection import EncodedScan
from mask3d_core.model import Prediction
from mask3d_core.segmenter import Segmenter
import numpy as np

QUERY_COUNTS = (10, 25, 50, 100, 150, 200)
EPS_VALUES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 0.0)
"""Metres; 0: no clustering."""


SettingPrediction = tuple[Prediction, ExtractSettings, Mapping[str, float]]
"""The prediction under one setting, its post-processing, and the decoder's seconds by stage."""


@dataclass(frozen=True)
class Study:
    """
    One setting to vary.

    Attributes
    ----------
    name : str
        For file names.
    label : str
        The setting and its unit.
    settings : tuple of str
        Its values, as text for tables.
    axis_values : tuple of float
        Its values as positions on a chart's axis, ascending.
    predict : function of EncodedScan
        Yields one `SettingPrediction` per value.
    stages : tuple of str
        Stages whose seconds depend on the setting; 'together' is the full pipeline.

    """

    name: str
    label: str
    settings: tuple[str, ...]
    axis_values: tuple[float, ...]
    predict: Callable[[EncodedScan], Iterator[SettingPrediction]]
    stages: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class SettingResult:
    """
    Scores and run time under one setting.

    Attributes
    ----------
    scores : Scores
    seconds : dict of str to float
        Of each stage and of their sum, 'together'; medians over the scans.

    """

    scores: Scores
    seconds: dict[str, float]


def vary_queries(segmenter: Segmenter, settings: ExtractSettings,
                 counts: Sequence[int] = QUERY_COUNTS) -> Study:
    """
    Vary the number of queries: scores against run time (Fig. 3, left).

    Raises
    ------
    InputError
        If the queries are learned, which fixes their number.

    """
    if segmenter.weights.model.queries == 'learned':
        raise InputError('these weights have learned queries, whose number cannot be changed: '
                         'leave this study out')
    counts = sorted(counts)

    def predict(encoded: EncodedScan) -> Iterator[SettingPrediction]:
        encoded.decode(counts[0])  # warm-up: the first run is slower, with any number of queries
        for count in counts:
            prediction, seconds = encoded.decode(count)
            yield prediction, settings, seconds

    return Study('queries', 'queries', tuple(map(str, counts)), tuple(map(float, counts)), predict,
                 ('decoder', 'together'))


def vary_steps(segmenter: Segmenter, settings: ExtractSettings) -> Study:
    """Score the prediction after each refinement step, from one decoder run (Fig. 3, right)."""
    model = segmenter.weights.model
    numbers = range(model.num_rounds * len(model.levels) + 1)

    def predict(encoded: EncodedScan) -> Iterator[SettingPrediction]:
        for step in encoded.refine(segmenter.num_queries):
            yield step.prediction, settings, {}

    return Study('steps', 'refinement steps', tuple(map(str, numbers)),
                 tuple(map(float, numbers)), predict)


def vary_eps(segmenter: Segmenter, settings: ExtractSettings,
             distances: Sequence[float] = EPS_VALUES) -> Study:
    """
    Vary the eps of the DBSCAN clustering of masks (Table VII).

    Parameters
    ----------
    segmenter, settings
    distances : sequence of float
        Metres; 0 is no clustering, which equals an infinite eps and therefore comes last.

    """
    ascending = sorted(distances, key=lambda distance: distance or np.inf)
    last = max(distances)
    gap = 0.1 * (last or 1.0)

    def predict(encoded: EncodedScan) -> Iterator[SettingPrediction]:
        prediction, seconds = encoded.decode(segmenter.num_queries)
        for distance in ascending:
            yield prediction, replace(settings, dbscan_eps=distance), seconds

    return Study('eps', 'DBSCAN eps, m', tuple(str(float(d)) if d else 'none' for d in ascending),
                 tuple(d or last + gap for d in ascending), predict, ('clustering',))


def run_studies(segmenter: Segmenter, dataset: Dataset, names: Sequence[str],
                studies: Sequence[Study], protocol: Protocol,
                on_scan: Callable[[str], None] | None = None) -> list[list[SettingResult]]:
    """
    Run studies: segment the scans of a data set under every setting.

    Parameters
    ----------
    segmenter : Segmenter
    dataset : Dataset
    names : sequence of str
        Names of the scans.
    studies : sequence of Study
    protocol : Protocol
    on_scan : function of name, optional
        Called after each scan.

    Returns
    -------
    For each study a result for each setting

    Raises
    ------
    InputError
        If weights and data set have different classes, or the weights cannot segment a scan.

    """
    check_classes(segmenter.weights.classes, dataset.classes)
    trials = [[_Trial(Evaluation(dataset.classes, protocol)) for _ in study.settings]
              for study in studies]
    for name in names:
        labelled = dataset.read(name)
        truth = block_truth(dataset, labelled)
        with (file_errors(dataset.path(name)),
              guard_memory('for this scan: use fewer queries, or weights with larger voxels')):
            encoded = EncodedScan(segmenter, labelled.scan,
                                  'studies look into the network: they')
            for study, row in zip(studies, trials):
                for trial, prediction in zip(row, study.predict(encoded)):
                    trial.add(encoded, truth, prediction)
        if on_scan is not None:
            on_scan(name)
    return [[trial.result() for trial in row] for row in trials]


class _Trial:
    """Scores and run time under one setting, accumulated scan by scan."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        self.seconds: list[dict[str, float]] = []

    def add(self, encoded: EncodedScan, truth: Truth, predicted: SettingPrediction) -> None:
        """Post-process a prediction into instances and evaluate them."""
        prediction, settings, decoder = predicted
        scan = encoded.with_superpoints() if settings.superpoints else encoded.scan
        instances = encoded.segmenter.extract(prediction, encoded.voxels, scan, settings)
        self.evaluation.add(instances, truth)
        seconds = {**encoded.seconds, **decoder, **instances.seconds}
        self.seconds.append({**seconds, 'together': sum(seconds.values())})

    def result(self) -> SettingResult:
        stages = dict.fromkeys(stage for scan in self.seconds for stage in scan)
        return SettingResult(self.evaluation.scores(), {
            stage: float(np.median([scan.get(stage, 0.0) for scan in self.seconds]))
            for stage in stages})
