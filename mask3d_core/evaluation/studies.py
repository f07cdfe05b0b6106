"""
What a trained model does with other settings: the paper's studies (Fig. 3, Table VII).

A scan goes through the U-Net once, and the decoder and what follows answer it under one setting
after another.
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
from mask3d_core.model import Prediction, StepPrediction
from mask3d_core.scan import Scan
from mask3d_core.segmenter import Segmenter, Stopwatch
import numpy as np
import torch

QUERIES = (10, 25, 50, 100, 150, 200)
EPS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 0.0)
"""Metres; 0: no clustering."""


class View:
    """
    A scan after the U-Net.

    Attributes
    ----------
    scan : Scan
    voxels : Voxels
        On the device.
    seconds : dict of str to float
        What it took so far.

    """

    def __init__(self, segmenter: Segmenter, scan: Scan) -> None:
        watch = Stopwatch(segmenter.device)
        self.segmenter = segmenter
        self.scan, voxels = segmenter.prepare(scan, watch)
        self.voxels = voxels.to(segmenter.device)
        self._pyramid, self._levels = segmenter.encode(self.voxels, watch)
        self.seconds = watch.seconds

    def with_superpoints(self) -> Scan:
        """Return the scan with superpoints, which are found when they are first asked for."""
        if self.scan.segment is None:
            watch = Stopwatch(self.segmenter.device)
            with watch.stage('superpoints'):
                self.scan = self.segmenter.with_superpoints(self.scan, self.voxels.size)
            self.seconds |= watch.seconds
        return self.scan

    @torch.inference_mode()
    def decode(self, num_queries: int) -> tuple[Prediction, Mapping[str, float]]:
        """Return what so many queries say in the end, and the seconds of that."""
        watch = Stopwatch(self.segmenter.device)
        with watch.stage('decoder'):
            steps = self.segmenter.model.decode(self._levels, [self.voxels], self._pyramid,
                                                num_queries)
        return steps[-1][0], watch.seconds

    @torch.inference_mode()
    def refine(self, num_queries: int) -> list[StepPrediction]:
        """Return what so many queries say before the first step and after each."""
        steps = self.segmenter.model.refine(self._levels, [self.voxels], self._pyramid,
                                            num_queries)
        return [step[0] for step in steps]


Answer = tuple[Prediction, ExtractSettings, Mapping[str, float]]
"""Of the network under one setting, what is to become of it, and the decoder's seconds."""


@dataclass(frozen=True)
class Study:
    """
    One thing that is varied.

    Attributes
    ----------
    name : str
        For files.
    label : str
        What is varied, and its unit.
    settings : tuple of str
        As tables name them.
    places : tuple of float
        The same on an axis, ascending.
    answer : function of View
        Yields an answer for each setting.
    stages : tuple of str
        Those whose seconds depend on the setting; 'together' is the way from scan to instances.

    """

    name: str
    label: str
    settings: tuple[str, ...]
    places: tuple[float, ...]
    answer: Callable[[View], Iterator[Answer]]
    stages: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Outcome:
    """
    What came of one setting.

    Attributes
    ----------
    scores : Scores
    seconds : dict of str to float
        Median over the scans of each stage, and of all 'together'.

    """

    scores: Scores
    seconds: dict[str, float]


def vary_queries(segmenter: Segmenter, settings: ExtractSettings,
                 counts: Sequence[int] = QUERIES) -> Study:
    """
    Study how many queries are worth their time (Fig. 3, left).

    Raises
    ------
    InputError
        If the queries are learned: their number is fixed.

    """
    if segmenter.weights.model.queries == 'learned':
        raise InputError('these weights have learned queries, whose number cannot be changed: '
                         'leave this study out')
    counts = sorted(counts)

    def answer(view: View) -> Iterator[Answer]:
        view.decode(counts[0])  # the first run is slower, with whatever number of queries
        for count in counts:
            prediction, seconds = view.decode(count)
            yield prediction, settings, seconds

    return Study('queries', 'queries', tuple(map(str, counts)), tuple(map(float, counts)), answer,
                 ('decoder', 'together'))


