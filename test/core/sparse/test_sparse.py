"""Grids, pyramids and convolutions equal their definitions."""

from collections.abc import Callable
import itertools

from mask3d_core.errors import InputError
from mask3d_core.sparse import (
    build_pyramid,
    concat_channels,
    conv,
    place_rows,
    product,
    product_over_rows,
    select_rows,
    sparse_conv,
)
from mask3d_core.sparse.conv import _with_zero_row
from mask3d_core.sparse.grid import CROSS, CUBE, Grid
from mask3d_core.sparse.pyramid import CUBE_KERNELS, Level, Pyramid
import pytest
import torch
from torch import Tensor


def random_coords(count: int, extent: int, scans: int = 1, seed: int = 0) -> Tensor:
    """Return unique voxels [V, 4] in random order, some coordinates negative."""
    random = torch.Generator().manual_seed(seed)
    xyz = torch.randint(-extent, extent, (count, 3), generator=random)
    scan = torch.randint(scans, (count, 1), generator=random)
    coords = torch.cat([scan, xyz], 1).unique(dim=0)
    return coords[torch.randperm(len(coords), generator=random)]


def dense_neighbors(coords: Tensor, volume: int = CUBE) -> list[list[int]]:
    """Find neighbors by a dictionary: rows of coords, V if absent."""
    row = {tuple(voxel): number for number, voxel in enumerate(coords.tolist())}
    offsets = [(k % 3 - 1, k // 3 % 3 - 1, k // 9 - 1) for k in range(27)]
    if volume == CROSS:
        offsets = [offset for offset in offsets if offset.count(0) >= 2]
    return [[row.get((s, x + dx, y + dy, z + dz), len(coords)) for dx, dy, dz in offsets]
            for s, x, y, z in coords.tolist()]


def dense_conv(features: Tensor, weight: Tensor, coords: Tensor) -> Tensor:
    """Convolve by the definition."""
    padded = torch.cat([features, features.new_zeros(1, features.shape[1])])
    neighbors = torch.tensor(dense_neighbors(coords, weight.shape[1]))
    return torch.einsum('vkc,dkc->vd', padded[neighbors], weight)


def finest(coords: Tensor, *volumes: int) -> Level:
    """Return the finest level of voxels, with kernel maps for these volumes."""
    return build_pyramid(coords, (volumes, *CUBE_KERNELS[1:])).levels[0]


def test_grid_sorts_voxels_by_x_y_z() -> None:
    coords = torch.tensor([[0, 1, -2, 0], [0, -1, 5, 3], [0, 1, -2, -1], [1, -9, 0, 0]])
    grid, rows = Grid.sort(coords)
    assert rows.tolist() == [1, 2, 0, 3]
    assert (grid.keys.diff() > 0).all()


@pytest.mark.parametrize('volume', [CUBE, CROSS])
@pytest.mark.parametrize('scans, extent', [(1, 4), (3, 3), (2, 40)])
def test_neighbors(scans: int, extent: int, volume: int) -> None:
    coords = random_coords(300, extent, scans)
    grid, rows = Grid.sort(coords)
    assert grid.neighbors(volume).t().tolist() == dense_neighbors(coords[rows], volume)


def test_voxels_of_different_scans_are_not_neighbors() -> None:
    coords = torch.tensor([[0, 0, 0, 0], [1, 0, 0, 1], [1, 0, 0, -1]])
    assert (Grid.sort(coords)[0].neighbors() < 3).sum() == 3


def test_parent_coordinates_are_rounded_down_below_zero_too() -> None:
    coords = torch.tensor([[0, -1, 0, 0], [0, 0, 0, 0], [0, 1, 1, 1], [0, -2, 0, 1]])
    grid, rows = Grid.sort(coords)
    parents, slots = grid.coarsen()
    assert len(parents.keys) == 2
    by_voxel = {tuple(coords[row, 1:].tolist()): (slot // 8, slot % 8)
                for row, slot in zip(rows.tolist(), slots.tolist())}
    assert by_voxel == {(-1, 0, 0): (0, 1), (-2, 0, 1): (0, 4), (0, 0, 0): (1, 0),
                        (1, 1, 1): (1, 7)}


def test_too_wide_a_cloud_is_an_error() -> None:
    with pytest.raises(InputError, match='voxels, more than can be numbered'):
        Grid.sort(torch.tensor([[0, 0, 0, 0], [0, 4000000, 4000000, 4000000]]))


def check_pyramid(pyramid: Pyramid, coords: Tensor) -> None:
    """Assert the invariants that the network relies on."""
    finest = pyramid.levels[0].coords
    assert pyramid.rank[pyramid.order].tolist() == list(range(len(coords)))
    shift = finest[0, 1:] - coords[pyramid.order[0], 1:]
    assert (finest[:, 1:] - shift == coords[pyramid.order, 1:]).all()
    assert (finest[:, 0] == coords[pyramid.order, 0]).all()
    for level, coarse in itertools.pairwise(pyramid.levels):
        assert level.slots is not None and level.num_parents == len(coarse)
        assert (coarse.coords[level.slots >> 3, 1:] == level.coords[:, 1:] >> 1).all()
        assert (coarse.coords[level.slots >> 3, 0] == level.coords[:, 0]).all()
        assert len(level.slots.unique()) == len(level)
    for level in pyramid.levels:
        assert len(level.coords.unique(dim=0)) == len(level)
        for number, rows in enumerate(level.scans()):
            assert (level.coords[rows, 0] == number).all()
        assert level.starts[0] == 0 and level.starts[-1] == len(level)


@pytest.mark.parametrize('count, extent, scans', [(2000, 12, 1), (3000, 30, 3), (2, 3, 1)])
def test_pyramid(count: int, extent: int, scans: int) -> None:
    coords = random_coords(count, extent, scans)
    check_pyramid(build_pyramid(coords), coords)


def test_pyramid_does_not_depend_on_voxel_order() -> None:
    coords = random_coords(2500, 14)
    sorted_coords = coords[torch.tensor(sorted(range(len(coords)),
                                               key=lambda row: coords[row].tolist()))]
    one, two = build_pyramid(coords), build_pyramid(sorted_coords)
    for ours, theirs in zip(one.levels, two.levels):
        assert torch.equal(ours.coords, theirs.coords)


def test_pool_averages_occupied_children() -> None:
    pyramid = build_pyramid(random_coords(500, 6))
    level = pyramid.levels[0]
    features = torch.rand(len(level), 3)
    assert level.slots is not None
    pooled = level.pool(features)
    for parent in range(level.num_parents):
        children = features[(level.slots >> 3) == parent]
        torch.testing.assert_close(pooled[parent], children.mean(0))


@pytest.mark.parametrize('volume, tables', [(CUBE, (CUBE,)), (CROSS, (CROSS,)),
                                            (CROSS, (CUBE, CROSS))])
@pytest.mark.parametrize('count', [40, 700, 3000])
def test_sparse_conv_is_its_definition(count: int, volume: int, tables: tuple[int, ...]) -> None:
    level = finest(random_coords(count, 9, 2), *tables)
    assert set(level.kernel_maps) == set(tables)
    features, weight = torch.randn(len(level), 5), torch.randn(7, volume, 5)
    bias, residual = torch.randn(7), torch.randn(len(level), 7)
    wanted = dense_conv(features, weight, level.coords)
    torch.testing.assert_close(sparse_conv(features, weight, level), wanted, atol=1e-4, rtol=1e-4)
    fused = sparse_conv(features, weight, level, bias, residual, relu=True)
    torch.testing.assert_close(fused, (wanted + bias + residual).relu(), atol=1e-4, rtol=1e-4)


def test_fused_bias_and_relu_equal_those_with_gradients() -> None:
    level = build_pyramid(random_coords(900, 6)).levels[0]
    features, weight = torch.randn(len(level), 4), torch.randn(6, 27, 4)
    bias, residual = torch.randn(6), torch.randn(len(level), 6)
    fused = sparse_conv(features, weight, level, bias, residual, relu=True)
    traced = sparse_conv(features.requires_grad_(), weight, level, bias, residual, relu=True)
    torch.testing.assert_close(traced, fused)


@pytest.mark.parametrize('volume, tables', [(CUBE, (CUBE,)), (CROSS, (CUBE, CROSS))])
def test_sparse_conv_gradients(volume: int, tables: tuple[int, ...]) -> None:
    level = finest(random_coords(120, 3, 2), *tables)
    features = torch.randn(len(level), 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, volume, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, w: sparse_conv(x, w, level), (features, weight))


def test_scatter_and_gather_are_inverse_with_correct_gradients() -> None:
    slots = torch.tensor([5, 0, 3])
    features = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.equal(select_rows(place_rows(features, slots, 7), slots), features)
    assert torch.autograd.gradcheck(lambda x: place_rows(x, slots, 7), (features,))
    wide = torch.randn(7, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: select_rows(x, slots), (wide,))


@pytest.mark.parametrize('rows', [1, 63, 64, 1000])
def test_product_equals_a_matrix_product(rows: int) -> None:
    features, weight, bias = torch.randn(rows, 24), torch.randn(10, 24), torch.randn(10)
    torch.testing.assert_close(product(features, weight, bias), features @ weight.t() + bias,
                               atol=1e-5, rtol=1e-5)


def test_results_without_onednn_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    level = build_pyramid(random_coords(900, 6)).levels[0]
    results = []
    for onednn in (True, False):  # whatever this processor would use
        monkeypatch.setattr(conv, 'ONEDNN', onednn)
        features = torch.linspace(-1, 1, 4 * len(level)).view(-1, 4).requires_grad_()
        weight = torch.linspace(-1, 1, 6 * 27 * 4).view(6, 27, 4).requires_grad_()
        convolved = sparse_conv(features, weight, level)
        convolved.square().sum().backward()
        results.append((convolved, features.grad, weight.grad))
    for one, two in zip(*results):
        torch.testing.assert_close(one, two, atol=1e-3, rtol=1e-4)


def test_product_gradients() -> None:
    features = torch.randn(70, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(product, (features, weight))


@pytest.mark.parametrize('rows', [1, 100, 1027])
@pytest.mark.parametrize('autocast', [False, True])
def test_padding_bfloat16_products_changes_nothing(rows: int, autocast: bool) -> None:
    """Padded rows change neither results nor gradients."""
    draw = torch.Generator().manual_seed(0)
    left, right = (torch.randn(size, generator=draw).bfloat16() for size in ((rows, 24), (8, 24)))
    wanted = left.float() @ right.float().t()
    kind = torch.float32 if autocast else torch.bfloat16
    features, weight = left.to(kind).requires_grad_(), right.to(kind).requires_grad_()
    with torch.autocast('cpu', torch.bfloat16, enabled=autocast):
        result = product(features, weight)
        total = product_over_rows(result.detach(), features.detach())
    result.sum().backward()
    assert result.dtype == torch.bfloat16 and features.grad is not None
    torch.testing.assert_close(result.float(), wanted, atol=.1, rtol=.01)
    torch.testing.assert_close(total.float(), wanted.t() @ left.float(), atol=2., rtol=.02)
    torch.testing.assert_close(features.grad.float(), right.float().sum(0).expand(rows, -1),
                               atol=.1, rtol=.01)


@pytest.mark.parametrize('rows, columns', [(1, 3), (63, 400), (64, 400), (3000, 24)])
def test_product_over_rows_equals_a_matrix_product(rows: int, columns: int) -> None:
    left, right = torch.randn(rows, 10), torch.randn(rows, columns)
    torch.testing.assert_close(product_over_rows(left, right), left.t() @ right,
                               atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize('volume', [CUBE, CROSS])
@pytest.mark.parametrize('channels_in, channels', [(5, 7), (40, 24)])
def test_gradients_of_many_blocks_equal_the_definition(channels_in: int, channels: int,
                                                       volume: int) -> None:
    level = finest(random_coords(4000, 14, 2), volume)
    assert len(level.kernel_maps[volume].blocks) > 2
    features = torch.randn(len(level), channels_in, requires_grad=True)
    weight = torch.randn(channels, volume, channels_in, requires_grad=True)
    grad = torch.randn(len(level), channels)
    ours = torch.autograd.grad(sparse_conv(features, weight, level), (features, weight), grad)
    dense = dense_conv(features, weight, level.coords)
    for part, wanted in zip(ours, torch.autograd.grad(dense, (features, weight), grad)):
        torch.testing.assert_close(part, wanted, atol=2e-3, rtol=1e-4)


def test_gradients_do_not_depend_on_the_number_of_threads() -> None:
    level = build_pyramid(random_coords(4000, 14)).levels[0]
    features = torch.randn(len(level), 40, requires_grad=True)
    weight = torch.randn(24, 27, 40, requires_grad=True)
    threads, gradients = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            loss = sparse_conv(features, weight, level).square().sum()
            gradients.append(torch.autograd.grad(loss, (features, weight)))
    finally:
        torch.set_num_threads(threads)
    for more in gradients[1:]:
        assert all(torch.equal(one, two) for one, two in zip(gradients[0], more))


@pytest.mark.parametrize('mode', [torch.no_grad, torch.inference_mode])
def test_concatenated_channels_are_followed_by_a_zero_row(mode: Callable) -> None:
    one, two = torch.randn(7, 3), torch.randn(7, 2)
    with mode():
        joined = concat_channels(one, two)
        assert torch.equal(joined, torch.cat([one, two], 1))
        padded = _with_zero_row(joined)
        assert padded.data_ptr() == joined.data_ptr() and not padded[7].any()
        assert torch.equal(concat_channels(one, two.double()), torch.cat([one, two.double()], 1))
    assert concat_channels(one.requires_grad_(), two).requires_grad


@pytest.mark.parametrize('voxels, lengths', [
    (1, {1}), (1024, {1024}), (1025, {640, 385}), (4148, {768, 308}), (58368, {1024})])
def test_levels_are_cut_into_nearly_equal_blocks(voxels: int, lengths: set[int]) -> None:
    line = torch.stack([torch.zeros(voxels), torch.arange(voxels), *torch.zeros(2, voxels)], 1)
    blocks = build_pyramid(line.long()).levels[0].kernel_maps[CUBE].blocks
    assert {block.stop - block.start for block in blocks} == lengths
    assert [block.stop for block in blocks] == [*(block.start for block in blocks[1:]), voxels]
