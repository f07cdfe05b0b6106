"""Evaluate predictions, one scan after another."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

from mask3d_core.classes import ClassTable
from mask3d_core.data.protocol import Protocol
from mask3d_core.errors import InputError
from mask3d_core.evaluation.ground_truth import Truth
from mask3d_core.evaluation.overlaps import measure_overlaps, Overlaps
from mask3d_core.evaluation.precision_recall import count_predictions, Counts
from mask3d_core.evaluation.predictions import PredictionsLike
from mask3d_core.evaluation.scores import compute_scores, Scores
import numpy as np


class Evaluation:
    """
    Accumulate the scores of scans; only counts are kept of each scan, not its points.

    Parameters
    ----------
    classes : ClassTable
        Classes of the data set; background classes of the protocol are not evaluated.
    protocol : Protocol
    leftovers : str, optional
        For precision and recall: count the points outside all masks as one more prediction of
        this class, as the original does with 'ceiling'.

    Raises
    ------
    InputError
        If no class is left to evaluate, or `leftovers` is not a class, or has no effect.

    """

    def __init__(self, classes: ClassTable, protocol: Protocol,
                 leftovers: str | None = None) -> None:
        self.classes = classes.without(protocol.background)
        self.protocol = protocol
        if not len(self.classes):
            raise InputError('expected a class to evaluate, but all are background: '
                             + ', '.join(classes.names))
        if leftovers is not None and protocol.confidence is None:
            raise InputError('leftovers count in precision and recall only: request these, too, '
                             'with --confidence')
        self._leftovers = (None if leftovers is None else
                           self.classes.ids[self.classes.rows([leftovers])[0]])
        self._class_ids = np.array(self.classes.ids, np.int64)
        self._overlaps: list[Overlaps] = []
        self._counts: list[Counts] = []

    def add(self, predictions: PredictionsLike, truth: Truth) -> None:
        """
        Add one scan.

        Raises
        ------
        InputError
            If predictions and truth are of different clouds.

        """
        overlaps = measure_overlaps(predictions, truth, self._class_ids)
        if self.protocol.count_background:
            overlaps = replace(overlaps, void=np.zeros_like(overlaps.void))
        self._overlaps.append(overlaps)
        if self.protocol.confidence is not None:
            self._counts.append(count_predictions(predictions, truth, self._class_ids,
                                                  self.protocol.confidence, self._leftovers))

    def without_scans(self) -> Evaluation:
        """Return an evaluation as this was before the first scan, for `merge`."""
        other = copy(self)
        other._overlaps, other._counts = [], []
        return other

    def merge(self, other: Evaluation) -> None:
        """Add the scans of another evaluation of the same classes, e.g. of another process."""
        assert other.classes == self.classes and other.protocol == self.protocol
        self._overlaps += other._overlaps
        self._counts += other._counts

    def scores(self) -> Scores:
        """Return the scores of all scans added so far."""
        return compute_scores(self._overlaps, self._counts, self.classes, self.protocol)
