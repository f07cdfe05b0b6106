"""Matching against the definition of its costs, written out."""

from mask3d_core.training.matcher import LossWeights, match, matching_costs, StackedPredictions
from mask3d_core.training.targets import IGNORED_CLASS, Targets
import pytest
import torch
from torch import Tensor
from torch.nn import functional

WEIGHTS = LossWeights()


def random_predictions(rows: int = 700, scale: float = 1.) -> StackedPredictions:
    """Return 3 steps of 6 queries over 4 classes."""
    random = torch.Generator().manual_seed(0)
    return StackedPredictions(torch.randn(3, 6, 5, generator=random),
                      scale * torch.randn(3, 6, 8, generator=random),
                      torch.randn(rows, 8, generator=random))


def random_targets(rows: int = 700) -> Targets:
    """Return 4 instances, one of a class the model does not know."""
    random = torch.Generator().manual_seed(1)
    return Targets(torch.tensor([2, IGNORED_CLASS, 0, 2]),
                   torch.rand(4, rows, generator=random) < .3)


def plain_cost(class_logits: Tensor, mask_logits: Tensor, class_row: int, mask: Tensor) -> float:
    """Compute the cost of one query and one instance, term by term, in float64."""
    target = mask.double()
    probability = 1. if class_row == IGNORED_CLASS else float(class_logits.softmax(0)[class_row])
    entropy = functional.binary_cross_entropy_with_logits(mask_logits, target)
    inside = mask_logits.sigmoid()
    dice = 1 - (2 * (inside * target).sum() + 1) / (inside.sum() + target.sum() + 1)
    return -2 * probability + 5 * float(entropy) + 2 * float(dice)


@pytest.mark.parametrize('rows, scale', [(1, 1.), (700, 1.), (20000, 1.), (700, 40.)])
def test_costs_are_the_definition(rows: int, scale: float) -> None:
    """Also for logits of several hundreds, and for more voxels than fit one chunk."""
    predictions, targets = random_predictions(rows, scale), random_targets(rows)
    costs = matching_costs(predictions, targets, WEIGHTS)
    assert costs.shape == (3, 6, 4)
    logits, embeddings, features = (part.double() for part in predictions)
    for step in range(3):
        for query in range(6):
            for number, (row, mask) in enumerate(zip(targets.class_row.tolist(), targets.masks)):
                wanted = plain_cost(logits[step, query], features @ embeddings[step, query],
                                    row, mask)
                assert float(costs[step, query, number]) == pytest.approx(wanted, rel=2e-6,
                                                                          abs=2e-5)


def test_each_step_finds_its_own_cheapest_pairs() -> None:
    """Queries whose mask is the instance's are matched with it, whatever the step's order."""
    targets = Targets(torch.tensor([0, 1]), torch.tensor([[True] * 3 + [False] * 5,
                                                          [False] * 3 + [True] * 5]))
    features = torch.where(targets.masks, 9., -9.).t().contiguous()
    unit, nowhere = torch.eye(2), torch.tensor([[-1., -1.]])
    embeddings = torch.stack([torch.cat([unit, nowhere]), torch.cat([nowhere, unit.flip(0)])])
    predictions = StackedPredictions(torch.zeros(2, 3, 3), embeddings, features)
    matches = match(predictions, targets, WEIGHTS)
    assert [pairs.queries.tolist() for pairs in matches] == [[0, 1], [1, 2]]
    assert [pairs.targets.tolist() for pairs in matches] == [[0, 1], [1, 0]]


def test_more_instances_than_queries() -> None:
    targets = Targets(torch.zeros(9, dtype=torch.int64), torch.rand(9, 700) < .5)
    for pairs in match(random_predictions(), targets, WEIGHTS):
        assert pairs.queries.tolist() == list(range(6))
        assert len(pairs.targets.unique()) == 6


def test_no_instances() -> None:
    targets = Targets(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 700, dtype=torch.bool))
    matches = match(random_predictions(), targets, WEIGHTS)
    assert [len(pairs.queries) for pairs in matches] == [0] * 3


def test_nan_does_not_stop_the_matching() -> None:
    """The loss is then not finite, and the loop reports in which scan."""
    predictions = random_predictions()
    predictions.embeddings[1, 2] = torch.nan
    assert all(len(pairs.queries) == 4 for pairs in match(predictions, random_targets(), WEIGHTS))
