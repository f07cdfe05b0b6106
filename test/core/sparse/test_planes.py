"""Convolutions by planes equal those with whole cubes."""

import itertools

from mask3d_core.sparse import build_pyramid, conv, planes, planes_pay_off, sparse_conv
from mask3d_core.sparse.grid import CROSS, CUBE
from mask3d_core.sparse.planes import LOWER, MIDDLE, UPPER
from mask3d_core.sparse.pyramid import CUBE_KERNELS, Level
import pytest
import torch
from torch import Tensor


def rough_floor(edge: int, scans: int = 1) -> Tensor:
    """Return the voxels of a floor whose height varies, and of some far from all others."""
    draw = torch.Generator().manual_seed(0)
    x, y = (axis.reshape(-1) for axis in torch.meshgrid(*[torch.arange(edge)] * 2, indexing='ij'))
    floor = torch.stack([torch.randint(scans, x.shape, generator=draw), x, y,
                         torch.randint(-1, 2, x.shape, generator=draw)], 1)
    lone = torch.stack([torch.zeros(9), *torch.full((2, 9), 900), 5 * torch.arange(9)], 1).long()
    coords = torch.cat([floor, lone])
    return coords[torch.randperm(len(coords), generator=draw)]


def finest(coords: Tensor, by_planes: bool, *volumes: int) -> tuple[Level, Tensor]:
    """Return the finest level, and the row of each of the voxels in it."""
    pyramid = build_pyramid(coords, (volumes, *CUBE_KERNELS[1:]), by_planes)
    return pyramid.levels[0], pyramid.rank


@pytest.mark.parametrize('volumes', [(CUBE,), (CROSS, CUBE), (CROSS,)])
@pytest.mark.parametrize('threads', [1, 2])
def test_the_result_is_that_of_whole_cubes(volumes: tuple[int, ...], threads: int) -> None:
    coords, before = rough_floor(60, 2), torch.get_num_threads()
    features, residual = torch.randn(len(coords), 5), torch.randn(len(coords), 7)
    bias, results = torch.randn(7), []
    weight = torch.randn(7, volumes[0], 5)
    torch.set_num_threads(threads)
    try:
        for by_planes in (False, True):
            level, rank = finest(coords, by_planes, *volumes)
            assert (CUBE in volumes and level.kernel_maps[CUBE].planes is not None) == (
                by_planes and CUBE in volumes)
            order = rank.argsort()
            with torch.inference_mode():
                plain = sparse_conv(features[order], weight, level)
                fused = sparse_conv(features[order], weight, level, bias, residual[order], True)
            torch.testing.assert_close(fused, (plain + bias + residual[order]).relu())
            results.append(plain[rank])
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(results[0], results[1], atol=1e-5, rtol=1e-5)


def test_all_neighbors_are_in_the_planes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planes, 'MAX_BLOCK_ROWS', 64)
    level, _ = finest(rough_floor(40), True, CUBE)
    whole, cut = build_pyramid(level.coords).levels[0].kernel_maps[CUBE], level.kernel_maps[CUBE]
    assert cut.num_pairs == whole.num_pairs and cut.blocks == []
    assert cut.planes is not None
    count = len(level)
    pairs = []
    for plane, places in ((LOWER, cut.planes.places[0]), (UPPER, cut.planes.places[1]),
                          (MIDDLE, torch.arange(count))):
        owner = torch.full((cut.planes.num_partial + count,), -1)
        inside = places < (count if plane is MIDDLE else cut.planes.num_partial)
        owner[places[inside].long()] = torch.arange(count)[inside]
        for block in cut.planes.middle if plane is MIDDLE else cut.planes.outer:
            offsets = torch.arange(27)[block.offsets]
            if not ((offsets >= plane.start) & (offsets < plane.stop)).all():
                continue  # of the other outer plane
            table = block.neighbors.view(block.stop - block.start, -1)
            assert (table < count).any(0).all() and (table < count).any(1).all()
            for row, place in (table < count).nonzero().tolist():
                pairs.append((int(owner[block.start + row]), int(offsets[place]),
                              int(table[row, place])))
    assert len(set(pairs)) == len(pairs) == cut.num_pairs
    steps = torch.tensor([[offset % 3 - 1, offset // 3 % 3 - 1, offset // 9 - 1]
                          for _, offset, _ in pairs])
    ours, theirs = (level.coords[[pair[end] for pair in pairs], 1:] for end in (0, 2))
    assert torch.equal(ours + steps, theirs)


def test_planes_multiply_fewer_zeros() -> None:
    level, _ = finest(rough_floor(60), True, CUBE)
    whole, _ = finest(rough_floor(60), False, CUBE)
    cut = level.kernel_maps[CUBE]
    assert cut.planes is not None
    ours = sum(len(block.neighbors) for block in (*cut.planes.outer, *cut.planes.middle))
    theirs = sum(len(block.neighbors) for block in whole.kernel_maps[CUBE].blocks)
    assert cut.num_pairs < ours < 0.9 * theirs


def test_a_pyramid_with_planes_is_as_any_other() -> None:
    coords = rough_floor(70, 2)
    pyramid = build_pyramid(coords, planes=True)
    assert pyramid.rank[pyramid.order].tolist() == list(range(len(coords)))
    for level, coarse in itertools.pairwise(pyramid.levels):
        assert level.slots is not None
        assert (coarse.coords[level.slots >> 3, 1:] == level.coords[:, 1:] >> 1).all()
    for level in pyramid.levels:
        by_planes = len(level) >= planes.MIN_LEVEL_ROWS
        assert (level.kernel_maps[CUBE].planes is not None) == by_planes
        for number, rows in enumerate(level.scans()):
            assert (level.coords[rows, 0] == number).all()


def test_planes_have_no_gradients() -> None:
    level, _ = finest(rough_floor(40), True, CUBE)
    features = torch.randn(len(level), 3, requires_grad=True)
    result = sparse_conv(features, torch.randn(2, 27, 3), level)
    with pytest.raises(AssertionError, match='planes have no gradients'):
        result.sum().backward()


@pytest.mark.parametrize('onednn, avx512, wanted', [
    (False, True, True), (False, False, True), (True, False, True), (True, True, False)])
def test_planes_are_for_products_of_torch_in_float32(
        onednn: bool, avx512: bool, wanted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (('X86', True), ('ONEDNN', onednn), ('AVX512', avx512)):
        monkeypatch.setattr(conv, name, value)
    assert planes_pay_off(torch.device('cpu'), torch.float32) == wanted
    assert not planes_pay_off(torch.device('cpu'), torch.bfloat16)
    assert not planes_pay_off(torch.device('cuda'), torch.float32)
    monkeypatch.setattr(conv, 'X86', False)
    assert not planes_pay_off(torch.device('cpu'), torch.float32)
