"""Clusters of masks on a GPU are those of the CPU; here on the CPU and on an emulated device."""

from hypothesis import assume, given, settings, strategies
from mask3d_core.extraction.clustering import device_dbscan
from mask3d_core.extraction.clustering.dbscan import cluster_rows
from mask3d_core.extraction.clustering.device_components import connect
from mask3d_core.extraction.clustering.device_dbscan import cluster_pairs
from mask3d_core.geometry.components import graph_components, numbered_by_first
import numpy as np
from numpy.typing import NDArray
from point_clouds import cloud, KINDS
import pytest
import torch


def labels(points: NDArray, masks: list[NDArray], eps: float) -> list[NDArray] | None:
    """Return the clusters of each mask as `cluster_rows` numbers them."""
    query = np.repeat(np.arange(len(masks)), [len(rows) for rows in masks])
    found = cluster_pairs(torch.from_numpy(points), torch.from_numpy(query),
                          torch.from_numpy(np.concatenate(masks)), eps)
    if found is None:
        return None
    parts = np.split(found.numpy(), np.cumsum([len(rows) for rows in masks]))[:-1]
    numbers = [number for part in parts for number in np.unique(part)]
    assert len(set(numbers)) == len(numbers), 'no number is in two masks'
    return [numbered_by_first(part) for part in parts]


def assert_same(points: NDArray, masks: list[NDArray], eps: float) -> None:
    found, wanted = labels(points, masks, eps), cluster_rows(points, masks, eps)
    assert found is not None
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


@settings(max_examples=100, deadline=None)
@given(kind=strategies.sampled_from(KINDS), size=strategies.integers(1, 100),
       seed=strategies.integers(0, 2 ** 32 - 1))
def test_equals_the_host(kind: str, size: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    points, eps = cloud(kind, size, random)
    assume(eps > 0)
    masks = [np.flatnonzero(random.uniform(size=len(points)) < share) for share in (0, .1, .5, 1)]
    assert_same(points, masks, float(eps))


@pytest.mark.parametrize('at_once', [1, 7])
def test_in_small_pieces(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few parts and points are looked at together."""
    monkeypatch.setattr(device_dbscan, 'PARTS_AT_ONCE', at_once)
    monkeypatch.setattr(device_dbscan, 'POINT_PAIRS_AT_ONCE', at_once)
    random = np.random.default_rng(0)
    for kind in ('lattice', 'blobs', 'chain'):
        points, eps = cloud(kind, 40, random)
        assert_same(points, [np.arange(len(points)), np.arange(0, len(points), 3)], float(eps))


@pytest.mark.parametrize('eps', [1.0, np.sqrt(2.0), np.nextafter(np.sqrt(2.0), 0), 1.5, 1e6])
def test_distances_of_exactly_eps(eps: float) -> None:
    points = np.stack(np.meshgrid(*[np.arange(4.)] * 3), -1).reshape(-1, 3)
    random = np.random.default_rng(1)
    assert_same(points, [np.flatnonzero(random.random(64) < .2) for _ in range(5)], eps)


def test_all_cells_within_reach_are_looked_at() -> None:
    """Of two random points just within eps, in any direction, each is in reach of the other."""
    random = np.random.default_rng(2)
    start = random.uniform(0, 3, (500, 3))
    step = random.normal(size=(500, 3))
    step *= (1 - 1e-9) / np.linalg.norm(step, axis=1)[:, None]
    points = np.concatenate([start, start + step])
    pairs = [np.array([number, number + 500]) for number in range(500)]
    found = labels(points, pairs, 1.0)
    assert found is not None and not np.concatenate(found).any()
    apart = labels(np.concatenate([start, start + step * (1 + 3e-9)]), pairs, 1.0)
    assert apart is not None and np.concatenate(apart).sum() == 500


def test_what_cannot_be_numbered_is_left_to_the_host() -> None:
    far = np.array([[0, 0, 0], [1e6, 0, 0.]])
    assert labels(far, [np.arange(2)], 0.1) is None
    assert labels(far, [np.arange(2)], 1e3) is not None
    many = [np.zeros(0, np.int64)] * (1 << device_dbscan.QUERY_BITS)
    assert labels(far, [*many, np.arange(2)], 1e3) is None
    assert labels(far, many, 1e3) is not None


@pytest.mark.parametrize('size, edges', [(1, 0), (2, 1), (200, 100), (200, 190), (200, 800)])
def test_connected_components(size: int, edges: int) -> None:
    random = np.random.default_rng(size + edges)
    for _ in range(20):
        a, b = random.integers(size, size=(2, edges))
        found = connect(torch.arange(size), torch.from_numpy(a), torch.from_numpy(b)).numpy()
        np.testing.assert_array_equal(
            numbered_by_first(found), numbered_by_first(graph_components(np.stack([a, b], 1),
                                                                         size)))


def test_long_chains_take_few_rounds() -> None:
    """Also where each vertex's lowest neighbor leads into a cycle of two."""
    for order in (torch.arange(1000), torch.arange(1000).flip(0),
                  torch.randperm(1000, generator=torch.Generator().manual_seed(0))):
        assert len(connect(torch.arange(1000), order[:-1], order[1:]).unique()) == 1
