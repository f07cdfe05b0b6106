"""Farthest point sampling as a Triton kernel chooses the same points as numpy."""

import interpreted_triton  # noqa: F401  before the kernel
from mask3d_core.model import farthest_kernel, queries
from mask3d_core.model.queries import farthest_points
from mask3d_core.sparse import fused_kernels
import pytest
import torch


@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize('points, count', [(1, 3), (5, 7), (300, 12)])
def test_the_same_points(points: int, count: int, weighted: bool,
                         monkeypatch: pytest.MonkeyPatch) -> None:
    """Many distances on a grid are equal: the first point is chosen, in every program's share."""
    monkeypatch.setattr(farthest_kernel, 'PARTS', 8)
    monkeypatch.setattr(queries, 'POINTS_PER_BLOCK', 16)  # a share has several blocks
    draw = torch.Generator().manual_seed(0)
    coords = torch.randint(0, 9, (points, 3), generator=draw)
    if weighted:
        coords = coords + torch.rand(points, 3, generator=draw)
    weight = torch.rand(points, generator=draw) if weighted else None
    wanted = farthest_points(coords, count, weight)
    with fused_kernels('interpreted'):
        assert farthest_points(coords, count, weight).tolist() == wanted.tolist()
