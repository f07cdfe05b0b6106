"""Measure the clustering of masks against scikit-learn, on masks as a room gives them."""

from __future__ import annotations

from dataclasses import dataclass
import time

from mask3d_core.extraction.clustering.dbscan import cluster_masks
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ClusteringTimes:
    """
    Seconds to cluster all masks of one scan, both ways, in one run.

    `scikit_seconds` is the sum over the masks that were given to scikit-learn, times `masks`
    over their number where that was only some of them. `equal` tells whether every label of those
    masks agrees.
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
        """How many times faster ours is."""
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
        Give only this many masks, evenly spaced, to scikit-learn: it keeps a list of all
        neighbours of all points, minutes and gigabytes for masks of half a room.

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
    Make masks as a trained network gives them: [V, count] bool, always the same ones.

    Most are a piece of furniture, a ball or a box of 0.2 to 1 m around a voxel, with up to four
    stray fragments of a hand's size elsewhere; `large` of them are a fifth of the scan or more, as
    a floor or a wall is.
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
