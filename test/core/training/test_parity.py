"""A training step equals the original's: losses, matches, gradients, batch statistics."""

from typing import Any, NamedTuple

from golden_model import golden_model, golden_scans, golden_seeds
from mask3d_core.model import Mask3D, StepPrediction
from mask3d_core.original.names import renames
from mask3d_core.sparse import build_pyramid
from mask3d_core.training.losses import compute_loss, Loss
from mask3d_core.training.matcher import LossWeights, match, StackedPredictions
from mask3d_core.training.targets import IGNORED_CLASS, Targets
from mask3d_core.voxels import batch_coords
import numpy as np
import pytest
import torch

CASES = ('micro_train', 'tiny_train', 'tiny_train_segments')
# Three times what an independent float32 re-derivation reached (the golden data's README).
LOGITS, MASKS, LOSS, TOTAL, GRADIENT_NORM = 3.6e-5, 3.9e-4, 1.8e-5, 1.8e-4, 3.6e-3
STATISTICS = 3e-5
FOREIGN = 253
"""The original's label of an instance whose class is not of the benchmark."""


class Step(NamedTuple):
    """One golden case, and our training step on it."""

    case: Any
    model: Mask3D
    steps: list[list[StepPrediction]]
    targets: list[Targets]
    loss: Loss


def golden_targets(case: Any, on_segments: bool) -> list[Targets]:
    """Unpack the targets of a case."""
    targets = []
    for scan in range(len(case['fps_idx'])):
        labels = torch.from_numpy(case[f'tgt_labels_b{scan}'])
        rows = len(case[f'seg_b{scan}'])
        name = 'masks'
        if on_segments:
            name, rows = 'segment_mask', int(case[f'seg_b{scan}'].max()) + 1
        masks = np.unpackbits(case[f'tgt_{name}_b{scan}'], axis=-1, count=rows).astype(bool)
        targets.append(Targets(labels.where(labels != FOREIGN, torch.tensor(IGNORED_CLASS)),
                               torch.from_numpy(masks)))
    return targets


@pytest.fixture(scope='module', params=CASES)
def step(request: pytest.FixtureRequest, golden: Any, golden_json: Any) -> Step:
    """Run forward, losses and backward of a golden case."""
    case, model = golden(request.param), golden_model(golden_json(request.param)).train()
    scans = golden_scans(case)
    steps = model(scans, build_pyramid(batch_coords(scans)), seeds=golden_seeds(case),
                  every_step=True)
    targets = golden_targets(case, model.config.on_segments)
    loss = compute_loss(steps, targets)
    loss.total.backward()
    return Step(case, model, steps, targets, loss)


def test_predictions(step: Step) -> None:
    for number, scans in enumerate(step.steps):
        for scan, prediction in enumerate(scans):
            np.testing.assert_allclose(prediction.class_logits.detach().numpy(),
                                       step.case['pred_logits'][number, scan], atol=LOGITS)
            rows = int(step.case[f'pred_masks_b{scan}_step'])
            np.testing.assert_allclose(prediction.mask_logits.detach().numpy()[::rows],
                                       step.case[f'pred_masks_b{scan}'][number], atol=MASKS)


def test_losses(step: Step) -> None:
    ours = {'ce': 'class', 'mask': 'mask', 'dice': 'dice'}
    assert len(step.loss.terms) == len(step.case['loss_names'])
    for name, wanted in zip(step.case['loss_names'], step.case['loss_values']):
        _, part, *number = str(name).split('_')
        value = step.loss.terms['_'.join([ours[part], *number])]
        assert float(value) == pytest.approx(float(wanted), abs=LOSS), name
    total = float(step.loss.total.detach())
    assert total == pytest.approx(float(step.case['loss_total']), abs=TOTAL)


def test_matches(step: Step) -> None:
    """Except for the first step, where all queries are still equal."""
    last = len(step.steps) - 1
    for scan, targets in enumerate(step.targets):
        predictions = StackedPredictions.stack([scans[scan] for scans in step.steps])
        for number, pairs in enumerate(match(predictions, targets, LossWeights())):
            name = 'final' if number == last else f'aux{number}'
            if number > 0:
                np.testing.assert_array_equal(torch.stack([pairs.queries, pairs.targets]).numpy(),
                                              step.case[f'match_{name}_b{scan}'])


def test_every_gradient(step: Step) -> None:
    ours = dict(step.model.named_parameters())
    squares: dict[str, float] = {}
    for rename in renames(step.model.config):
        if rename.ours in ours:
            grad = ours[rename.ours].grad
            assert grad is not None, rename.ours
            squares[rename.original] = (squares.get(rename.original, 0.)
                                        + float(grad.double().square().sum()))
    norms = dict(zip(step.case['grad_names'], step.case['grad_norms']))
    assert set(norms) - set(step.case['grad_none']) == set(squares)
    for name, square in squares.items():
        assert square ** .5 == pytest.approx(norms[name], rel=GRADIENT_NORM), name


def test_stored_gradients(step: Step) -> None:
    ours, compared = dict(step.model.named_parameters()), 0
    for rename in renames(step.model.config):
        stored = f'grad/{rename.original}'
        if rename.ours in ours and stored in step.case:
            wanted = rename.reshape(torch.from_numpy(step.case[stored]))
            grad = ours[rename.ours].grad
            assert grad is not None
            assert (grad - wanted).norm() <= GRADIENT_NORM * wanted.norm(), rename.ours
            compared += 1
    assert compared


def test_batch_norm_statistics(step: Step) -> None:
    state, names = step.model.state_dict(), {}
    for rename in renames(step.model.config):
        names[rename.original] = rename.ours
    norms = dict(zip(step.case['bn_names'], step.case['bn_norms_after']))
    assert norms
    for name, norm in norms.items():
        assert float(state[names[name]].norm()) == pytest.approx(norm, rel=STATISTICS), name
    for stored in (name for name in step.case if name.startswith('bn/')):
        np.testing.assert_allclose(state[names[stored[3:]]].numpy(), step.case[stored],
                                   atol=STATISTICS)