def vary_steps(segmenter: Segmenter, settings: ExtractSettings) -> Study:
    """Study what each refinement step adds, all seen in one run of the decoder (Fig. 3, right)."""
    model = segmenter.weights.model
    numbers = range(model.num_rounds * len(model.levels) + 1)

    def answer(view: View) -> Iterator[Answer]:
        for step in view.refine(segmenter.num_queries):
            yield Prediction(step.class_logits, step.mask_logits), settings, {}

    return Study('steps', 'refinement steps', tuple(map(str, numbers)),
                 tuple(map(float, numbers)), answer)


def vary_eps(segmenter: Segmenter, settings: ExtractSettings,
             distances: Sequence[float] = EPS) -> Study:
    """
    Study how far apart the parts of a mask may be (Table VII).

    Parameters
    ----------
    segmenter, settings
    distances : sequence of float
        Metres; 0 stands for none, which is as good as infinitely far and comes last.

    """
    ascending = sorted(distances, key=lambda distance: distance or np.inf)
    last = max(distances)
    gap = 0.1 * (last or 1.0)

    def answer(view: View) -> Iterator[Answer]:
        prediction, seconds = view.decode(segmenter.num_queries)
        for distance in ascending:
            yield prediction, replace(settings, dbscan_eps=distance), seconds

    return Study('eps', 'DBSCAN eps, m', tuple(str(float(d)) if d else 'none' for d in ascending),
                 tuple(d or last + gap for d in ascending), answer, ('clustering',))


def run_studies(segmenter: Segmenter, dataset: Dataset, names: Sequence[str],
                studies: Sequence[Study], protocol: Protocol,
                on_scan: Callable[[str], None] | None = None) -> list[list[Outcome]]:
    """
    Segment scans of a data set under every setting of some studies.

    Parameters
    ----------
    segmenter : Segmenter
    dataset : Dataset
    names : sequence of str
        Its scans.
    studies : sequence of Study
    protocol : Protocol
    on_scan : function of name, optional
        Called after each scan.

    Returns
    -------
    For each study an outcome for each setting

    Raises
    ------
    InputError
        If weights and data set disagree about classes, or a scan does not suit the weights.

    """
    check_classes(segmenter.weights.classes, dataset.classes)
    trials = [[_Trial(Evaluation(dataset.classes, protocol)) for _ in study.settings]
              for study in studies]
    for name in names:
        labelled = dataset.read(name)
        truth = block_truth(dataset, labelled)
        with (file_errors(dataset.path(name)),
              guard_memory('for this scan: use fewer queries, or weights with larger voxels')):
            view = View(segmenter, labelled.scan)
            for study, row in zip(studies, trials):
                for trial, answer in zip(row, study.answer(view)):
                    trial.add(view, truth, answer)
        if on_scan is not None:
            on_scan(name)
    return [[trial.outcome() for trial in row] for row in trials]


class _Trial:
    """What came of one setting so far."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        self.seconds: list[dict[str, float]] = []

    def add(self, view: View, truth: Truth, answer: Answer) -> None:
        """Turn an answer into instances and compare them with the truth."""
        prediction, settings, decoder = answer
        scan = view.with_superpoints() if settings.superpoints else view.scan
        found = view.segmenter.extract(prediction, view.voxels, scan, settings)
        self.evaluation.add(found, truth)
        seconds = {**view.seconds, **decoder, **found.seconds}
        self.seconds.append({**seconds, 'together': sum(seconds.values())})

    def outcome(self) -> Outcome:
        stages = dict.fromkeys(stage for scan in self.seconds for stage in scan)
        return Outcome(self.evaluation.scores(), {
            stage: float(np.median([scan.get(stage, 0.0) for scan in self.seconds]))
            for stage in stages})
