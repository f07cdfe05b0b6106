"""The Triton kernels compute what torch's operations do; here in Triton's interpreter."""

from collections.abc import Callable, Iterator
import os
from pathlib import Path
import subprocess
import sys

from interpreted_triton import TritonError
from mask3d_core.model import ModelConfig
from mask3d_core.model.backbone import UNet
from mask3d_core.model.layers import fold_batch_norms
from mask3d_core.sparse import (
    build_pyramid,
    fused_conv,
    fused_kernels,
    gather_table,
    kernel_tuning,
    sparse_conv,
    strided_conv,
    transposed_conv,
)
from mask3d_core.sparse.gather_table import GatherTable
from mask3d_core.sparse.grid import CROSS, CUBE
from mask3d_core.sparse.kernel_tuning import Choices, choose_config, Config, Problem
from mask3d_core.sparse.pyramid import CUBE_KERNELS, DeviceKernelMap, Level
import pytest
import torch
from torch import Tensor

TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 3e-2, torch.float16: 4e-3}
"""Largest difference from the exact sum, relative to the largest number of the result."""
Conv = Callable[..., Tensor]
CONVS: dict[str, tuple[Conv, int]] = {
    'cube': (sparse_conv, CUBE), 'cross': (sparse_conv, CROSS), 'strided': (strided_conv, 8),
    'transposed': (transposed_conv, 8)}


@pytest.fixture(autouse=True)
def _interpreted() -> Iterator[None]:
    with fused_kernels('interpreted'):
        yield


@pytest.fixture(params=CONVS)
def conv(request: pytest.FixtureRequest) -> str:
    return request.param


def make_level(count: int = 100, extent: int = 4, seed: int = 0) -> Level:
    """Return the finest level of random voxels of two scans."""
    draw = torch.Generator().manual_seed(seed)
    coords = torch.cat([torch.randint(2, (count, 1), generator=draw),
                        torch.randint(-extent, extent, (count, 3), generator=draw)], 1)
    coords[0, 0], coords[-1, 0] = 0, 1
    return build_pyramid(coords.unique(dim=0), ((CUBE, CROSS), *CUBE_KERNELS[1:])).levels[0]


