"""Matching against the definition of its costs, written out."""

from mask3d_core.training.matcher import LossWeights, match, matching_costs, Refinement
from mask3d_core.training.targets import IGNORED, Targets
import pytest
import torch
from torch import Tensor
from torch.nn import functional

WEIGHTS = LossWeights()


def random_refinement(rows: int = 700, scale: float = 1.) -> Refinement:
    """Return 3 steps of 6 queries over 4 classes."""
    random = torch.Generator().manual_seed(0)
    return Refinement(torch.randn(3, 6, 5, generator=random),
                      scale * torch.randn(3, 6, 8, generator=random),
                      torch.randn(rows, 8, generator=random))


def random_targets(rows: int = 700) -> Targets:
    """Return 4 instances, one of a class the model does not know."""
    random = torch.Generator().manual_seed(1)
    return Targets(torch.tensor([2, IGNORED, 0, 2]),
                   torch.rand(4, rows, generator=random) < .3)


def plain_cost(class_logits: Tensor, mask_logits: Tensor, class_row: int, mask: Tensor) -> float:
    """Compute the cost of one query and one instance, term by term, in float64."""
    target = mask.double()
    likely = 1. if class_row == IGNORED else float(class_logits.softmax(0)[class_row])
    entropy = functional.binary_cross_entropy_with_logits(mask_logits, target)
    inside = mask_logits.sigmoid()
    dice = 1 - (2 * (inside * target).sum() + 1) / (inside.sum() + target.sum() + 1)
    return -2 * likely + 5 * float(entropy) + 2 * float(dice)


@pytest.mark.parametrize('rows, scale', [(1, 1.), (700, 1.), (20000, 1.), (700, 40.)])
def test_costs_are_the_definition(rows: int, scale: float) -> None:
    """Also for logits of several hundreds, and for more voxels than one piece holds."""
    refinement, targets = random_refinement(rows, scale), random_targets(rows)
    costs = matching_costs(refinement, targets, WEIGHTS)
    assert costs.shape == (3, 6, 4)
    logits, embeddings, features = (part.double() for part in refinement)
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
    matches = match(Refinement(torch.zeros(2, 3, 3), embeddings, features), targets, WEIGHTS)
    assert [found.queries.tolist() for found in matches] == [[0, 1], [1, 2]]
    assert [found.targets.tolist() for found in matches] == [[0, 1], [1, 0]]


def test_more_instances_than_queries() -> None:
    targets = Targets(torch.zeros(9, dtype=torch.int64), torch.rand(9, 700) < .5)
    for found in match(random_refinement(), targets, WEIGHTS):
        assert found.queries.tolist() == list(range(6))
        assert len(found.targets.unique()) == 6


def test_no_instances() -> None:
    targets = Targets(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 700, dtype=torch.bool))
    matches = match(random_refinement(), targets, WEIGHTS)
    assert [len(found.queries) for found in matches] == [0] * 3


def test_broken_numbers_do_not_stop_the_matching() -> None:
    """The loss is then not finite, and the loop can say in which scan."""
    refinement = random_refinement()
    refinement.embeddings[1, 2] = torch.nan
    assert all(len(found.queries) == 4 for found in match(refinement, random_targets(), WEIGHTS))
