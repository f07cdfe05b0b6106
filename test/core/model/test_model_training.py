"""The network in training: gradients, sampled voxels, memory."""

from dataclasses import replace

from mask3d_core.model import Mask3D, StepPrediction
from mask3d_core.model.decoder import LevelKeys
from mask3d_core.sparse import build_pyramid
from mask3d_core.voxels import batch_coords, Voxels
import pytest
from small_model import predict, small_model, small_scan
import torch


def train_step(model: Mask3D, scans: list[Voxels], **options: object,
               ) -> list[list[StepPrediction]]:
    """Compute gradients of a loss that depends on all outputs."""
    steps = model(scans, build_pyramid(batch_coords(scans)), every_step=True, **options)
    sum(prediction.class_logits.square().mean() + prediction.mask_logits.square().mean()
        for step in steps for prediction in step).backward()
    return steps


def test_all_parameters_get_a_gradient() -> None:
    model, scans = small_model().train(), [small_scan(13), small_scan(14)]
    assert len(train_step(model, scans)) == 2 * 4 + 1
    missing = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert missing == []


def test_the_prediction_is_that_of_the_last_step() -> None:
    model, scans = small_model(), [small_scan(15), small_scan(16)]
    with torch.no_grad():
        steps = model(scans, build_pyramid(batch_coords(scans)), every_step=True)
    for step, prediction in zip(steps[-1], predict(model, scans)):
        assert torch.equal(step.class_logits, prediction.class_logits)
        assert torch.equal(step.mask_logits, prediction.mask_logits)


@pytest.mark.parametrize('autocast', [False, True])
def test_gradient_checkpointing_keeps_gradients_and_statistics(autocast: bool) -> None:
    """The second forward pass must not update running statistics."""
    scans = [small_scan(17), small_scan(18)]
    models = [small_model().train(), small_model().train()]
    models[1].unet.recompute = True
    for model in models:
        with torch.autocast('cpu', torch.bfloat16, enabled=autocast):
            train_step(model, scans, generator=torch.Generator().manual_seed(0))
    plain, again = (dict(model.named_parameters()) for model in models)
    for name, parameter in plain.items():
        ours, wanted = again[name].grad, parameter.grad
        assert ours is not None and wanted is not None
        assert (ours - wanted).norm() <= 1e-5 * wanted.norm(), name  # sums in another order
    for name, value in models[0].state_dict().items():
        assert torch.equal(value, models[1].state_dict()[name]), name
    momenta = [[module.momentum for module in model.modules()
                if isinstance(module, torch.nn.BatchNorm1d)] for model in models]
    assert momenta[0] == momenta[1]


def test_gradient_checkpointing_saves_memory() -> None:
    """Bytes that the forward pass saves for the backward pass."""
    model, scan = small_model().train(), small_scan(19)
    pyramid = build_pyramid(batch_coords([scan]))

    def saved_bytes() -> int:
        storages = {}

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            storages[tensor.data_ptr()] = tensor.untyped_storage()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            model.unet(scan.features[pyramid.order], pyramid)
        return sum(storage.nbytes() for storage in storages.values())

    plain = saved_bytes()
    model.unet.recompute = True
    assert saved_bytes() < .5 * plain


def test_sampling_draws_other_voxels_each_time() -> None:
    """Keys, values and mask features are sampled together; gradients go to the samples."""
    keys = torch.arange(50.)[:, None].requires_grad_()
    level = LevelKeys(keys, 2 * keys, 3 * keys.detach())
    generator = torch.Generator().manual_seed(0)
    drawn = [level.sample(20, generator) for _ in range(2)]
    for sample in drawn:
        assert len(sample.keys.unique()) == 20
        assert torch.equal(sample.values, 2 * sample.keys)
        assert torch.equal(sample.mask_features, 3 * sample.keys)
    assert not torch.equal(drawn[0].keys, drawn[1].keys)
    assert torch.equal(level.sample(20, torch.Generator().manual_seed(0)).keys, drawn[0].keys)
    assert level.sample(50, generator) is level
    drawn[0].keys.sum().backward()
    assert keys.grad is not None and int(keys.grad.sum()) == 20


def test_voxels_are_sampled_in_training_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('mask3d_core.model.mask3d.SAMPLE_SIZES', (5, 5, 5, 5, 5))
    scan, model = small_scan(20), small_model().train()
    pyramid, seen = build_pyramid(batch_coords([scan])), []
    for layer in model.rounds[0]:
        layer.cross.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[3][0].shape[1]))
    levels = model.unet(scan.features[pyramid.order], pyramid)
    outcomes = []
    for seed in (1, 1, 2):
        generator = torch.Generator().manual_seed(seed)
        steps = model.refine(levels, [scan], pyramid, generator=generator)
        outcomes.append(steps[-1][0].class_logits)
    sizes = [len(level) for level in pyramid.levels[:0:-1]]
    assert seen == [min(size, 5) for size in sizes] * 6 and max(sizes) > 5
    assert torch.equal(outcomes[0], outcomes[1]) and not torch.equal(outcomes[0], outcomes[2])
    seen.clear()
    model.eval().refine(levels, [scan], pyramid)
    assert seen == sizes * 2


def test_a_level_of_one_voxel_can_be_trained_on() -> None:
    """The original raises an error here."""
    scan = small_scan(21)
    scan = replace(scan, coords=scan.coords - scan.coords.amin(0))
    assert len(build_pyramid(batch_coords([scan])).levels[4]) > 1
    few = scan.coords.amax(1) < 16
    tiny = replace(scan, coords=scan.coords[few], features=scan.features[few],
                   centers=scan.centers[few])
    pyramid = build_pyramid(batch_coords([tiny, small_scan(22)]))
    assert pyramid.levels[4].starts[1] == 1
    model = small_model().train()
    train_step(model, [tiny, small_scan(22)])
    assert all(parameter.grad is not None and parameter.grad.isfinite().all()
               for parameter in model.parameters())