def inputs_of(conv: str, level: Level, channels_in: int = 5, channels: int = 7,
              dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Return features and weight for a convolution."""
    draw = torch.Generator().manual_seed(1)
    rows = level.num_parents if conv == 'transposed' else len(level)
    return (torch.randn(rows, channels_in, generator=draw).to(dtype),
            torch.randn(channels, CONVS[conv][1], channels_in, generator=draw).to(dtype))


def by_torch(conv: str, features: Tensor, weight: Tensor, level: Level) -> Tensor:
    """Convolve in float64, by torch's operations."""
    with fused_kernels('off'):
        return CONVS[conv][0](features.double(), weight.double(), level)


def assert_close(result: Tensor, wanted: Tensor, dtype: torch.dtype = torch.float32) -> None:
    bound = TOLERANCE[dtype] * float(wanted.abs().max())
    torch.testing.assert_close(result.double(), wanted.double(), atol=bound, rtol=0)


@pytest.mark.parametrize('dtype', TOLERANCE)
@pytest.mark.parametrize('channels_in, channels', [(3, 16), (16, 40), (70, 65)])
def test_convolution(conv: str, channels_in: int, channels: int, dtype: torch.dtype) -> None:
    level = make_level()
    features, weight = inputs_of(conv, level, channels_in, channels, dtype)
    result = CONVS[conv][0](features, weight, level)
    assert result.dtype == dtype
    assert_close(result, by_torch(conv, features, weight, level), dtype)


def test_the_kernels_are_used(conv: str, monkeypatch: pytest.MonkeyPatch) -> None:
    used = []
    monkeypatch.setattr(fused_conv, '_gather_product', lambda *_: used.append(1))
    level = make_level(20)
    CONVS[conv][0](*inputs_of(conv, level), level)
    assert used


@pytest.mark.parametrize('dtype', TOLERANCE)
def test_bias_residual_and_relu(dtype: torch.dtype) -> None:
    level = make_level()
    features, weight = inputs_of('cube', level, dtype=dtype)
    bias, residual = torch.randn(7).to(dtype), torch.randn(len(level), 7).to(dtype)
    wanted = by_torch('cube', features, weight, level)
    for relu in (False, True):
        expected = wanted + bias.double() + residual.double()
        assert_close(sparse_conv(features, weight, level, bias, residual, relu),
                     expected.relu() if relu else expected, dtype)
    assert_close(sparse_conv(features, weight, level, bias), wanted + bias.double(), dtype)


def test_relu_keeps_nan_as_torch_does() -> None:
    level = make_level(20)
    features, weight = inputs_of('cube', level)
    features[0] = torch.nan
    assert sparse_conv(features, weight, level, relu=True).isnan().any()


def test_bias_of_strided_and_transposed_convolutions() -> None:
    level, bias = make_level(), torch.randn(7)
    for conv in ('strided', 'transposed'):
        features, weight = inputs_of(conv, level)
        assert_close(CONVS[conv][0](features, weight, level, bias),
                     by_torch(conv, features, weight, level) + bias)


@pytest.mark.parametrize('coords', [[[0, 0, 0, 0]], [[0, 5, -3, 2], [1, 5, -3, 2]]])
def test_single_voxels(conv: str, coords: list[list[int]]) -> None:
    level = build_pyramid(torch.tensor(coords), ((CUBE, CROSS), *CUBE_KERNELS[1:])).levels[0]
    features, weight = inputs_of(conv, level)
    assert_close(CONVS[conv][0](features, weight, level),
                 by_torch(conv, features, weight, level))


def test_tiles_list_the_offsets_that_occur() -> None:
    table = torch.full((5, 70), 9, dtype=torch.int32)
    table[1, 3] = table[4, 30] = table[2, 69] = 0      # 70 rows: the last tile has 6
    tiles = GatherTable(table, 9).tiles(32)
    assert tiles.counts.tolist() == [2, 0, 1]
    assert tiles.offsets[0, :2].tolist() == [1, 4] and tiles.offsets[2, 0] == 2
    assert tiles.num_by_offset.tolist() == [0, 1, 1, 0, 1]
    assert tiles.by_offset[1, 0] == 0 and tiles.by_offset[2, 0] == 2


def test_rows_without_any_input_get_the_bias_and_no_gradient() -> None:
    """A tile that no offset occurs in is walked in no step."""
    table = torch.full((3, 100), 4, dtype=torch.int32)
    table[1, :10] = torch.arange(10, dtype=torch.int32) % 4
    tables = gather_table.ConvTables(GatherTable(table, 4), GatherTable(table, 4), False)
    features, weight, bias = torch.randn(4, 5), torch.randn(6, 3, 5), torch.randn(6)
    result = fused_conv.fused_conv(features, weight, tables, fused_conv.Epilogue(bias))
    torch.testing.assert_close(result[10:], bias.expand(90, 6))
    torch.testing.assert_close(result[:10],
                               features[table[1, :10].long()] @ weight[:, 1].t() + bias)
    weight.requires_grad_()
    fused_conv.fused_conv(features, weight, tables).sum().backward()
    assert weight.grad is not None and not weight.grad[:, [0, 2]].any() and weight.grad[:, 1].any()


def test_transposed_tiles_walk_few_offsets() -> None:
    """Rows are sorted by their only offset: a tile walks one of eight, or two at a border."""
    counts = make_level(2000, 9).from_parents.forward.tiles(64).counts
    assert len(counts) > 16 and counts.max() <= 2


@pytest.mark.parametrize('dtype', TOLERANCE)
def test_gradients_equal_those_of_torch(conv: str, dtype: torch.dtype) -> None:
    level = make_level()
    features, weight = (x.requires_grad_() for x in inputs_of(conv, level, 20, 9, dtype))
    result = CONVS[conv][0](features, weight, level)
    grad = torch.randn(result.shape).to(dtype)
    result.backward(grad)
    exact, kernel = features.detach().double(), weight.detach().double()
    exact.requires_grad_(), kernel.requires_grad_()
    by_torch(conv, exact, kernel, level).backward(grad.double())
    assert features.grad is not None and features.grad.dtype == dtype and weight.grad is not None
    assert_close(features.grad, exact.grad, dtype)
    assert_close(weight.grad, kernel.grad, dtype)


def test_gradients_by_finite_differences(conv: str) -> None:
    """The result is linear in either factor, so a step of any length measures the slope."""
    level = make_level(60)
    apply, (features, weight) = CONVS[conv][0], inputs_of(conv, level)
    steps = [torch.randn_like(features), torch.randn_like(weight)]
    slopes = [apply(features + steps[0], weight, level) - apply(features, weight, level),
              apply(features, weight + steps[1], level) - apply(features, weight, level)]
    result = apply(features.requires_grad_(), weight.requires_grad_(), level)
    grad = torch.randn_like(result)
    result.backward(grad)
    for tensor, step, slope in zip((features, weight), steps, slopes):
        torch.testing.assert_close((tensor.grad * step).sum(), (grad * slope).sum(),
                                   atol=1e-2, rtol=1e-3)


def test_no_gradient_that_nobody_needs() -> None:
    level = make_level(60)
    features, weight = inputs_of('cube', level)
    sparse_conv(features, weight.requires_grad_(), level).sum().backward()
    assert features.grad is None and weight.grad is not None


def test_epilogue_with_gradients() -> None:
    level = make_level()
    features, weight = inputs_of('cube', level)
    bias, residual = torch.randn(7), torch.randn(len(level), 7)
    fused = sparse_conv(features, weight, level, bias, residual, relu=True)
    traced = sparse_conv(features.requires_grad_(), weight, level, bias, residual, relu=True)
    torch.testing.assert_close(traced, fused)


def test_results_are_the_same_to_the_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weight gradients are sums of parts in a fixed order, however many there are."""
    monkeypatch.setattr(fused_conv, 'MIN_TILES_PER_PART', 1)
    level = make_level(200)
    features, weight = (x.requires_grad_() for x in inputs_of('cross', level))
    grads = []
    for _ in range(2):
        features.grad = weight.grad = None
        result = sparse_conv(features, weight, level)
        result.backward(torch.ones_like(result))
        grads.append((result.detach(), features.grad, weight.grad))
    assert all(torch.equal(one, two) for one, two in zip(*grads))
    exact = weight.detach().double().requires_grad_()
    by_torch('cross', features.detach(), exact, level).sum().backward()
    assert_close(grads[0][2], exact.grad)


def test_autocast() -> None:
    level = make_level(60)
    features, weight = (x.requires_grad_() for x in inputs_of('strided', level))
    with torch.autocast('cpu', torch.bfloat16):
        result = strided_conv(features, weight, level)
    assert result.dtype == torch.bfloat16
    result.sum().backward()
    assert features.grad is not None and features.grad.dtype == torch.float32
    assert_close(result, by_torch('strided', features.detach(), weight.detach(), level),
                 torch.bfloat16)


def test_float64_is_left_to_torch() -> None:
    level = make_level(60)
    features, weight = (x.double() for x in inputs_of('cross', level))
    assert isinstance(level.kernel_maps[CROSS], DeviceKernelMap)
    assert torch.equal(sparse_conv(features, weight, level),
                       by_torch('cross', features, weight, level))


@pytest.mark.parametrize('train', [False, True])
def test_unet(train: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stem and all other convolutions of a U-Net, folded or with gradients."""
    few_programs = [Config(64, 256, 256, 4, 3)]  # the interpreter runs one after the other
    monkeypatch.setattr(kernel_tuning, 'CONFIGS', dict.fromkeys(
        ('gather exact', 'weight exact'), few_programs))
    torch.manual_seed(0)
    config = ModelConfig('Res16UNet14X', num_classes=3, hidden_dim=16, num_heads=2)
    unet = UNet(config).eval()  # norms of a few voxels would magnify differences in rounding
    if not train:
        fold_batch_norms(unet)
    x = torch.arange(20)  # a row with a step has few neighbors, so the interpreter is done sooner
    coords = torch.stack([torch.zeros_like(x), x, x // 10, torch.zeros_like(x)], 1)
    features = torch.randn(len(coords), config.in_channels)
    results = []
    for mode in ('interpreted', 'off'):
        unet.zero_grad()
        with fused_kernels(mode), torch.set_grad_enabled(train):
            pyramid = build_pyramid(coords, config.kernels)
            levels = unet(features[pyramid.order], pyramid)
            if train:
                torch.stack([level.square().mean() for level in levels]).sum().backward()
        grads = [parameter.grad for parameter in unet.parameters()] if train else []
        results.append([*(level.detach() for level in levels), *grads])
    for fused, plain in zip(*results):
        torch.testing.assert_close(fused, plain, atol=2e-4, rtol=1e-3)


PROBLEM = Problem('gather', torch.bfloat16, 'ieee', 24, 96, CUBE)


def test_configurations_are_no_larger_than_the_channels() -> None:
    configs = kernel_tuning.candidates(PROBLEM)
    assert {config.block_in for config in configs} == {32}
    assert {config.block_out for config in configs} == {32, 64, 128}
    assert len(set(configs)) == len(configs)
    exact = kernel_tuning.candidates(PROBLEM._replace(dtype=torch.float32))
    assert not set(exact) & set(configs)
    rounded = PROBLEM._replace(dtype=torch.float32, precision='tf32')
    assert kernel_tuning.candidates(rounded) == configs


def test_choices_are_kept_for_the_same_versions_only(tmp_path: Path) -> None:
    file = tmp_path / 'new' / 'kernels.json'
    choices = Choices(file, 'triton 3')
    choices.of(PROBLEM)[17] = config = Config(64, 64, 32, 4, 3)
    choices.save()
    assert Choices(file, 'triton 3').of(PROBLEM) == {17: config}
    assert Choices(file, 'triton 4').of(PROBLEM) == {}
    file.write_text('{"version": "triton 3", "choices": []}')
    assert Choices(file, 'triton 3').of(PROBLEM) == {}
    (tmp_path / 'file').touch()
    Choices(tmp_path / 'file' / 'kernels.json', '').save()  # no folder there: no error


def test_only_a_warm_up_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choices = Choices(tmp_path / 'kernels.json', '')
    second = kernel_tuning.candidates(PROBLEM)[1]
    monkeypatch.setattr(kernel_tuning, '_choices', lambda _: choices)
    monkeypatch.setattr(kernel_tuning, '_fastest', lambda configs, _: configs[1])
    device = torch.device('cuda', 0)

    def chosen(rows: int, tune: bool = False) -> Config:
        return choose_config(PROBLEM, rows, device, lambda *_: None, tune)

    assert chosen(100_000) == kernel_tuning.candidates(PROBLEM)[0]
    with kernel_tuning.tuning():
        assert chosen(100_000) == second
    assert chosen(50) == second  # that of the nearest number of rows
    assert list(choices.of(PROBLEM)) == [17]
    assert chosen(50, tune=True) == second and list(choices.of(PROBLEM)) == [17, 6]


def test_the_kernels_compile_for_a_gpu() -> None:
    """The interpreter accepts more than the compiler does, which needs no GPU."""
    script = Path(__file__).with_name('compile_kernels.py')
    environment = os.environ | {'TRITON_INTERPRET': '', 'PYTHONPATH': os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, script], env=environment, text=True,
                          capture_output=True, timeout=300)
    assert not done.returncode, done.stderr
    assert done.stdout.splitlines() == [
        'list_offsets', 'gather_product bf16: tensor cores', 'gather_product fp32: exact',
        'weight_gradient fp16: tensor cores', 'farthest_step']


def test_kernels_that_work_are_tried_without_complaint() -> None:
    fused_conv._try_kernels(torch.device('cpu'))


@pytest.mark.parametrize('error', [RuntimeError('Failed to find\n C compiler'),
                                   OSError('read-only'), TritonError('no ptxas')])
def test_where_triton_fails_torch_is_used(error: Exception,
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(fused_conv, '_convolve', fail)
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda _: (9, 0))
    monkeypatch.setattr(fused_conv, '_try_kernels', lambda _, tried=fused_conv._try_kernels:
                        tried(torch.device('cpu')))
    with pytest.warns(UserWarning, match='sparse convolutions use torch: Triton does not work'):
        reason = fused_conv.why_not_fused.__wrapped__(0)
    assert reason == f'Triton does not work here: {" ".join(str(error).split())}'
