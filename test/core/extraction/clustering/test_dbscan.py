"""Clustering equals scikit-learn's DBSCAN and the definition."""

from itertools import product

from hypothesis import assume, given, settings, strategies
from mask3d_core.bench.clustering import measure_clustering, room_masks
from mask3d_core.errors import InputError
from mask3d_core.extraction.clustering.dbscan import cluster_masks, dbscan
from mask3d_core.extraction.clustering.touching import surely_connected
import numpy as np
from numpy.typing import NDArray
from point_clouds import cloud, KINDS
import pytest
from sklearn.cluster import DBSCAN

POINTS = strategies.sampled_from(KINDS)


def rounds_both_ways(points: NDArray, eps: float) -> bool:
    """
    Tell whether a distance exceeds eps squared but, after its root, not eps.

    There scikit-learn's result depends on the structure of its tree: within a node it compares
    squares, between nodes it compares roots.
    """
    squares = ((points[:, None].astype(float) - points[None].astype(float)) ** 2).sum(axis=2)
    return bool(((squares > eps * eps) & (np.sqrt(squares) <= eps)).any())


@settings(max_examples=200, deadline=None)
@given(kind=POINTS, size=strategies.integers(1, 80), seed=strategies.integers(0, 2 ** 32 - 1))
def test_surely_connected_masks_are_connected(kind: str, size: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    points, eps = cloud(kind, size, random)
    masks = [np.flatnonzero(random.uniform(size=len(points)) < share) for share in (0.1, 0.5, 1)]
    masks = [mask for mask in masks if len(mask)]
    for mask, whole in zip(masks, surely_connected(points, masks, eps), strict=True):
        assert not whole or not DBSCAN(eps=eps * (1 + 1e-12), min_samples=1).fit(
            points[mask]).labels_.any()


def test_touching_cells_are_connected() -> None:
    line = np.arange(0, 9, 0.1)[:, None] * [[0.5, 0.5, 0.7]]
    masks = [np.arange(len(line)), np.array([5]), np.array([0, 1, 60, 61]), np.arange(20, 50)]
    assert surely_connected(line, masks, 0.5).tolist() == [True, True, False, True]
    assert not surely_connected(line * 1e9, masks, 0.5).any()    # more cells than can be numbered


@settings(max_examples=400, deadline=None)
@given(kind=POINTS, size=strategies.integers(1, 150), min_points=strategies.integers(1, 6),
       seed=strategies.integers(0, 2 ** 32 - 1))
def test_equals_scikit_learn(kind: str, size: int, min_points: int, seed: int) -> None:
    points, eps = cloud(kind, size, np.random.default_rng(seed))
    assume(eps > 0 and not rounds_both_ways(points, eps))
    # for fewer than twelve points it chooses 'brute', which subtracts large numbers
    expected = DBSCAN(eps=eps, min_samples=min_points, algorithm='kd_tree').fit(points).labels_
    np.testing.assert_array_equal(dbscan(points, eps, min_points), expected)


@settings(max_examples=100, deadline=None)
@given(kind=POINTS, size=strategies.integers(1, 60), seed=strategies.integers(0, 2 ** 32 - 1))
def test_equals_the_definition(kind: str, size: int, seed: int) -> None:
    points, eps = cloud(kind, size, np.random.default_rng(seed))
    assume(eps > 0)
    x, y, z = (points[:, None].astype(float) - points[None].astype(float)).transpose(2, 0, 1)
    near = x * x + y * y + z * z <= eps * eps
    label = np.arange(len(points))
    for _ in points:             # the lowest index that can be reached
        label = np.where(near, label, len(points)).min(axis=1)
    np.testing.assert_array_equal(dbscan(points, eps), np.unique(label, return_inverse=True)[1])


@pytest.mark.parametrize('min_points', [1, 4])
def test_large_cells_are_compared_by_a_tree(min_points: int,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('mask3d_core.extraction.clustering.dbscan.MAX_PAIRS', 4)
    random = np.random.default_rng(0)
    for kind in ('normal', 'lattice', 'voxels', 'blobs', 'chain'):
        points, eps = cloud(kind, 150, random)
        expected = DBSCAN(eps=eps, min_samples=min_points, algorithm='kd_tree').fit(points).labels_
        np.testing.assert_array_equal(dbscan(points, eps, min_points), expected)


@pytest.mark.parametrize('eps', [1e-9, 1.0, np.sqrt(2.0), 1.5, 2.0, 1e6])
def test_full_lattice(eps: float) -> None:
    points = np.array(list(product(range(-3, 4), repeat=3)), np.float32)
    expected = DBSCAN(eps=eps, min_samples=1).fit(points).labels_
    np.testing.assert_array_equal(dbscan(points, eps), expected)


def test_a_border_point_of_two_clusters_belongs_to_the_first() -> None:
    left, right = [[-1.0, 0, 0], [-1.5, 0, 0], [-1.25, 0, 0]], [[1.0, 0, 0], [1.5, 0, 0],
                                                                 [1.25, 0, 0]]
    points = np.array([*right, [0, 0, 0], *left, [9, 9, 9]])
    np.testing.assert_array_equal(dbscan(points, 1.0, 4), [0, 0, 0, 0, 1, 1, 1, -1])


def test_one_and_two_points() -> None:
    assert dbscan(np.zeros((1, 3)), 0.5).tolist() == [0]
    assert dbscan(np.zeros((1, 3)), 0.5, 2).tolist() == [-1]
    pair = np.array([[0, 0, 0], [0.5, 0, 0]])
    assert dbscan(pair, 0.5).tolist() == [0, 0]
    assert dbscan(pair, np.nextafter(0.5, 0)).tolist() == [0, 1]
    assert dbscan(pair, 0.5, 2).tolist() == [0, 0]
    assert dbscan(np.zeros((0, 3)), 0.5).tolist() == []


def test_eps_below_float_resolution_merges_duplicates_only() -> None:
    points = np.array([[1e4, 0, 0], [0, 0, 0], [1e4, 0, 0], [1e4, 1e-3, 0]])
    assert dbscan(points, 1e-14).tolist() == [0, 1, 0, 2]


@pytest.mark.parametrize('min_points', [1, 5])
def test_masks_are_clustered_independently(min_points: int) -> None:
    random = np.random.default_rng(1)
    centers = (random.integers(0, 40, (3000, 3)) * np.float32(0.02)).astype(np.float32)
    masks = random.uniform(size=(3000, 6)) < [0, 0.002, 0.01, 0.05, 0.5, 1]
    labels = cluster_masks(centers, masks, 0.06, min_points)
    assert max(label.max(initial=-1) for label in labels) > 3
    for mask, label in zip(masks.T, labels):
        np.testing.assert_array_equal(label, dbscan(centers[mask], 0.06, min_points))


def test_masks_of_a_room(golden) -> None:  # noqa: ANN001
    centers = golden('bench_121060')['centers']
    furniture = measure_clustering(centers, room_masks(centers, large=0), scikit_masks=12)
    assert furniture.equal
    assert furniture.clusters > furniture.masks
    assert furniture.ratio > 20


def test_masks_of_an_untrained_network(golden) -> None:  # noqa: ANN001
    centers = golden('bench_004924')['centers']
    random = np.random.default_rng(0)
    waves = centers @ random.normal(size=(3, 64)) * 2  # smooth features, projected at random
    features = np.cos(waves + random.uniform(0, 2 * np.pi, 64))
    masks = features @ random.normal(size=(64, 20)) > 0  # about half of the voxels, in pieces
    times = measure_clustering(centers, masks, eps=0.08)
    assert times.equal
    assert times.clusters > times.masks


@pytest.mark.parametrize(('points', 'eps', 'min_points', 'message'), [
    (np.zeros((4, 2)), 1.0, 1, r'\[V, 3\], got \[4, 2\]'),
    (np.full((4, 3), np.nan), 1.0, 1, 'finite'),
    (np.zeros((4, 3)), 0.0, 1, 'positive eps in metres, got 0'),
    (np.zeros((4, 3)), np.inf, 1, 'positive eps'),
    (np.zeros((4, 3)), 1.0, 0, 'min_points of at least 1, got 0')])
def test_invalid_input(points: NDArray, eps: float, min_points: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        dbscan(points, eps, min_points)


def test_masks_of_another_length() -> None:
    with pytest.raises(InputError, match=r'shape \[4, Q\], got \[3, 2\]'):
        cluster_masks(np.zeros((4, 3)), np.ones((3, 2), bool), 1.0)
