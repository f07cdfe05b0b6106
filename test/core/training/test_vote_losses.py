"""The vote loss against values computed by hand."""

import math

from mask3d_core.model.votes import Votes
from mask3d_core.training.targets import IGNORED_CLASS, Targets
from mask3d_core.training.vote_losses import CENTER_LOSS_PER_METER, vote_loss
import pytest
import torch
from torch import Tensor

EVEN = math.log(3)
"""Cross entropy of three equal logits."""


def votes(places: Tensor, centers: Tensor, logits: Tensor | None = None) -> Votes:
    logits = torch.zeros(len(places), 3) if logits is None else logits
    return Votes(places, centers.requires_grad_(), logits.requires_grad_())


def targets(rows: list[int], masks: list[list[int]]) -> Targets:
    return Targets(torch.tensor(rows, dtype=torch.int64),
                   torch.tensor(masks, dtype=torch.bool))


def test_voxels_of_an_object_vote_for_its_center() -> None:
    places = torch.tensor([[0.0, 0, 0], [2, 0, 0], [7, 7, 7]])
    right = torch.tensor([[1.0, 0, 0], [1, 0, 0], [9, 9, 9]])  # votes of walls do not count
    target = targets([1], [[1, 1, 0]])
    assert vote_loss([votes(places, right)], [target]).item() == pytest.approx(EVEN, abs=1e-6)
    off = right + torch.tensor([0.0, 3, 4])
    loss = vote_loss([votes(places, off)], [target])
    assert loss.item() == pytest.approx(EVEN + 5 * CENTER_LOSS_PER_METER)


def test_voxels_of_large_objects_have_smaller_weights() -> None:
    places = torch.zeros(5, 3)
    centers = torch.zeros(5, 3)
    centers[4, 0] = 1.0  # the object of one voxel is wrong, that of four is right
    voted, target = votes(places, centers), targets([0, 0], [[1, 1, 1, 1, 0], [0, 0, 0, 0, 1]])
    # 4 voxels of 1/2, 1 of 1
    assert vote_loss([voted], [target]).item() == pytest.approx(EVEN + CENTER_LOSS_PER_METER / 3)


def test_background_is_no_object_and_unknown_classes_are_ignored() -> None:
    logits = torch.tensor([[9.0, 0, 0], [0, 0, 9]])
    voted = votes(torch.zeros(2, 3), torch.zeros(2, 3), logits)
    wrong = vote_loss([voted], [targets([1], [[1, 0]])])
    unknown = vote_loss([voted], [targets([IGNORED_CLASS], [[1, 0]])])
    assert wrong.item() > 4 and unknown.item() < 0.01


def test_scans_are_summed_and_one_without_objects_has_gradients() -> None:
    empty = votes(torch.zeros(2, 3), torch.zeros(2, 3))
    nothing = Targets(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 2, dtype=torch.bool))
    both = vote_loss([empty, empty, None], [nothing] * 3)
    assert both.item() == pytest.approx(2 * EVEN)
    both.backward()
    assert empty.centers.grad is not None and not empty.centers.grad.any()
    assert empty.class_logits.grad is not None and empty.class_logits.grad.any()


def test_without_votes_there_is_no_loss() -> None:
    assert vote_loss([None], [targets([0], [[1, 1]])]).item() == 0
