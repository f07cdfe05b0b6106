"""Motion of a map between two clouds, as after a loop closure, from the objects in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mask3d_core.geometry.cells import (
    cell_centers,
    cell_keys,
    CELL_SIZE,
    CellMap,
    CellSet,
    distinct,
)
from mask3d_core.tracking.detection import Detection
from mask3d_core.tracking.rigid_motion import RigidMotion
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

MAX_SHIFT = 2.0
"""Metres by which a motion may displace an object."""
MAX_YAW = np.radians(15.0)
MAX_RESIDUAL = 0.15
"""Metres between the centroid of an object after the motion and that of its instance."""
MAX_SIZE_RATIO = 1.5
"""Most by which the edges of the boxes of an object may differ between two clouds."""
MIN_OBJECTS = 3
"""Objects that agree on a motion."""
MIN_BASE = 1.0
"""Metres between two objects whose positions give a rotation."""
MAX_PAIRS = 4000
"""Pairs of matches that are tried."""
MAX_MOTIONS = 8
"""Parts of a map that move each for itself."""
NEIGHBORHOOD = 2.0
"""Metres within which objects decide together which motion they follow."""
MIN_EXPLAINED = 0.75
"""Share of the surface of an object that is shown where a motion puts it."""
SURFACE_DISTANCE = 0.06
"""Metres from a surface within which it is the same; just above an edge of a cell."""
SAMPLE_POINTS = 64
"""Points of an object of which this is told."""
COARSE_RESIDUALS = (1.0, 0.5, 0.25, MAX_RESIDUAL)
"""Metres within which points count as the same, step by step, if ICP starts at the identity."""
REFINEMENT_STEPS = 8
MAX_SAMPLES = 4000
"""Points of objects that refine a motion."""


IDENTITY = RigidMotion(0.0, np.zeros(3))


@dataclass(frozen=True, eq=False)
class MapObjects:
    """
    The objects of a cloud, as motions are found from them.

    Attributes
    ----------
    centroid : [n, 3] float64
    size : [n, 3] float64
        Edges of the upright box; the horizontal ones ascending.
    class_id : [n] int64
    points : n arrays, [m, 3] float64
        Centres of the cells that each occupies.

    """

    centroid: NDArray[np.float64]
    size: NDArray[np.float64]
    class_id: NDArray[np.int64]
    points: Sequence[NDArray[np.float64]]

    @classmethod
    def of(cls, objects: Sequence[Detection]) -> MapObjects:
        """Return objects in columns."""
        size = np.array([one.shape['upright_size'] for one in objects]).reshape(-1, 3)
        size[:, :2].sort(axis=1)
        return cls(np.array([one.shape['centroid'] for one in objects]).reshape(-1, 3), size,
                   np.array([one.class_id for one in objects], np.int64),
                   [cell_centers(one.cells.keys, one.shape['centroid']) for one in objects])


def find_motions(before: MapObjects, after: MapObjects, surface: NDArray[np.float64],
                 ) -> list[RigidMotion]:
    """
    Return the motion that each object of the map before has made: the identity if none is found.

    A motion is what at least `MIN_OBJECTS` objects agree on, found by random sampling of pairs of
    matches (RANSAC) or, where too few match, from the identity; it is refined by the iterative
    closest point method (ICP). The objects that it does not explain are searched for further
    motions, as the rooms of a map may move each for itself. Each object then follows the motion
    that explains most objects around it.

    Parameters
    ----------
    before, after : MapObjects
    surface : [c, 3] float64
        Centres of the cells that the cloud shows where the objects may be now.

    """
    tree = cKDTree(surface)
    motions, explained = [IDENTITY], [_explained(IDENTITY, before, tree)]
    left = explained[0] < MIN_EXPLAINED
    pairs = _candidates(before, after)
    while len(motions) <= MAX_MOTIONS and left.sum() >= MIN_OBJECTS:
        source = np.concatenate([before.points[index] for index in np.flatnonzero(left).tolist()])
        source = source[::-(-len(source) // MAX_SAMPLES)]
        agreed = _most_agreed(before, after, pairs[left[pairs[:, 0]]])
        motion = _refined(agreed or IDENTITY, source, tree,
                          (MAX_RESIDUAL,) if agreed else COARSE_RESIDUALS)
        share = _explained(motion, before, tree)
        inside = left & (share >= MIN_EXPLAINED)
        if inside.sum() < MIN_OBJECTS:
            break
        motions.append(motion)
        explained.append(share)
        left &= ~inside
    distance = np.linalg.norm(before.centroid[:, None] - before.centroid, axis=2)
    votes = np.stack(explained) @ np.exp(-(distance / NEIGHBORHOOD) ** 2)     # [M, n]
    votes[0] += 1e-6                                            # of equals, the identity
    return [motions[best] for best in votes.argmax(axis=0)]


def moved_map(cells: CellMap, anchors: NDArray[np.float64], motions: Sequence[RigidMotion],
              ) -> CellMap:
    """
    Return the cells of a map after its parts have moved, each like the nearest anchor.

    Parameters
    ----------
    cells : CellMap
    anchors : [n, 3] float64
        Metres, before the motion.
    motions : n RigidMotions

    """
    centers = cell_centers(cells.take(cells.columns), anchors[0])
    nearest = cKDTree(anchors[:, :2]).query(centers[:, :2])[1]
    distinct_motions = list(dict.fromkeys(motions))
    number = np.array([distinct_motions.index(motion) for motion in motions])[nearest]
    for index, motion in enumerate(distinct_motions):
        centers[number == index] = motion.apply(centers[number == index])
    return CellMap.of(CellSet(distinct(cell_keys(centers))))


def alike(one: MapObjects, other: MapObjects, max_ratio: float) -> NDArray[np.bool_]:
    """Return which objects have the same class and similar boxes: [n, m]."""
    ratio = (one.size[:, None] + CELL_SIZE) / (other.size + CELL_SIZE)
    similar = (np.maximum(ratio, 1 / ratio) <= max_ratio).all(axis=2)
    return np.asarray(similar & (one.class_id[:, None] == other.class_id))


def _candidates(before: MapObjects, after: MapObjects) -> NDArray[np.int64]:
    """Return the pairs of objects that may be the same: [C, 2], by rows of `before`."""
    near = np.linalg.norm(before.centroid[:, None] - after.centroid, axis=2) <= MAX_SHIFT
    return np.argwhere(near & alike(before, after, MAX_SIZE_RATIO))


def _most_agreed(before: MapObjects, after: MapObjects, pairs: NDArray[np.int64],
                 ) -> RigidMotion | None:
    """Return the motion that most objects agree on, from matches [C, 2]; None if too few do."""
    if len(pairs) < MIN_OBJECTS:
        return None
    source, target = before.centroid[pairs[:, 0]], after.centroid[pairs[:, 1]]
    a, b = _sampled_pairs(pairs, source, target)
    if not len(a):
        return None
    along, onto = source[b] - source[a], target[b] - target[a]
    yaw = np.arctan2(along[:, 0] * onto[:, 1] - along[:, 1] * onto[:, 0],
                     (along[:, :2] * onto[:, :2]).sum(axis=1))
    cos, sin = np.cos(yaw), np.sin(yaw)
    rotation = np.zeros((len(a), 3, 3))
    rotation[:, 0, 0] = rotation[:, 1, 1] = cos
    rotation[:, 1, 0], rotation[:, 0, 1], rotation[:, 2, 2] = sin, -sin, 1.0
    shift = ((target[a] + target[b]) / 2
             - np.einsum('hij,hj->hi', rotation, (source[a] + source[b]) / 2))
    residual = np.linalg.norm(
        np.einsum('hij,cj->hci', rotation, source) + shift[:, None] - target, axis=2)
    first = np.flatnonzero(np.diff(pairs[:, 0], prepend=-1))    # of the matches of each object
    quality = np.maximum.reduceat(np.maximum(1 - residual / MAX_RESIDUAL, 0), first, axis=1)
    quality[np.abs(yaw) > MAX_YAW] = 0
    best = int(quality.sum(axis=1).argmax())
    if (quality[best] > 0).sum() < MIN_OBJECTS:
        return None
    inlier = residual[best] < MAX_RESIDUAL
    return RigidMotion.between(source[inlier], target[inlier])


def _sampled_pairs(pairs: NDArray[np.int64], source: NDArray[np.float64],
                   target: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs of matches that a rigid motion allows, the first and the second of each."""
    a, b = np.triu_indices(len(pairs), 1)
    if len(a) > 100 * MAX_PAIRS:
        chosen = np.random.default_rng(0).integers(0, len(a), 100 * MAX_PAIRS)
        a, b = a[chosen], b[chosen]
    length, after = (np.linalg.norm((points[b] - points[a])[:, :2], axis=1)
                     for points in (source, target))
    possible = ((pairs[a] != pairs[b]).all(axis=1) & (length >= MIN_BASE)
                & (np.abs(length - after) <= MAX_RESIDUAL))
    a, b = a[possible], b[possible]
    if len(a) > MAX_PAIRS:
        chosen = np.random.default_rng(0).choice(len(a), MAX_PAIRS, replace=False)
        a, b = a[chosen], b[chosen]
    return a, b


def _refined(motion: RigidMotion, source: NDArray[np.float64], tree: cKDTree,
             residuals: Sequence[float]) -> RigidMotion:
    """Return a motion of points [n, 3] onto those of a tree after some steps of ICP."""
    for residual in residuals:
        for _ in range(REFINEMENT_STEPS):
            distance, nearest = tree.query(motion.apply(source), distance_upper_bound=residual)
            near = np.isfinite(distance)
            if near.sum() < MIN_OBJECTS:
                return motion
            motion = RigidMotion.between(source[near], tree.data[nearest[near]])
    return motion


def _explained(motion: RigidMotion, before: MapObjects, tree: cKDTree) -> NDArray[np.float64]:
    """Return how much of the surface of each object is shown where a motion puts it: [n]."""
    sampled = [points[::-(-len(points) // SAMPLE_POINTS)] for points in before.points]
    distance, _ = tree.query(motion.apply(np.concatenate(sampled)),
                             distance_upper_bound=SURFACE_DISTANCE)
    starts = np.cumsum([0, *map(len, sampled[:-1])])
    return np.add.reduceat(np.isfinite(distance).astype(float), starts) / [*map(len, sampled)]
