"""The page of an evaluation: per scan what was missed and what was false, worst first."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mask3d_core.data.dataset import Dataset
from mask3d_core.evaluation.mistakes import MATCH_IOU, Mistakes
from mask3d_core.evaluation.predictions import PredictionsLike
from mask3d_core.instances import Instances
from mask3d_core.viewer.document import write_document
from mask3d_core.viewer.scene import Layer, Scene, truth_layer
from mask3d_core.viewer.sources import (
    compare,
    judged,
    measured,
    shown_predictions,
    Source,
)

MAX_SCANS = 40
"""Scans in a page, the worst ones: with more, each would have too few points."""


@dataclass(frozen=True, eq=False)
class _Scan:
    """A scan that was evaluated: its name, the predictions to show, and what is wrong."""

    name: str
    instances: Instances
    mistakes: Mistakes

    @property
    def note(self) -> str:
        """Describe the mistakes in a few words."""
        one = self.mistakes
        return (f'{one.missed} missed, {one.false} false, {one.found} found; '
                f'F1 {one.f1:.2f}')


class MistakeReport:
    """
    Collect the mistakes in the scans of a data set, for a page.

    Parameters
    ----------
    dataset : Dataset
    min_region : int
        As in the protocol of the evaluation.
    min_score : float
        Predictions of a lower score are not looked at.

    """

    def __init__(self, dataset: Dataset, min_region: int, min_score: float) -> None:
        self._dataset, self._min_region, self._min_score = dataset, min_region, min_score
        self._scans: list[_Scan] = []

    def add(self, name: str, predictions: PredictionsLike) -> None:
        """Add the predictions of a scan."""
        dataset = self._dataset
        labelled = dataset.read(name)
        found = shown_predictions(predictions, self._min_score)
        instances = measured(found, labelled.scan, dataset)
        mistakes = compare(instances, labelled, dataset, self._min_region)
        self._scans.append(_Scan(name, instances, mistakes))

    def ranked(self) -> list[_Scan]:
        """Return the scans, the worst first."""
        return sorted(self._scans, key=lambda one: (one.mistakes.f1, -one.mistakes.missed,
                                                    one.name))

    def write(self, path: Path) -> int:
        """Write the page; return its size in bytes."""
        sources = [Source(one.name, partial(self._scene, one), note=one.note)
                   for one in self.ranked()[:MAX_SCANS]]
        return write_document(path, sources)

    def _scene(self, one: _Scan) -> Scene:
        labelled = self._dataset.read(one.name)
        scene = Scene(one.name, labelled.scan, Layer(one.instances),
                      truth_layer(labelled, self._dataset.classes), notes=self._notes(one),
                      upright=self._dataset.upright)
        return judged(scene, one.mistakes)

    def _notes(self, one: _Scan) -> tuple[str, ...]:
        threshold = (f'{one.note}. Right is what has the class of an object and an IoU above '
                     f'{MATCH_IOU:g} with it, with a score of {self._min_score:g} or more.')
        total = len(self._scans)
        return (threshold, *([] if total <= MAX_SCANS else [
            f'The page has the {MAX_SCANS} worst of {total} scans.']))
