"""Losses against torch's own, gradients against finite differences."""

from dataclasses import replace

from mask3d_core.model import StepPrediction
from mask3d_core.training.losses import compute_loss, sample_voxels
from mask3d_core.training.mask_losses import MaskLosses
from mask3d_core.training.matcher import LossWeights, match, StackedPredictions
from mask3d_core.training.targets import IGNORED_CLASS, Targets
import pytest
import torch
from torch import Tensor
from torch.nn import functional


def random_steps(scan: int, rows: int, steps: int = 3) -> list[StepPrediction]:
    """Return predictions of 6 queries over 4 classes for a scan, in float64 with gradients."""
    random = torch.Generator().manual_seed(scan)

    def values(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, dtype=torch.float64).requires_grad_()

    features = values(rows, 8)
    return [StepPrediction(values(6, 5), values(6, 8), features) for _ in range(steps)]


def random_targets(scan: int, rows: int, count: int = 4) -> Targets:
    """Return instances of which the second has a class the model does not know."""
    random = torch.Generator().manual_seed(scan + 100)
    class_row = torch.randint(0, 4, (count,), generator=random)
    class_row[1:2] = IGNORED_CLASS
    return Targets(class_row, torch.rand(count, rows, generator=random) < .3)


def plain_loss(steps: list[list[StepPrediction]], targets: list[Targets]) -> Tensor:
    """Compute the loss step by step and scan by scan, from whole masks."""
    weight = torch.tensor([1., 1, 1, 1, .1], dtype=torch.float64)
    total = torch.zeros((), dtype=torch.float64)
    for scans in steps:
        wanted = []
        for prediction, target in zip(scans, targets):
            pairs = match(StackedPredictions.stack([prediction]), target, LossWeights())[0]
            classes = torch.full((6,), 4)
            classes[pairs.queries] = target.class_row[pairs.targets]
            wanted.append(classes)
            logits = prediction.mask_logits.t()[pairs.queries]
            masks = target.masks[pairs.targets].double()
            probability = logits.sigmoid()
            dice = 1 - ((2 * (probability * masks).sum(1) + 1)
                        / (probability.sum(1) + masks.sum(1) + 1))
            total = (total + 2 * dice.mean()
                     + 5 * functional.binary_cross_entropy_with_logits(logits, masks))
        total = total + 2 * functional.cross_entropy(
            torch.cat([prediction.class_logits for prediction in scans]), torch.cat(wanted),
            weight, ignore_index=IGNORED_CLASS)
    return total


def leaves(steps: list[list[StepPrediction]]) -> list[Tensor]:
    """Return every tensor the loss depends on, once."""
    return list({id(part): part for scans in steps for prediction in scans
                 for part in prediction[:3]}.values())


def test_loss_and_gradients_are_those_of_the_definition() -> None:
    rows = (90, 3000)
    steps = [list(scans) for scans in zip(*(random_steps(i, n) for i, n in enumerate(rows)))]
    targets = [random_targets(i, n) for i, n in enumerate(rows)]
    loss, wanted = compute_loss(steps, targets), plain_loss(steps, targets)
    torch.testing.assert_close(loss.total, wanted, rtol=1e-10, atol=0)
    ours = torch.autograd.grad(loss.total, leaves(steps))
    for grad, expected in zip(ours, torch.autograd.grad(wanted, leaves(steps))):
        torch.testing.assert_close(grad, expected, rtol=1e-8, atol=1e-10)


def test_total_is_the_weighted_sum_of_the_terms() -> None:
    steps = [[prediction] for prediction in random_steps(0, 50)]
    weights = LossWeights(classes=3., masks=.5, dice=7.)
    loss = compute_loss(steps, [random_targets(0, 50)], weights)
    assert set(loss.terms) == {'class', 'mask', 'dice', 'class_0', 'mask_0', 'dice_0',
                               'class_1', 'mask_1', 'dice_1'}
    weight_of = {'class': 3., 'mask': .5, 'dice': 7.}
    total = sum(weight_of[name.split('_')[0]] * value for name, value in loss.terms.items())
    torch.testing.assert_close(loss.total.detach(), total)


def test_gradients_of_the_mask_losses() -> None:
    features, embeddings = random_steps(0, 30)[0][2], random_steps(1, 30)[0][1]
    members, matched = (torch.rand(30, 3) < .4).double(), torch.tensor([2, 0, 1, 1, 2, 0])
    assert torch.autograd.gradcheck(
        lambda x, e: MaskLosses.apply(x, e, members, matched), (features, embeddings))


def test_a_scan_without_instances_trains_no_object() -> None:
    steps = [[prediction] for prediction in random_steps(0, 50)]
    loss = compute_loss(steps, [random_targets(0, 50, 0)])
    loss.total.backward()
    assert float(loss.terms['mask']) == float(loss.terms['dice']) == 0
    grad = steps[0][0].class_logits.grad
    assert grad is not None and (grad[:, -1] < 0).all()


def test_instances_of_unknown_classes_are_ignored_in_the_class_loss() -> None:
    steps = [[prediction] for prediction in random_steps(0, 50)]
    foreign = replace(random_targets(0, 50, 6), class_row=torch.full((6,), IGNORED_CLASS))
    loss = compute_loss(steps, [foreign])
    assert float(loss.terms['class']) == 0 and float(loss.terms['mask']) > 0


@pytest.mark.parametrize('logit', [-90., 90.])
def test_extreme_logits_in_float32(logit: float) -> None:
    """A confident wrong mask costs the logit, a confident right one nothing; never infinity."""
    features = torch.full((100, 1), logit, requires_grad=True)
    steps = [[StepPrediction(torch.tensor([[0., 200.]]), torch.ones(1, 1), features)]]
    right = Targets(torch.tensor([0]), torch.full((1, 100), logit > 0))
    wrong = replace(right, masks=~right.masks)
    assert float(compute_loss(steps, [right]).terms['mask']) < 1e-30
    loss = compute_loss(steps, [wrong])
    loss.total.backward()
    assert float(loss.terms['mask']) == 90 and float(loss.terms['class']) == 200
    assert features.grad is not None and features.grad.isfinite().all()


def test_half_precision_is_computed_in_single() -> None:
    steps = [[StepPrediction(*(part.detach().bfloat16() for part in prediction[:3]))]
             for prediction in random_steps(0, 4000)]
    exact = [[StepPrediction(*(part.float() for part in scan[0][:3]))] for scan in steps]
    targets = [random_targets(0, 4000)]
    with torch.autocast('cpu', dtype=torch.bfloat16):
        loss = compute_loss(steps, targets)
    assert loss.total.dtype == torch.float32
    torch.testing.assert_close(loss.total, compute_loss(exact, targets).total, rtol=0, atol=0)


def test_masks_and_features_are_of_the_same_sampled_voxels() -> None:
    features = torch.arange(50.)[:, None]
    steps = [[StepPrediction(torch.zeros(2, 3), torch.ones(2, 1), features)]] * 2
    targets = Targets(torch.tensor([0]), features.t() % 2 == 0)
    sampled, (kept,) = sample_voxels(steps, [targets], 20, torch.Generator().manual_seed(0))
    rows = sampled[0][0].mask_features[:, 0]
    assert len(rows.unique()) == 20 and torch.equal(sampled[1][0].mask_features[:, 0], rows)
    assert torch.equal(kept.masks[0], rows % 2 == 0)
