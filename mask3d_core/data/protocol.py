"""How a data set is evaluated: what counts, and the settings its predictions are made with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mask3d_core.extraction.postprocess import ExtractSettings

MIN_REGION = 100
"""Points below which ScanNet's evaluator ignores a prediction or an object."""


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
        Classes over which means are reported in addition to the mean over all (ScanNet200: head,
        common, tail).
    confidence : float or None
        Lowest score for precision and recall (S3DIS); None: they are not reported.
    top_k, dbscan_eps, num_queries
        Post-processing and number of queries: for benchmarks those of the original's validation
        scripts. A `dbscan_eps` of None is derived from the voxel size, `num_queries` of None is
        the number used in training.
    superpoints : bool
        Whether masks are made of whole superpoints, as the node does and the original does not.
    overlap_threshold : float or None
        Intersection over union above which the worse of two masks of a class is dropped as a
        duplicate; None, as in the original: none is.
    count_background : bool
        Whether masks on background count as false; ScanNet's evaluator ignores them.

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
    count_background: bool = False

    def settings(self) -> ExtractSettings:
        """Return the post-processing settings that predictions are made with."""
        from mask3d_core.extraction.postprocess import ExtractSettings

        return ExtractSettings(top_k=self.top_k, dbscan_eps=self.dbscan_eps,
                               min_points=1, overlap_threshold=self.overlap_threshold,
                               all_classes=True, superpoints=self.superpoints,
                               ranking='class')


CUSTOM = Protocol(dbscan_eps=None, superpoints=True, overlap_threshold=0.5)
"""Custom data sets: all their classes are evaluated, and masks are made as by the node."""
