"""Votes of voxels for object centers, and the seeds of the queries."""

from dataclasses import replace

from mask3d_core.errors import InputError
from mask3d_core.model import Mask3D, ModelConfig
from mask3d_core.model.votes import choose_seeds, VoteHead, Votes
from mask3d_core.scan import Scan
from mask3d_core.sparse import build_pyramid
from mask3d_core.voxels import batch_coords, Voxelization, voxelize
import numpy as np
import pytest
import torch
from torch import Tensor

SMALL = ModelConfig(backbone='Res16UNet14A', num_classes=2, hidden_dim=16, feedforward_dim=16,
                    num_heads=2, num_queries=4, levels=(0, 1), queries='fps_feature', votes=True)
OBJECT, NOTHING = [5.0, 0, 0], [0, 0, 5.0]


def votes(positions: list[list[float]], shift: list[float], logits: list[list[float]]) -> Votes:
    """Return votes `shift` metres above their voxels."""
    above = torch.tensor([[0.0, 0, length] for length in shift])
    return Votes(torch.tensor(positions), torch.tensor(positions) + above, torch.tensor(logits))


def test_untrained_votes_are_the_voxels_themselves() -> None:
    positions = torch.randn(50, 3)
    found = VoteHead(8, 2)(torch.randn(50, 8), positions)
    assert torch.equal(found.centers, positions) and found.class_logits.shape == (50, 3)


def test_queries_start_at_objects_far_from_each_other() -> None:
    found = votes([[0, 0, 0], [9, 9, 9], [0.01, 0, 0], [2, 0, 0], [3, 0, 0]], [0.1] * 5,
                  [OBJECT, NOTHING, OBJECT, OBJECT, OBJECT])
    assert choose_seeds(found, 3).tolist() == [0, 4, 3]


def test_distances_are_relative_to_object_size() -> None:
    """Two small objects 20 cm apart get two seeds, two voxels of a bed 60 cm apart one."""
    found = votes([[0, 0, 0], [0.6, 0, 0], [2, 0, 0], [2.2, 0, 0]], [0.95, 0.95, 0.05, 0.05],
                  [OBJECT] * 4)
    assert sorted(choose_seeds(found, 3).tolist()) == [0, 2, 3]


def test_without_objects_queries_start_anywhere() -> None:
    found = votes([[0, 0, 0], [1, 0, 0]], [0, 0], [NOTHING, NOTHING])
    assert choose_seeds(found, 4).tolist() == [0, 1, 0, 0]


@pytest.fixture
def model() -> Mask3D:
    torch.manual_seed(0)
    return Mask3D(SMALL).eval()


def predict(model: Mask3D, **options: object) -> list:
    xyz = np.random.default_rng(0).uniform(0, 3, (2000, 3)) * (1, 1, 0.1)
    gray = np.linspace(0.49, 0.51, 3000).reshape(1000, 3)
    scans = [voxelize(Scan.from_points(part, gray),
                      Voxelization(0.1, 'mean', (0.5,) * 3, (0.3,) * 3))
             for part in (xyz[:1000], xyz[1000:])]
    return model(scans, build_pyramid(batch_coords(scans)), **options)


def test_votes_of_a_batch_are_those_of_each_scan(model: Mask3D) -> None:
    def first(shift: Tensor) -> Votes:
        with torch.no_grad():
            model.votes.shift.bias.copy_(shift)  # type: ignore[union-attr]
            found = predict(model, every_step=True)[0][0].votes
        assert found is not None
        return found

    near, far = first(torch.zeros(3)), first(torch.tensor([1.0, 2, 3]))
    torch.testing.assert_close(near.positions.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(near.centers, near.positions)
    torch.testing.assert_close(far.centers, far.positions + torch.tensor([1.0, 2, 3]))


def test_mask_losses_do_not_train_votes(model: Mask3D) -> None:
    predict(model, every_step=True)[-1][0].mask_logits.sum().backward()
    assert model.votes is not None and model.votes.shift.weight.grad is None
    assert model.head.windows is not None
    assert float(model.head.windows.head.weight.grad.abs().sum()) > 0  # type: ignore[union-attr]


@pytest.mark.parametrize('change', [{'queries': 'learned'}, {'on_segments': True}])
def test_votes_need_masks_on_voxels(change: dict) -> None:
    with pytest.raises(InputError, match='with votes, queries start at voxels'):
        replace(SMALL, **change)
