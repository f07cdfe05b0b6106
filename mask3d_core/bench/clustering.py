"""Benchmark the clustering of masks against scikit-learn, on typical masks of a room."""

from __future__ import annotations

from dataclasses import dataclass
import time

from mask3d_core.extraction.clustering.dbscan import cluster_masks
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ClusteringTimes:
    """
    Seconds to cluster all masks of one scan with our implementation and with scikit-learn.

    If scikit-learn clustered only some of the masks, `scikit_seconds` is extrapolated to all of
    them. `equal` says whether all labels of its masks are the same.
    """

    masks: int
    mask_voxels: int
    clusters: int
    seconds: float
    scikit_seconds: float
    scikit_masks: int
    equal: bool

    @property
    def ratio(self) -> float:
        """Speedup over scikit-learn."""
        return self.scikit_seconds / self.seconds


def measure_clustering(centers: NDArray[np.floating], masks: NDArray[np.bool_],
                       eps: float = 0.95, scikit_masks: int | None = None) -> ClusteringTimes:
    """
    Cluster masks [V, Q] over centers [V, 3] m with ours and with scikit-learn (extra `test`).

    Parameters
    ----------
    centers : [V, 3] float
        Metres.
    masks : [V, Q] bool
    eps : float
        Metres.
    scikit_masks : int, optional
        Cluster only this many masks, evenly spaced, with scikit-learn: it stores all neighbors of
        all points, which takes minutes and gigabytes for masks of half a room.

    """
    from sklearn.cluster import DBSCAN

    began = time.perf_counter()
    labels = cluster_masks(centers, masks, eps)
    seconds = time.perf_counter() - began

    count = masks.shape[1]
    chosen = np.linspace(0, count - 1, scikit_masks or count).astype(int)
    scikit_seconds, equal = 0.0, True
    for query in chosen:
        points = centers[masks[:, query]]
        if len(points):
            began = time.perf_counter()
            expected = DBSCAN(eps=eps, min_samples=1).fit(points).labels_
            scikit_seconds += time.perf_counter() - began
            equal &= np.array_equal(labels[query], expected)
    return ClusteringTimes(count, int(masks.sum()), sum(len(np.unique(x)) for x in labels),
                           seconds, scikit_seconds * count / len(chosen), len(chosen), equal)


def room_masks(centers: NDArray[np.floating], count: int = 100, large: int = 4,
               ) -> NDArray[np.bool_]:
    """
    Make masks like those of a trained network: [V, count] bool, from a fixed seed.

    Most have the size of furniture, a ball or a box of 0.2 to 1 m around a voxel, with up to four
    fragments of 0.06 to 0.2 m elsewhere; `large` of them cover a fifth of the scan or more, like
    a floor or a wall.
    """
    random = np.random.default_rng(0)
    masks = np.zeros((len(centers), count), bool)
    for query in range(count):
        if large and query % max(count // large, 1) == 0:
            masks[:, query] = _slab(centers, random)
            continue
        half = random.uniform(0.1, 0.5, 3)
        masks[:, query] = _around(centers, random, half, round_=query % 2 == 0)
        for _ in range(random.integers(0, 5)):
            masks[:, query] |= _around(centers, random, random.uniform(0.03, 0.1, 3), round_=True)
    return masks


def _around(centers: NDArray[np.floating], random: np.random.Generator,
            half: NDArray[np.float64], round_: bool) -> NDArray[np.bool_]:
    """Return the voxels within an ellipsoid, or a box, around a random voxel."""
    apart = np.abs(centers - centers[random.integers(len(centers))]) / half
    return (apart ** 2).sum(axis=1) <= 1 if round_ else apart.max(axis=1) <= 1


def _slab(centers: NDArray[np.floating], random: np.random.Generator) -> NDArray[np.bool_]:
    """Return the 20 to 30 % of the voxels that lie furthest along a random direction."""
    along = centers @ np.where(random.permutation(3) == 0, 1, 0.05) * random.choice([-1, 1])
    return along >= np.quantile(along, random.uniform(0.7, 0.8))
