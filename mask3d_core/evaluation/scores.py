"""The scores of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math
from typing import Any

from mask3d_core.classes import ClassTable
from mask3d_core.data.protocol import Protocol
from mask3d_core.evaluation.average_precision import (
    average_precisions,
    Curve,
    measure_curves,
    summarize,
)
from mask3d_core.evaluation.overlaps import merge_classes, Overlaps
from mask3d_core.evaluation.precision_recall import Counts, precision_recall
import numpy as np
from numpy.typing import NDArray

AP_NAMES = ('AP', 'AP50', 'AP25')
RATE_NAMES = ('precision', 'recall')


@dataclass(frozen=True, eq=False)
class Scores:
    """
    Scores of K classes, 0..1; NaN for classes without objects.

    Attributes
    ----------
    scans : int
    classes : ClassTable
        The K evaluated classes.
    objects : [K] int64
        Number of objects that are large enough to be evaluated.
    ap : [K, 3] float64
        AP (mean over IoU 0.5 to 0.9), AP50 and AP25.
    agnostic : [3] float64
        The same, class-agnostic.
    rates : [K, 2] float64 or None
        Precision and recall of confident instances at IoU 0.5.
    curves : K of Curve or None
        At IoU 0.5.
    protocol : Protocol

    """

    scans: int
    classes: ClassTable
    objects: NDArray[np.int64]
    ap: NDArray[np.float64]
    agnostic: NDArray[np.float64]
    rates: NDArray[np.float64] | None
    curves: tuple[Curve | None, ...]
    protocol: Protocol

    @property
    def mean_ap(self) -> NDArray[np.float64]:
        """Return mean AP, AP50 and AP25 over the classes with objects: [3]."""
        return mean_over_classes(self.ap)

    @property
    def mean_rates(self) -> NDArray[np.float64] | None:
        """Return mPrec and mRec, means over the classes with objects: [2]."""
        return None if self.rates is None else mean_over_classes(self.rates)

    @property
    def groups(self) -> dict[str, NDArray[np.float64]]:
        """Return mean AP over the groups of the protocol (ScanNet200: head, common, tail)."""
        return {name: mean_over_classes(self.ap[self.rows(name)]) for name in self.protocol.groups}

    def rows(self, group: str) -> list[int]:
        """Return the rows of the classes of a group."""
        members = self.protocol.groups[group]
        return [row for row, name in enumerate(self.classes.names) if name in members]

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as plain values for JSON, with None for NaN."""
        rows: list[dict[str, Any]] = []
        for row, (name, class_id) in enumerate(zip(self.classes.names, self.classes.ids)):
            rows.append({'name': name, 'id': class_id, 'objects': int(self.objects[row]),
                         **_named(AP_NAMES, self.ap[row])})
            if self.rates is not None:
                rows[-1].update(_named(RATE_NAMES, self.rates[row]))
        mean = _named(AP_NAMES, self.mean_ap)
        if self.mean_rates is not None:
            mean |= _named(RATE_NAMES, self.mean_rates)
        return {'scans': self.scans, 'objects': int(self.objects.sum()), 'mean': mean,
                'groups': {name: _named(AP_NAMES, ap) for name, ap in self.groups.items()},
                'class_agnostic': _named(AP_NAMES, self.agnostic), 'classes': rows}


def compute_scores(scans: Sequence[Overlaps], counts: Sequence[Counts], classes: ClassTable,
                   protocol: Protocol) -> Scores:
    """
    Compute the scores over all scans.

    Parameters
    ----------
    scans : sequence of Overlaps
    counts : sequence of Counts
        One per scan if the protocol has precision and recall, else empty.
    classes : ClassTable
        The evaluated classes.
    protocol : Protocol

    """
    curves = [measure_curves(scans, class_id, protocol.min_region) for class_id in classes.ids]
    ap = summarize(np.array([average_precisions(c) for c in curves]).reshape(len(classes), -1))
    objects = [sum(np.count_nonzero((scan.truth_class == class_id)
                                    & (scan.truth_size >= protocol.min_region)) for scan in scans)
               for class_id in classes.ids]
    agnostic = measure_curves([merge_classes(scan) for scan in scans], 0, protocol.min_region)
    return Scores(
        len(scans), classes, np.array(objects, np.int64), ap,
        summarize(average_precisions(agnostic)),
        None if protocol.confidence is None else precision_recall(counts),
        tuple(c[0] if c else None for c in curves), protocol)


def mean_over_classes(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over the rows without NaN, NaN if there are none: [K, n] -> [n]."""
    known = values[~np.isnan(values).any(axis=1)]
    return known.mean(axis=0) if len(known) else np.full(values.shape[1], np.nan)


def _named(names: Sequence[str], values: NDArray[np.float64]) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else round(float(value), 6)
            for name, value in zip(names, values)}
