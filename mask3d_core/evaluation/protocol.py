"""What each benchmark evaluates, and with which settings it is answered: the original's."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import TYPE_CHECKING

from mask3d_core.evaluation.average_precision import MIN_REGION

if TYPE_CHECKING:
    from mask3d_core.extraction.postprocess import ExtractSettings


@dataclass(frozen=True)
class Protocol:
    """
    How a data set is evaluated.

    Attributes
    ----------
    background : tuple of str
        Classes without instances, which are not evaluated.
    min_region : int
        Points below which neither a prediction nor an object counts.
    groups : dict of str to tuple of str
        Names of classes over which means are taken beside the mean over all.
    confidence : float or None
        Lowest score for precision and recall (S3DIS); None: they are not reported.
    top_k, dbscan_eps, num_queries
        For benchmarks what the original's validation scripts give the model; None: as trained, or
        as on a robot.
    superpoints : bool
        Whether masks hold whole superpoints, as on a robot and not in the original.
    overlap_threshold : float or None
        Intersection over union above which the worse of two of one class is dropped; None, as in
        the original: none is.

    """

    background: tuple[str, ...] = ()
    min_region: int = MIN_REGION
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    confidence: float | None = None
    top_k: int = 500
    dbscan_eps: float | None = 0.95
    num_queries: int | None = None
    superpoints: bool = False
    overlap_threshold: float | None = None

    def settings(self) -> ExtractSettings:
        """Return the settings with which predictions are made for this benchmark."""
        from mask3d_core.extraction.postprocess import ExtractSettings

        return ExtractSettings(top_k=self.top_k, dbscan_eps=self.dbscan_eps,
                               min_points=1, overlap_threshold=self.overlap_threshold,
                               all_classes=True, superpoints=self.superpoints)


def find_protocol(name: str, background: tuple[str, ...] | None = None) -> Protocol:
    """
    Return the protocol of a data set.

    Parameters
    ----------
    name : str
        'scannet' or 'scannet20', 'scannet200', 's3dis', 'stpls3d'; any other is scored as
        ScanNet, but with all its classes, and its masks are made as on a robot, without doubles;
        generated rooms ('rooms 0') with 200 queries.
    background : tuple of str, optional
        Classes without instances; those of the benchmark by default.

    """
    protocol = _benchmark(name)
    return protocol if background is None else replace(protocol, background=background)


def _benchmark(name: str) -> Protocol:
    if name in ('scannet', 'scannet20'):
        return Protocol(('wall', 'floor'), num_queries=150)
    if name == 'scannet200':
        return Protocol(('wall', 'floor'), groups=_scannet200_groups(), top_k=750, num_queries=150)
    if name == 's3dis':
        return Protocol(confidence=0.8, top_k=-1, dbscan_eps=0.6, num_queries=100)
    if name == 'stpls3d':
        return Protocol(min_region=10, top_k=750, dbscan_eps=14.0, num_queries=160)
    own = Protocol(dbscan_eps=None, superpoints=True, overlap_threshold=0.5)
    # their data sets are named after their seeds: 'rooms 0'
    return replace(own, num_queries=200) if name.split()[:1] == ['rooms'] else own


def _scannet200_groups() -> dict[str, tuple[str, ...]]:
    table = resources.files('mask3d_core') / 'class_tables' / 'scannet200.tsv'
    rows = list(csv.DictReader(table.read_text().splitlines(), delimiter='\t'))
    return {split: tuple(row['name'] for row in rows if row['split'] == split)
            for split in ('head', 'common', 'tail')}
