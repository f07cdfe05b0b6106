"""Predicted mask IoUs: their loss, and weights that have no such head yet."""

from __future__ import annotations

from mask3d_core.model import StepPrediction
from mask3d_core.training.iou_loss import actual_iou, iou_loss
from mask3d_core.training.targets import Targets
import torch
from torch import Tensor

MASKS = torch.tensor([[1., 1, 1, 1], [1., 0, 0, 0], [-1., -1, -1, -1]]).t()  # [V, Q] logits


def predicted(iou_logits: Tensor | None) -> StepPrediction:
    """Return three queries on four voxels: all of them, the first one, none."""
    return StepPrediction(torch.zeros(3, 2), MASKS.t() * 2 - 1, torch.eye(4), None, iou_logits)


def targets(masks: list[list[int]]) -> Targets:
    return Targets(torch.zeros(len(masks), dtype=torch.int64),
                   torch.tensor(masks, dtype=torch.bool).reshape(-1, 4))


def test_the_actual_iou_is_that_with_the_best_instance() -> None:
    two = targets([[1, 1, 1, 0], [1, 0, 0, 0]])
    torch.testing.assert_close(actual_iou(predicted(None), two), torch.tensor([.75, 1, 0]))
    assert not actual_iou(predicted(None), targets([])).any()


def test_the_loss_is_the_cross_entropy_and_trains_the_logits() -> None:
    logits = torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.SGD([logits], lr=1.0)
    two = targets([[1, 1, 1, 0], [1, 0, 0, 0]])
    first = iou_loss([predicted(logits)], [two])
    torch.testing.assert_close(first.detach(), torch.tensor(2.).log())
    both = iou_loss([predicted(logits)] * 2, [two, two])
    torch.testing.assert_close(both, 2 * first)
    for _ in range(200):
        optimizer.zero_grad()
        iou_loss([predicted(logits)], [two]).backward()
        optimizer.step()
    result = logits.detach().sigmoid()
    assert abs(result[0] - .75) < .02 and result[1] > .95 and result[2] < .05


def test_models_without_the_head_have_no_such_loss() -> None:
    assert iou_loss([predicted(None)], [targets([[1, 0, 0, 0]])]) == 0
