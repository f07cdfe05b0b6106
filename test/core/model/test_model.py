"""Invariants of the network; test_parity compares its numbers with the original's."""

from dataclasses import replace

from mask3d_core.errors import InputError
from mask3d_core.model import decoder, Mask3D, ModelConfig, Prediction, queries
from mask3d_core.model.backbone import UNet
from mask3d_core.model.decoder import Attention, attention_mask
from mask3d_core.model.layers import DownConv, fold_batch_norms, StemConv, UpConv
from mask3d_core.model.positions import FourierPositions
from mask3d_core.model.queries import farthest_points
from mask3d_core.model.votes import Votes
from mask3d_core.model.windows import window_features
from mask3d_core.scan import Scan
from mask3d_core.sparse import build_pyramid
from mask3d_core.sparse.pyramid import CUBE_KERNELS
from mask3d_core.voxels import batch_coords, Voxelization, voxelize
import numpy as np
import pytest
from small_model import CROSSES, predict, SMALL, small_model, small_scan
import torch


def assert_same(one: Prediction, two: Prediction) -> None:
    """Assert that two predictions agree up to rounding."""
    torch.testing.assert_close(one.class_logits, two.class_logits, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(one.mask_logits, two.mask_logits, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize('values, words', [
    ({'num_heads': 7}, '7 attention heads do not divide the 128 channels'),
    ({'hidden_dim': 0}, 'expected hidden_dim of 1 or more, got 0'),
    ({'num_queries': 0}, 'expected num_queries of 1 or more, got 0'),
    ({'num_rounds': 0}, 'expected num_rounds of 1 or more, got 0'),
    ({'levels': (0, 5)}, r'expected levels of 0, the coarsest, to 4, got \[0, 5\]'),
    ({'levels': ()}, r'expected levels .* got \[\]'),
    ({'mask_iou': True}, 'mask_iou ranks instances together with votes: set votes')])
def test_invalid_model_settings_are_errors(values: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        ModelConfig(**values)


@pytest.mark.parametrize('backbone, total, head', [
    ('Res16UNet34C', 39_616_583, 96), ('Res16UNet18B', 18_956_999, 128)])
def test_number_of_parameters(backbone: str, total: int, head: int) -> None:
    """The paper's models, without their semantic head (20 classes), which is never used."""
    with torch.device('meta'):
        model = Mask3D(ModelConfig(backbone))
    unused = 20 * head + 20
    assert sum(parameter.numel() for parameter in model.parameters()) == total - unused


@pytest.mark.parametrize('config', [
    SMALL, replace(SMALL, queries='fps_feature'), replace(SMALL, queries='learned'),
    replace(SMALL, shared_rounds=False), replace(SMALL, on_segments=True),
    replace(SMALL, levels=(1, 3)), CROSSES])
def test_batched_equals_single(config: ModelConfig) -> None:
    model, scans = small_model(config), [small_scan(1), small_scan(2, 500)]
    together = predict(model, scans)
    for scan, prediction in zip(scans, together):
        rows = int(scan.segment.max()) + 1 if config.on_segments else len(scan)
        assert prediction.class_logits.shape == (6, 5)
        assert prediction.mask_logits.shape == (rows, 6)
        assert_same(prediction, predict(model, [scan])[0])


def test_same_input_gives_the_same_bits() -> None:
    model, scan = small_model(), small_scan(3)
    one, two = predict(model, [scan])[0], predict(model, [scan])[0]
    assert torch.equal(one.class_logits, two.class_logits)
    assert torch.equal(one.mask_logits, two.mask_logits)


@pytest.mark.parametrize('config', [SMALL, CROSSES])
def test_folding_batch_norms_keeps_the_predictions(config: ModelConfig) -> None:
    model, scan = small_model(config), small_scan(4)
    before = predict(model, [scan])[0]
    fold_batch_norms(model)
    assert_same(predict(model, [scan])[0], before)


def test_crosses_equal_cubes_with_zeros() -> None:
    scans = [small_scan(1), small_scan(2, 8), small_scan(3)]
    cubes, crosses = UNet(replace(CROSSES, backbone='Res16UNet14S')), UNet(CROSSES)
    state = crosses.state_dict()
    for name, tensor in cubes.state_dict().items():
        if tensor.shape != state[name].shape:
            tensor, cross = torch.zeros_like(tensor), state[name]
            tensor[:, [4, 10, 12, 13, 14, 16, 22]] = cross
            state[name] = tensor
    cubes.load_state_dict(state)
    features = torch.cat([scan.features for scan in scans])
    for unet, kernels in ((cubes, CUBE_KERNELS), (crosses, CROSSES.kernels)):
        pyramid = build_pyramid(batch_coords(scans), kernels)
        finest = unet(features[pyramid.order], pyramid)[-1][pyramid.rank]
        finest.square().sum().backward()
        if unet is cubes:
            wanted = finest
    torch.testing.assert_close(finest, wanted, atol=1e-4, rtol=1e-4)
    gradients = dict(cubes.named_parameters())
    for name, parameter in crosses.named_parameters():
        grad = gradients[name].grad
        if grad.shape != parameter.shape:
            grad = grad[:, [4, 10, 12, 13, 14, 16, 22]]
        assert (parameter.grad - grad).norm() <= 1e-3 * grad.norm() + 1e-5, name
    stages = [stage[0].conv2.weight.shape[1] for stage in crosses.up_blocks]
    assert stages == [27, 27, 7, 7]
    assert crosses.down_blocks[0][0].conv2.weight.shape[1] == 27


def test_a_pyramid_without_cross_kernels_is_an_error() -> None:
    scan = small_scan(1)
    with pytest.raises(AssertionError, match='without `ModelConfig.kernels`'):
        small_model(CROSSES)([scan], build_pyramid(batch_coords([scan])))


def test_shared_rounds_may_compute_keys_once() -> None:
    """Shared rounds compute the keys of a level once, separate rounds with equal weights anew."""
    shared, scan = small_model(), small_scan(5)
    apart = small_model(replace(SMALL, shared_rounds=False))
    state = shared.state_dict()
    apart.load_state_dict({name: state[name.replace('rounds.1.', 'rounds.0.')]
                           for name in apart.state_dict()})
    assert_same(predict(apart, [scan])[0], predict(shared, [scan])[0])


def test_pooling_features_equals_pooling_logits() -> None:
    """Mask logits are linear in the features (architecture, decision 3)."""
    level = build_pyramid(batch_coords([small_scan(6)])).levels[0]
    features, embedding = torch.randn(len(level), 8), torch.randn(5, 8)
    torch.testing.assert_close(level.pool(features) @ embedding.t(),
                               level.pool(features @ embedding.t()), atol=1e-5, rtol=1e-4)


def test_number_of_queries_may_differ_at_inference() -> None:
    model, scan = small_model(), small_scan(7)
    assert predict(model, [scan], num_queries=17)[0].class_logits.shape == (17, 5)


def test_more_queries_than_voxels() -> None:
    scan = small_scan(8, 12)
    assert predict(small_model(), [scan], num_queries=40)[0].class_logits.isfinite().all()


def test_flat_scan_has_finite_positions() -> None:
    """A floor has no height; the original divides by zero there."""
    xyz = np.random.default_rng(9).uniform(-2, 2, (600, 3))
    xyz[:, 2] = .05
    gray = np.linspace(.4, .6, 1800).reshape(600, 3)
    scan = voxelize(Scan.from_points(xyz, gray), Voxelization(0.1))
    prediction = predict(small_model(), [scan])[0]
    assert prediction.mask_logits.isfinite().all() and prediction.class_logits.isfinite().all()


def test_a_model_on_segments_needs_segments() -> None:
    scan = replace(small_scan(10), segment=None)
    with pytest.raises(InputError, match='these weights predict masks on segments'):
        predict(small_model(replace(SMALL, on_segments=True)), [scan])


def test_farthest_points() -> None:
    line = torch.tensor([[0, 0, 0], [1, 0, 0], [9, 0, 0], [4, 0, 0], [5, 0, 0]])
    assert farthest_points(line, 4).tolist() == [0, 2, 3, 1]  # 4 and 5 tie: the first wins
    assert farthest_points(line[:2], 4).tolist() == [0, 1, 0, 0]
    assert farthest_points(line, 2, torch.tensor([1., 9., 1., 3., 4.])).tolist() == [1, 4]


@pytest.mark.parametrize('weighted', [False, True])
def test_farthest_points_are_the_same_on_every_device(weighted: bool) -> None:
    points, weight = 9 * torch.rand(5000, 3), torch.rand(5000) if weighted else None
    chosen = farthest_points(points, 60, weight)
    assert chosen.dtype == torch.int64 and len(chosen.unique()) == 60
    assert torch.equal(chosen, queries._farthest_on_gpu(points.t().contiguous(), 60, weight))


def test_queries_with_empty_masks_attend_everywhere() -> None:
    features = torch.tensor([[1.], [-1.], [2.]])
    masked = attention_mask(features, torch.tensor([[1.], [0.], [-1.]]))
    assert masked.tolist() == [[False, True, False], [False] * 3, [True, False, True]]
    assert attention_mask(features.abs(), torch.tensor([[-1.]])).tolist() == [[False] * 3]


def test_attention_mask_compares_probabilities() -> None:
    steps = torch.arange(-50, 50, dtype=torch.int32)
    logits = (torch.tensor(-3 * 2. ** -24).view(torch.int32) + steps).view(torch.float32)
    logits = torch.cat([logits, torch.tensor([-200., -1, -1e-30, 0, 1e-7, 1, 200])])
    masked = attention_mask(logits[:, None], torch.ones(1, 1))[0]
    assert torch.equal(masked, logits.sigmoid() < 0.5) and masked.any() and not masked.all()


@pytest.mark.parametrize('kind, close', [(torch.float32, 1e-5), (torch.bfloat16, 0.02)])
@pytest.mark.parametrize('open_', [0.01, 0.5, None])
def test_sparse_attention_equals_dense_attention(
        open_: float | None, kind: torch.dtype, close: float,
        monkeypatch: pytest.MonkeyPatch) -> None:
    """Small masks, large ones, and a mixture of both; one query attends to all."""
    monkeypatch.setattr(decoder, 'SPARSE_QUERIES_AT_ONCE', 4)
    draw = torch.Generator().manual_seed(0)
    attention = Attention(32, 4).to(kind)
    queries, keys, values = (torch.randn(1, count, 32, generator=draw).to(kind)
                             for count in (9, 500, 500))
    share = torch.rand(9, 1, generator=draw) ** 3 if open_ is None else torch.full((9, 1), open_)
    masked = torch.rand(9, 500, generator=draw) >= share
    masked[4] = False
    wanted = attention(queries, keys, values, masked)
    assert wanted.requires_grad  # so it is dense
    with torch.no_grad():
        found = attention(queries, keys, values, masked)
    torch.testing.assert_close(found, wanted.detach(), atol=close, rtol=close)


def test_folding_the_mask_projection_keeps_the_logits() -> None:
    model = Mask3D(replace(SMALL, votes=True))
    scan, draw = small_scan(13, 400), torch.Generator().manual_seed(0)
    pyramid = build_pyramid(batch_coords([scan]))
    finest = torch.randn(len(scan), model.unet.widths[-1], generator=draw)
    centers = torch.randn(len(scan), 3, generator=draw)
    votes = Votes(centers, centers, torch.zeros(len(scan), SMALL.num_classes + 1))
    features = model._mask_features(finest, pyramid, [votes])
    windows = window_features(centers)[pyramid.order]
    projected = torch.cat([model.mask_projection(finest), windows], 1)
    embeddings = torch.randn(5, projected.shape[1], generator=draw)
    torch.testing.assert_close(features @ model._fold_projection(embeddings).t(),
                               projected @ embeddings.t(), atol=1e-4, rtol=1e-4)


def test_fourier_positions() -> None:
    positions = FourierPositions(4)
    positions.gauss.copy_(torch.tensor([[1., 0], [0, .25], [0, 0]]))
    encoded = positions(torch.tensor([[2.5, 3., 7.]]), torch.tensor([2., 2, 7]),
                        torch.tensor([3., 3, 7]))
    torch.testing.assert_close(encoded, torch.tensor([[0., 1, -1, 0]]), atol=1e-6, rtol=0)


def test_stem_equals_a_5x5x5_convolution() -> None:
    pyramid = build_pyramid(batch_coords([small_scan(11, 400)]))
    level, parents = pyramid.levels[:2]
    stem = StemConv(3, 4)
    stem.norm = None
    features = torch.randn(len(level), 3)
    row = {tuple(xyz): number for number, xyz in enumerate(level.coords[:, 1:].tolist())}
    wanted = torch.zeros(len(level), 4)
    for (x, y, z), number in row.items():
        for k in range(125):
            other = row.get((x + k % 5 - 2, y + k // 5 % 5 - 2, z + k // 25 - 2))
            if other is not None:
                wanted[number] += stem.weight[:, k] @ features[other]
    torch.testing.assert_close(stem(features, level, parents), wanted, atol=1e-4, rtol=1e-4)


def test_strided_and_transposed_convolution() -> None:
    level = build_pyramid(batch_coords([small_scan(12, 300)])).levels[0]
    down, up = DownConv(3, 4), UpConv(4, 3)
    features, coarse = torch.randn(len(level), 3), torch.randn(level.num_parents, 4)
    gathered, spread = torch.zeros(level.num_parents, 4), torch.zeros(len(level), 3)
    for number, slot in enumerate(level.slots.tolist()):
        gathered[slot // 8] += down.weight[:, slot % 8] @ features[number]
        spread[number] = up.weight[:, slot % 8] @ coarse[slot // 8]
    torch.testing.assert_close(down.convolve(features, level), gathered, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(up.convolve(coarse, level), spread, atol=1e-5, rtol=1e-4)
