"""Graph segmentation equals the algorithm of the paper, edge by edge."""

from hypothesis import given, settings, strategies
from mask3d_core.errors import InputError
from mask3d_core.superpoints import graph_segmentation
from mask3d_core.superpoints.graph_segmentation import segment_graph
import numpy as np
from numpy.typing import NDArray
import pytest


def one_by_one(edges: NDArray, weight: NDArray, size: int, scale: float, min_size: int,
               ) -> list[int]:
    """Segment by the paper's algorithm and ScanNet's merging of small components."""
    segment = list(range(size))
    threshold = [scale] * size
    order = sorted(range(len(edges)), key=lambda edge: weight[edge])

    def join(a: int, b: int) -> int:
        segment[:] = [a if each == b else each for each in segment]
        return segment.count(a)

    for edge in order:
        a, b = (segment[vertex] for vertex in edges[edge])
        if a != b and weight[edge] <= min(threshold[a], threshold[b]):
            threshold[a] = weight[edge] + scale / join(a, b)
    for edge in order:
        a, b = (segment[vertex] for vertex in edges[edge])
        if a != b and min(segment.count(a), segment.count(b)) < min_size:
            join(a, b)
    number: dict[int, int] = {}
    return [number.setdefault(each, len(number)) for each in segment]


def in_rounds(edges: NDArray, weight: NDArray, size: int, scale: float, min_size: int,
              ) -> list[int]:
    """Merge components over the lightest edge of either instead, all at once in each round."""
    segment, threshold = list(range(size)), {vertex: scale for vertex in range(size)}
    inside = [0.0] * size
    order = sorted(range(len(edges)), key=lambda edge: weight[edge])
    finished: set[int] = set()
    while True:
        lightest: dict[int, int] = {}
        for edge in order:
            a, b = (segment[vertex] for vertex in edges[edge])
            if a != b and not {a, b} & finished:
                lightest.setdefault(a, edge)
                lightest.setdefault(b, edge)
        finished |= {each for each, edge in lightest.items() if weight[edge] > threshold[each]}
        chosen = [edge for edge in sorted(set(lightest.values()), key=lambda edge: weight[edge])
                  if all(weight[edge] <= threshold[segment[end]] for end in edges[edge])]
        if not lightest:
            break
        for edge in chosen:
            a, b = (segment[vertex] for vertex in edges[edge])
            segment = [a if each == b else each for each in segment]
        for joined in {segment[edges[edge][0]] for edge in chosen}:
            heaviest = max([weight[edge] for edge in chosen if segment[edges[edge][0]] == joined]
                           + [inside[vertex] for vertex in range(size)
                              if segment[vertex] == joined])
            threshold[joined] = heaviest + scale / segment.count(joined)
            inside = [heaviest if each == joined else before
                      for each, before in zip(segment, inside)]
    for edge in order:
        a, b = (segment[vertex] for vertex in edges[edge])
        if a != b and min(segment.count(a), segment.count(b)) < min_size:
            segment = [a if each == b else each for each in segment]
    number: dict[int, int] = {}
    return [number.setdefault(each, len(number)) for each in segment]


@settings(max_examples=300, deadline=None)
@given(size=strategies.integers(1, 40), degree=strategies.floats(0, 4),
       levels=strategies.sampled_from([1, 4, 16, 10 ** 9]),
       scale=strategies.sampled_from([0.01, 0.25, 1.0, 4.0, 30.0]),  # thresholds equal weights
       min_size=strategies.integers(1, 8), seed=strategies.integers(0, 2 ** 32 - 1))
def test_equals_the_definition(size: int, degree: float, levels: int, scale: float,
                               min_size: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    edges = random.integers(0, size, (int(degree * size), 2))     # with loops and duplicates
    weight = random.integers(0, levels, len(edges)) / levels
    max_edges = int(random.choice([0, 4, 1000]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph_segmentation, 'MAX_EDGES_PER_SETTLED', max_edges)
        found = segment_graph(edges, weight, size, scale, min_size)
    assert found.tolist() == one_by_one(edges, weight, size, scale, min_size)


# Without rounds, with both, without the loop over single edges.
ALL_ALGORITHMS = pytest.mark.parametrize('max_edges', [0, 4, 10 ** 9])


@ALL_ALGORITHMS
def test_large_graph(max_edges: int) -> None:
    random = np.random.default_rng(0)
    edges = random.integers(0, 600, (6000, 2))
    weight = random.uniform(0, 1, len(edges))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph_segmentation, 'MAX_EDGES_PER_SETTLED', max_edges)
        found = segment_graph(edges, weight, 600, 0.3, 3)
    assert found.max() > 10
    assert found.tolist() == one_by_one(edges, weight, 600, 0.3, 3)


@ALL_ALGORITHMS
def test_edges_outside_the_spanning_tree_matter(max_edges: int, monkeypatch: pytest.MonkeyPatch,
                                                ) -> None:
    monkeypatch.setattr(graph_segmentation, 'MAX_EDGES_PER_SETTLED', max_edges)
    # 0 and 1 are linked to a finished component of twenty; their own edge is heavier than both.
    chain = np.stack([np.arange(2, 21), np.arange(3, 22)], axis=1)
    edges = np.concatenate([chain, [[0, 2], [1, 21], [0, 1]]])
    weight = np.array([0.0] * len(chain) + [1, 1, 2])
    assert segment_graph(edges, weight, 22, 10, 1).tolist() == [0, 0] + [1] * 20


@settings(max_examples=300, deadline=None)
@given(size=strategies.integers(1, 40), degree=strategies.floats(0, 4),
       levels=strategies.sampled_from([1, 4, 16, 10 ** 9]),
       scale=strategies.sampled_from([0.01, 0.25, 1.0, 30.0]),
       min_size=strategies.integers(1, 8), seed=strategies.integers(0, 2 ** 32 - 1))
def test_approximate_rounds_equal_their_definition(
        size: int, degree: float, levels: int, scale: float, min_size: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    edges = random.integers(0, size, (int(degree * size), 2))
    weight = random.integers(0, levels, len(edges)) / levels
    found = segment_graph(edges, weight, size, scale, min_size, exact=False)
    assert found.tolist() == in_rounds(edges, weight, size, scale, min_size)


def test_the_number_of_rounds_is_limited() -> None:
    """A large component whose threshold grows with each small one that it absorbs."""
    large, small = np.arange(1000), 1000 + 2 * np.arange(1000)
    edges = np.concatenate([np.stack([large[:-1], large[1:]], 1), np.stack([small, small + 1], 1),
                            np.stack([np.zeros(1000, int), small], 1)])
    weight = np.concatenate([np.zeros(1999), 4e-4 * np.arange(1, 1001)])
    found = segment_graph(edges, weight, 3000, 1, 1, exact=False)
    assert (found[:1000] == 0).all() and 0 < found.max() < 1000


@ALL_ALGORITHMS
def test_thresholds_may_grow(max_edges: int) -> None:
    edges = np.array([[0, 1], [2, 3], [1, 2]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph_segmentation, 'MAX_EDGES_PER_SETTLED', max_edges)
        for weight, segments in ((1.4, [0, 0, 0, 0]), (1.5, [0, 0, 1, 1])):   # 0.9 + 1 / 2
            found = segment_graph(edges, np.array([0.9, 0.9, weight]), 4, 1, 1)
            assert found.tolist() == segments


def test_small_components_merge_over_their_lightest_edge() -> None:
    edges = np.array([[0, 1], [2, 3], [3, 4], [1, 2], [5, 6]])
    weight = np.array([0, 0, 5, 9, 0.0])
    assert segment_graph(edges, weight, 7, 1, 1).tolist() == [0, 0, 1, 1, 2, 3, 3]
    assert segment_graph(edges, weight, 7, 1, 2).tolist() == [0, 0, 1, 1, 1, 2, 2]
    assert segment_graph(edges, weight, 7, 1, 3).tolist() == [0, 0, 0, 0, 0, 1, 1]


def test_without_edges_every_vertex_is_a_segment() -> None:
    assert segment_graph(np.zeros((0, 2), int), np.zeros(0), 3, 1, 20).tolist() == [0, 1, 2]


@pytest.mark.parametrize('edges, weight, message', [
    (np.zeros((3, 2), int), np.zeros(2), r'expected edges \[E, 2\] with weights \[E\]'),
    (np.array([[0, 5]]), np.zeros(1), r'vertices 0\.\.4, got 0\.\.5'),
    (np.array([[-1, 0]]), np.zeros(1), r'got -1\.\.0'),
    (np.array([[0, 1]]), np.array([np.nan]), 'got NaN')])
def test_invalid_graphs_are_errors(edges: NDArray, weight: NDArray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        segment_graph(edges, weight, 5, 1, 1)
